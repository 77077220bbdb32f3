"""The fields of the picker's form, as text; and the arguments of `load` that they stand for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TypedDict, TypeVar, cast

from ..frames.to_pandas import FrameKind
from ..load.request import LoadOptions
from ..market.data_types import DATA_TYPES, DataType, get_data_type
from ..market.option_symbols import OptionType
from .picker_calendar import FIRST_FILES

T = TypeVar("T")

CHOICES: Mapping[str, Sequence[tuple[str, str]]] = {
    "tz": (
        ("UTC", "UTC"),
        ("America/New_York", "New York (exchange)"),
        ("America/Chicago", "Chicago"),
        ("Europe/London", "London"),
    ),
    "hours": (
        ("", "all rows"),
        ("regular", "regular session"),
        ("extended", "pre-market to post-market"),
    ),
    "adjust": (("", "as traded"), ("splits", "splits"), ("all", "splits and dividends")),
}
"""Field → its values, each with a label. Those that `LoadOptions` does not have are not shown."""

SHOWN_CHOICES = tuple(name for name in CHOICES if name in LoadOptions.__annotations__)

_GROUPS = {
    "stocks": "Stocks",
    "options": "Options",
    "indices": "Indices",
    "forex": "Currencies",
    "crypto": "Crypto",
    "futures": "Futures",
}
_CONTENTS = {
    "daily": "one bar per ticker and day",
    "session": "one bar per contract and trading session",
    "minute": "one bar per ticker and minute with trades",
    "trades": "every trade; large",
    "quotes": "every quote; very large",
    "values": "every value; large",
}


class LoadArguments(LoadOptions, total=False):
    """Keyword arguments of `FlatSession.load`."""

    frame: FrameKind


class OfferedDataType(TypedDict):
    """A data type in the form's list, with what its files contain."""

    name: str
    contents: str


class DataTypeGroup(TypedDict):
    """The data types of one asset class."""

    group: str
    items: list[OfferedDataType]


class FormState(TypedDict):
    """The form as the page draws it.

    ``columns`` are those of the data type; ``options`` says whether it has options contracts;
    ``first_year`` is the first that the bucket may have files of.
    """

    values: dict[str, str | list[str]]
    columns: list[str]
    options: bool
    first_year: int


