"""The explorer and the chart in a real JupyterLab."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import Locator, expect

from flatnb.demo import DemoServer
from tests import notebooks

from .conftest import OpenNotebook
from .contrast import least_contrast
from .test_panel import overflows

THEMES = pytest.mark.parametrize(
    "theme", ["JupyterLab Light", "JupyterLab Dark"], ids=["light", "dark"]
)


@pytest.fixture
def begin(demo_server: DemoServer) -> str:
    """A first cell: four days of minutes, from the tests' own server."""
    return f"""
from flatnb import FlatSession
import polars as pl
session = FlatSession("a", "b", endpoint_url={demo_server.endpoint_url!r}, cache=False)
df = session.load("stocks_minute", "2024-01-02", "2024-01-05", progress=False)
"""


def code_of(view: Locator) -> str:
    """The expression that is shown."""
    return view.locator(".flatnb-code-line code").inner_text()


def test_every_interaction_is_code(open_notebook: OpenNotebook, begin: str) -> None:
    """A ticker by search and click, a range by brushing; the code gives the same rows."""
    again = "same = eval(explorer.code)\nprint(same.equals(explorer.result), same.height)"
    saved = "import glob; print(pl.read_parquet(glob.glob('flatnb-*.parquet')[0]).height)"
    lab = open_notebook(
        begin, "explorer = session.explore(df); explorer", again, saved, height=1200
    )
    lab.run(0)
    lab.run(1)
    view = lab.cell(1).locator(".flatnb-explorer")
    expect(view.get_by_role("option").first).to_be_visible()
    assert code_of(view) == "df"
    view.get_by_label("Search tickers").fill("msf")
    expect(view.get_by_role("option")).to_have_count(1)
    view.get_by_role("option").click()
    expect(view.locator(".flatnb-code-line code")).to_have_text(
        'df.filter(pl.col("ticker") == "MSFT")'
    )
    expect(view.locator("canvas").first).to_be_visible()
    tickers = view.locator("[role=table] .flatnb-grid-row span:nth-child(2)")
    expect(tickers.first).to_have_text("MSFT")
    bins = view.get_by_role("img", name="close: drag to filter")
    expect(bins).to_be_visible()
    bins.scroll_into_view_if_needed()
    box = bins.bounding_box()
    assert box is not None
    lab.page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 10)
    lab.page.mouse.down()
    lab.page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 10, steps=4)
    lab.page.mouse.up()
    expect(view.locator(".flatnb-code-line code")).to_contain_text(
        'df.filter(pl.col("ticker") == "MSFT", pl.col("close").is_between('
    )
    lab.run(2)
    found = lab.text(2).split()
    assert found[0] == "True"
    status = view.get_by_role("status").first.inner_text()
    assert status.startswith(f"{int(found[1]):,} of ")
    view.get_by_role("button", name="Save Parquet").click()
    expect(view.get_by_text("saved flatnb-MSFT.parquet")).to_be_visible()
    lab.run(3)
    assert lab.text(3).split() == [found[1]]
    view.get_by_role("button", name="Clear filters").click()
    expect(view.locator(".flatnb-code-line code")).to_have_text("df")
    expect(tickers.first).to_have_text("A")


def test_only_what_is_seen_goes_to_the_page(open_notebook: OpenNotebook, begin: str) -> None:
    """The lists hold few rows, and others come when one scrolls there."""
    lab = open_notebook(begin, "explorer = session.explore(df); explorer", height=1200)
    lab.run(0)
    lab.run(1)
    grid = lab.cell(1).get_by_role("table", name="Rows")
    rows = grid.locator(".flatnb-grid-row")
    expect(rows.first).to_be_visible()
    assert rows.count() < 60
    before = rows.first.inner_text()
    grid.evaluate("el => { el.scrollTop = 24 * 20000 }")
    expect(rows.first).not_to_have_text(before)
    assert rows.count() < 60


@THEMES
@pytest.mark.parametrize("width", [520, 700, 1300])
def test_the_explorer_is_readable(
    open_notebook: OpenNotebook, begin: str, theme: str, width: int
) -> None:
    """Contrasts of 4.5 and 3; nothing sticks out."""
    lab = open_notebook(begin, "session.explore(df)", width=width, height=1300)
    lab.theme(theme)
    lab.run(0)
    lab.run(1)
    view = lab.cell(1).locator(".flatnb-explorer")
    view.get_by_role("option").nth(2).click()
    expect(view.locator("canvas").first).to_be_visible()
    expect(view.locator(".flatnb-histogram")).to_have_count(8)
    lab.page.wait_for_timeout(1500)
    lab.picture(f"explorer-{theme[-5:].strip().lower()}-{width}", view)
    text, control = least_contrast(view)
    assert text[0] >= 4.5, text
    assert control[0] >= 3, control
    body = view.locator(".flatnb-explorer-body")
    assert not overflows(body)


@THEMES
def test_the_chart(open_notebook: OpenNotebook, begin: str, theme: str) -> None:
    """Intervals, crosshair, zoom; a picture of it where the widget cannot be."""
    from nbformat.sign import NotebookNotary

    lab = open_notebook(begin, 'session.chart(df, "AAPL")', height=1000)
    lab.theme(theme)
    lab.run(0)
    lab.run(1)
    view = lab.cell(1).locator(".flatnb-chart")
    canvas = view.locator("canvas").first
    expect(canvas).to_be_visible()
    five = view.get_by_role("button", name="5 min", exact=True)
    expect(five).to_have_attribute("aria-pressed", "true")
    legend = view.locator(".flatnb-legend-line")
    expect(legend).to_contain_text("AAPL · 2024-01-05 19:5")
    view.get_by_role("button", name="1 hour").click()
    expect(legend).to_contain_text("2024-01-05 19:00")
    lab.page.wait_for_timeout(1200)
    lab.picture(f"chart-{theme[-5:].strip().lower()}", view)
    box = canvas.bounding_box()
    assert box is not None
    lab.page.mouse.move(box["x"] + 60, box["y"] + 100)
    expect(legend).to_contain_text("2024-01-02")
    first = legend.inner_text()
    lab.page.mouse.wheel(0, -600)
    lab.page.mouse.move(box["x"] + 61, box["y"] + 101)
    expect(legend).not_to_have_text(first)
    text, control = least_contrast(view)
    assert text[0] >= 4.5, text
    assert control[0] >= 3, control
    picture = lab.cell(1).locator("svg.flatnb-candles")
    expect(picture).to_be_hidden()
    content = json.loads(lab.save())
    content["metadata"].pop("widgets", None)
    lab.path.write_text(json.dumps(content), encoding="utf-8")
    # The user's own notebook, which Jupyter trusts; pictures of others are not shown.
    notary = NotebookNotary(data_dir=str(lab.path.parents[2] / "data"))
    notary.sign(notebooks.read(lab.path))
    notary.store.close()
    lab.reopen()
    expect(picture).to_be_visible()


def test_several_tickers_in_percent(open_notebook: OpenNotebook, begin: str) -> None:
    """One line each."""
    lab = open_notebook(begin, 'session.chart(df, ["AAPL", "MSFT", "SPY"])', height=900)
    lab.run(0)
    lab.run(1)
    view = lab.cell(1).locator(".flatnb-chart")
    expect(view.locator("canvas").first).to_be_visible()
    expect(view.locator(".flatnb-legend-line")).to_contain_text("percent")
    lab.page.wait_for_timeout(800)
    lab.picture("chart-percent", view)
