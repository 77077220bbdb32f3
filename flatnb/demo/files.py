"""A table as the bytes of a file, as the vendor formats it."""

from __future__ import annotations

from datetime import date
from io import BytesIO

import polars as pl
import polars.selectors as cs
from isal import isal_zlib

from ..market.data_types import DataType

DECIMALS_SINCE = date(2026, 2, 23)
"""The first day whose stock files have six decimals in volumes and prices."""

# Headers have changed over the years. The columns are the vendor's; the day of the change is
# invented.
_OLD_HEADERS_UNTIL = date(2024, 1, 1)
_ONLY_OLD = {
    "options_trades": {"participant_timestamp"},
    "futures_session": {"exchange"},
    "futures_trades": {"conditions"},
}
_ONLY_NEW = {
    "futures_session": {"settlement_price"},
    "futures_minute": {"dollar_volume"},
    "futures_trades": {"report_sequence"},
    "futures_quotes": {"sequence_number", "report_sequence"},
}
_WITH_DECIMALS = ("stocks_daily", "stocks_minute", "stocks_trades")

_GZIP_WINDOW_BITS = 31


def header_of(data_type: DataType, day: date) -> list[str]:
    """The columns of a day's file."""
    kind = f"{data_type.asset_class}_{data_type.name.rpartition('_')[2]}"
    absent = (_ONLY_NEW if day < _OLD_HEADERS_UNTIL else _ONLY_OLD).get(kind, set())
    return [name for name in data_type.columns if name not in absent]


def has_decimals(data_type: str, day: date) -> bool:
    """Whether a file has six decimals: stocks' bars and trades since `DECIMALS_SINCE`."""
    return data_type in _WITH_DECIMALS and day >= DECIMALS_SINCE


def to_csv(table: pl.DataFrame, *, decimals: bool) -> bytes:
    """The CSV of a table: ``115.030000`` with decimals, else the shortest (``8``, ``29.5``)."""
    numbers = cs.float()
    if decimals:
        # The same text as write_csv(float_precision=6), in half the time.
        table = table.with_columns(numbers.cast(pl.Decimal(18, 6)))
    else:
        table = table.with_columns(numbers.cast(pl.String).str.strip_suffix(".0"))
    out = BytesIO()
    has_lists = "conditions" in table.columns
    # Only lists of conditions contain commas; searching the other files for them takes time.
    table.write_csv(out, quote_style="necessary" if has_lists else "never", null_value="")
    return out.getvalue()


def to_gzip(text: bytes) -> bytes:
    """The text compressed, without a time stamp, so that the same text gives the same bytes."""
    # zlib takes ten times as long for files that are a tenth smaller.
    return bytes(isal_zlib.compress(text, 2, _GZIP_WINDOW_BITS))
