"""A seek index: what one pass over a gzip file leaves behind, so that parts of it can be read.

See ``docs/ranges.md`` for a drawing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from ..errors import FlatnbError
from .gzip_members import GzipStream
from .inflate import InflateError, Inflater
from .object_version import ObjectVersion
from .packing import Reader, Writer
from .ticker_runs import TickerRuns

_FILE_MARK = b"flatnb-seek-index"
_FORMAT = 1
_DIGEST_BYTES = 16

# A decoder may want to see some bytes more than hold the bits of what it puts out.
_MORE_BYTES = 64
_MERGE_GAP_BYTES = 256 * 1024
# 128 KiB of a flat file unpack to about 600 KiB, which stay in the CPU's cache.
_BITE_BYTES = 128 * 1024


class SeekIndexError(FlatnbError, ValueError):
    """The bytes of a stored seek index are damaged, or of another version of its format."""


@dataclass(frozen=True)
class Points:
    """Where decoding can begin, in ascending order; the first is the file's beginning.

    Attributes
    ----------
    bits
        Offsets in the compressed file, in bits.
    texts
        Offsets in the text, in bytes.
    members
        Whether a gzip member begins there, else a deflate block.
    histories
        The 32 KiB of text before each block, compressed; empty where a member begins.
    """

    bits: NDArray[np.int64]
    texts: NDArray[np.int64]
    members: NDArray[np.bool_]
    histories: tuple[bytes, ...]

    def __len__(self) -> int:
        return len(self.histories)


@dataclass(frozen=True)
class Sections:
    """The text in sections that are verified by themselves, in ascending order.

    Each point is the border of two sections.

    Attributes
    ----------
    data_ends
        How many compressed bytes hold all text up to each section's end.
    text_ends
        Offsets in the text.
    crcs
        CRC-32 of each section's text.
    """

    data_ends: NDArray[np.int64]
    text_ends: NDArray[np.int64]
    crcs: NDArray[np.int64]


@dataclass(frozen=True)
class ByteRange:
    """Compressed bytes to fetch, and what they are for.

    Attributes
    ----------
    start, stop
        Byte offsets in the object, ``stop`` behind the last one.
    point
        The number of the point where decoding begins.
    spans
        The text offsets of the wanted rows, each with the offset behind it.
    """

    start: int
    stop: int
    point: int
    spans: tuple[tuple[int, int], ...] = field(repr=False)

    @property
    def size_bytes(self) -> int:
        """How many bytes are to be fetched."""
        return self.stop - self.start


@dataclass(frozen=True)
class RangePlan:
    """What to fetch for some tickers.

    Attributes
    ----------
    ranges
        The ranges, in ascending order. All rows of a run come from one range.
    absent
        The wanted tickers that have no row in the file.
    """

    ranges: tuple[ByteRange, ...]
    absent: tuple[str, ...]

    @property
    def total_bytes(self) -> int:
        """The size of all ranges together."""
        return sum(part.size_bytes for part in self.ranges)


class SeekIndex:
    """Reads the rows of some tickers by byte ranges, verified by checksums.

    `flatnb.ranges.SeekIndexBuilder` makes it. It holds windows of the file's text.

    Attributes
    ----------
    version
        The object that it was made from. For another ETag or size it is worth nothing.
    header
        The file's first line, with its newline if it has one.
    text_bytes
        The size of the whole text.
    runs
        Which ticker has rows where, or None where that is uncertain.
    no_runs_reason
        Why ``runs`` is None.
    """

    def __init__(
        self,
        version: ObjectVersion,
        *,
        header: bytes,
        points: Points,
        sections: Sections,
        runs: TickerRuns | None,
        no_runs_reason: str | None = None,
    ) -> None:
        self.version = version
        self.header = header
        self.points = points
        self.sections = sections
        self.runs = runs
        self.no_runs_reason = no_runs_reason
        self.text_bytes = int(sections.text_ends[-1])

    def __repr__(self) -> str:
        tickers = f"{len(list(self.runs)):,} tickers" if self.runs is not None else "no tickers"
        return f"SeekIndex({self.version.key!r}, {len(self.points):,} points, {tickers})"

    @property
    def tickers(self) -> tuple[str, ...] | None:
        """The file's tickers, in the order of their first rows; None where they are not known."""
        return None if self.runs is None else tuple(self.runs)

    def ranges_for(
        self, tickers: Iterable[str], *, merge_gap_bytes: int = _MERGE_GAP_BYTES
    ) -> RangePlan:
        """Which bytes hold all rows of some tickers.

        Parameters
        ----------
        tickers
            Exact tickers.
        merge_gap_bytes
            Ranges with fewer bytes between them become one: a request costs more than some bytes.

        Raises
        ------
        ValueError
            If the index does not know the file's tickers.
        """
        if self.runs is None:
            raise ValueError(
                f"the index of {self.version.key!r} does not know the tickers "
                f"({self.no_runs_reason}); read the whole file"
            )
        wanted = [tickers] if isinstance(tickers, str) else list(dict.fromkeys(tickers))
        absent = tuple(ticker for ticker in wanted if ticker not in self.runs)
        spans = sorted(span for ticker in wanted for span in self.runs.spans(ticker))
        return RangePlan(tuple(self._ranges(spans, merge_gap_bytes)), absent)

    def whole(self) -> ByteRange:
        """The range of the whole file, all of its text wanted, header included."""
        return ByteRange(0, self.version.size_bytes, 0, ((0, self.text_bytes),))

    def _ranges(self, spans: list[tuple[int, int]], gap: int) -> Iterator[ByteRange]:
        held: ByteRange | None = None
        for start, end in spans:
            part = self._range_of(start, end)
            if held is not None and (part.point == held.point or part.start <= held.stop + gap):
                stop = max(held.stop, part.stop)
                held = ByteRange(held.start, stop, held.point, held.spans + part.spans)
                continue
            if held is not None:
                yield held
            held = part
        if held is not None:
            yield held

    def _range_of(self, start: int, end: int) -> ByteRange:
        # Points may share a text offset with the next one: the last of them is the nearest.
        point = int(np.searchsorted(self.points.texts, start, side="right")) - 1
        section = int(np.searchsorted(self.sections.text_ends, end, side="left"))
        stop = int(self.sections.data_ends[section]) + _MORE_BYTES
        first = int(self.points.bits[point]) // 8
        return ByteRange(first, min(stop, self.version.size_bytes), point, ((start, end),))

    def decode(self, part: ByteRange, data: bytes | memoryview) -> bytes:
        """The wanted rows of a range, whole and in the file's order, without the header.

        Exactly the rows of the wanted tickers come back, as the index knows where each run is.

        Parameters
        ----------
        part
            From `ranges_for`.
        data
            The bytes of that range.

        Raises
        ------
        IntegrityError
            If the bytes are not those that the index was made from, or not all of them.
        """
        return b"".join(self.decode_stream(part, [data]))

    def decode_stream(
        self, part: ByteRange, chunks: Iterable[bytes | memoryview]
    ) -> Iterator[bytes]:
        """As `decode`, while the bytes come in.

        Each piece is verified when it comes; pieces may end inside a row, all of them together
        are whole rows.
        """
        spans = _Spans(part.spans)
        for start, text in self._verified_sections(part, chunks):
            yield from spans.within(start, text)

    def _verified_sections(
        self, part: ByteRange, chunks: Iterable[bytes | memoryview]
    ) -> Iterator[tuple[int, bytes]]:
        """The sections from the range's point to the last wanted one, with their offsets."""
        at = int(self.points.texts[part.point])
        section = int(np.searchsorted(self.sections.text_ends, at, side="right"))
        last = int(np.searchsorted(self.sections.text_ends, part.spans[-1][1], side="left"))
        if section > last:  # no text is wanted
            return
        held: list[bytes] = []
        held_bytes = 0
        for block in self._blocks(part.point, chunks):
            held.append(block)
            held_bytes += len(block)
            while section <= last:
                length = int(self.sections.text_ends[section]) - at
                if held_bytes < length:
                    break
                text = b"".join(held)
                held, held_bytes = [text[length:]], len(text) - length
                if isal_zlib.crc32(text[:length]) != int(self.sections.crcs[section]):
                    raise self.version.integrity_error(
                        f"the text at {at:,} has another checksum than when it was indexed"
                    )
                yield at, text[:length]
                at += length
                section += 1
            if section > last:
                return
        raise self.version.integrity_error("the range is cut short, or decodes to less text")

    def _blocks(self, point: int, chunks: Iterable[bytes | memoryview]) -> Iterator[bytes]:
        if self.points.members[point]:
            stream = GzipStream()
        else:
            history = isal_zlib.decompress(self.points.histories[point])
            stream = GzipStream(Inflater(int(self.points.bits[point]) % 8, history))
        for chunk in chunks:
            for start in range(0, len(chunk), _BITE_BYTES):
                data: memoryview | bytes = memoryview(chunk)[start : start + _BITE_BYTES]
                while data:
                    try:
                        block, data = stream.feed(data)
                    except InflateError as error:
                        raise self.version.integrity_error(str(error)) from error
                    if block:
                        yield block

    def to_bytes(self) -> bytes:
        """The index as bytes, with a checksum; `from_bytes` reads them."""
        writer = Writer()
        version = self.version
        for text in (version.bucket, version.key, version.etag, self.no_runs_reason or ""):
            writer.text(text)
        writer.number(version.size_bytes)
        writer.data(self.header)
        writer.ascending(self.points.bits)
        writer.ascending(self.points.texts)
        writer.integers(self.points.members.astype(np.int64))
        for history in self.points.histories:
            writer.data(history)
        writer.ascending(self.sections.data_ends)
        writer.ascending(self.sections.text_ends)
        writer.integers(self.sections.crcs)
        writer.number(self.runs is not None)
        if self.runs is not None:
            self.runs.write(writer)
        body = _FILE_MARK + bytes([_FORMAT]) + writer.joined()
        return body + _digest(body)

    @classmethod
    def from_bytes(cls, data: bytes) -> SeekIndex:
        """Read what `to_bytes` wrote.

        Raises
        ------
        SeekIndexError
            If it is damaged, or of another version of the format: make the index anew.
        """
        start = len(_FILE_MARK) + 1
        if len(data) < start + _DIGEST_BYTES or not data.startswith(_FILE_MARK):
            raise SeekIndexError("this is not a seek index; make the index again")
        if data[start - 1] != _FORMAT:
            raise SeekIndexError(
                f"the seek index has format {data[start - 1]}, this flatnb reads {_FORMAT}; "
                "make the index anew"
            )
        if _digest(data[:-_DIGEST_BYTES]) != data[-_DIGEST_BYTES:]:
            raise SeekIndexError("the seek index is damaged (its checksum is wrong); make it anew")
        return cls._read(Reader(data[start:-_DIGEST_BYTES]))

    @classmethod
    def _read(cls, reader: Reader) -> SeekIndex:
        bucket, key, etag, reason = (reader.text() for _ in range(4))
        version = ObjectVersion(bucket, key, etag, reader.number())
        header = reader.data()
        bits, texts = reader.ascending(), reader.ascending()
        members = reader.integers().astype(np.bool_)
        histories = tuple(reader.data() for _ in range(len(bits)))
        sections = Sections(reader.ascending(), reader.ascending(), reader.integers())
        return cls(
            version,
            header=header,
            points=Points(bits, texts, members, histories),
            sections=sections,
            runs=TickerRuns.read(reader) if reader.number() else None,
            no_runs_reason=reason or None,
        )


class _Spans:
    """Cuts the wanted spans out of a text that comes in pieces."""

    def __init__(self, spans: tuple[tuple[int, int], ...]) -> None:
        self._spans = list(reversed(spans))

    def within(self, start: int, text: bytes) -> Iterator[bytes]:
        """What is wanted of a piece that begins at the offset ``start``."""
        end = start + len(text)
        while self._spans and self._spans[-1][0] < end:
            first, last = self._spans[-1]
            yield text[max(first - start, 0) : last - start]
            if last > end:
                return
            self._spans.pop()


def _digest(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=_DIGEST_BYTES).digest()
