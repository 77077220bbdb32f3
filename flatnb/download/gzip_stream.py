"""Decompression of gzip files in blocks, verified up to the last byte.

The checksum and length of every member and the end of the file are checked (RFC 1952).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from isal import isal_zlib

MAGIC = b"\x1f\x8b"

# Input of one call. 128 KiB of a flat file decompress to about 600 KiB, which stay in the CPU's
# cache until they are parsed. With less, threads exchange Python's GIL too often (measured).
_INPUT_BYTES = 128 * 1024

# Flat files decompress to about five times their size (measured), a decompression bomb to about a
# thousand times (the limit of deflate is 1032).
_MAX_RATIO = 100
_ALWAYS_ALLOWED_BYTES = 10**9
_GZIP_ONLY = 31  # wbits of zlib: only gzip headers and trailers, neither zlib nor raw deflate


class GzipError(ValueError):
    """The bytes are not a complete and valid gzip file; the message says why."""


def decompress_stream(
    chunks: Iterable[bytes | bytearray | memoryview], *, max_decompressed_bytes: int | None
) -> Iterator[bytes]:
    """Decompress a gzip file of one or more members, in blocks.

    The content is verified only when the iterator is exhausted; do not use it before.

    Parameters
    ----------
    chunks
        The file, in order, in pieces of any size.
    max_decompressed_bytes
        A file with more decompressed bytes is an error, raised before it fills memory or disk.
        None: 100 times its compressed size, or 1 GB for small files.

    Raises
    ------
    GzipError
        If it is not gzip, truncated, damaged (CRC or length of a member), too large, or followed
        by anything but zero padding.
    """
    members = _Members()
    compressed = size = 0
    for chunk in chunks:
        view = memoryview(chunk)
        for start in range(0, len(view), _INPUT_BYTES):
            data = view[start : start + _INPUT_BYTES]
            compressed += len(data)
            for block in members.feed(data):
                size += len(block)
                _check_size(size, compressed, max_decompressed_bytes)
                yield block
    members.end()


def _check_size(size: int, compressed: int, limit: int | None) -> None:
    allowed = max(_ALWAYS_ALLOWED_BYTES, compressed * _MAX_RATIO) if limit is None else limit
    if size > allowed:
        raise GzipError(
            f"it decompresses to more than {allowed:,} bytes; if that is expected, pass a larger "
            "max_decompressed_bytes"
        )


class _Decompressor(Protocol):
    """The interface of ``zlib.decompressobj``."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: memoryview | bytes) -> bytes: ...


class _Members:
    """Decompresses the members of a gzip file, one after the other.

    A decompressobj ends with its member: the bytes after it are in ``unused_data``, and a truncated
    member only leaves ``eof`` unset. Neither raises an exception (documentation of zlib).
    """

    def __init__(self) -> None:
        self._member: _Decompressor | None = None
        self._count = 0
        self._padded = False

    def feed(self, data: memoryview | bytes) -> Iterator[bytes]:
        while data:
            if self._member is None:
                data = self._skip_padding(bytes(data))
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

    def _skip_padding(self, data: bytes) -> bytes:
        """Skip zero padding after a member."""
        if not self._count:
            return data
        rest = data.lstrip(b"\0")
        self._padded = self._padded or len(rest) < len(data)
        if rest and (self._padded or not MAGIC.startswith(rest[:2])):
            raise GzipError(f"bytes that are not gzip follow member {self._count}")
        return rest

    def _describe(self, error: Exception) -> str:
        reason = str(error)
        if "checksum" in reason:
            return f"the gzip checksum or length is wrong in member {self._count + 1}"
        if "header" in reason.lower() or "magic" in reason.lower():
            return "it is not gzip"
        return f"the gzip data are damaged in member {self._count + 1} ({reason})"

    def end(self) -> None:
        if self._member is not None:
            raise GzipError("the gzip data are truncated")
        if not self._count:
            raise GzipError("it is empty, so it is not gzip")
