"""The HTML of notebooks: nothing of the data is taken for markup, each day has its square."""

from __future__ import annotations

import re
from datetime import date, timedelta

from flatnb.html import MAX_MONTHS_OF_DAYS, facts, heat_map, table
from flatnb.market.calendar import trading_days
from flatnb.report import STATUSES, DayOutcome, LoadReport


def test_text_stands_for_itself() -> None:
    """In titles, notes, heads and cells."""
    nasty = "<script>alert('&')</script>"
    for html in (table(nasty, [(nasty, 1)], (nasty, "n"), note=nasty), facts({nasty: nasty})):
        assert "<script" not in html
        assert "&lt;script&gt;" in html


def test_addresses_can_be_clicked() -> None:
    """Those of reports; what follows them is text, and text that looks like markup stays text."""
    html = table("t", [("bad: https://example.com/issues/293, <b>",)], ("note",))
    link = '<a href="https://example.com/issues/293" target="_blank" rel="noopener">'
    assert f"bad: {link}https://example.com/issues/293</a>, &lt;b&gt;</td>" in html


def test_numbers_are_told_apart() -> None:
    """With separators of thousands, set to the right."""
    assert '<td class="flatnb-number">1,234,567</td>' in table("t", [(1234567,)], ("rows",))


def test_a_month_of_days() -> None:
    """A square a day in its weekday's row and its week's column; words for screen readers."""
    days: dict[date, str] = dict.fromkeys(trading_days("2024-01-02", "2024-01-31"), "loaded")
    days[date(2024, 1, 23)] = "missing"
    html = heat_map(days, STATUSES)
    assert html.count('class="flatnb-day-loaded" title') == 20
    # The 23rd was a Tuesday, in the month's fourth week that has a Monday.
    assert 'title="2024-01-23 missing" style="grid-area: 2 / 4"' in html
    assert 'aria-label="Jan 2024: 20 loaded, 1 missing"' in html
    assert "20 loaded</span>" in html
    assert "failed" not in html


def test_weekends_have_rows_where_there_are_any() -> None:
    """Crypto trades all week."""
    days = {date(2024, 1, 1) + timedelta(n): "loaded" for n in range(14)}
    html = heat_map(days, STATUSES)
    assert "repeat(7, 12px)" in html
    assert 'title="2024-01-14 loaded" style="grid-area: 7 / 2"' in html


def test_many_years_are_squares_of_months() -> None:
    """A month has the colour of its worst day, and every month is shown."""
    days: dict[date, str] = dict.fromkeys(trading_days("2004-01-01", "2023-12-31"), "cached")
    days[date(2010, 5, 6)] = "failed"
    html = heat_map(days, STATUSES)
    assert len(re.findall(r"<i class=.flatnb-day-\w+. title", html)) == 240 > MAX_MONTHS_OF_DAYS
    assert 'class="flatnb-day-failed" title="May 2010: 19 cached, 1 failed"' in html
    assert len(html) < 50_000


def test_no_days() -> None:
    """Without days nothing is shown, not an empty frame."""
    assert heat_map({}, STATUSES) == ""


def test_a_report_joins_days_of_one_reason() -> None:
    """Days in a row with the same status and reason are one line; others keep theirs."""
    days = [
        DayOutcome(
            day, "k", "forbidden" if day.day < 10 else "loaded", "403" if day.day < 10 else ""
        )
        for day in trading_days("2024-01-02", "2024-01-12")
    ]
    days.append(DayOutcome(date(2024, 1, 16), "k", "missing", "404"))
    html = LoadReport("stocks_daily", tuple(days))._repr_html_()
    assert "2024-01-02 … 2024-01-09 (6 days)</td><td>forbidden</td><td>403" in html
    assert "<td>2024-01-16</td><td>missing</td><td>404" in html
    assert html.count("<tr>") == 3
