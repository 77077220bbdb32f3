"""HTML for notebooks in one style: tables, name-value pairs, and a calendar of coloured days.

All of it stays readable where a viewer drops the style sheet, as GitHub does.
"""

from __future__ import annotations

import calendar
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import cache
from html import escape as _escape
from importlib.resources import files
from itertools import groupby

from .stylesheet import scoped

_NAMES = re.compile(r"<[a-z]+[\s>]|flatnb-[\w-]+")
_ADDRESS = re.compile(r"https://[\w./-]*\w")
# A link in a notebook opens a new tab, as leaving the page would end the kernel's connection;
# noopener keeps that page from controlling the notebook (HTML standard).
_LINK = r'<a href="\g<0>" target="_blank" rel="noopener">\g<0></a>'

MAX_MONTHS_OF_DAYS = 36
"""A calendar of more months has one square per month instead of one per day."""


def escape(value: object) -> str:
    """The text of a value, with HTML's special characters escaped."""
    return _escape(str(value))


@cache
def style() -> str:
    """The style sheet of everything that flatnb shows in a notebook."""
    return files(__package__).joinpath("html.css").read_text(encoding="utf-8")


def page(body: str) -> str:
    """A whole output: HTML with the rules of the style sheet that it uses.

    Each output includes them, as any other one may be cleared or saved without it.
    """
    # Classes and elements decide which rules are used; texts would only fill the cache.
    names = " ".join(sorted(set(_NAMES.findall(body))))
    scope, css = scoped(style(), f'{names} <div class="flatnb">')
    return f'<style>{css}</style><div class="flatnb {scope}">{body}</div>'


def head(title: str, note: str = "") -> str:
    """A title and a short note beside it."""
    return (
        f'<div class="flatnb-head"><b>{escape(title)}</b>'
        f'<span class="flatnb-dim">{escape(note)}</span></div>'
    )


def good(text: str) -> str:
    """A whole output: one line that says that all is well."""
    return page(f'<div class="flatnb-good">✓ {escape(text)}</div>')


def rows_html(rows: Iterable[Sequence[object]], columns: Sequence[str]) -> str:
    """A table without a title; numbers are aligned to the right."""
    headings = "".join(f'<th scope="col">{escape(name)}</th>' for name in columns)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    head_row = f"<thead><tr>{headings}</tr></thead>"
    return f'<table class="flatnb-table">{head_row}<tbody>{body}</tbody></table>'


def _cell(value: object) -> str:
    # bool is a kind of int, but no number to readers.
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return f'<td class="flatnb-number">{value:,}</td>'
    return f"<td>{_ADDRESS.sub(_LINK, escape(value))}</td>"


def table(
    title: str, rows: Iterable[Sequence[object]], columns: Sequence[str], note: str = ""
) -> str:
    """A whole output: a title, a note and a table.

    Parameters
    ----------
    rows
        The cells of each row; numbers get thousands separators, https addresses become links.
    columns
        The names of the columns.
    """
    return page(head(title, note) + rows_html(rows, columns))


def facts(pairs: Mapping[str, object]) -> str:
    """A table of names and values, one pair per row."""
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>'
        for name, value in pairs.items()
    )
    return f'<table class="flatnb-facts"><tbody>{body}</tbody></table>'


def heat_map(days: Mapping[date, str], order: Sequence[str]) -> str:
    """A calendar with a square per day, or per month if there are more than `MAX_MONTHS_OF_DAYS`.

    Parameters
    ----------
    days
        The status of each day; its style class is ``flatnb-day-{status}``.
    order
        All statuses, the most important last: a month's square has the colour of the most
        important status of its days.
    """
    counts = Counter(days.values())
    legend = "".join(
        f'<span><i class="flatnb-day-{status}"></i> {counts[status]:,} {status}</span>'
        for status in order
        if counts[status]
    )
    by_month = [
        (month, {day: days[day] for day in group})
        for month, group in groupby(sorted(days), lambda day: (day.year, day.month))
    ]
    if len(by_month) > MAX_MONTHS_OF_DAYS:
        squares = _years(by_month, order)
    else:
        last_weekday = max((day.weekday() for day in days), default=4)
        squares = "".join(_month(*each, rows=max(5, last_weekday + 1)) for each in by_month)
    return (
        f'<div class="flatnb-months">{squares}</div><div class="flatnb-legend">{legend}</div>'
        if days
        else ""
    )


_Month = tuple[tuple[int, int], dict[date, str]]


def _month(month: tuple[int, int], days: Mapping[date, str], rows: int) -> str:
    # Rows are weekdays from Monday, columns are weeks.
    first_weekday = date(*month, 1).weekday()
    squares = "".join(
        _square(
            status, f"{day} {status}", day.weekday() + 1, (day.day + first_weekday - 1) // 7 + 1
        )
        for day, status in days.items()
    )
    name = f"{calendar.month_abbr[month[1]]} {month[0]}"
    return (
        f'<figure role="img" aria-label="{name}: {_counts_by_status(days.values())}">'
        f"<figcaption>{name}</figcaption>"
        f'<div style="grid-template-rows: repeat({rows}, 12px)">{squares}</div></figure>'
    )


def _years(months: Sequence[_Month], order: Sequence[str]) -> str:
    years = []
    for year, group in groupby(months, lambda each: each[0][0]):
        squares = "".join(
            _square(
                max(days.values(), key=order.index),
                f"{calendar.month_abbr[month]} {year}: {_counts_by_status(days.values())}",
                (month - 1) // 4 + 1,
                (month - 1) % 4 + 1,
            )
            for (_, month), days in group
        )
        years.append(
            f'<figure role="img" aria-label="{year}"><figcaption>{year}</figcaption>'
            f'<div style="grid-template-rows: repeat(3, 12px)">{squares}</div></figure>'
        )
    return "".join(years)


def _square(status: str, label: str, row: int, column: int) -> str:
    return (
        f'<i class="flatnb-day-{status}" title="{label}" style="grid-area: {row} / {column}"></i>'
    )


def _counts_by_status(statuses: Iterable[str]) -> str:
    return ", ".join(f"{count} {status}" for status, count in Counter(statuses).items())
