"""The panel and a job's own view, in a real JupyterLab, over a slow link."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import Locator, expect

from .conftest import OpenNotebook
from .lab import Lab

MONTH = 'session.load("stocks_minute", "2024-01-02", "2024-01-31", symbols="AAPL")'
TWO_WEEKS = MONTH.replace("01-31", "01-16")


def received(view: Locator) -> str:
    """The panel's figure of bytes received."""
    return view.locator(".flatnb-figures td").nth(3).inner_text()


def test_the_panel_moves_while_a_cell_is_busy(open_notebook: OpenNotebook, begin: str) -> None:
    """Both displays agree; afterwards they are plain HTML, with the same figures."""
    load = MONTH if Lab.takes_pictures() else TWO_WEEKS  # a film takes as long as a month
    lab = open_notebook(begin, "session.panel()", "session.stats", load)
    lab.run(0)
    lab.run(1)
    lab.run(2)
    assert "text/html" in lab.outputs(1)[0]["data"]
    lab.start(3)
    panel, stats = (lab.cell(index).locator(".flatnb") for index in (1, 2))
    expect(panel.get_by_role("status")).to_have_text("loading")
    expect(panel.locator(".flatnb-files tr").first).to_be_visible()
    seen = set()
    for _ in range(5):
        seen.add(received(panel))
        time.sleep(0.5)
    assert lab.is_running(3)
    assert len(seen) >= 4
    lab.picture("panel-live", panel)
    lab.film("panel", panel, pictures=12, every_s=0.7)
    assert len(lab.outputs(3)) == 0  # no second bar
    lab.wait(3)
    expect(panel.get_by_role("status")).to_have_text("done")
    assert received(panel) == received(stats)
    assert re.fullmatch(r"\d+\.\d MB", received(panel))
    assert "application/vnd.jupyter.widget-view+json" not in lab.save()
    lab.picture("panel-done", panel)


def test_cancel_while_a_cell_is_busy(open_notebook: OpenNotebook, begin: str) -> None:
    """The click is heard over a subshell; a change in ipykernel or JupyterLab would show here."""
    lab = open_notebook(begin, MONTH, "session.stats.totals.running")
    lab.run(0)
    lab.start(1)
    cancel = lab.cell(1).get_by_role("button", name="Cancel stocks_minute")
    cancel.click()
    clicked = time.monotonic()
    lab.wait(1)
    assert time.monotonic() - clicked < 2
    assert "LoadCancelledError" in str(lab.outputs(1)[-1])
    expect(lab.cell(1).locator(".flatnb-job")).to_contain_text("cancelled in")
    lab.run(2)
    assert lab.text(2) == "0"


def test_notebook7(open_in_notebook7: OpenNotebook, begin: str) -> None:
    """The panel moves and Cancel is heard there as well."""
    lab = open_in_notebook7(begin, "session.panel()", MONTH)
    lab.run(0)
    lab.run(1)
    lab.start(2)
    panel = lab.cell(1).locator(".flatnb")
    first = received(panel)
    expect(panel.get_by_role("status")).to_have_text("loading")
    expect(panel.locator(".flatnb-figures td").nth(3)).not_to_have_text(first)
    panel.get_by_role("button", name=re.compile("Cancel")).click()
    lab.wait(2)
    expect(panel.get_by_role("status")).to_have_text("cancelled")
    lab.picture("notebook7")


def test_a_background_job(open_notebook: OpenNotebook, begin: str) -> None:
    """Its view moves while another cell runs; Cancel by keyboard; a late click hits no other."""
    start = MONTH.replace("load", "start")
    lab = open_notebook(begin, f"job = {start}\njob", "sum(range(10))", "job.status.state")
    for index in range(3):
        lab.run(index)
    assert lab.text(2) == "45"
    view = lab.cell(1).locator(".flatnb-job")
    expect(view).to_contain_text("files")
    lab.picture("job-live", lab.cell(1))
    view.get_by_role("button", name=re.compile("Cancel")).focus()
    lab.page.keyboard.press("Enter")
    expect(view).to_contain_text("cancelled in")
    lab.run(3)
    assert lab.text(3) == "'cancelled'"


@pytest.mark.parametrize(
    ("theme", "width"), [("JupyterLab Light", 700), ("JupyterLab Dark", 700)], ids=["light", "dark"]
)
def test_looks(open_notebook: OpenNotebook, begin: str, theme: str, width: int) -> None:
    """At 700 px nothing is cut off, in both themes."""
    lab = open_notebook(begin, "session.panel()", MONTH, width=width)
    lab.theme(theme)
    lab.run(0)
    lab.run(1)
    lab.start(2)
    panel = lab.cell(1).locator(".flatnb")
    # With all its parts: a rate, a bar for each running file, and files that are done.
    expect(panel.locator(".flatnb-line")).to_be_visible()
    expect(panel.locator(".flatnb-files tr").first).to_be_visible()
    expect(panel.locator(".flatnb-figures td").first).not_to_have_text("0", timeout=15_000)
    lab.picture(f"panel-{theme[-5:].strip().lower()}", panel)
    assert not overflows(panel)
    lab.command("notebook:interrupt-kernel")
    lab.wait(2)


def overflows(part: Locator) -> bool:
    """Whether anything sticks out to the right."""
    return bool(
        part.evaluate(
            """el => [...el.querySelectorAll("*")].some(part =>
                part.getBoundingClientRect().right > el.getBoundingClientRect().right + 1)"""
        )
    )
