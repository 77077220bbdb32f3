"""The views in marimo, which knows anywidgets and no other widgets."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .app_server import app_server

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CELLS = (
    ((), "session", "{begin}"),
    (("session",), "picker", "picker = session.picker()\npicker"),
    (("session",), "panel", "panel = session.panel()\npanel"),
    (("session",), "df", 'df = session.load("stocks_minute", "2024-01-02", "2024-01-03")'),
    (("session", "df"), "explorer", "explorer = session.explore(df)\nexplorer"),
    (("session", "df"), "chart", 'chart = session.chart(df, "AAPL")\nchart'),
)
"""What each cell uses and defines, as marimo's files say it, and its code."""


def notebook(begin: str) -> str:
    """A marimo notebook, which is a Python file."""
    parts = ["import marimo\n\napp = marimo.App()\n"]
    for used, defined, code in CELLS:
        body = textwrap.indent(code.format(begin=begin) + f"\nreturn ({defined},)", "    ")
        parts.append(f"@app.cell\ndef _({', '.join(used)}):\n{body}\n")
    return "\n\n".join(parts)


def test_the_views_in_marimo(browser: Browser, begin: str, tmp_path: Path) -> None:
    """The picker loads by clicks, the panel moves, explorer and chart hear clicks; all offline."""
    from playwright.sync_api import expect

    pytest.importorskip("marimo", reason="marimo is not installed")
    path = tmp_path / "app.py"
    path.write_text(notebook(begin), encoding="utf-8")
    options = ("--headless", "--no-token", "--host=127.0.0.1")
    with app_server("marimo", "run", str(path), *options, folder=tmp_path) as url:
        page = browser.new_page(viewport={"width": 1100, "height": 900})
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        try:
            page.route(re.compile(r"^https?://(?!127\.0\.0\.1)"), lambda route: route.abort())
            page.goto(url, timeout=60_000)
            panel = page.locator(".flatnb").filter(has_text="Mean rate")
            figure = panel.locator(".flatnb-figures td").first
            expect(figure).to_have_text("2", timeout=60_000)
            picker = page.locator(".flatnb-picker")
            start = picker.get_by_label("From", exact=True)
            start.fill("2024-01-02")
            start.press("Enter")
            end = picker.get_by_label("To (inclusive)")
            end.fill("3 Jan 2024")
            end.press("Enter")
            symbols = picker.get_by_label("Symbols")
            symbols.fill("AAPL MSFT")
            symbols.blur()
            line = '"2024-01-02", "2024-01-03", symbols=["AAPL", "MSFT"]'
            expect(picker.locator("pre code").first).to_contain_text(line)
            picker.get_by_role("button", name="Load", exact=True).click()
            expect(picker.locator(".flatnb-message")).to_have_text("picker.result has 4 rows.")
            expect(panel).to_contain_text("stocks_daily 2024-01-02 … 2024-01-03")
            explorer = page.locator(".flatnb-explorer")
            explorer.get_by_label("Search tickers").fill("msft")
            explorer.get_by_role("option").filter(has_text="MSFT").click()
            code = explorer.locator(".flatnb-code-line code")
            expect(code).to_have_text('df.filter(pl.col("ticker") == "MSFT")')
            expect(explorer.locator("canvas").first).to_be_visible()
            chart = page.locator(".flatnb").filter(has_text="AAPL · ").last
            chart.get_by_role("button", name="1 hour").click()
            expect(chart.get_by_role("button", name="1 hour")).to_have_attribute(
                "aria-pressed", "true"
            )
            assert errors == []
        finally:
            page.close()
