"""Decompression of a day's file into verified text, in blocks of complete lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from ..download.gzip_stream import MAGIC, decompress_stream

T = TypeVar("T")

PARSE_BYTES = 4 * 1024 * 1024
"""Size of blocks to parse. Smaller ones mean more calls of polars and frames of more chunks
(measured)."""

SEARCH_BYTES = 512 * 1024
"""Size of blocks to search. Larger ones do not stay in the CPU's cache (measured)."""

# Some editors begin UTF-8 files with it; the vendor does not.
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

Chunks = Iterable[bytes | bytearray | memoryview]


def header_and_rows(
    chunks: Chunks, key: str, max_decompressed_bytes: int | None, block_bytes: int = PARSE_BYTES
) -> tuple[bytes, Iterator[bytes]]:
    """Split a day's file into its first line and blocks of complete lines.

    Parameters
    ----------
    chunks
        The file as stored: gzip, or plain CSV unless the key ends in ``.gz``.
    max_decompressed_bytes
        As in `decompress_stream`.
    block_bytes
        Minimum size of a block, except for the last one.

    Returns
    -------
    bytes, iterator of bytes
        The file is verified only when the iterator is exhausted.

    Raises
    ------
    GzipError
        If the gzip is damaged; also raised by the iterator.
    """
    # The first block, which is never split within a line, contains the header.
    lines = complete_lines(_text(iter(chunks), key, max_decompressed_bytes), block_bytes)
    header, _, rest = next(lines, b"").partition(b"\n")
    return header.removeprefix(_BYTE_ORDER_MARK), _chain(rest, lines)


def complete_lines(text: Iterable[bytes], block_bytes: int) -> Iterator[bytes]:
    """The same text in blocks of at least this size that end at the end of a line.

    Only the last block may be smaller or lack the line break. A quoted line break counts as the end
    of a line: no flat file has one, and `flatnb.frames.reader` rejects a file that does.
    """
    pending: list[bytes] = []
    size = 0
    for piece in text:
        size += len(piece)
        # Only the last piece is split: copying the others would cost as much as decompressing.
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
    # A key that ends in .gz with other content is an error, which decompress_stream raises.
    if key.endswith(".gz") or bytes(first[:2]) == MAGIC:
        return decompress_stream(
            _chain(first, chunks), max_decompressed_bytes=max_decompressed_bytes
        )
    return map(bytes, _chain(first, chunks))


def _chain(first: T, rest: Iterable[T]) -> Iterator[T]:
    if first:
        yield first
    yield from rest
