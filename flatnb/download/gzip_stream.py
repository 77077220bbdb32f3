"""Packed bytes in, verified bytes out: every member's checksum and length, and the very end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from isal import isal_zlib

MAGIC = b"\x1f\x8b"

# 128 KiB of a flat file unpack to about 600 KiB, which stay in the CPU's cache for who reads them.
# Smaller bites hand Python's global lock to and fro too often where two threads unpack.
_BITE_BYTES = 128 * 1024

# Flat files unpack to about five times their size; a bomb of gzip to a thousand times.
_HIGHEST_RATIO = 100
_ALWAYS_ALLOWED_BYTES = 10**9
_GZIP_ONLY = 31  # wbits: gzip headers and trailers, no zlib and no raw deflate


class GzipError(ValueError):
    """The bytes are not a whole and sound object; the message says how that shows."""


def decompress_stream(
    chunks: Iterable[bytes | bytearray | memoryview], *, max_decompressed_bytes: int | None
) -> Iterator[bytes]:
    """Unpack a gzip file of one or more members, in blocks.

    A block must be used only after the last one has come: only then is all of it verified.

    Parameters
    ----------
    chunks
        The file, in order, in pieces of any size.
    max_unpacked_bytes
        A file that unpacks to more is refused, before it fills the memory or the disk. None: 100
        times its packed size, or 1 GB for small ones.

    Raises
    ------
    GzipFault
        If it is no gzip, cut, damaged (CRC or length of a member), followed by anything but zero
        padding, or too large.
    """
    members = _Members()
    packed = size = 0
    for chunk in chunks:
        view = memoryview(chunk)
        for start in range(0, len(view), _BITE_BYTES):
            bite = view[start : start + _BITE_BYTES]
            packed += len(bite)
            for block in members.feed(bite):
                size += len(block)
                _check_size(size, packed, max_decompressed_bytes)
                yield block
    members.end()


def _check_size(size: int, packed: int, most: int | None) -> None:
    allowed = max(_ALWAYS_ALLOWED_BYTES, packed * _HIGHEST_RATIO) if most is None else most
    if size > allowed:
        raise GzipError(
            f"it unpacks to more than {allowed:,} bytes; if that is right, give a larger "
            "max_unpacked_bytes"
        )


class _Members:
    """Walks through the members of a gzip file.

    A decompressobj ends with its member: what follows is in ``unused_data``, and a cut member
    merely leaves ``eof`` unset. Nothing of that raises by itself.
    """

    def __init__(self) -> None:
        self._member: Any = None
        self._count = 0
        self._padded = False

    def feed(self, data: memoryview | bytes) -> Iterator[bytes]:
        while data:
            if self._member is None:
                data = self._between(bytes(data))
                if not data:
                    return
                self._member = isal_zlib.decompressobj(wbits=_GZIP_ONLY)
            try:
                block = self._member.decompress(data)
            except isal_zlib.IsalError as error:  # type: ignore[misc]  # its stub is wrong
                raise GzipError(self._describe(error)) from error
            if block:
                yield block
            if not self._member.eof:
                return
            data = self._member.unused_data
            self._member = None
            self._count += 1

    def _between(self, data: bytes) -> bytes:
        """Skip zero padding after a member."""
        if not self._count:
            return data
        rest = data.lstrip(b"\0")
        self._padded = self._padded or len(rest) < len(data)
        if rest and (self._padded or not MAGIC.startswith(rest[:2])):
            raise GzipError(f"bytes that are no gzip follow after member {self._count}")
        return rest

    def _describe(self, error: Exception) -> str:
        reason = str(error)
        if "checksum" in reason:
            return f"the gzip checksum or length is wrong in member {self._count + 1}"
        if "header" in reason.lower() or "magic" in reason.lower():
            return "it is no gzip"
        return f"the gzip data are damaged in member {self._count + 1} ({reason})"

    def end(self) -> None:
        if self._member is not None:
            raise GzipError("the gzip data are cut short")
        if not self._count:
            raise GzipError("it has no bytes, so it is no gzip")
