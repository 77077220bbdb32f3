"""A notebook as an app: Voilà runs it, then shows its outputs once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import notebooks

from .app_server import app_server

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@contextmanager
def voila(path: Path, folder: Path) -> Iterator[str]:
    """A Voilà server of one notebook on 127.0.0.1; its address."""
    pytest.importorskip("voila", reason="voila is not installed")
    with app_server(
        "voila", str(path), "--no-browser", "--Voila.ip=127.0.0.1", folder=folder
    ) as url:
        yield url


def test_the_panel_in_voila(browser: Browser, begin: str, tmp_path: Path) -> None:
    """The panel is a widget from the beginning, moves, and hears Cancel, offline."""
    from playwright.sync_api import expect

    start = 'job = session.start("stocks_minute", "2024-01-02", "2024-01-31")'
    path = tmp_path / "app.ipynb"
    notebooks.write(notebooks.new(begin, "session.panel()", start), path)
    with voila(path, tmp_path) as url:
        page = browser.new_page()
        try:
            # Voilà's own page asks for icons from outside: nothing may depend on that.
            page.route(re.compile(r"^https?://(?!127\.0\.0\.1)"), lambda route: route.abort())
            page.goto(url, timeout=60_000)
            panel = page.locator(".flatnb")
            expect(panel.get_by_role("status")).to_have_text("loading", timeout=30_000)
            figure = panel.locator(".flatnb-figures td").nth(3)
            first = figure.inner_text()
            expect(figure).not_to_have_text(first)
            panel.get_by_role("button", name=re.compile("Cancel")).click()
            expect(panel.get_by_role("status")).to_have_text("cancelled")
        finally:
            page.close()


def test_the_second_notebook_is_an_app(browser: Browser, tmp_path: Path) -> None:
    """The picker is drawn, hears clicks and loads."""
    from playwright.sync_api import expect

    source = Path(__file__).parents[2] / "notebooks" / "02_picker_and_panel.ipynb"
    path = tmp_path / source.name
    path.write_bytes(source.read_bytes())
    with voila(path, tmp_path) as url:
        page = browser.new_page()
        try:
            page.route(re.compile(r"^https?://(?!127\.0\.0\.1)"), lambda route: route.abort())
            page.goto(url, timeout=120_000)
            picker = page.locator(".flatnb-picker")
            picker.get_by_label("Data").select_option("stocks_daily", timeout=60_000)
            picker.locator('button[data-date="2024-01-03"]').click()
            picker.locator('button[data-date="2024-01-04"]').click()
            expect(picker.locator("pre code").first).to_contain_text('"2024-01-03", "2024-01-04"')
            picker.get_by_role("button", name="Load", exact=True).click()
            # AAPL and MSFT, filled in by the notebook, on two days.
            expect(picker.locator(".flatnb-message")).to_contain_text("has 4 rows", timeout=30_000)
            explorer = page.locator(".flatnb-explorer")
            explorer.get_by_role("option").filter(has_text="MSFT").click()
            expect(explorer.get_by_role("status").first).to_have_text("2 of 4 rows · 2 tickers")
        finally:
            page.close()
