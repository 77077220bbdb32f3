"""The bucket's files, of the real size; made once and kept in a folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from pathlib import Path

from flatnb import S3Catalog
from flatnb.demo import DemoMarket
from flatnb.market.calendar import trading_days

STOCKS = 12_000
MINUTE_DAYS = trading_days("2024-01-02", "2024-01-31")
DAILY_DAYS = trading_days("2024-01-02", "2024-12-27")
SYMBOLS = ("AAPL", "MSFT", "SPY")
OTHERS_OF_A_DAY = ("A", "IBM", "NVDA")

CATALOG = S3Catalog(options_root="us_options_opra")


def make_files(folder: Path, minute_days: Sequence[date] = MINUTE_DAYS) -> Path:
    """Make what is not there yet: stock minutes (24 MB a day) and 250 days of daily bars."""
    files = [("stocks_minute", day) for day in minute_days]
    files += [("stocks_daily", day) for day in DAILY_DAYS]
    wanted = {folder / CATALOG.get_key(*file): file for file in files}
    missing = [(path, *file) for path, file in wanted.items() if not path.exists()]
    if missing:
        with ProcessPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(_make, missing, chunksize=4))
    return folder


def _make(wanted: tuple[Path, str, date]) -> None:
    global _market
    if _market is None:
        _market = DemoMarket(stocks=STOCKS)
    path, data_type, day = wanted
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_bytes(_market.file(data_type, day))
    part.replace(path)


_market: DemoMarket | None = None
