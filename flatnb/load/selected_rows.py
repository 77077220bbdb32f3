"""The rows of some tickers of a day: read once, and cached together with a way to the others.

A small file is cached as it was downloaded: that costs no processor time, and serves any other
ticker later. A large one leaves a seek index: other tickers are then read by byte ranges.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..download.core.transfer import ObjectVersion
from ..download.targets import SPILL_BYTES, Target
from ..errors import SchemaError
from ..frames.reader import read_day
from ..frames.selection import Selection
from ..market.data_types import DataType
from .day_cache import DayCache, index_tickers

if TYPE_CHECKING:
    import polars as pl

    from ..ranges import ByteRange, SeekIndex
    from .proved_ranges import ProvedRows

MAX_INDEXED_TICKERS = 300
"""More tickers are searched for in the text: decoding all their ranges would cost more."""

SPACING_BYTES = 8 << 20
"""Compressed bytes between the points of an index: a few kB of windows for each of them."""

_OFFSET = "flatnb.offset"
"""A column of cached rows: where in the file's text their run begins."""


@dataclass(frozen=True)
class SelectedRows:
    """Reads the rows of a selection of one file, and caches them.

    Attributes
    ----------
    cache
        Where they are cached.
    data_type, key, bucket
        The file.
    max_decompressed_bytes
        As `FlatSession` takes it.
    """

    cache: DayCache
    data_type: DataType
    bucket: str
    key: str
    max_decompressed_bytes: int | None

    def from_download(
        self, target: Target, version: ObjectVersion, selection: Selection
    ) -> pl.DataFrame:
        """The rows of a file that was just downloaded; caches what later reads need.

        Raises
        ------
        GzipError, IntegrityError, SchemaError
            If the file is damaged, or not what its data type says.
        OSError
            If the cache cannot be written.
        """
        if target.size <= SPILL_BYTES or not self.key.endswith(".gz"):
            frame = self._read(target, selection)
            self.cache.store_file(self.key, version, target.chunks())
            self._store(version, frame, selection)
            return frame
        index = self._index(target, version)
        self.cache.store_index(self.key, version, index)
        if index.tickers is None:
            return self._read(target, selection)
        parts = index.ranges_for(sorted(wanted := index_tickers(index, selection))).ranges
        if len(wanted) > MAX_INDEXED_TICKERS:
            return self._read(target, selection)
        try:
            return self.from_ranges(
                index, parts, [target.read(part.start, part.stop) for part in parts], selection
            )
        except SchemaError:
            # The whole file gives the line of the error.
            return self._read(target, selection)

    def from_file(self, selection: Selection) -> tuple[pl.DataFrame, ObjectVersion] | None:
        """The rows, out of the cached compressed file; None if that is missing or damaged."""
        found = self.cache.find(self.key, self.data_type.fingerprint, None)
        content = self.cache.file(self.key)
        if found is None or found.form != "file" or content is None:
            return None
        # What was read before is read again, so that the stored rows stay in the file's order.
        covered = self.cache.covered(self.key, self.data_type.fingerprint)
        wanted = selection
        if covered.symbols or covered.roots:
            wanted = covered.union(selection) if selection.contracts is None else selection
        frame = self._read_chunks([content], wanted)
        self._store(found.version, frame, wanted)
        return selection.apply(frame), found.version

    def missing(self, selection: Selection) -> tuple[SeekIndex, tuple[ByteRange, ...]] | None:
        """The index, and the byte ranges that are to be downloaded; None without an index."""
        index = self.cache.index(self.key)
        if index is None or index.tickers is None:
            return None
        fingerprint = self.data_type.fingerprint
        return index, self.cache.missing_ranges(self.key, fingerprint, index, selection)

    def from_ranges(
        self,
        index: SeekIndex,
        parts: Sequence[ByteRange],
        data: Sequence[bytes | memoryview],
        selection: Selection,
    ) -> pl.DataFrame:
        """The rows out of byte ranges and of what is cached already; caches them together.

        Raises
        ------
        IntegrityError
            If the bytes are not those that the index was made of.
        SchemaError
            If the rows are not what the data type says.
        """
        import polars as pl

        version = ObjectVersion(index.version.size_bytes, index.version.etag)
        texts = [index.decode(part, each) for part, each in zip(parts, data, strict=True)]
        frame = self._read_text(index.header, texts)
        offsets = list(_row_offsets(parts, texts))
        if len(offsets) != frame.height:
            raise SchemaError("a row has a line break in a cell", key=self.key)
        frame = frame.with_columns(pl.Series(_OFFSET, offsets, dtype=pl.Int64))
        if (stored := self.cache.rows(self.key, None)) is not None and _OFFSET in stored.columns:
            others = stored.filter(~pl.col("ticker").is_in(frame["ticker"].unique().to_list()))
            frame = pl.concat([others, frame], how="diagonal_relaxed")
            frame = frame.sort(_OFFSET, maintain_order=True)
        covered = Selection(tuple(sorted(frame["ticker"].unique())))
        self._store(version, frame, covered)
        return selection.apply(frame).drop(_OFFSET)

    def from_proof(self, proved: ProvedRows, selection: Selection) -> pl.DataFrame:
        """The rows that ranged reads proved; cached with those of other tickers.

        Raises
        ------
        SchemaError
            If the rows are not what the data type says.
        OSError
            If the cache cannot be written.
        """
        import polars as pl

        frame = self._read_text(proved.header, proved.rows)
        fingerprint = self.data_type.fingerprint
        covered = self.cache.covered(self.key, fingerprint)
        stored = self.cache.rows(self.key, None)
        is_same = self.cache.rows_version(self.key, fingerprint) == proved.version
        proof = proved.source
        if stored is not None and is_same and self.cache.proof(self.key) == proof:
            others = stored.filter(~pl.col("ticker").is_in(selection.symbols))
            both = pl.concat([others, frame], how="diagonal_relaxed")
            both = both.sort("ticker", maintain_order=True)
            self._store(proved.version, both, covered.union(selection), proof)
        else:
            self._store(proved.version, frame, selection, proof)
        return frame

    def stored(self, selection: Selection) -> pl.DataFrame | None:
        """The cached rows of a selection that they cover; None if they are damaged."""
        frame = self.cache.rows(self.key, selection)
        return None if frame is None else frame.drop(_OFFSET, strict=False)

    def _read(self, target: Target, selection: Selection) -> pl.DataFrame:
        return read_day(
            target.chunks,
            self.data_type,
            key=self.key,
            selection=selection,
            max_decompressed_bytes=self.max_decompressed_bytes,
        )

    def _read_chunks(
        self, chunks: Sequence[memoryview | bytes], selection: Selection | None
    ) -> pl.DataFrame:
        return read_day(
            lambda: chunks,
            self.data_type,
            key=self.key,
            selection=selection,
            max_decompressed_bytes=self.max_decompressed_bytes,
        )

    def _read_text(self, header: bytes, texts: Sequence[bytes]) -> pl.DataFrame:
        # A key that ends in .gz would have to be gzip.
        return read_day(lambda: [header, *texts], self.data_type, key=self.key.removesuffix(".gz"))

    def _store(
        self, version: ObjectVersion, frame: pl.DataFrame, covered: Selection, proof: str = ""
    ) -> None:
        if covered.contracts is None:
            fingerprint = self.data_type.fingerprint
            self.cache.store_rows(
                self.key, version, frame, columns=fingerprint, covered=covered, proof=proof
            )

    def _index(self, target: Target, version: ObjectVersion) -> SeekIndex:
        from ..ranges import ObjectVersion as IndexedVersion
        from ..ranges import SeekIndexBuilder

        builder = SeekIndexBuilder(
            IndexedVersion(self.bucket, self.key, version.etag, version.size_bytes),
            spacing_bytes=SPACING_BYTES,
            max_text_bytes=self.max_decompressed_bytes,
        )
        for chunk in target.chunks():
            builder.feed(chunk)
        return builder.finish()[1]


def _row_offsets(parts: Sequence[ByteRange], texts: Iterable[bytes]) -> Iterable[int]:
    """For each row the offset in the file's text at which its run begins."""
    for part, text in zip(parts, texts, strict=True):
        at = 0
        for start, end in part.spans:
            run = text[at : at + end - start]
            at += end - start
            lines = run.count(b"\n") + (not run.endswith(b"\n"))
            yield from [start] * lines
