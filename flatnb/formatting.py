"""Sizes and durations as people read them."""

from __future__ import annotations

from datetime import date


def format_bytes(size: float) -> str:
    """A size in bytes with an SI unit (powers of 1000): ``format_bytes(1500)`` is 1.5 kB."""
    if size < 1000:
        return f"{size:.0f} B"
    for unit in ("kB", "MB", "GB"):
        size /= 1000
        if size < 1000:
            return f"{size:.1f} {unit}"
    return f"{size / 1000:.1f} TB"


def format_duration(seconds: float) -> str:
    """Seconds in words, with the precision of an estimate."""
    if seconds < 1:
        return "less than a second"
    if seconds < 90:
        return f"about {seconds:.0f} s"
    return f"about {seconds / 60:.0f} min" if seconds < 5400 else f"about {seconds / 3600:.1f} h"


def format_days(first: date, last: date) -> str:
    """A range of days, both inclusive, as short as it is clear.

    Examples
    --------
    >>> format_days(date(2024, 2, 1), date(2024, 2, 5))
    '1–5 Feb 2024'
    >>> format_days(date(2023, 12, 29), date(2024, 1, 2))
    '29 Dec 2023 – 2 Jan 2024'
    """
    if first == last:
        return f"{last.day} {last:%b %Y}"
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day}–{last.day} {last:%b %Y}"
    year = "" if first.year == last.year else f" {first.year}"
    return f"{first.day} {first:%b}{year} – {last.day} {last:%b %Y}"
