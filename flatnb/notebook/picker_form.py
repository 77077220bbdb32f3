"""What is chosen in the picker, as text from its fields; and the call that it stands for."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from typing import Any

from ..market.data_types import DATA_TYPES, DataType, get_data_type

_GROUPS = {
    "stocks": "Stocks",
    "options": "Options",
    "indices": "Indices",
    "forex": "Currencies",
    "crypto": "Crypto",
    "futures": "Futures",
}
_HOLDS = {
    "daily": "one bar a day for each ticker",
    "session": "one bar a trading session for each contract",
    "minute": "one bar for each minute with trades",
    "trades": "every trade; large",
    "quotes": "every quote; very large",
    "values": "every value; large",
}


@dataclass(frozen=True)
class PickerForm:
    """The fields of the form: what was typed, not checked yet.

    Attributes
    ----------
    symbols, underlyings
        Separated by commas, spaces or line breaks; upper and lower case as typed.
    columns
        Those chosen; none: all.
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

    def changed(self, name: str, value: Any) -> PickerForm:
        """With another value in one field.

        Raises
        ------
        ValueError
            If there is no such field, or the value is not of its kind.
        """
        if name not in {field.name for field in fields(self)}:
            raise ValueError(f"there is no field {name!r}")
        if name == "columns":
            value = tuple(map(str, value))
        elif not isinstance(value, str):
            raise ValueError(f"{name}={value!r} must be text")
        other = replace(self, **{name: value})
        # Columns of one data type are none of another.
        return replace(other, columns=()) if name == "data_type" else other

    @property
    def known_type(self) -> DataType:
        """The chosen data type."""
        return get_data_type(self.data_type)

    def arguments(self) -> dict[str, Any]:
        """The keyword arguments of `FlatSession.load` besides data type and days.

        Raises
        ------
        ValueError
            If a strike is no number.
        """
        found: dict[str, Any] = {"symbols": names(self.symbols)}
        if self.known_type.is_options:
            found["underlyings"] = names(self.underlyings)
            found["expiry"] = _pair(self.expiry_from.strip(), self.expiry_to.strip())
            found["strike"] = _pair(_dollars(self.strike_from), _dollars(self.strike_to))
            found["option_type"] = self.option_type or None
        found["columns"] = list(self.columns) or None
        found["frame"] = None if self.frame == "polars" else self.frame
        return {name: value for name, value in found.items() if value}

    def code(self, session: str = "session") -> str:
        """The line of Python that does the same."""
        positional = [repr(value) for value in (self.data_type, self.start, self.end)]
        try:
            arguments = self.arguments()
        except ValueError as error:
            return f"# {error}"
        named = [f"{name}={value!r}" for name, value in arguments.items()]
        return f"df = {session}.load({', '.join(positional + named)})".replace("'", '"')


def names(text: str) -> list[str]:
    """What is between commas, spaces and line breaks."""
    return list(dict.fromkeys(re.findall(r"[^\s,;]+", text)))


def _pair(first: Any, last: Any) -> tuple[Any, Any] | None:
    return (first or None, last or None) if first or last else None


def _dollars(text: str) -> float | None:
    if not text.strip():
        return None
    try:
        number = float(text)
    except ValueError:
        raise ValueError(f"strike {text!r} is no number of dollars") from None
    return int(number) if number.is_integer() else number


def groups() -> list[dict[str, Any]]:
    """All data types by asset class, each with what it holds."""
    found: dict[str, list[dict[str, str]]] = {}
    for name, data_type in DATA_TYPES.items():
        group = _GROUPS.get(data_type.asset_class, data_type.asset_class)
        holds = _HOLDS.get(name.rpartition("_")[2], f"{data_type.root}/{data_type.folder}")
        found.setdefault(group, []).append({"name": name, "holds": holds})
    return [{"group": group, "items": items} for group, items in found.items()]
