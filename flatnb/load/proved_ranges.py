"""Stock minutes of a few tickers by byte ranges of a file that was never read before.

The rows are proved by the ticker's bar in the same day's daily file, or the whole file is loaded.
``docs/ranges.md`` explains how it works. It has been proved on synthetic files only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Literal

from ..download.async_downloader import AsyncS3Downloader
from ..download.core.transfer import ObjectVersion
from ..download.events import Listener
from ..download.gzip_stream import GzipError, decompress_stream
from ..download.s3_catalog import S3Catalog
from ..download.targets import MemoryTarget, RangesTarget, Target
from ..errors import TransferError
from ..frames.interrupts import in_thread
from .day_cache import DayCache
from .request import Request
from .search_processes import SearchProcessError, SearchProcesses

if TYPE_CHECKING:
    from ..ranges import SearchResult
    from ..ranges.proof import ProvedHours

Ranges = Literal["never", "proved"]

MAX_TICKERS = 30
"""With more tickers of a day, their ranges are no fewer bytes than the whole file."""

_MAX_FAILED_DAYS = 3

Step = Sequence[tuple[int, int]]


@dataclass
class RangedReads:
    """Whether a session reads by ranges: not any more once its first days could not be proved.

    Attributes
    ----------
    mode
        As `FlatSession` takes it.
    proved, failed
        Number of days.
    """

    mode: Ranges
    proved: int = 0
    failed: int = 0
    reasons: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.mode not in ("never", "proved"):
            raise ValueError(f"ranges={self.mode!r} is unknown; choose 'never' or 'proved'")

    @property
    def has_given_up(self) -> bool:
        """Whether the first days could not be proved."""
        return self.failed >= _MAX_FAILED_DAYS and not self.proved

    def accepts(self, request: Request) -> bool:
        """Whether rows that ranged reads proved earlier may be used for a request."""
        return self.mode == "proved" and not request.strict

    def fits(self, request: Request) -> bool:
        """Whether a request may be answered by ranges."""
        selection = request.selection
        return (
            self.accepts(request)
            and not self.has_given_up
            and request.data_type.name == "stocks_minute"
            and selection is not None
            and selection.contracts is None
            and not selection.roots
            and 0 < len(selection.symbols) <= MAX_TICKERS
        )

    @property
    def note(self) -> str:
        """What to warn of; empty if nothing."""
        if not self.has_given_up:
            return ""
        return (
            f"ranges='proved': the first {self.failed} days could not be proved "
            f"({self.reasons[0]}); whole files are loaded"
        )


@dataclass(frozen=True)
class ProvedRows:
    """The rows of some tickers of a day, proved to be all.

    Attributes
    ----------
    header
        The file's first line.
    rows
        Whole rows, ticker after ticker in byte order, as in the files.
    version
        The version of the minute file.
    downloaded_bytes
        Bytes of it that were downloaded.
    hours
        The hours for which they are proved. A bar that covers only the regular hours says nothing
        of rows before and after; those come from the same place in the file.
    """

    header: bytes
    rows: tuple[bytes, ...]
    version: ObjectVersion
    downloaded_bytes: int
    hours: ProvedHours

    @property
    def source(self) -> str:
        """What a report says of these rows."""
        if self.hours == "all":
            return "ranges, proved by the daily bar"
        return "ranges, regular hours proved by the daily bar"


@dataclass(frozen=True)
class ProvedRangesReader:
    """Reads minutes by ranges.

    Attributes
    ----------
    downloader, catalog, cache
        Those of the session; without a cache the daily files are downloaded each time.
    reads
        The session's record of ranged reads.
    processes
        Where the searches run.
    listener
        Called with the events of the downloads.
    """

    downloader: AsyncS3Downloader
    catalog: S3Catalog
    cache: DayCache | None
    reads: RangedReads
    processes: SearchProcesses
    listener: Listener

    async def read(
        self, day: date, key: str, version: ObjectVersion, symbols: Sequence[str]
    ) -> ProvedRows | None:
        """The rows of a day; None if they could not be proved, so that the whole file is needed."""
        try:
            text = await self._daily_text(day)
            result = await self._search(day, text, key, version, symbols)
        except (TransferError, ValueError, SearchProcessError) as error:
            self._count_failure(str(getattr(error, "reason", error)))
            return None
        # A ticker that was mistyped, or not listed on that day, says nothing of how files are made.
        for answer in result.refused:
            if not answer.is_absent:
                self._count_failure(f"{answer.ticker}: {answer.refusal}")
                break
        if result.refused:
            return None
        self.reads.proved += 1
        ordered = sorted(symbols, key=str.encode)
        rows = tuple(result.answers[symbol].rows or b"" for symbol in ordered)
        all_hours = all(found.proved_hours == "all" for found in result.answers.values())
        hours: ProvedHours = "all" if all_hours else "regular"
        return ProvedRows(result.header, rows, version, result.total_bytes, hours)

    def _count_failure(self, reason: str) -> None:
        self.reads.failed += 1
        self.reads.reasons.append(reason)

    async def _search(
        self, day: date, daily_text: bytes, key: str, version: ObjectVersion, symbols: Sequence[str]
    ) -> SearchResult:
        """Give a search the bytes that it asks for, until it is done."""
        async with self.processes.search() as search:
            step = await search.begin(day, daily_text, version.size_bytes, symbols)
            while isinstance(step, list):
                replies = await self.downloader.fetch_ranges(
                    self.catalog.bucket,
                    key,
                    _merged(step),
                    version,
                    _reader_of(step),
                    listener=self.listener,
                )
                step = await search.go_on(replies)
        return step

    async def _daily_text(self, day: date) -> bytes:
        """The decompressed daily file of the same day, from the cache if it is there."""
        key = self.catalog.get_key("stocks_daily", day)
        if self.cache is not None and (content := self.cache.file(key)) is not None:
            try:
                return await in_thread(partial(self._decompress, [content]))
            except GzipError:
                pass  # downloaded again

        def finish(target: Target, version: ObjectVersion | None) -> bytes:
            text = self._decompress(target.chunks())
            if self.cache is not None and version is not None:
                try:
                    self.cache.store_file(key, version, target.chunks())
                except OSError:
                    return text  # the load itself reports a cache that cannot be written
            return text

        return await self.downloader.fetch(
            self.catalog.bucket, key, MemoryTarget(), finish, listener=self.listener
        )

    def _decompress(self, chunks: Iterable[memoryview]) -> bytes:
        limit = self.downloader.max_decompressed_bytes
        return b"".join(decompress_stream(chunks, max_decompressed_bytes=limit))


def _merged(ranges: Step) -> list[tuple[int, int]]:
    """The same bytes in ascending ranges without overlap."""
    merged: list[tuple[int, int]] = []
    for start, stop in sorted(ranges):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(stop, merged[-1][1])
        else:
            merged.append((start, stop))
    return merged


def _reader_of(ranges: Step) -> Callable[[RangesTarget], list[bytes]]:
    return lambda target: [target.read(start, stop) for start, stop in ranges]
