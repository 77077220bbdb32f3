"""Reads one day: out of a download, byte ranges or the cache, into the frame that a load wants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Literal

from ..download.core.transfer import ObjectVersion
from ..download.targets import RangesTarget, Target
from ..errors import SchemaError
from ..frames.misdated import misdated_rows
from ..frames.quote_sizes import sizes_in_shares
from ..frames.reader import empty_day, read_day, select
from ..frames.selection import Selection
from ..frames.wanted_columns import WantedColumns
from ..report import DayOutcome
from .cache_policy import CachePolicy
from .day_cache import CachedDay
from .day_tickers import DayTickers
from .hours import in_hours, time_column_of
from .proved_ranges import ProvedRows
from .request import Request
from .selected_rows import SelectedRows

if TYPE_CHECKING:
    import polars as pl

    from ..ranges import ByteRange, SeekIndex

_SMALL_BYTES = 8 * 1024 * 1024
"""Of a file no larger than this all tickers are read where a symbol is not found."""


@dataclass(frozen=True, slots=True)
class LoadedDay:
    """One day's outcome, with its rows if it loaded."""

    outcome: DayOutcome
    frame: pl.DataFrame | None = None


@dataclass
class DayReader:
    """Makes frames of the days of one request, and fills the cache; safe in several threads.

    Attributes
    ----------
    request
        What is wanted of each day.
    policy
        The cache; None: none.
    bucket
        Where the files are.
    max_decompressed_bytes
        As `FlatSession` takes it.
    tickers
        Finds the unknown symbols.
    columns
        The wanted columns, and which of them there are.
    notes
        Messages to warn of.
    """

    request: Request
    policy: CachePolicy | None
    bucket: str
    max_decompressed_bytes: int | None
    tickers: DayTickers = field(init=False)
    columns: WantedColumns = field(init=False)
    notes: dict[str, None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tickers = DayTickers(self.request)
        self.columns = WantedColumns(self.request.data_type, self.request.columns_to_read)

    def read_cached(self, day: date, key: str, cached: CachedDay) -> LoadedDay | None:
        """Read a day of which all that is wanted is cached; None if the cache is damaged."""
        assert self.policy is not None
        cache, selection = self.policy.cache, self.request.selection
        note = ""
        if cached.form == "day":
            frame = self.columns.read(partial(cache.read, key, selection))
            note = cache.note(key)
        elif selection is None:
            frame = self._convert_cached_file(day, key, cached.version)
        else:
            rows = self._selected_rows(self.policy, key)
            if cached.form == "file":
                found = rows.from_file(selection)
                frame = None if found is None else found[0]
            else:
                frame = rows.stored(selection)
        if frame is None:
            return None
        if cached.form != "day":
            note = self._quality_note(frame, day)
            frame = self._present_columns(frame)
        outcome = DayOutcome(
            day,
            key,
            "cached",
            note,
            cached.version.size_bytes,
            etag=cached.version.etag,
            source=cached.source,
        )
        return self._loaded(outcome, frame)

    def _convert_cached_file(
        self, day: date, key: str, version: ObjectVersion
    ) -> pl.DataFrame | None:
        """Read a whole day of a cached compressed file, and cache it as Parquet instead."""
        assert self.policy is not None
        content = self.policy.cache.file(key)
        if content is None:
            return None
        frame = read_day(
            lambda: [content],
            self.request.data_type,
            key=key,
            max_decompressed_bytes=self.max_decompressed_bytes,
        )
        self._store(self.policy, key, version, frame, self._quality_note(frame, day))
        return frame

    def read_download(
        self,
        cached: CachedDay | None,
        day: date,
        key: str,
        target: Target,
        version: ObjectVersion | None,
    ) -> LoadedDay:
        """Read a whole file that was downloaded; ``cached``: what the cache had of it."""
        request, policy = self.request, self.policy
        read = partial(
            read_day,
            target.chunks,
            request.data_type,
            key=key,
            max_decompressed_bytes=self.max_decompressed_bytes,
        )
        if policy is None or version is None:
            frame = self.columns.read(
                lambda columns: read(selection=request.selection, columns=columns)
            )
            note = self._quality_note(frame, day)
            if target.size <= _SMALL_BYTES:
                self.tickers.look_at(frame, partial(read, columns=["ticker"]))
        elif request.selection is None:
            whole = read()
            note = self._quality_note(whole, day)
            self._store(policy, key, version, whole, note)
            frame = self._present_columns(whole)
        else:
            frame = self._read_selected(policy, key, target, version, request.selection)
            note = self._quality_note(frame, day)
            frame = self._present_columns(frame)
        size_bytes = target.size
        target.abort()  # frees the compressed bytes, which are not needed any more
        is_new = cached is None or cached.version == version
        return self._loaded(
            DayOutcome(
                day,
                key,
                "loaded" if is_new else "replaced",
                note,
                size_bytes,
                etag=version.etag if version is not None else "",
                downloaded_bytes=size_bytes,
                source="whole file",
            ),
            frame,
        )

    def _read_selected(
        self,
        policy: CachePolicy,
        key: str,
        target: Target,
        version: ObjectVersion,
        selection: Selection,
    ) -> pl.DataFrame:
        """Read the selected rows, and cache them if the cache can be written."""
        try:
            return self._selected_rows(policy, key).from_download(target, version, selection)
        except OSError as error:
            self._note_cache_failure(policy, error)
            return read_day(
                target.chunks,
                self.request.data_type,
                key=key,
                selection=selection,
                max_decompressed_bytes=self.max_decompressed_bytes,
            )

    def missing_ranges(self, key: str) -> tuple[SeekIndex, tuple[ByteRange, ...]] | None:
        """The index of a file, and what is to be downloaded; None if there is no index."""
        assert self.policy is not None
        assert self.request.selection is not None
        return self._selected_rows(self.policy, key).missing(self.request.selection)

    def read_ranges(
        self,
        day: date,
        key: str,
        index: SeekIndex,
        parts: Sequence[ByteRange],
        target: RangesTarget,
    ) -> LoadedDay:
        """Read byte ranges that were downloaded, together with what is cached.

        Raises
        ------
        IntegrityError, SchemaError
            If the whole file has to be downloaded.
        """
        assert self.policy is not None
        assert self.request.selection is not None
        data = [target.read(part.start, part.stop) for part in parts]
        rows = self._selected_rows(self.policy, key)
        frame = rows.from_ranges(index, parts, data, self.request.selection)
        outcome = DayOutcome(
            day,
            key,
            "loaded",
            self._quality_note(frame, day),
            index.version.size_bytes,
            etag=index.version.etag,
            downloaded_bytes=sum(part.size_bytes for part in parts),
            source="ranges",
        )
        return self._loaded(outcome, self._present_columns(frame))

    def read_proved(self, day: date, key: str, proved: ProvedRows) -> LoadedDay:
        """Read rows that ranged reads proved.

        Raises
        ------
        SchemaError
            If the whole file has to be downloaded.
        """
        selection = self.request.selection
        assert selection is not None
        frame = None
        if self.policy is not None:
            try:
                frame = self._selected_rows(self.policy, key).from_proof(proved, selection)
            except OSError as error:
                self._note_cache_failure(self.policy, error)
        if frame is None:
            frame = read_day(
                lambda: [proved.header, *proved.rows],
                self.request.data_type,
                key=key.removesuffix(".gz"),
            )
        outcome = DayOutcome(
            day,
            key,
            "loaded",
            self._quality_note(frame, day),
            proved.version.size_bytes,
            etag=proved.version.etag,
            downloaded_bytes=proved.downloaded_bytes,
            source=proved.source,
        )
        return self._loaded(outcome, self._present_columns(frame))

    def _selected_rows(self, policy: CachePolicy, key: str) -> SelectedRows:
        return SelectedRows(
            policy.cache,
            self.request.data_type,
            self.bucket,
            key,
            self.max_decompressed_bytes,
        )

    def _quality_note(self, frame: pl.DataFrame, day: date) -> str:
        # Only the stock exchanges' days are known to begin and end in their time zone.
        return misdated_rows(frame, day) if self.request.data_type.days == "calendar" else ""

    def _present_columns(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Those of the wanted columns that a day has."""
        return self.columns.read(partial(select, frame, None))

    def _loaded(self, outcome: DayOutcome, frame: pl.DataFrame) -> LoadedDay:
        data_type, hours = self.request.data_type, self.request.hours
        if hours != "all" and not outcome.reason and data_type.days == "calendar":
            # Such rows are in no hours of the day: they would be left out without a word.
            note = misdated_rows(frame, outcome.date, time_column_of(data_type))
            outcome = replace(outcome, reason=note)
        if outcome.reason and self.request.strict:
            raise SchemaError(outcome.reason, key=outcome.key)
        frame = in_hours(self.columns.complete(frame), data_type, hours, outcome.date)
        outcome = replace(outcome, rows=frame.height)
        if self.request.quote_sizes == "shares":
            frame = sizes_in_shares(frame, outcome.date)
        return LoadedDay(outcome, self._add_date_and_zone(outcome.date, frame))

    def _store(
        self, policy: CachePolicy, key: str, version: ObjectVersion, frame: pl.DataFrame, note: str
    ) -> None:
        try:
            columns = self.request.data_type.fingerprint
            policy.cache.store(key, version, frame, columns=columns, note=note)
        except OSError as error:
            self._note_cache_failure(policy, error)

    def _note_cache_failure(self, policy: CachePolicy, error: OSError) -> None:
        reason = error.strerror or type(error).__name__
        self.notes[f"the cache in {policy.cache.folder} cannot be written ({reason})"] = None

    def _add_date_and_zone(self, day: date, frame: pl.DataFrame) -> pl.DataFrame:
        """Put the date first and the times into the wanted zone."""
        import polars as pl
        import polars.selectors as cs

        dated = frame.select(pl.lit(day).alias("date"), pl.all())
        if self.request.tz != "UTC":
            dated = dated.with_columns(cs.datetime().dt.convert_time_zone(self.request.tz))
        return dated

    def concatenate(self, frames: list[pl.DataFrame]) -> pl.DataFrame:
        """The frame of all days."""
        import polars as pl

        if not frames:
            nothing = self.columns.complete(empty_day(self.request.data_type))
            # A frame without columns becomes one of one row by its date.
            return self._add_date_and_zone(date(1970, 1, 1), nothing).clear()
        # A column that the vendor added on some day is null on the days before.
        how: Literal["vertical", "diagonal"] = (
            "vertical" if all(f.schema == frames[0].schema for f in frames) else "diagonal"
        )
        return pl.concat(frames, how=how)
