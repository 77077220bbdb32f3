"""Makes a seek index while a gzip file passes, which has to be decompressed anyway."""

from __future__ import annotations

import zlib

import numpy as np
from isal import isal_zlib

from .block_starts import PROBE_BYTES, block_starts
from .gzip_members import MAGIC, GzipStream
from .inflate import HISTORY_BYTES, InflateError, Inflater
from .object_version import ObjectVersion
from .seek_index import Points, Sections, SeekIndex
from .ticker_runs import TickerRunsBuilder

SPACING_BYTES = 4 << 20
"""Compressed bytes from one point to the next, at least."""

_SECTION_BYTES = 128 * 1024
# The text of so many bytes stays in a CPU's second cache for those who look at it next.
_BITE_BYTES = 64 * 1024
_COMPARED_BYTES = 32 * 1024
_LOOK_BYTES = PROBE_BYTES + _COMPARED_BYTES

# Flat files unpack to about five times their size; a bomb of gzip to a thousand times.
_HIGHEST_RATIO = 100
_ALWAYS_ALLOWED_BYTES = 10**9


class SeekIndexBuilder:
    r"""Decompresses a gzip file that streams in, and makes its seek index on the way.

    Parameters
    ----------
    version
        The object. Its size is compared with what came.
    spacing_bytes
        How many compressed bytes lie between two points at least. The index has about 7 kB a
        point, and a later read fetches half the spacing more than it needs, on average.
    max_text_bytes
        A file that unpacks to more is refused. None: 100 times what came, or 1 GB for small ones.

    Examples
    --------
    >>> import gzip
    >>> packed = gzip.compress(b"ticker,size\nA,1\nB,2\n")
    >>> builder = SeekIndexBuilder(ObjectVersion("flatfiles", "a.csv.gz", "e1", len(packed)))
    >>> blocks = [*builder.feed(packed)]
    >>> last, index = builder.finish()
    >>> b"".join(blocks + last)
    b'ticker,size\nA,1\nB,2\n'
    >>> plan = index.ranges_for(["B", "C"])
    >>> plan.absent
    ('C',)
    >>> [index.decode(part, packed[part.start : part.stop]) for part in plan.ranges]
    [b'B,2\n']
    """

    def __init__(
        self,
        version: ObjectVersion,
        *,
        spacing_bytes: int = SPACING_BYTES,
        max_text_bytes: int | None = None,
    ) -> None:
        if spacing_bytes < 1:
            raise ValueError(f"spacing_bytes={spacing_bytes} is not a distance; give 1 or more")
        self._version = version
        self._spacing = spacing_bytes
        self._max_text = max_text_bytes
        self._stream = GzipStream()
        self._runs = TickerRunsBuilder()
        self._held = b""
        self._fed = self._out = 0
        self._next_point = spacing_bytes
        self._history = b""
        self._sections: list[tuple[int, int, int]] = []
        self._section_start = self._section_out = self._crc = 0
        self._points: list[tuple[int, int, bool, bytes]] = []

    def feed(self, data: bytes | bytearray | memoryview) -> list[bytes]:
        """Take the next bytes of the file, and give back the text that they bring.

        Some bytes may be kept back until more have come. The text is verified as a whole only
        when `finish` returns.

        Raises
        ------
        IntegrityError
            If the bytes are not gzip, are damaged, or unpack to too much.
        """
        view = memoryview(self._held + data if self._held else data)
        self._held = b""
        blocks: list[bytes] = []
        try:
            at = 0
            while at < len(view):
                if self._fed >= self._next_point and len(view) - at < _LOOK_BYTES:
                    self._held = bytes(view[at:])
                    break
                at += self._advance(view[at:], blocks)
        except InflateError as error:
            raise self._version.integrity_error(str(error)) from error
        return blocks

    def finish(self) -> tuple[list[bytes], SeekIndex]:
        """The last of the text, and the index, when all bytes have been fed.

        Raises
        ------
        IntegrityError
            If the file is cut, damaged, or of another size than it should be.
        """
        blocks: list[bytes] = []
        try:
            self._decode(memoryview(self._held), blocks)
            self._stream.end()
        except InflateError as error:
            raise self._version.integrity_error(str(error)) from error
        if self._fed != self._version.size_bytes:
            raise self._version.integrity_error(
                f"{self._fed:,} bytes came, the object has {self._version.size_bytes:,}"
            )
        self._end_section()
        return blocks, self._index()

    def _advance(self, data: memoryview, blocks: list[bytes]) -> int:
        """Decode some of the data, from where a point may be looked for; how many bytes."""
        if self._fed >= self._next_point:
            return self._look_for_point(data, blocks)
        size = min(len(data), self._section_start + _SECTION_BYTES - self._fed)
        size = min(size, self._next_point - self._fed, _BITE_BYTES)
        self._decode(data[:size], blocks)
        if self._fed >= self._section_start + _SECTION_BYTES:
            self._end_section()
        return size

    def _look_for_point(self, data: memoryview, blocks: list[bytes]) -> int:
        """Decode up to a block start that becomes a point, or past where none was found."""
        data = data[:_LOOK_BYTES]
        done = 0
        for bit in block_starts(data, PROBE_BYTES):
            byte, first_bit = divmod(bit, 8)
            # With the byte in which a block starts all of the block before is there, and of the
            # new one only header: what has come out by then is the text before the point.
            self._decode(data[done : byte + 1], blocks)
            done = byte + 1
            expected = _decoded(data[byte : done + _COMPARED_BYTES], first_bit, self._history)
            if expected is not None:
                self._compare(data[done : done + _COMPARED_BYTES], expected, first_bit, blocks)
                return min(done + _COMPARED_BYTES, len(data))
        self._decode(data[done:PROBE_BYTES], blocks)
        return max(done, min(PROBE_BYTES, len(data)))

    def _compare(
        self, data: memoryview, expected: bytes, first_bit: int, blocks: list[bytes]
    ) -> None:
        """Add a point if decoding from there gives the text that the whole file gives."""
        self._end_section()
        point = (8 * (self._fed - 1) + first_bit, self._out, False, self._history)
        before = len(blocks)
        self._decode(data, blocks)
        if b"".join(blocks[before:]) == expected:
            self._add_point(*point)

    def _add_point(self, bit: int, out: int, member: bool, history: bytes) -> None:
        self._points.append((bit, out, member, zlib.compress(history, 6)))
        self._next_point = bit // 8 + self._spacing

    def _decode(self, data: memoryview, blocks: list[bytes]) -> None:
        rest: memoryview | bytes = data
        while rest:
            if self._stream.between_members and rest[0] == MAGIC[0]:
                self._member_begins()
            left = len(rest)
            block, rest = self._stream.feed(rest)
            self._fed += left - len(rest)
            if block:
                self._take(block)
                blocks.append(block)

    def _member_begins(self) -> None:
        if not self._points or self._fed >= self._next_point:
            self._end_section()
            self._add_point(8 * self._fed, self._out, True, b"")

    def _take(self, block: bytes) -> None:
        self._out += len(block)
        self._crc = isal_zlib.crc32(block, self._crc)
        if len(block) >= HISTORY_BYTES:
            self._history = block[-HISTORY_BYTES:]
        else:
            self._history = (self._history + block)[-HISTORY_BYTES:]
        self._runs.feed(block)
        allowed = self._max_text
        if allowed is None:
            allowed = max(_ALWAYS_ALLOWED_BYTES, self._fed * _HIGHEST_RATIO)
        if self._out > allowed:
            raise InflateError(
                f"it unpacks to more than {allowed:,} bytes; if that is right, give a larger "
                "max_text_bytes"
            )

    def _end_section(self) -> None:
        if self._out > self._section_out:
            self._sections.append((self._fed, self._out, self._crc))
        self._section_start, self._section_out, self._crc = self._fed, self._out, 0

    def _index(self) -> SeekIndex:
        runs = self._runs.finish()
        # A file without text still has a section, so that there is an end.
        sections = np.array(self._sections or [(self._fed, 0, 0)], np.int64)
        bits, texts, members, histories = zip(*self._points, strict=True)
        return SeekIndex(
            self._version,
            header=self._runs.header or b"",
            points=Points(
                np.array(bits, np.int64),
                np.array(texts, np.int64),
                np.array(members, np.bool_),
                histories,
            ),
            sections=Sections(sections[:, 0], sections[:, 1], sections[:, 2]),
            runs=runs,
            no_runs_reason=self._runs.refusal,
        )


def _decoded(data: memoryview, first_bit: int, history: bytes) -> bytes | None:
    """The text from a bit of the first byte on, or None if it is not deflate data."""
    stream = GzipStream(Inflater(first_bit, history))
    parts = []
    rest: memoryview | bytes = data
    try:
        while rest:
            part, rest = stream.feed(rest)
            parts.append(part)
    except InflateError:
        return None
    return b"".join(parts)
