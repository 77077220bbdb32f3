"""What a user asks for: the options of a load, spelled once, and their validation."""

from __future__ import annotations

import difflib
import functools
import inspect
import re
import zoneinfo
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, tzinfo
from typing import Any, Literal, ParamSpec, TypeAlias, TypedDict, TypeVar, Unpack, cast, get_args

from ..error_display import shorten
from ..frames.contract_filter import parse_contract_filter
from ..frames.selection import Selection, check_has_ticker, parse_symbols
from ..frames.to_pandas import FrameKind, check_frame_kind
from ..market.calendar import DateLike, as_date, as_date_range, exchange_today
from ..market.data_types import DataType, get_data_type
from ..market.known_issues import has_quote_sizes
from ..market.option_symbols import OptionType, vendors_spelling
from ..research.trading_hours import Hours
from .hours import check_hours_of, columns_to_read

P = ParamSpec("P")
T = TypeVar("T")

Missing = Literal["warn", "raise", "ignore"]

QuoteSizes = Literal["as stored", "shares"]
Adjust = Literal["splits", "all"]

Between: TypeAlias = "tuple[T | None, T | None]"
"""Two ends, both inclusive; None: open."""


class LoadOptions(TypedDict, total=False):
    """The keyword arguments that all ways to ask for days have in common.

    This is the only list of them: `with_load_options` makes the signatures that users see of it,
    and `Request.validate` refuses every other name.
    """

    symbols: Sequence[str] | str | None
    underlyings: Sequence[str] | str | None
    expiry: Between[DateLike] | None
    strike: Between[float] | None
    option_type: OptionType | None
    columns: Sequence[str] | str | None
    tz: str | tzinfo
    missing: Missing
    strict: bool
    quote_sizes: QuoteSizes
    hours: Hours
    adjust: Adjust | None
    as_of: DateLike | None
    follow_renames: bool


_DEFAULTS: LoadOptions = {
    "symbols": None,
    "underlyings": None,
    "expiry": None,
    "strike": None,
    "option_type": None,
    "columns": None,
    "tz": "UTC",
    "missing": "warn",
    "strict": False,
    "quote_sizes": "as stored",
    "hours": "all",
    "adjust": None,
    "as_of": None,
    "follow_renames": False,
}

_OPTIONS_ONLY = ("underlyings", "expiry", "strike", "option_type")


_SHOWN_AS = {
    "DataTypeName | str": "str",
    "DateLike": "str | date",
    "FrameKind": "'polars' | 'pandas'",
    "OptionType": "'call' | 'put'",
    "Missing": "'warn' | 'raise' | 'ignore'",
    "Between": "tuple",
    "Any": "polars.DataFrame | pandas.DataFrame",
}


class ShownAnnotation(str):
    """An annotation as `inspect` and IPython show it: without quotes, and aliases in full."""

    def __new__(cls, annotation: object) -> ShownAnnotation:
        """Take the text of an annotation."""
        text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
        for alias, meaning in _SHOWN_AS.items():
            text = re.sub(rf"(?<!\w){re.escape(alias)}(?!\w)", meaning, text)
        return super().__new__(cls, text)

    def __repr__(self) -> str:
        return str(self)


