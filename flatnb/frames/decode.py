"""Stored bytes in, verified text out, in blocks of whole lines that stay in the CPU's cache."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from ..download.gunzip import MAGIC, unpack

T = TypeVar("T")

BLOCK_BYTES = 512 * 1024
"""Measured: smaller ones cost more calls, larger ones leave the CPU's cache too early."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

Chunks = Iterable[bytes | bytearray | memoryview]


def header_and_rows(
    chunks: Chunks, key: str, max_unpacked_bytes: int | None
) -> tuple[bytes, Iterator[bytes]]:
    """Take a day's file apart: its first line, and the others in blocks of whole lines.

    Parameters
    ----------
    chunks
        The file as stored: gzip, or plain CSV unless the key ends in ``.gz``.
    max_unpacked_bytes
        As `unpack` takes it.

    Returns
    -------
    bytes, iterator of bytes
        Only when the last block has been taken is the file verified.

    Raises
    ------
    GzipFault
        If the gzip is damaged; also by the iterator.
    """
    lines = whole_lines(_text(iter(chunks), key, max_unpacked_bytes))
    header, _, rest = next(lines, b"").partition(b"\n")
    return header.removeprefix(_BYTE_ORDER_MARK), _chain(rest, lines)


def whole_lines(text: Iterable[bytes]) -> Iterator[bytes]:
    """The same text in blocks of at least `BLOCK_BYTES` that end with a line, but for the last.

    A quoted line break counts as the end of a line: no flat file has one, and the reader refuses
    a file that does.
    """
    pending: list[bytes] = []
    size = 0
    for piece in text:
        pending.append(piece)
        size += len(piece)
        if size >= BLOCK_BYTES and b"\n" in piece:
            lines, newline, rest = b"".join(pending).rpartition(b"\n")
            yield lines + newline
            pending, size = [rest], len(rest)
    if last := b"".join(pending):
        yield last


def _text(
    chunks: Iterator[bytes | bytearray | memoryview], key: str, max_unpacked_bytes: int | None
) -> Iterator[bytes]:
    first = next(chunks, b"")
    if key.endswith(".gz") or bytes(first[:2]) == MAGIC:
        return unpack(_chain(first, chunks), max_unpacked_bytes=max_unpacked_bytes)
    return map(bytes, _chain(first, chunks))


def _chain(first: T, rest: Iterable[T]) -> Iterator[T]:
    if first:
        yield first
    yield from rest
