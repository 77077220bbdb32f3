"""What a user asks for: the options of a load, spelled once, and their validation."""

from __future__ import annotations

import difflib
import functools
import inspect
import re
import zoneinfo
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, ParamSpec, TypeAlias, TypedDict, TypeVar, Unpack, cast

from ..error_display import shorten
from ..frames.contract_filter import parse_contract_filter
from ..frames.selection import Selection, parse_symbols
from ..frames.to_pandas import FrameKind, check_frame_kind
from ..market.calendar import DateLike, as_date_range
from ..market.data_types import DataType, get_data_type
from ..market.option_symbols import OptionType

P = ParamSpec("P")
T = TypeVar("T")

Missing = Literal["warn", "raise", "ignore"]

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
    tz: str
    missing: Missing
    strict: bool


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
    """What a user asks for, validated."""

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
        missing = given["missing"]
        if missing not in ("warn", "raise", "ignore"):
            raise ValueError(f"missing={missing!r} is unknown; choose 'warn', 'raise' or 'ignore'")
        return cls(
            data_type=found,
            start=first,
            end=last,
            selection=parse_symbols(
                _names("symbols", given["symbols"]),
                _names("underlyings", given["underlyings"]),
                parse_contract_filter(given["expiry"], given["strike"], given["option_type"]),
            ),
            columns=_columns(given["columns"]),
            frame=frame,
            tz=_time_zone(given["tz"]),
            missing=missing,
            strict=given["strict"],
        )


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


def _columns(value: Sequence[str] | str | None) -> tuple[str, ...] | None:
    wanted = _names("columns", value)
    if wanted is None:
        return None
    # The date is the file's, not the row's: it is always there.
    wanted = tuple(name for name in wanted if name != "date")
    if not wanted:
        raise ValueError("columns holds only 'date', which is always there; add another")
    return wanted


def _names(parameter: str, value: Sequence[str] | str | None) -> tuple[str, ...] | None:
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
    return tuple(dict.fromkeys(names))


def _time_zone(tz: str) -> str:
    try:
        zoneinfo.ZoneInfo(tz)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, TypeError, OSError):
        raise ValueError(
            f"tz={tz!r} is not a time zone; give a name such as 'UTC' or 'America/New_York'"
        ) from None
    return tz
