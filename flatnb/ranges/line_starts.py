"""The first cell of every line, compared in bulk: where in a text another ticker begins.

Files hold a ticker's rows together, with exceptions, so nothing may be concluded from samples:
every line is looked at. Each line's first cell is read as numbers of eight bytes, cut at its
comma, and compared with the line's before.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Offsets = NDArray[np.int64]
Words = NDArray[np.uint64]

MOST_WORDS = 8
"""The longest first cell is one byte shorter than so many numbers of eight bytes."""

CELL_BYTES = 8 * MOST_WORDS

_COMMAS = np.uint64(0x2C2C2C2C2C2C2C2C)
_ONES = np.uint64(0x0101010101010101)
_TOPS = np.uint64(0x8080808080808080)
_ONE = np.uint64(1)
_WHICH_BYTE = np.uint64(0x0001020304050607)
_TOP = np.uint64(56)


class NoFirstCellError(ValueError):
    """A line has no comma where its first cell should end."""


def line_ends(text: NDArray[np.uint8], scratch: NDArray[np.bool_]) -> Offsets:
    """Where the newlines are.

    numpy finds the eight bytes that hold one three times faster than the bytes themselves.

    Parameters
    ----------
    text
        The text.
    scratch
        At least as long; memory that is used again and again costs a third of new memory.
    """
    newline = np.equal(text, ord("\n"), out=scratch[: len(text)])
    whole = len(text) // 8 * 8
    words = newline[:whole].view(np.uint64)
    at = np.flatnonzero(words != 0)
    hits = words[at]
    if np.count_nonzero(newline[:whole]) > len(at):  # two newlines in eight bytes: seldom
        return np.flatnonzero(newline)
    # A hit is a power of 256: it lifts that byte of the factor to the top that says which power.
    ends = at * 8
    ends += (hits * _WHICH_BYTE >> _TOP).view(np.int64)
    tail = np.flatnonzero(newline[whole:])
    return np.concatenate([ends, tail + whole]) if len(tail) else ends


def first_cells(text: NDArray[np.uint8], starts: Offsets) -> Words:
    """The first cells with their commas, as one row of numbers a line, zeros behind the comma.

    Every start must have 64 bytes of text behind it.

    Raises
    ------
    NoFirstCellError
        If a line has no comma in its first 64 bytes.
    """
    eights: Words = np.ndarray((len(text) - 7,), "<u8", text.data, strides=(1,))
    columns = []
    open_ = None
    for word in range(MOST_WORDS):
        values = eights[starts + 8 * word]
        # The lowest bit that is set in `zeros` belongs to the first byte that is a comma
        # ("Hacker's Delight", section 6-1): `until` covers the bytes up to and with it.
        differs = values ^ _COMMAS
        zeros = (differs - _ONES) & ~differs & _TOPS
        until = zeros ^ (zeros - _ONE)
        values &= until
        if open_ is not None:
            values *= open_
        columns.append(values)
        open_ = (zeros == 0) if open_ is None else open_ & (zeros == 0)
        if not open_.any():
            return values[:, None] if not word else np.stack(columns, 1)
    raise NoFirstCellError(f"a line has no comma in its first {CELL_BYTES} bytes")


def changes(cells: Words) -> NDArray[np.intp]:
    """The lines whose first cell is another than the line's before; the first line is one."""
    same = cells[1:, 0] == cells[:-1, 0]
    for word in range(1, cells.shape[1]):
        same &= cells[1:, word] == cells[:-1, word]
    return np.concatenate([np.zeros(1, np.intp), np.flatnonzero(~same) + 1])
