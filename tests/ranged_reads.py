"""Runs ranged searches over files in memory, and compares them with the truth."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from flatnb.ranges import DailyBars, RangedSearch, SearchResult


def search(packed: bytes, daily: bytes, day: date, tickers: Sequence[str]) -> SearchResult:
    """What a blocking driver gets."""
    steps = RangedSearch(day, DailyBars(daily), len(packed), tickers).steps()
    replies: list[bytes] | None = None
    while True:
        try:
            wanted = next(steps) if replies is None else steps.send(replies)
        except StopIteration as done:
            result: SearchResult = done.value
            return result
        for part in wanted:
            assert 0 <= part.start < part.stop <= len(packed)
        replies = [packed[part.start : part.stop] for part in wanted]


@dataclass
class Tally:
    """What came of many ticker-days.

    Attributes
    ----------
    exact, refused, wrong
        How many results were the file's rows, none, or others.
    requests, total_bytes, file_bytes
        What was asked for, header included, and the files' sizes.
    processor_s
        Processor time of the searches, daily files included.
    """

    exact: int = 0
    refused: int = 0
    wrong: int = 0
    requests: int = 0
    total_bytes: int = 0
    file_bytes: int = 0
    processor_s: float = 0.0

    @property
    def count(self) -> int:
        """How many ticker-days there were."""
        return self.exact + self.refused + self.wrong

    def add(self, other: Tally) -> None:
        """Count another tally's results as well."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    def __str__(self) -> str:
        count = max(self.count, 1)
        return (
            f"{self.count:5} ticker-days: {self.exact} exact, {self.refused} refused, "
            f"{self.wrong} wrong; {100 * self.total_bytes / max(self.file_bytes, 1):4.1f}% of the "
            f"bytes, {self.requests / count - 1:.2f} requests and the header, "
            f"{1000 * self.processor_s / count:.0f} ms of processor each"
        )


def tally(
    packed: bytes, daily: bytes, day: date, truth: dict[str, bytes], tickers: Sequence[str]
) -> Tally:
    """Look for each ticker by itself, and compare with the truth."""
    found = Tally()
    for ticker in tickers:
        begin = time.process_time()
        result = search(packed, daily, day, [ticker])
        found.processor_s += time.process_time() - begin
        rows = result.answers[ticker].rows
        found.exact += rows == truth.get(ticker, b"")
        found.refused += rows is None
        found.wrong += rows is not None and rows != truth.get(ticker, b"")
        found.requests += result.requests
        found.total_bytes += result.total_bytes
        found.file_bytes += len(packed)
    return found
