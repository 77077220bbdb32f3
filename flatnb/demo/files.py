"""A table as the bytes of a file, as the vendor formats it."""

from __future__ import annotations

from datetime import date
from io import BytesIO

import polars as pl
from isal import isal_zlib

DECIMALS_SINCE = date(2026, 2, 23)
"""The first day whose stock files write six decimals in volumes and prices."""

_PRICES = ("open", "close", "high", "low")
_GZIP_WINDOW_BITS = 31


def has_decimals(data_type: str, day: date) -> bool:
    """Whether a file writes six decimals: stocks do of late, options do not."""
    return data_type.startswith("stocks_") and day >= DECIMALS_SINCE


def to_csv(table: pl.DataFrame, *, decimals: bool) -> bytes:
    """The CSV of a table: ``115.030000`` with decimals, else shortest (``8``, ``29.5``)."""
    if decimals:
        # The same text as float_precision=6 gives, in half the time.
        numbers = pl.col("volume", *_PRICES).cast(pl.Decimal(18, 6))
        table = table.with_columns(numbers)
    else:
        volume = pl.col("volume").cast(pl.Int64)
        table = table.with_columns(volume, pl.col(_PRICES).cast(pl.String).str.strip_suffix(".0"))
    out = BytesIO()
    # No ticker needs quotes, and looking for such takes time.
    table.write_csv(out, quote_style="never")
    return out.getvalue()


def to_gzip(text: bytes) -> bytes:
    """The text compressed, without a time stamp: the same text gives the same bytes."""
    # zlib takes ten times as long, and makes files a tenth smaller.
    return bytes(isal_zlib.compress(text, 2, _GZIP_WINDOW_BITS))