@dataclass(frozen=True)
class PickerForm:
    """The fields of the form: the text that was entered, not validated yet.

    Attributes
    ----------
    data_type
        A name of `flatnb.DATA_TYPES`.
    start, end
        First and last day, YYYY-MM-DD, both inclusive.
    symbols, underlyings
        Separated by commas, semicolons, spaces or line breaks; case-sensitive.
    expiry_from, expiry_to
        First and last expiry, YYYY-MM-DD, both inclusive; empty: no limit.
    strike_from, strike_to
        Lowest and highest strike in US dollars, both inclusive; empty: no limit.
    option_type
        ``"call"``, ``"put"``, or empty for both.
    columns
        The selected columns; none: all.
    frame
        ``"polars"`` or ``"pandas"``.
    tz
        Time zone of the times in the frame.
    hours, adjust
        As `FlatSession.load` takes them; empty: its default.
    """

    data_type: str = "stocks_daily"
    start: str = ""
    end: str = ""
    symbols: str = ""
    underlyings: str = ""
    expiry_from: str = ""
    expiry_to: str = ""
    strike_from: str = ""
    strike_to: str = ""
    option_type: str = ""
    columns: tuple[str, ...] = ()
    frame: str = "polars"
    tz: str = "UTC"
    hours: str = ""
    adjust: str = ""

    def changed(self, name: str, value: object) -> PickerForm:
        """A form with another value in one field.

        Raises
        ------
        ValueError
            If there is no such field, or the value has the wrong type.
        """
        names = [field.name for field in fields(self)]
        if name not in names:
            raise ValueError(f"field {name!r} is unknown; choose one of {', '.join(names)}")
        if name == "columns":
            if isinstance(value, str) or not isinstance(value, Sequence):
                raise ValueError(f"columns={value!r} must be a list of column names")
            return replace(self, columns=tuple(map(str, value)))
        if not isinstance(value, str):
            raise ValueError(f"{name}={value!r} must be a string")
        # Each data type has columns of its own.
        columns = () if name == "data_type" else self.columns
        return replace(self, columns=columns, **{name: value})

    @property
    def known_type(self) -> DataType:
        """The selected data type."""
        return get_data_type(self.data_type)

    def arguments(self) -> LoadArguments:
        """The keyword arguments of `FlatSession.load` besides data type and days.

        Raises
        ------
        ValueError
            If a strike is not a number.
        """
        arguments: LoadArguments = {}
        if symbols := split_names(self.symbols):
            arguments["symbols"] = symbols
        if self.known_type.is_options:
            arguments.update(self._option_arguments())
        if self.columns:
            arguments["columns"] = list(self.columns)
        for name in SHOWN_CHOICES:
            value = getattr(self, name)
            if value not in ("", "UTC"):
                cast("dict[str, str]", arguments)[name] = value
        if self.frame != "polars":
            arguments["frame"] = cast(FrameKind, self.frame)  # `load` validates it
        return arguments

    def _option_arguments(self) -> LoadArguments:
        arguments: LoadArguments = {}
        if underlyings := split_names(self.underlyings):
            arguments["underlyings"] = underlyings
        expiry = self.expiry_from.strip() or None, self.expiry_to.strip() or None
        if expiry != (None, None):
            arguments["expiry"] = expiry
        strike = _dollars("strike_from", self.strike_from), _dollars("strike_to", self.strike_to)
        if strike != (None, None):
            arguments["strike"] = strike
        if self.option_type:
            arguments["option_type"] = cast(OptionType, self.option_type)  # `load` validates it
        return arguments

    def code(self, session: str = "session") -> str:
        """The line of Python that loads what is selected.

        Parameters
        ----------
        session
            The name of the variable that has the session.
        """
        positional = [repr(value) for value in (self.data_type, self.start, self.end)]
        try:
            arguments = self.arguments()
        except ValueError as error:
            return f"# {error}"
        named = [f"{name}={value!r}" for name, value in arguments.items()]
        return f"df = {session}.load({', '.join(positional + named)})".replace("'", '"')

    def state(self) -> FormState:
        """The form for the page."""
        values: dict[str, str | list[str]] = {
            field.name: getattr(self, field.name) for field in fields(self)
        }
        values["columns"] = list(self.columns)
        return {
            "values": values,
            "columns": list(self.known_type.columns),
            "options": self.known_type.is_options,
            "first_year": max(self.known_type.first_day.year, FIRST_FILES.year),
        }


_FIELD_OF_PARAMETER = {"expiry": "expiry_from", "strike": "strike_from"}


def field_of_error(message: str) -> str | None:
    """The field that a message of `load` is about; None if it names none.

    The messages begin with the parameter's name (house rule of this package).
    """
    parameter = re.match(r"\w+", message)
    if parameter is None:
        return None
    name = _FIELD_OF_PARAMETER.get(parameter[0], parameter[0])
    return name if name in PickerForm.__dataclass_fields__ else None


def split_names(text: str) -> list[str]:
    """The names in a text, separated by commas, semicolons or white space, each once."""
    return list(dict.fromkeys(re.findall(r"[^\s,;]+", text)))


def _dollars(field: str, text: str) -> float | None:
    if not text.strip():
        return None
    try:
        number = float(text)
    except ValueError:
        raise ValueError(
            f"{field}={text!r} is not a number of dollars; enter for example 470 or 472.5"
        ) from None
    # For the line of code that is shown: strike=(470, None), not 470.0.
    return int(number) if number.is_integer() else number


def data_type_groups() -> list[DataTypeGroup]:
    """All data types by asset class, for the form's list."""
    groups: dict[str, list[OfferedDataType]] = {}
    for name, data_type in DATA_TYPES.items():
        group = _GROUPS.get(data_type.asset_class, data_type.asset_class)
        folder = f"{data_type.root}/{data_type.folder}"
        contents = _CONTENTS.get(name.rpartition("_")[2], folder)
        groups.setdefault(group, []).append({"name": name, "contents": contents})
    return [{"group": group, "items": items} for group, items in groups.items()]
