"""The headers of the files, and the type of each column.

A column name has the same meaning in every file, so the type follows from the name. Sources: the
vendor's documentation and genuine rows of 2021 to 2026. Columns are bound by name, as their order
and number have changed over the years.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

ColumnType = Literal["string", "int64", "float64", "timestamp"]
"""``timestamp`` is an int64 of Unix nanoseconds in UTC in the file, a datetime in a frame."""

COLUMN_TYPES: tuple[str, ...] = get_args(ColumnType)

DATE_COLUMN_IN_FRAMES = "vendor_date"
"""What a file's own column ``date`` is called in frames, whose ``date`` is the file's day.

None of the documented files has such a column."""

_INTEGERS = frozenset(
    {
        "ask_exchange",
        "bid_exchange",
        "correction",
        "exchange",
        "report_sequence",
        "sequence_number",
        "tape",
        "transactions",
        "trf_id",
    }
)
# Sizes and volumes of stocks have decimals since 2026-02-23 (fractional shares), so they are floats
# everywhere: days before and after that date have the same dtypes.
_NUMBERS = frozenset({"close", "high", "low", "open", "price", "size", "value", "volume"})
_NUMBER_ENDINGS = ("_price", "_size", "_volume")


def column_type(name: str) -> ColumnType:
    """The type of a column, by its name.

    Examples
    --------
    >>> [column_type(name) for name in ("sip_timestamp", "bid_price", "tape", "conditions")]
    ['timestamp', 'float64', 'int64', 'string']
    """
    if name in ("timestamp", "window_start") or name.endswith("_timestamp"):
        return "timestamp"
    if name in _NUMBERS or name.endswith(_NUMBER_ENDINGS):
        return "float64"
    return "int64" if name in _INTEGERS else "string"


_BARS = "ticker volume open close high low window_start transactions"
_INDEX_BARS = "ticker open close high low window_start"
_SESSION_BARS = (
    "ticker exchange session_end_date window_start open high low close volume dollar_volume "
    "transactions"
)

_HEADERS = {
    "stocks": {
        "daily": _BARS,
        "minute": _BARS,
        "trades": "ticker conditions correction exchange id participant_timestamp price "
        "sequence_number sip_timestamp size tape trf_id trf_timestamp",
        "quotes": "ticker ask_exchange ask_price ask_size bid_exchange bid_price bid_size "
        "conditions indicators participant_timestamp sequence_number sip_timestamp tape "
        "trf_timestamp",
    },
    "options": {
        "daily": _BARS,
        "minute": _BARS,
        "trades": "ticker conditions correction exchange participant_timestamp price "
        "sip_timestamp size",
        "quotes": "ticker ask_exchange ask_price ask_size bid_exchange bid_price bid_size "
        "sequence_number sip_timestamp",
    },
    "indices": {
        "daily": _INDEX_BARS,
        "minute": _INDEX_BARS,
        "values": "ticker value timestamp",
    },
    "forex": {
        "daily": _BARS,
        "minute": _BARS,
        "quotes": "ticker ask_exchange ask_price bid_exchange bid_price participant_timestamp",
    },
    "crypto": {
        "daily": _BARS,
        "minute": _BARS,
        "trades": "ticker conditions exchange id participant_timestamp price size",
    },
    "futures": {
        "session": f"{_SESSION_BARS} settlement_price",
        "minute": _SESSION_BARS,
        "trades": "ticker timestamp sequence_number report_sequence conditions price size "
        "correction exchange session_end_date",
        "quotes": "ticker timestamp sequence_number report_sequence ask_timestamp ask_price "
        "ask_size bid_timestamp bid_price bid_size exchange session_end_date",
    },
}

HEADERS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    market: {kind: tuple(header.split()) for kind, header in kinds.items()}
    for market, kinds in _HEADERS.items()
}
"""Asset class → kind of file → all columns that its files have had at any time."""

OPTIONAL_COLUMNS: Mapping[tuple[str, str], frozenset[str]] = {
    # The vendor's documentation lists the column, but the files of 2026 lack it.
    ("options", "trades"): frozenset({"participant_timestamp"}),
    ("futures", "session"): frozenset({"exchange", "settlement_price"}),
    ("futures", "minute"): frozenset({"dollar_volume"}),
    ("futures", "trades"): frozenset({"report_sequence", "conditions"}),
    ("futures", "quotes"): frozenset({"sequence_number", "report_sequence"}),
}
"""The columns that only some files of the type have."""

NULLABLE_COLUMNS: Mapping[str, frozenset[str]] = {
    "stocks": frozenset(
        {"conditions", "correction", "id", "indicators", "trf_id", "trf_timestamp"}
    ),
    "options": frozenset({"conditions", "correction"}),
    "crypto": frozenset({"conditions", "id"}),
    # A quote of a future may be one-sided.
    "futures": frozenset(
        {
            "settlement_price",
            "report_sequence",
            "conditions",
            "correction",
            "ask_price",
            "ask_size",
            "ask_timestamp",
            "bid_price",
            "bid_size",
            "bid_timestamp",
        }
    ),
}
"""Asset class → the columns whose cells may be empty."""
