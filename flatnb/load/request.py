"""One load: what is asked for, checked; and what is handed over, warned of or raised."""

from __future__ import annotations

import sys
import warnings
import zoneinfo
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict, TypeVar

from ..errors import FlatnbWarning, LoadError, MissingDaysError
from ..frames.contract_filter import parse_contract_filter
from ..frames.selection import Selection, parse_symbols
from ..frames.to_pandas import FrameKind, check_frame_kind, to_pandas
from ..market.calendar import DateLike, as_date_range
from ..market.data_types import DataType, get_data_type
from ..market.option_symbols import OptionType
from .report import LOADED_STATUSES, DayOutcome, list_days

if TYPE_CHECKING:
    from .day_loader import LoadResult

Missing = Literal["warn", "raise", "ignore"]


T = TypeVar("T")

Between: TypeAlias = "tuple[T | None, T | None]"
"""Two ends, both inclusive; None: open."""


class RequestOptions(TypedDict, total=False):
    """What a user may ask for besides data type and days, for either kind of frame."""

    symbols: Sequence[str] | str | None
    underlyings: Sequence[str] | str | None
    expiry: Between[DateLike] | None
    strike: Between[float] | None
    option_type: OptionType | None
    columns: Sequence[str] | str | None
    tz: str
    missing: Missing
    strict: bool


@dataclass(frozen=True, slots=True)
class Request:
    """What a user asks for, checked."""

    data_type: DataType
    start: date
    end: date
    selection: Selection | None
    columns: tuple[str, ...] | None
    frame: FrameKind
    tz: str
    missing: Missing
    strict: bool

    @classmethod
    def checked(
        cls,
        data_type: str,
        start: DateLike,
        end: DateLike,
        *,
        frame: FrameKind,
        symbols: Sequence[str] | str | None = None,
        underlyings: Sequence[str] | str | None = None,
        expiry: Between[DateLike] | None = None,
        strike: Between[float] | None = None,
        option_type: OptionType | None = None,
        columns: Sequence[str] | str | None = None,
        tz: str = "UTC",
        missing: Missing = "warn",
        strict: bool = False,
    ) -> Request:
        """Check all arguments before anything is fetched.

        Raises
        ------
        ValueError
            If one is wrong; the message names it, its value and the remedy.
        """
        found = get_data_type(data_type)
        first, last = as_date_range(start, end)
        check_frame_kind(frame)
        of_options = {
            "underlyings": underlyings,
            "expiry": expiry,
            "strike": strike,
            "option_type": option_type,
        }
        for parameter, value in of_options.items():
            if value is not None and not found.is_options:
                raise ValueError(
                    f"{parameter}={value!r} selects options, and {found.name} holds none; "
                    "leave it out, or use symbols"
                )
        if missing not in ("warn", "raise", "ignore"):
            raise ValueError(f"missing={missing!r} is unknown; choose 'warn', 'raise' or 'ignore'")
        wanted = _names("columns", columns)
        if wanted is not None:
            # The date is the file's, not the row's: it is always there.
            wanted = tuple(name for name in wanted if name != "date")
            if not wanted:
                raise ValueError("columns holds only 'date', which is always there; add another")
        return cls(
            data_type=found,
            start=first,
            end=last,
            selection=parse_symbols(
                _names("symbols", symbols),
                _names("underlyings", underlyings),
                parse_contract_filter(expiry, strike, option_type),
            ),
            columns=wanted,
            frame=frame,
            tz=_time_zone(tz),
            missing=missing,
            strict=strict,
        )


def _names(parameter: str, value: Sequence[str] | str | None) -> tuple[str, ...] | None:
    if value is None:
        return None
    try:
        names = (value,) if isinstance(value, str) else tuple(value)
    except TypeError:
        raise ValueError(f"{parameter}={value!r} must be a string or a list of strings") from None
    if not names:
        raise ValueError(f"{parameter}={value!r} selects nothing; leave it out to have all")
    for name in names:
        if not isinstance(name, str) or not name:
            raise ValueError(f"{parameter} holds {name!r}; give non-empty strings")
    return tuple(dict.fromkeys(names))


def _time_zone(tz: str) -> str:
    try:
        zoneinfo.ZoneInfo(tz)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, TypeError, OSError):
        raise ValueError(
            f"tz={tz!r} is no time zone; give a name such as 'UTC' or 'America/New_York'"
        ) from None
    return tz


def deliver(request: Request, loaded: LoadResult) -> Any:
    """The frame in the wanted kind, after warning of or raising what is not in it."""
    frame = loaded.frame if request.frame == "polars" else to_pandas(loaded.frame)
    report = loaded.report
    bad = report.with_status("forbidden", "failed")
    missing = report.with_status("missing")
    if bad:
        raise LoadError(
            _message(f"{len(bad)} of {len(report)} days could not be loaded", bad + missing),
            report=report,
            frame=frame,
        )
    if missing and request.missing == "raise":
        message = _message(f"{len(missing)} of {len(report)} days have no file", missing)
        raise MissingDaysError(message, report=report, frame=frame)
    suspect = [day for day in report.with_status(*LOADED_STATUSES) if day.reason]
    if suspect:
        warn(_message(f"{len(suspect)} of {len(report)} days are suspect", suspect))
    if missing and request.missing == "warn":
        warn(_message(f"{len(missing)} of {len(report)} days have no file", missing))
    if not report.days:
        warn(_no_days(request))
    for note in loaded.notes:
        warn(note)
    _warn_of_unknown_symbols(request, loaded)
    return frame


def _no_days(request: Request) -> str:
    if request.data_type.days == "calendar":
        return "there is no trading day between start and end: the frame is empty"
    return (
        f"the bucket has no file of {request.data_type.name} between {request.start} and "
        f"{request.end}: the frame is empty"
    )


def _warn_of_unknown_symbols(request: Request, loaded: LoadResult) -> None:
    frame = loaded.frame
    if request.selection is None or not loaded.report.with_status(*LOADED_STATUSES):
        return
    if "ticker" not in frame.columns and not frame.is_empty():
        return  # not to be told from the other columns
    tickers = set() if frame.is_empty() else set(frame["ticker"].unique())
    if unknown := request.selection.not_in(tickers):
        hint = "tickers are case-sensitive: 'BCpC' is not 'BCPC'"
        if request.selection.contracts is not None:
            hint = "of the expiry, strike and option_type that were asked for"
        warn(f"symbols={unknown!r} are in none of the loaded days ({hint})")


def _message(what: str, days: Sequence[DayOutcome]) -> str:
    hint = "(.report tells of every day, .frame holds those that loaded)"
    return "\n".join([f"{what} {hint}" if what.endswith("loaded") else what, *list_days(days)])


def warn(message: str) -> None:
    """Warn at the line that called flatnb, however deep this is (a load may be awaited)."""
    level = 2
    frame = sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__name__", "").startswith(("flatnb.", "asyncio.")):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, FlatnbWarning, stacklevel=level)
