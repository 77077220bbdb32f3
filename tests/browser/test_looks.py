"""What session, report, statistics and cache look like in a real JupyterLab."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, expect

from .conftest import OpenNotebook

BEGIN = """
import os
from datetime import date
from flatnb import FlatSession
from flatnb.demo import DemoServer
server = DemoServer(absent=[date(2024, 1, 23)], forbidden="us_stocks_sip/day_aggs_v1/2024/03/")
session = FlatSession.demo(server, cache=os.environ["FLATNB_CACHE"])
session
"""
LOADS = """
session.load("stocks_daily", "2024-01-08", "2024-01-12", progress=False)
try:
    session.load("stocks_daily", "2024-01-02", "2024-03-08", missing="ignore", progress=False)
except Exception as error:
    print(type(error).__name__)
"""


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"], ids=["light", "dark"])
def test_the_parts_of_a_session(open_notebook: OpenNotebook, theme: str) -> None:
    """The report's calendar has each day with its status; nothing is unreadable."""
    sources = [BEGIN, LOADS, "session.last_report", "session.stats", "session.cache"]
    lab = open_notebook(*sources, width=820, height=1900)
    lab.theme(theme)
    lab.run_all()
    assert lab.text(1).endswith("LoadError\n")
    report = lab.cell(2).locator(".flatnb")
    expect(report.locator(".flatnb-months i")).to_have_count(47)
    expect(report.locator("i[title='2024-01-23 missing']")).to_be_visible()
    expect(report.locator("i[title='2024-01-08 cached']")).to_be_visible()
    expect(report.get_by_role("img", name="Mar 2024: 6 forbidden")).to_be_visible()
    for index in (0, 2, 3, 4):
        assert least_contrast(lab.cell(index).locator(".flatnb")) >= 4.5
    for index, name in enumerate(["session", "", "report", "stats", "cache"]):
        if name:
            lab.picture(f"{name}-{theme[-5:].strip().lower()}", lab.cell(index))


def least_contrast(part: Locator) -> float:
    """The least contrast of any text with the ground of its card; WCAG asks for 4.5."""
    found: float = part.evaluate(
        """el => {
            const light = colour => {
                const parts = colour.match(/[\\d.]+/g).slice(0, 3).map(Number).map(part => {
                    const share = colour.startsWith("color(") ? part : part / 255;
                    return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
                });
                return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
            };
            const ground = light(getComputedStyle(el).backgroundColor);
            const texts = [...el.querySelectorAll("b, span, td, th, figcaption")]
                .filter(one => one.innerText.trim() && !one.closest(".flatnb-state"));
            return Math.min(...texts.map(one => {
                const ink = light(getComputedStyle(one).color);
                return (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05);
            }));
        }"""
    )
    return found
