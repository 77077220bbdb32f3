"""What a load gives: the frame, after warning of or raising what is not in it."""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Collection, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import FlatnbWarning, LoadError, MissingDaysError
from ..frames.quote_sizes import mixed_sizes_warning
from ..frames.symbol_hints import explain_unknown
from ..frames.to_pandas import to_pandas
from ..market.known_issues import has_quote_sizes
from ..report import LOADED_STATUSES, DayOutcome, LoadReport, list_days
from .request import Request

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl


@dataclass(frozen=True, slots=True)
class LoadResult:
    """The days of a load.

    Attributes
    ----------
    frame
        The rows of all days that loaded.
    report
        The outcome of every day.
    notes
        Messages to warn of, besides what the report says.
    unknown_symbols
        The symbols and roots, in a user's notation, that no loaded day has.
    tickers
        If there are some, all tickers of a loaded day, as far as they are at hand.
    """

    frame: pl.DataFrame
    report: LoadReport
    notes: tuple[str, ...] = ()
    unknown_symbols: tuple[str, ...] = ()
    tickers: frozenset[str] = frozenset()


def finish(request: Request, result: LoadResult) -> pl.DataFrame | pd.DataFrame:
    """Give the frame in the wanted kind, after warning of or raising what is not in it.

    Raises
    ------
    LoadError
        If days are forbidden, damaged or failed.
    MissingDaysError
        If days have no file and ``missing="raise"``.
    """
    frame = raise_failures(request, result)
    for text in _warnings(request, result):
        warn(text)
    return frame


def raise_failures(request: Request, result: LoadResult) -> pl.DataFrame | pd.DataFrame:
    """As `finish`, without warnings."""
    frame = result.frame if request.frame == "polars" else to_pandas(result.frame)
    report = result.report
    bad = report.with_status("forbidden", "failed")
    missing = report.with_status("missing")
    if bad:
        loaded = len(report.with_status(*LOADED_STATUSES))
        text = (
            f"{len(bad)} of {len(report)} days could not be loaded (error.frame has "
            f"{loaded} {'day' if loaded == 1 else 'days'}, error.report every day)"
        )
        message = _message(text, bad + missing)
        raise LoadError(message, report=report, frame=frame)
    if missing and request.missing == "raise":
        message = _message(f"{len(missing)} of {len(report)} days missing", missing)
        raise MissingDaysError(message, report=report, frame=frame)
    return frame


def _warnings(request: Request, result: LoadResult) -> list[str]:
    report = result.report
    texts = []
    if suspect := [day for day in report.with_status(*LOADED_STATUSES) if day.reason]:
        texts.append(_message(f"{len(suspect)} of {len(report)} days are suspect", suspect))
    missing = report.with_status("missing")
    if missing and request.missing == "warn":
        texts.append(_message(f"{len(missing)} of {len(report)} days missing", missing))
    if not report.days:
        texts.append(_no_days(request))
    if sizes := mixed_sizes(request, report, result.frame.columns):
        texts.append(sizes)
    texts += result.notes
    if unknown := unknown_symbols_warning(request, result.unknown_symbols, result.tickers):
        texts.append(unknown)
    return texts


def mixed_sizes(request: Request, report: LoadReport, columns: Collection[str]) -> str:
    """What to warn of if stock quotes have sizes in two units; empty if they have not."""
    if not has_quote_sizes(request.data_type) or request.quote_sizes == "shares":
        return ""
    days = [day.date for day in report.with_status(*LOADED_STATUSES) if day.rows]
    return mixed_sizes_warning(columns, days)


def _no_days(request: Request) -> str:
    if request.data_type.days == "calendar":
        return "there is no trading day between start and end: the frame is empty"
    return (
        f"the bucket has no file of {request.data_type.name} between {request.start} and "
        f"{request.end}: the frame is empty"
    )


def unknown_symbols_warning(
    request: Request, unknown: Sequence[str], tickers: Collection[str]
) -> str:
    """What to warn of symbols that no loaded day has; empty if there are none."""
    selection = request.selection
    if not unknown or selection is None:
        return ""
    text = f"symbols={list(unknown[:_MOST_SYMBOLS])!r} are in none of the loaded days"
    if len(unknown) > _MOST_SYMBOLS:
        text += f", nor are {len(unknown) - _MOST_SYMBOLS} more"
    to_explain = set(unknown)
    if request.hours != "all":
        return f"{text} (within hours={request.hours!r})"
    if selection.contracts is not None:
        text += " (within the expiry, strike and option_type given)"
        # Those that the day has were left out by the filter alone.
        to_explain &= set(selection.not_in(tickers)) if tickers else set()
    hints = [
        f"  {symbol!r}: {explain_unknown(symbol, request.data_type, tickers)}"
        for symbol in unknown[:_MOST_HINTS]
        if symbol in to_explain
    ]
    return "\n".join([text, *hints])


_MOST_SYMBOLS = 20
_MOST_HINTS = 5
"""So many symbols are listed and explained; to find similar tickers takes a tenth of a second."""


def _message(text: str, days: Sequence[DayOutcome]) -> str:
    return "\n".join([text, *list_days(days)])


_collected: ContextVar[list[str] | None] = ContextVar("collected", default=None)


@contextlib.contextmanager
def collect_warnings() -> Iterator[list[str]]:
    """Collect what this thread would warn of, to show it elsewhere.

    Not with `warnings.catch_warnings`, which changes the filters of the whole process: outside
    the main thread it switches warnings off in others (its documentation).
    """
    texts: list[str] = []
    token = _collected.set(texts)
    try:
        yield texts
    finally:
        _collected.reset(token)


def warn(message: str) -> None:
    """Warn at the line that called flatnb, however deep this is (a load may be awaited)."""
    if (texts := _collected.get()) is not None:
        texts.append(message)
        return
    level = 2
    frame = sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").startswith(("flatnb.", "asyncio.")):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, FlatnbWarning, stacklevel=level)
