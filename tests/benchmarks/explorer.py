"""The command: the explorer on ten million rows in a JupyterLab, beside a page with the rows.

Only a tenth of the rows is sent to that page: more in one message breaks the browser's driver.

Times are those of the page, from the key or click to the frame that shows the outcome.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from tests import notebooks
from tests.browser.conftest import FLAGS
from tests.browser.jupyter import JupyterServer
from tests.browser.lab import Lab

_ROUNDS = 9

_FRAME = """
import polars as pl
from flatnb import FlatSession
session = FlatSession.demo()
rows, tickers = {rows}, 1000
each = rows // tickers
begin = pl.datetime(2024, 1, 2, 14, 30, time_unit="ns", time_zone="UTC")
number = pl.int_range(rows, eager=False)
df = pl.select(
    ticker=pl.format("T{{}}", (number // each).cast(pl.String).str.zfill(4)),
    volume=((number * 7919) % 100_003).cast(pl.Float64),
    close=(100 + (number * 104_729 % 9973) / 1000),
    window_start=begin + pl.duration(minutes=number % each, time_unit="ns"),
).with_columns(date=pl.col("window_start").dt.date())
print(df.height, round(df.estimated_size() / 1e6), "MB")
"""

_ALL_ROWS = """
import anywidget, io, traitlets
class AllRows(anywidget.AnyWidget):
    _esm = '''export default { render({ model, el }) {
        el.className = "all-rows"; el.textContent = `${model.get("rows").byteLength} bytes`; } };'''
    rows = traitlets.Bytes().tag(sync=True)
def shipped(frame):
    buffer = io.BytesIO()
    frame.write_ipc(buffer)
    return AllRows(rows=buffer.getvalue())
shipped(df.head(df.height // 10))
"""


def _run(lab: Lab, index: int, seen: str) -> float:
    """Milliseconds from running a cell until a part of the page is there."""
    return float(
        lab.page.evaluate(
            """async ([index, seen]) => {
                const app = window.jupyterapp;
                const panel = app.shell.currentWidget;
                panel.content.activeCellIndex = index;
                panel.content.deselectAll();
                const begun = performance.now();
                void app.commands.execute("notebook:run-cell");
                while (!document.querySelector(seen)) await new Promise(requestAnimationFrame);
                return performance.now() - begun;
            }""",
            [index, seen],
        )
    )


def _choose(page: Page, at: int) -> float:
    """Milliseconds from a click on a ticker until its rows are shown."""
    return float(
        page.evaluate(
            """async (at) => {
                const option = [...document.querySelectorAll("[role=option]")][at];
                const ticker = option.querySelector("b").textContent;
                const first = () => document.querySelector("[role=table] .flatnb-grid-row span");
                const begun = performance.now();
                option.click();
                while (first()?.textContent !== ticker) await new Promise(requestAnimationFrame);
                return performance.now() - begun;
            }""",
            at,
        )
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    rows = parser.parse_args().rows
    chromium = shutil.which("chromium")
    folder = Path(tempfile.mkdtemp())
    with JupyterServer(folder) as server, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=FLAGS)
        cells = [
            _FRAME.format(rows=rows),
            "session.explore(df.head(1000))",  # imports, and the module's way to the page
            "session.explore(df)",
            _ALL_ROWS,
        ]
        path = server.files / "explorer.ipynb"
        notebooks.write(notebooks.new(*cells), path)
        lab = Lab(browser.new_page(viewport={"width": 1200, "height": 1400}), server, path)
        lab.open()
        lab.run(0)
        print(lab.text(0).strip())
        lab.run(1)
        lab.command("notebook:clear-all-cell-outputs")
        first = _run(lab, 2, "[role=table] .flatnb-grid-row span")
        lab.page.wait_for_function(
            "() => document.querySelectorAll('.flatnb-histogram').length > 2"
        )
        lab.page.wait_for_timeout(3000)
        clicks = [_choose(lab.page, 1 + number) for number in range(_ROUNDS)]
        lab.command("notebook:clear-all-cell-outputs")
        lab.page.set_default_timeout(600_000)
        tenth = _run(lab, 3, ".all-rows")
        browser.close()
    middle = statistics.median(clicks)
    print(
        f"explorer: first view {first:.0f} ms; a ticker by click {middle:.0f} ms "
        f"({min(clicks):.0f} to {max(clicks):.0f})"
    )
    print(
        f"a tenth of the rows as Arrow to the page: {tenth:.0f} ms, "
        f"{tenth / first:.1f} times the first view, {tenth / middle:.1f} times a click"
    )


if __name__ == "__main__":
    main()
