"""What session, report, statistics and cache look like in a real JupyterLab."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from .conftest import OpenNotebook
from .contrast import least_contrast

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
        text, control = least_contrast(lab.cell(index).locator(".flatnb"))
        assert text[0] >= 4.5, text
        assert control[0] >= 3, control
    for index, name in enumerate(["session", "", "report", "stats", "cache"]):
        if name:
            lab.picture(f"{name}-{theme[-5:].strip().lower()}", lab.cell(index))
