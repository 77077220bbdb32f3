"""What ranged reads cost and how often they succeed: ``python -m tests.benchmarks.ranges``.

The seek index is measured against plain streaming decompression in the same run. The reads without
an index run over many ticker-days of two independent markets, in all encoders that are installed,
in order and in disorder, and are compared with the files byte for byte. All files are synthetic.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date

from isal import isal_zlib

from flatnb.demo import DemoMarket
from flatnb.ranges import ByteRange, DailyBars, ObjectVersion, SeekIndex, SeekIndexBuilder
from tests.gzip_encoders import ENCODERS, SLOW, zlib_at
from tests.minute_files import DISORDERS, STYLES, Market, make_market
from tests.ranged_reads import Tally, tally

_CHUNK_BYTES = 128 * 1024
_ROUNDS = 3
DAYS = (date(2024, 6, 3), date(2026, 5, 22))
MAIN = ("zlib 6", "zlib 9", "zlib 1", "Go -1", "Java", "pigz", "libdeflate 6", "isal 2")
"""The encoders that whole-sized files are written with; the others take smaller ones."""
_DISORDERED_WITH = ("zlib 6", "zlib 1", "isal 2")


@dataclass(frozen=True)
class Day:
    """A minute file and its daily file.

    Attributes
    ----------
    text, daily
        Their texts.
    day
        Their day.
    rows
        Ticker → its rows as the file has them.
    """

    text: bytes
    daily: bytes
    day: date
    rows: dict[str, bytes]

    def tickers(self, rng: random.Random, count: int) -> list[str]:
        """Some tickers that have a daily bar."""
        return rng.sample([one for one in DailyBars(self.daily).tickers if one in self.rows], count)


def _demo_day(market: DemoMarket, day: date) -> Day:
    text = market.csv("stocks_minute", day)
    lines: dict[str, list[bytes]] = {}
    for line in text.splitlines(keepends=True)[1:]:
        lines.setdefault(line[: line.index(b",")].decode(), []).append(line)
    rows = {ticker: b"".join(some) for ticker, some in lines.items()}
    return Day(text, market.csv("stocks_daily", day), day, rows)


def _invented_day(market: Market) -> Day:
    text = market.minute_text()
    return Day(text, market.daily_text(), market.style.day, market.all_rows())


def measure_index(spacing: int) -> None:
    """The index's cost, as a ratio to plain decompression, and one ticker's read."""
    for name, data_type, stocks in (
        ("minutes", "stocks_minute", 6000),
        ("quotes", "stocks_quotes", 400),
    ):
        text = DemoMarket(stocks=stocks).csv(data_type, DAYS[1])
        print(
            f"{name:8} {len(text) / 1e6:4.0f} MB of text: {_index_line(zlib_at(6)(text), spacing)}"
        )


def _index_line(packed: bytes, spacing: int) -> str:
    floor = _processor_s(lambda: _decompress(packed))
    without = _processor_s(lambda: _build(packed, 1 << 40))
    index_s = _processor_s(lambda: _build(packed, spacing))
    index = _build(packed, spacing)
    tickers = random.Random(1).sample(list(index.tickers or ()), 20)
    plans = [index.ranges_for([ticker]) for ticker in tickers]
    read_s = _processor_s(lambda: [_read(index, packed, plan.ranges) for plan in plans])
    points = max(len(index.points) - 1, 1)
    return (
        f"{len(packed) / 1e6:.1f} MB; isal {floor:.3f} s, with tickers and sections "
        f"{without / floor:.2f} times, with points {index_s / floor:.2f} times "
        f"({1000 * (index_s - without) / points:.1f} ms a point); {len(index.to_bytes()):,} bytes "
        f"of index; a ticker {sum(plan.total_bytes for plan in plans) / len(plans) / 1e6:.2f} MB, "
        f"{1000 * read_s / len(plans):.1f} ms"
    )


def _build(packed: bytes, spacing: int) -> SeekIndex:
    version = ObjectVersion("flatfiles", "a.csv.gz", "etag", len(packed))
    builder = SeekIndexBuilder(version, spacing_bytes=spacing)
    for chunk in _chunks(packed):
        builder.feed(chunk)
    return builder.finish()[1]


def _decompress(packed: bytes) -> None:
    decoder = isal_zlib.decompressobj(wbits=31)
    for chunk in _chunks(packed):
        decoder.decompress(chunk)


def _chunks(packed: bytes) -> Iterator[bytes]:
    for start in range(0, len(packed), _CHUNK_BYTES):
        yield packed[start : start + _CHUNK_BYTES]


def _read(index: SeekIndex, packed: bytes, ranges: tuple[ByteRange, ...]) -> bytes:
    return b"".join(index.decode(part, packed[part.start : part.stop]) for part in ranges)


def _processor_s(run: Callable[[], object]) -> float:
    """The least processor time of some runs."""
    times = []
    for _ in range(_ROUNDS):
        begin = time.process_time()
        run()
        times.append(time.process_time() - begin)
    return min(times)


def measure_proved(ticker_days: int, stocks: int) -> Tally:
    """Reads without an index, over so many ticker-days."""
    total = Tally()
    rng = random.Random(11)
    market = DemoMarket(stocks=stocks)
    whole = {f"demo {day}": _demo_day(market, day) for day in DAYS}
    for name, style in STYLES.items():
        whole[name] = _invented_day(make_market(2, tickers=stocks // 4, style=style))
    encoders = [name for name in MAIN if name in ENCODERS]
    share = max(1, ticker_days * 6 // 10 // (len(encoders) * len(whole)))
    for name in encoders:
        for kind, day in whole.items():
            packed = ENCODERS[name](day.text)
            _run(f"{kind}, {name}", day, packed, day.tickers(rng, share), total)
    small = {name: make_market(4, tickers=350, style=style) for name, style in STYLES.items()}
    rest = [name for name in ENCODERS if name not in encoders]
    share = max(1, ticker_days * 2 // 10 // len(rest))
    for number, name in enumerate(rest):
        kind = list(small)[number % len(small)]
        day = _invented_day(small[kind])
        if name not in SLOW:
            _run(f"{kind}, {name}", day, ENCODERS[name](day.text), day.tickers(rng, share), total)
    _measure_disorder(rng, small, ticker_days * 2 // 10, total)
    return total


def _measure_disorder(
    rng: random.Random, markets: dict[str, Market], ticker_days: int, total: Tally
) -> None:
    share = max(1, ticker_days // (len(DISORDERS) * len(markets)))
    for name, disorder in DISORDERS.items():
        part = Tally()
        for ordered in markets.values():
            at = rng.randrange(8, len(ordered.blocks) - 8)
            broken = disorder(rng, ordered, at)
            packed = ENCODERS[rng.choice(_DISORDERED_WITH)](broken.minute_text())
            near = [ordered.blocks[at + i][0] for i in (0, 1, -1, 2, -2, 5, -5, 7, -7)][:share]
            rows = {ticker: broken.rows(ticker) for ticker in near}
            part.add(tally(packed, broken.daily_text(), broken.style.day, rows, near))
        print(f"{name.replace('_', ' '):28} {part}", flush=True)
        total.add(part)


def _run(name: str, day: Day, packed: bytes, tickers: list[str], total: Tally) -> None:
    part = tally(packed, day.daily, day.day, day.rows, tickers)
    print(f"{name:28} {part}", flush=True)
    total.add(part)


def main() -> None:
    """Print one line a case, and one of all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ticker-days", type=int, default=2000)
    parser.add_argument("--stocks", type=int, default=8000, help="tickers of the largest files")
    parser.add_argument("--spacing-bytes", type=int, default=1 << 20)
    parser.add_argument("--index-only", action="store_true")
    options = parser.parse_args()
    measure_index(options.spacing_bytes)
    if not options.index_only:
        total = measure_proved(options.ticker_days, options.stocks)
        print(f"{'all':28} {total}")
        if total.wrong:
            raise SystemExit("some results are wrong")


if __name__ == "__main__":
    main()
