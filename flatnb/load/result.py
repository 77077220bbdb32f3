"""What a load gives: the frame, after warning of or raising what is not in it."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import FlatnbWarning, LoadError, MissingDaysError
from ..frames.to_pandas import to_pandas
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
    """

    frame: pl.DataFrame
    report: LoadReport
    notes: tuple[str, ...] = ()


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
    texts += result.notes
    if unknown := _unknown_symbols(request, result):
        texts.append(unknown)
    return texts


def _no_days(request: Request) -> str:
    if request.data_type.days == "calendar":
        return "there is no trading day between start and end: the frame is empty"
    return (
        f"the bucket has no file of {request.data_type.name} between {request.start} and "
        f"{request.end}: the frame is empty"
    )


def _unknown_symbols(request: Request, result: LoadResult) -> str:
    frame, selection = result.frame, request.selection
    if selection is None or not result.report.with_status(*LOADED_STATUSES):
        return ""
    if "ticker" not in frame.columns and not frame.is_empty():
        return ""  # the other columns do not show it
    tickers = set() if frame.is_empty() else set(frame["ticker"].unique())
    unknown = selection.not_in(tickers)
    if not unknown:
        return ""
    hint = "tickers are case-sensitive: 'BCpC' is not 'BCPC'"
    if selection.contracts is not None:
        hint = "within the expiry, strike and option_type given"
    return f"symbols={unknown!r} are in none of the loaded days ({hint})"


def _message(text: str, days: Sequence[DayOutcome]) -> str:
    return "\n".join([text, *list_days(days)])


def warn(message: str) -> None:
    """Warn at the line that called flatnb, however deep this is (a load may be awaited)."""
    level = 2
    frame = sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").startswith(("flatnb.", "asyncio.")):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, FlatnbWarning, stacklevel=level)