def with_load_options(function: Callable[P, T]) -> Callable[P, T]:
    """Show `LoadOptions` in the signature of a function that takes them as ``**options``."""
    signature = inspect.signature(function)
    own = [
        each.replace(annotation=ShownAnnotation(each.annotation))
        for each in signature.parameters.values()
        if each.kind is not each.VAR_KEYWORD
    ]
    named = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=default,
            annotation=ShownAnnotation(LoadOptions.__annotations__[name].__forward_arg__),
        )
        for name, default in _DEFAULTS.items()
    ]

    @functools.wraps(function)
    def with_options(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except (ValueError, TypeError) as error:
            shorten(error)
            raise

    shown = signature.replace(
        parameters=[*own, *named], return_annotation=ShownAnnotation(signature.return_annotation)
    )
    with_options.__signature__ = shown  # type: ignore[attr-defined]
    return with_options


@dataclass(frozen=True, slots=True)
class Request:
    """What a user asks for, validated.

    Attributes
    ----------
    as_of
        The day to whose share basis prices are adjusted, and on which ``symbols`` name securities;
        None if neither is asked for.
    """

    data_type: DataType
    start: date
    end: date
    selection: Selection | None
    columns: tuple[str, ...] | None
    frame: FrameKind
    tz: str
    missing: Missing
    strict: bool
    quote_sizes: QuoteSizes = "as stored"
    hours: Hours = "all"
    adjust: Adjust | None = None
    as_of: date | None = None
    follow_renames: bool = False

    @property
    def adjusted(self) -> str:
        """How prices and sizes are adjusted, for people; empty if they are as in the files."""
        if self.adjust is None:
            return ""
        what = "splits and dividends" if self.adjust == "all" else "splits"
        return f"adjusted for {what} as of {self.as_of}"

    @property
    def columns_to_read(self) -> tuple[str, ...] | None:
        """The wanted columns, and those by which rows are chosen or adjusted; None: all.

        By the tickers, unknown symbols are found.
        """
        columns = columns_to_read(self.data_type, self.columns, self.hours)
        has_names = self.selection is not None and bool(self.selection.names)
        if columns is None or not (has_names or self.adjust or self.follow_renames):
            return columns
        return tuple(dict.fromkeys((*columns, "ticker")))

    def wanted_columns(self, columns: Sequence[str]) -> list[str]:
        """Those of a frame's columns that the user gets, in order."""
        if self.columns is None:
            return list(columns)
        wanted = {"date", *self.columns, *(["symbol"] if self.follow_renames else [])}
        return [name for name in columns if name in wanted]

    @classmethod
    def validate(
        cls,
        data_type: str,
        start: DateLike,
        end: DateLike,
        *,
        frame: FrameKind = "polars",
        **options: Unpack[LoadOptions],
    ) -> Request:
        """Check all arguments before anything is downloaded.

        Raises
        ------
        ValueError
            If one is wrong; the message names it, its value and the remedy.
        TypeError
            If there is no argument of this name.
        """
        given = _with_defaults(options)
        found = get_data_type(data_type)
        first, last = as_date_range(start, end)
        check_frame_kind(frame)
        _refuse_options_only(found, given)
        strict = given["strict"]
        if not isinstance(strict, bool):
            raise ValueError(f"strict={strict!r} is neither True nor False; give one of them")
        check_hours_of(found, _choice("hours", given["hours"], get_args(Hours)))
        return cls(
            data_type=found,
            start=first,
            end=last,
            selection=_selection(found, given),
            columns=_columns(given["columns"]),
            frame=frame,
            tz=_time_zone(given["tz"]),
            missing=_choice("missing", given["missing"], ("warn", "raise", "ignore")),
            strict=strict,
            quote_sizes=_quote_sizes(found, given["quote_sizes"]),
            hours=given["hours"],
            adjust=given["adjust"],
            as_of=_as_of(found, given, last),
            follow_renames=given["follow_renames"],
        )


def _selection(data_type: DataType, given: LoadOptions) -> Selection | None:
    symbols = names_of("symbols", given["symbols"])
    if symbols is not None and data_type.is_options:
        symbols = tuple(dict.fromkeys(map(vendors_spelling, symbols)))
    selection = parse_symbols(
        symbols,
        names_of("underlyings", given["underlyings"]),
        parse_contract_filter(given["expiry"], given["strike"], given["option_type"]),
    )
    if selection is not None and data_type.columns:
        check_has_ticker(data_type.columns)
    return selection


def _quote_sizes(data_type: DataType, value: QuoteSizes) -> QuoteSizes:
    chosen = _choice("quote_sizes", value, ("as stored", "shares"))
    if chosen == "shares" and not has_quote_sizes(data_type):
        raise ValueError(
            f"quote_sizes={value!r} is for stocks_quotes, whose sizes were in round lots before "
            f"2025-11-03, and not for {data_type.name}; omit it"
        )
    return chosen


def _choice(parameter: str, value: T, choices: tuple[T, ...]) -> T:
    # A frame or an array compares to an array, which is neither true nor false.
    if not isinstance(value, str) or value not in choices:
        *others, last = map(repr, choices)
        raise ValueError(f"{parameter}={value!r} is unknown; choose {', '.join(others)} or {last}")
    return value


def _with_defaults(options: LoadOptions) -> LoadOptions:
    for name in options:
        if name not in _DEFAULTS:
            close = difflib.get_close_matches(name, _DEFAULTS, n=1)
            hint = f"did you mean {close[0]!r}" if close else f"choose from {', '.join(_DEFAULTS)}"
            raise TypeError(f"unexpected keyword argument {name!r}; {hint}")
    return cast("LoadOptions", {**_DEFAULTS, **options})


def _refuse_options_only(data_type: DataType, given: LoadOptions) -> None:
    if data_type.is_options:
        return
    for parameter in _OPTIONS_ONLY:
        value = cast("dict[str, Any]", given)[parameter]
        if value is not None:
            raise ValueError(
                f"{parameter}={value!r} selects options, and {data_type.name} has none; "
                "omit it, or use symbols"
            )


def _as_of(data_type: DataType, given: LoadOptions, last: date) -> date | None:
    """The day of reference of ``adjust`` and ``follow_renames``, which are checked here."""
    how, follows, as_of = given["adjust"], given["follow_renames"], given["as_of"]
    if not isinstance(follows, bool):
        raise ValueError(f"follow_renames={follows!r} is neither True nor False; give one of them")
    if how is not None:
        _choice("adjust", how, ("splits", "all"))
    if how is None and not follows:
        if as_of is not None:
            raise ValueError(
                f"as_of={as_of!r} belongs to adjust or follow_renames; pass one, or omit it"
            )
        return None
    if data_type.asset_class != "stocks":
        parameter = f"adjust={how!r}" if how is not None else "follow_renames=True"
        raise ValueError(
            f"{parameter} is for stocks alone, and {data_type.name} has none: options contracts "
            "are adjusted by the OCC, futures are chained (flatnb.research.continuous); omit it"
        )
    if follows and given["symbols"] is None:
        raise ValueError("follow_renames=True needs symbols: the files name no security by itself")
    if as_of is None:
        return exchange_today()
    day = as_date(as_of, "as_of")
    if how is not None and day < last:
        raise ValueError(
            f"as_of={as_of!r} is before end={str(last)!r}: rows are adjusted to a later basis "
            "alone; choose a later day, or end the load on it"
        )
    return day


def _columns(value: Sequence[str] | str | None) -> tuple[str, ...] | None:
    wanted = names_of("columns", value)
    if wanted is None:
        return None
    # The date is the file's, not the row's: it is always there.
    wanted = tuple(name for name in wanted if name != "date")
    if not wanted:
        raise ValueError("columns holds only 'date', which is always there; add another")
    return wanted


def names_of(parameter: str, value: Sequence[str] | str | None) -> tuple[str, ...] | None:
    """One string or several as a tuple without duplicates; None stays None.

    Raises
    ------
    ValueError
        If it is anything else, or empty; the message names the parameter.
    """
    if value is None:
        return None
    try:
        names = (value,) if isinstance(value, str) else tuple(value)
    except TypeError:
        raise ValueError(f"{parameter}={value!r} must be a string or a list of strings") from None
    if not names:
        raise ValueError(f"{parameter}={value!r} selects nothing; omit it to get all")
    for name in names:
        if not isinstance(name, str) or not name:
            raise ValueError(f"{parameter} holds {name!r}; give non-empty strings")
        if not name.isprintable():
            # No ticker or column has line breaks or lone surrogates, which polars refuses.
            raise ValueError(f"{parameter} holds {name!r}, which has unprintable characters")
    return tuple(dict.fromkeys(names))


def check_progress(progress: bool | None) -> None:
    """Raise an error for what is neither True, False nor None.

    Raises
    ------
    ValueError
        The message names the parameter.
    """
    if progress is not None and not isinstance(progress, int):
        raise ValueError(f"progress={progress!r} is unknown; choose True, False or None")


def _time_zone(tz: str | tzinfo) -> str:
    name = "UTC" if tz is UTC else getattr(tz, "key", None) if isinstance(tz, tzinfo) else tz
    try:
        if not isinstance(name, str):
            raise TypeError
        zoneinfo.ZoneInfo(name)
        is_known = name == "UTC" or _polars_knows(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, TypeError, OSError):
        is_known = False
    if not is_known:
        raise ValueError(
            f"tz={tz!r} is not a time zone of the IANA database; give a name such as 'UTC' or "
            "'America/New_York', or a zoneinfo.ZoneInfo of one"
        )
    return cast("str", name)


def _polars_knows(time_zone: str) -> bool:
    """Whether polars can convert to it: it has a database of its own, and 'localtime' is not there.

    The database of this machine has files that are not time zones of IANA.
    """
    import polars as pl

    epoch = pl.Series([0], dtype=pl.Datetime("ns", "UTC"))
    try:
        epoch.dt.convert_time_zone(time_zone)
    except pl.exceptions.PolarsError:
        return False
    return True
