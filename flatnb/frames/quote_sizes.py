"""The sizes of stock quotes, which were in round lots before 2025-11-03 and are in shares since."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date
from typing import TYPE_CHECKING

from ..market.known_issues import QUOTE_SIZES_IN_SHARES_SINCE

if TYPE_CHECKING:
    import polars as pl

SIZES = ("bid_size", "ask_size")
ROUND_LOT = 100


def sizes_in_shares(frame: pl.DataFrame, day: date) -> pl.DataFrame:
    """The quotes of one day with their sizes in shares; without size columns, unchanged.

    Sizes of days before 2025-11-03 are multiplied by 100, the round lot of all but a few stocks of
    high price, of whose lots (10 shares or 1) the files say nothing.

    Parameters
    ----------
    frame
        Quotes of stocks with sizes as the file has them.
    day
        The file's day.
    """
    import polars as pl

    if day >= QUOTE_SIZES_IN_SHARES_SINCE:
        return frame
    return frame.with_columns(pl.col(n) * ROUND_LOT for n in SIZES if n in frame.columns)


def mixed_sizes_warning(columns: Collection[str], days: Iterable[date]) -> str:
    """What to warn of if these days' quotes have sizes in both units; empty if they have not."""
    units = {day >= QUOTE_SIZES_IN_SHARES_SINCE for day in days}
    if len(units) < 2 or not set(SIZES) & set(columns):
        return ""
    return (
        f"sizes of stock quotes are in round lots before {QUOTE_SIZES_IN_SHARES_SINCE} and in "
        "shares from that day on, and here are days of both: load(…, quote_sizes='shares') "
        "multiplies the former by 100; quote_sizes_in_shares in flatnb.research also takes a "
        "table of round_lots, for the stocks whose lot was 10 shares or 1"
    )
