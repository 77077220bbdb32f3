"""Reads tickers of a real day by ranges and out of the whole file, and compares them."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from ..context import Context
from ..download.gzip_stream import decompress_stream
from ..formatting import format_bytes
from ..market.calendar import DateLike, as_date

if TYPE_CHECKING:
    from ..ranges import EncoderMarks, TickerAnswer

DEFAULT_TICKERS = 200


@dataclass
class RangeCheck:
    """How ranged reads of a day's minutes compare with its whole file; it holds no row of it.

    Attributes
    ----------
    day
        The day.
    size_bytes
        Size of the minute file.
    exact, refused, wrong
        Tickers whose rows were the file's, byte for byte; were not proved; were others.
    regular_only
        How many of the exact ones were proved for the regular hours alone.
    requests, read_bytes, processor_s
        What the ranged reads took in all.
    refusals
        Reason → number of tickers.
    marks
        What the file shows of its encoder.
    """

    day: date
    size_bytes: int
    exact: int = 0
    refused: int = 0
    wrong: int = 0
    regular_only: int = 0
    requests: int = 0
    read_bytes: int = 0
    processor_s: float = 0.0
    refusals: dict[str, int] = field(default_factory=dict)
    marks: EncoderMarks | None = None

    def __repr__(self) -> str:
        tickers = max(self.exact + self.refused + self.wrong, 1)
        lines = [
            f"ranged reads of stocks_minute {self.day}, {format_bytes(self.size_bytes)}:",
            f"  {self.exact} exact ({self.regular_only} proved for regular hours only), "
            f"{self.refused} refused, {self.wrong} wrong",
            f"  for each ticker: {self.requests / tickers:.2f} requests, "
            f"{format_bytes(self.read_bytes / tickers)}, "
            f"{1000 * self.processor_s / tickers:.0f} ms of processor time",
            f"  {self.marks}",
        ]
        lines += [f"  refused {count}: {reason}" for reason, count in self.refusals.items()]
        return "\n".join(lines)


@dataclass(frozen=True)
class RangeChecker:
    """Compares ranged reads with the whole file."""

    context: Context

    def check(self, day: DateLike, most: int = DEFAULT_TICKERS) -> RangeCheck:
        """Download a day's minute and daily files, and read tickers of it in both ways.

        Parameters
        ----------
        day
            A trading day.
        most
            How many tickers, drawn at random with a fixed seed.

        Raises
        ------
        TransferError
            If a file could not be downloaded.
        """
        date_ = as_date(day, "day")
        work = self._download(date_)
        minutes, daily = self.context.runner.wait(work, f"range check of {date_}")
        return compare(date_, minutes, daily, most)

    async def _download(self, day: date) -> tuple[bytes, bytes]:
        context = self.context
        keys = [context.catalog.get_key(f"stocks_{kind}", day) for kind in ("minute", "daily")]
        bucket = context.catalog.bucket
        found = [
            (await context.downloader.download_one(bucket, key, decompress=False)).getvalue()
            for key in keys
        ]
        return found[0], found[1]


def compare(day: date, minutes: bytes, daily: bytes, most: int) -> RangeCheck:
    """Compare the two ways of reading, given both compressed files."""
    from ..ranges import DailyBars, encoder_marks

    bars = DailyBars(_decompressed(daily))
    rows = _rows_by_ticker(_decompressed(minutes))
    tickers = sorted(set(bars.tickers) & set(rows))
    chosen = random.Random(0).sample(tickers, min(most, len(tickers)))
    check = RangeCheck(day, len(minutes), marks=encoder_marks(minutes))
    for ticker in chosen:
        began = time.process_time()
        answer = _search(check, day, minutes, bars, ticker)
        check.processor_s += time.process_time() - began
        if answer.rows is None:
            check.refused += 1
            reason = answer.refusal or ""
            check.refusals[reason] = check.refusals.get(reason, 0) + 1
        elif answer.rows == rows[ticker]:
            check.exact += 1
            check.regular_only += answer.proved_hours == "regular"
        else:
            check.wrong += 1
    return check


def _search(
    check: RangeCheck, day: date, minutes: bytes, bars: object, ticker: str
) -> TickerAnswer:
    from ..ranges import DailyBars, RangedSearch

    assert isinstance(bars, DailyBars)
    steps = RangedSearch(day, bars, len(minutes), [ticker]).steps()
    replies: list[bytes] | None = None
    while True:
        try:
            wanted = next(steps) if replies is None else steps.send(replies)
        except StopIteration as done:
            check.requests += done.value.requests
            check.read_bytes += done.value.total_bytes
            answer: TickerAnswer = done.value.answers[ticker]
            return answer
        replies = [minutes[start:stop] for start, stop in wanted]


def _decompressed(content: bytes) -> bytes:
    return b"".join(decompress_stream([content], max_decompressed_bytes=None))


def _rows_by_ticker(text: bytes) -> dict[str, bytes]:
    rows: dict[str, list[bytes]] = {}
    for line in _lines(text):
        rows.setdefault(line.partition(b",")[0].decode(), []).append(line)
    return {ticker: b"".join(lines) for ticker, lines in rows.items()}


def _lines(text: bytes) -> Iterator[bytes]:
    yield from text.splitlines(keepends=True)[1:]
