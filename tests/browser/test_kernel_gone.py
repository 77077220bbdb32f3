"""Views whose kernel is gone, or busy without a subshell: they say so and promise nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from .conftest import OpenNotebook, opened_in
from .jupyter import JupyterServer

GONE = "kernel gone: run the cell again"
START = 'session.start("stocks_minute", "2024-01-02", "2024-03-28")'


def test_after_a_restart_nothing_claims_to_load(open_notebook: OpenNotebook, begin: str) -> None:
    """Panel, job and picker say what to do; no button is left that would throw."""
    picker = (
        'picker = session.picker(); picker.choose(start="2024-01-02", end="2024-01-03"); picker'
    )
    lab = open_notebook(begin, "session.panel()", picker, f"job = {START}; job")
    for index in range(4):
        lab.run(index)
    panel = lab.cell(1).locator(".flatnb")
    expect(panel.get_by_role("status").filter(has_text="loading")).to_be_visible()
    expect(lab.cell(3).get_by_role("button", name="Cancel")).to_be_visible()
    lab.page.evaluate(
        """() => { const panel = window.jupyterapp.shell.currentWidget;
            void panel.sessionContext.session.kernel.restart() }"""
    )
    for index in (1, 2, 3):
        expect(lab.cell(index).locator(".flatnb-connection")).to_have_text(GONE)
    expect(panel.locator(".flatnb-state")).to_have_text("kernel gone")
    expect(lab.cell(3).locator(".flatnb").get_by_role("button")).to_have_count(0)
    expect(panel.get_by_role("button")).to_have_count(0)
    for name in ("Load", "A month back"):
        expect(lab.cell(2).get_by_role("button", name=name, exact=True)).to_be_disabled()
    # The line of code is there again, by which the cell can be repeated without the picker.
    expect(lab.cell(2).locator(".flatnb-code")).to_contain_text('"2024-01-02", "2024-01-03"')
    lab.picture("gone", lab.cell(2))
    # A kernel that is being started cannot be shut down.
    lab.wait_for_kernel()


def test_after_the_kernel_died(open_notebook: OpenNotebook, begin: str) -> None:
    """It is started again by itself, and does not know the views any more."""
    lab = open_notebook(begin, f"job = {START}; job", "import os, signal; os.kill(os.getpid(), 9)")
    lab.run(0)
    lab.run(1)
    expect(lab.cell(1).get_by_role("button", name="Cancel")).to_be_visible()
    lab.start(2)
    expect(lab.cell(1).locator(".flatnb-connection")).to_have_text(GONE, timeout=30_000)
    dialog = lab.page.locator(".jp-Dialog button")
    if dialog.count():
        dialog.first.click()


def test_a_saved_picker_shows_its_line(open_notebook: OpenNotebook, begin: str) -> None:
    """Reopened without the widget; while the picker is there the line is hidden."""
    lab = open_notebook(begin, "picker = session.picker(); picker")
    lab.run(0)
    lab.run(1)
    start = lab.cell(1).get_by_label("From", exact=True)
    start.fill("2024-01-02")
    start.press("Enter")
    code = lab.cell(1).locator(".flatnb-buttons code")
    expect(code).to_contain_text('"2024-01-02"')
    saved = lab.cell(1).locator(".flatnb-code")
    expect(saved).to_have_count(1)
    expect(saved).to_be_hidden()
    shown = code.inner_text()
    expect(saved).to_have_text(shown)
    content = json.loads(lab.save())
    # As by a viewer that keeps no widgets.
    content["metadata"].pop("widgets", None)
    lab.path.write_text(json.dumps(content), encoding="utf-8")
    lab.reopen()
    expect(saved).to_be_visible()
    assert saved.inner_text() == shown
    lab.picture("picker-saved", lab.cell(1))


@pytest.fixture(scope="module")
def no_subshells(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    """A JupyterLab that sends the messages of widgets to the main shell, as older ones do."""
    pytest.importorskip("jupyterlab")
    server = JupyterServer(tmp_path_factory.mktemp("no-subshells"))
    server.settings["@jupyterlab/apputils-extension:kernels-settings"] = {
        "commsOverSubshells": "disabled"
    }
    with server:
        yield server


def test_a_busy_kernel_without_subshells(
    no_subshells: JupyterServer, browser: Browser, begin: str, tmp_path: Path
) -> None:
    """Cancel says that it is not heard; the picker keeps the choice until it is."""
    busy = "import time\nfor _ in range(60): time.sleep(0.1)"
    last = "print(picker.form.start, picker.form.end, picker.form.data_type)"
    with (
        closing(browser.new_context()) as context,
        opened_in(no_subshells, context, tmp_path.name) as open_notebook,
    ):
        lab = open_notebook(
            begin, "picker = session.picker(); picker", f"job = {START}; job", busy, last
        )
        for index in range(3):
            lab.run(index)
        cell = lab.cell(1)
        start = cell.get_by_label("From", exact=True)
        start.fill("2024-01-31")
        start.press("Enter")
        cell.locator('button[data-date="2024-01-09"]').wait_for()
        lab.start(3)
        lab.cell(2).get_by_role("button", name="Cancel").click()
        cell.locator('button[data-date="2024-01-09"]').click()
        cell.locator('button[data-date="2024-01-11"]').click()
        cell.get_by_label("Data").select_option("stocks_minute")
        expect(lab.cell(2).locator(".flatnb-connection")).to_have_text("kernel busy: use ■")
        expect(cell.locator(".flatnb-connection")).to_contain_text(
            "kernel busy: your choice is kept"
        )
        chosen = cell.locator('button[data-date="2024-01-10"]')
        assert chosen.get_attribute("aria-selected") == "true"
        assert cell.get_by_label("Data").input_value() == "stocks_minute"
        lab.picture("busy", lab.cell(1))
        lab.wait(3)
        expect(cell.locator(".flatnb-connection")).to_have_text("")
        lab.run(4)
        assert lab.text(4).split() == ["2024-01-09", "2024-01-11", "stocks_minute"]
        expect(lab.cell(2).locator(".flatnb-job")).to_contain_text("cancelled in")
