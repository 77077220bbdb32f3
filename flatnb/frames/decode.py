"""Stored bytes in, verified text out, in blocks of whole lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from ..download.gzip_stream import MAGIC, decompress_stream

T = TypeVar("T")

PARSE_BYTES = 4 * 1024 * 1024
"""Blocks to be parsed. Measured: smaller ones give polars more calls and a frame of more chunks."""

SEARCH_BYTES = 512 * 1024
"""Blocks to be searched. Measured: larger ones leave the CPU's cache too early."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

Chunks = Iterable[bytes | bytearray | memoryview]


def header_and_rows(
    chunks: Chunks, key: str, max_decompressed_bytes: int | None, block_bytes: int = PARSE_BYTES
) -> tuple[bytes, Iterator[bytes]]:
    """Take a day's file apart: its first line, and the others in blocks of whole lines.

    Parameters
    ----------
    chunks
        The file as stored: gzip, or plain CSV unless the key ends in ``.gz``.
    max_unpacked_bytes
        As `decompress_stream` takes it.
    block_bytes
        Least size of a block, but for the last.

    Returns
    -------
    bytes, iterator of bytes
        Only when the last block has been taken is the file verified.

    Raises
    ------
    GzipFault
        If the gzip is damaged; also by the iterator.
    """
    lines = whole_lines(_text(iter(chunks), key, max_decompressed_bytes), block_bytes)
    header, _, rest = next(lines, b"").partition(b"\n")
    return header.removeprefix(_BYTE_ORDER_MARK), _chain(rest, lines)


def whole_lines(text: Iterable[bytes], block_bytes: int) -> Iterator[bytes]:
    """The same text in blocks of at least this size that end with a line, but for the last.

    A quoted line break counts as the end of a line: no flat file has one, and the reader refuses
    a file that does.
    """
    pending: list[bytes] = []
    size = 0
    for piece in text:
        size += len(piece)
        # Only the last piece is cut: the copies of all the others would cost as much as unpacking.
        end = piece.rfind(b"\n") + 1 if size >= block_bytes else 0
        if end:
            yield b"".join([*pending, piece[:end]])
            pending = [piece[end:]]
            size = len(piece) - end
        else:
            pending.append(piece)
    if last := b"".join(pending):
        yield last


def _text(
    chunks: Iterator[bytes | bytearray | memoryview], key: str, max_decompressed_bytes: int | None
) -> Iterator[bytes]:
    first = next(chunks, b"")
    if key.endswith(".gz") or bytes(first[:2]) == MAGIC:
        return decompress_stream(
            _chain(first, chunks), max_decompressed_bytes=max_decompressed_bytes
        )
    return map(bytes, _chain(first, chunks))


def _chain(first: T, rest: Iterable[T]) -> Iterator[T]:
    if first:
        yield first
    yield from rest
