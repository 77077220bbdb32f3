"""HTML for notebooks in one style: tables, small facts, and a calendar of coloured days.

All of it can be read where a viewer drops the style sheet, as GitHub's does.
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

_ADDRESS = re.compile(r"https://[\w./-]*\w")
_LINK = r'<a href="\g<0>" target="_blank" rel="noopener">\g<0></a>'

MONTHS = 36
"""A calendar of more months shows one square for each month."""


def escape(value: object) -> str:
    """Text that stands for itself in HTML."""
    return _escape(str(value))


@cache
def style() -> str:
    """The style sheet of all that flatnb shows in a notebook."""
    return files(__package__).joinpath("html.css").read_text(encoding="utf-8")


def page(body: str) -> str:
    """HTML that brings its style along."""
    return f'<style>{style()}</style><div class="flatnb">{body}</div>'


def head(title: str, note: str = "") -> str:
    """A title, and what there is to say of it in a few words."""
    return (
        f'<div class="flatnb-head"><b>{escape(title)}</b>'
        f'<span class="flatnb-dim">{escape(note)}</span></div>'
    )


def rows_html(rows: Iterable[Sequence[object]], columns: Sequence[str]) -> str:
    """A table without a title; what is a number is set to the right."""
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in columns)
    lines = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return (
        f'<table class="flatnb-table"><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>'
    )


def _cell(value: object) -> str:
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
        The cells of each line; numbers get separators of thousands.
    columns
        The names over them.
    """
    return page(head(title, note) + rows_html(rows, columns))


def facts(pairs: Mapping[str, object]) -> str:
    """Names and values, one below the other."""
    lines = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>'
        for name, value in pairs.items()
    )
    return f'<table class="flatnb-facts"><tbody>{lines}</tbody></table>'


def heat_map(days: Mapping[date, str], order: Sequence[str]) -> str:
    """A calendar with a square for each day, or each month if there are many.

    Parameters
    ----------
    days
        The status of each day. Statuses are style classes: ``flatnb-day-{status}``.
    order
        All statuses, the most important last: a month has the colour of its most important day.
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
    if len(by_month) > MONTHS:
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
    first_weekday = date(*month, 1).weekday()
    squares = "".join(
        _square(status, str(day), day.weekday() + 1, (day.day + first_weekday - 1) // 7 + 1)
        for day, status in days.items()
    )
    name = f"{calendar.month_abbr[month[1]]} {month[0]}"
    return (
        f'<figure role="img" aria-label="{name}: {_words(days.values())}">'
        f"<figcaption>{name}</figcaption>"
        f'<div style="grid-template-rows: repeat({rows}, 12px)">{squares}</div></figure>'
    )


def _years(months: Sequence[_Month], order: Sequence[str]) -> str:
    years = []
    for year, group in groupby(months, lambda each: each[0][0]):
        squares = "".join(
            _square(
                max(days.values(), key=order.index),
                f"{calendar.month_abbr[month]} {year}: {_words(days.values())}",
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


def _square(status: str, words: str, row: int, column: int) -> str:
    label = words if ":" in words else f"{words} {status}"
    return (
        f'<i class="flatnb-day-{status}" title="{label}" style="grid-area: {row} / {column}"></i>'
    )


def _words(statuses: Iterable[str]) -> str:
    return ", ".join(f"{count} {status}" for status, count in Counter(statuses).items())
