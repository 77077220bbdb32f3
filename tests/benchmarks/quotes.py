"""The command: a second symbol of a day of stock quotes of 1 GB, over the slow link.

The first symbol takes the whole file, which leaves a seek index in the cache; the second takes the
ranges in which it has rows.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from isal import isal_zlib

from flatnb import FlatSession
from tests.servers.throttle import throttle_process

from .files import CATALOG, MINUTE_DAYS
from .peers import KEY_ID, SECRET
from .serve import server_process

_DAY = MINUTE_DAYS[0]
_KEY = CATALOG.get_key("stocks_quotes", _DAY)
_FILE_BYTES = 1_000_000_000
_TICKERS = 3000


def _rows(ticker: str, count: int, seed: int) -> Any:
    """A ticker's quotes, in the columns and the order of the vendor's files."""
    import numpy as np
    import polars as pl

    rng = np.random.default_rng(seed)
    opened = datetime(_DAY.year, _DAY.month, _DAY.day, 14, 30, tzinfo=UTC)
    begin = int(opened.timestamp()) * 10**9
    length = int(timedelta(hours=6.5).total_seconds()) * 10**9
    times = begin + np.sort(rng.integers(0, length, count))
    bids = np.round(100 + np.cumsum(rng.integers(-1, 2, count)) / 100, 2)
    return pl.DataFrame(
        {
            "ticker": [ticker] * count,
            "ask_exchange": rng.integers(1, 20, count),
            "ask_price": np.round(bids + 0.01 * rng.integers(1, 4, count), 2),
            "ask_size": rng.integers(1, 9, count),
            "bid_exchange": rng.integers(1, 20, count),
            "bid_price": bids,
            "bid_size": rng.integers(1, 9, count),
            "conditions": ["1"] * count,
            "indicators": [""] * count,
            "participant_timestamp": times - rng.integers(20_000, 400_000, count),
            "sequence_number": np.arange(count) * 37 + 1_000,
            "sip_timestamp": times,
            "tape": [3] * count,
            "trf_timestamp": [0] * count,
        }
    )


def _text() -> Iterator[bytes]:
    """The day, ticker by ticker; some have a hundred times the quotes of others."""
    randomness = random.Random(5)
    for number in range(_TICKERS):
        count = int(10_000 * 10 ** randomness.uniform(-1, 1))
        table = _rows(f"T{number:04}", count, number)
        yield table.write_csv(include_header=number == 0).encode()


def _make_file(path: Path) -> None:
    packer = isal_zlib.compressobj(1, wbits=31)
    part = path.with_suffix(".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    with part.open("wb") as file:
        for text in _text():
            file.write(packer.compress(text))
            if file.tell() > _FILE_BYTES:
                break
        file.write(packer.flush())
    part.replace(path)


def main() -> None:
    """Measure and print."""
    folder = Path(tempfile.gettempdir()) / "flatnb-benchmark-quotes"
    path = folder / _KEY
    if not path.exists():
        _make_file(path)
    size = path.stat().st_size
    with (
        server_process(folder) as (host, port),
        throttle_process(host, port) as url,
        tempfile.TemporaryDirectory() as cache,
        FlatSession(KEY_ID, SECRET, endpoint_url=url, cache=cache) as session,
    ):
        for symbol in ("T0003", "T1000", "T1000"):
            began, processor = time.perf_counter(), time.process_time()
            frame = session.load("stocks_quotes", _DAY, _DAY, symbols=symbol, progress=False)
            report = session.last_report
            assert report is not None
            moved = sum(day.downloaded_bytes for day in report)
            print(
                f"{symbol}: {len(frame):,} rows in {time.perf_counter() - began:.2f} s "
                f"({time.process_time() - processor:.2f} s of processor time), "
                f"{moved / 1e6:.2f} of {size / 1e6:,.0f} MB moved ({moved / size:.2%})",
                flush=True,
            )


if __name__ == "__main__":
    main()
