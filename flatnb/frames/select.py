"""The rows of a few tickers, found in a file's text without parsing the others.

No order of the rows is trusted: every line's beginning is looked at. One pass looks for all
tickers at once (Aho-Corasick, as polars has it), over blocks that stay in the CPU's cache.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

MOST_SYMBOLS = 200
"""For more, parsing the whole file is as quick."""

_BLOCK_BYTES = 512 * 1024


def rows_of(blocks: Iterator[bytes], symbols: Sequence[str]) -> bytes | None:
    """The header and the rows whose first field is one of ``symbols``, in file order.

    Parameters
    ----------
    blocks
        The file's text, in order, in pieces of any size; all of it is taken, so that its
        checksum is verified.

    Returns
    -------
    bytes or None
        None where the text alone does not tell: the ticker is not the first column, something is
        quoted, or it is no clean UTF-8. Such a file must be parsed whole.
    """
    import polars as pl

    if len(symbols) > MOST_SYMBOLS or any(set(symbol) & set('",\r\n') for symbol in symbols):
        return None
    starts = [f"\n{symbol}," for symbol in symbols]
    lines = _whole_lines(blocks)
    header, newline, first = next(lines, b"").partition(b"\n")
    if not header.removeprefix(b"\xef\xbb\xbf").startswith(b"ticker,"):
        return None
    found = [header + newline]
    for block in _chain(first, lines):
        if b'"' in block or b"\0" in block:
            return None
        text = b"\n" + block
        try:
            series = pl.Series([text.decode("utf-8")])
        except UnicodeDecodeError:
            return None
        for at in series.str.find_many(starts).item():
            end = text.find(b"\n", at + 1)
            found.append(text[at + 1 :] if end < 0 else text[at + 1 : end + 1])
    return b"".join(found)


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _whole_lines(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """The same text in larger blocks that end with a line, but for the last."""
    pending: list[bytes] = []
    size = 0
    for block in blocks:
        pending.append(block)
        size += len(block)
        if size >= _BLOCK_BYTES and b"\n" in block:
            lines, newline, rest = b"".join(pending).rpartition(b"\n")
            yield lines + newline
            pending, size = [rest], len(rest)
    yield b"".join(pending)
