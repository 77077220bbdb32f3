"""The registry of data types: where each one lies in the bucket and what its columns are.

The facts (roots, folders, headers, first days) are the vendor's documentation and published
inventories of the live bucket. Only built-in types appear here: mapping a column type to a
frame library's dtype is `flatnb.frames`' work.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import Literal

ColumnType = Literal["string", "int64", "float64", "timestamp"]
"""``timestamp`` is an int64 of Unix nanoseconds in UTC in the file, a datetime in a frame."""


@dataclass(frozen=True, slots=True)
class DataType:
    """One kind of flat file.

    Attributes
    ----------
    name
        What users write, for example ``"stocks_daily"``.
    root, folder
        The first two parts of the key, for example ``"us_stocks_sip"`` and ``"day_aggs_v1"``.
    columns
        Column name → type, in the order of the file's header.
    first_day
        The first day that the bucket holds.
    """

    name: str
    root: str
    folder: str
    columns: Mapping[str, ColumnType]
    first_day: date

    @property
    def is_options(self) -> bool:
        """Whether the files hold option contracts (whose root has two spellings)."""
        return self.root in OPTIONS_ROOTS


LIVE_OPTIONS_ROOT = "us_options_opra"
DOCUMENTED_OPTIONS_ROOT = "us_options"
OPTIONS_ROOTS = (LIVE_OPTIONS_ROOT, DOCUMENTED_OPTIONS_ROOT)

# Stock volumes are decimals since 2026-02-23, so volume is a float everywhere: a day before and
# a day after then have the same dtypes.
_AGGREGATES: Mapping[str, ColumnType] = MappingProxyType(
    {
        "ticker": "string",
        "volume": "float64",
        "open": "float64",
        "close": "float64",
        "high": "float64",
        "low": "float64",
        "window_start": "timestamp",
        "transactions": "int64",
    }
)

_STOCKS_FIRST_DAY = date(2003, 9, 10)
_OPTIONS_FIRST_DAY = date(2014, 6, 2)

DATA_TYPES: Mapping[str, DataType] = MappingProxyType(
    {
        data_type.name: data_type
        for data_type in (
            DataType(
                "stocks_daily", "us_stocks_sip", "day_aggs_v1", _AGGREGATES, _STOCKS_FIRST_DAY
            ),
            DataType(
                "stocks_minute", "us_stocks_sip", "minute_aggs_v1", _AGGREGATES, _STOCKS_FIRST_DAY
            ),
            DataType(
                "options_daily", LIVE_OPTIONS_ROOT, "day_aggs_v1", _AGGREGATES, _OPTIONS_FIRST_DAY
            ),
            DataType(
                "options_minute",
                LIVE_OPTIONS_ROOT,
                "minute_aggs_v1",
                _AGGREGATES,
                _OPTIONS_FIRST_DAY,
            ),
        )
    }
)


def get_data_type(name: str) -> DataType:
    """Look a data type up by name.

    Raises
    ------
    ValueError
        If there is no such data type; the message lists those there are.
    """
    try:
        return DATA_TYPES[name]
    except (KeyError, TypeError):
        known = ", ".join(sorted(DATA_TYPES))
        raise ValueError(f"data_type={name!r} is unknown; choose one of: {known}") from None
