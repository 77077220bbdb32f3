"""Rows and cells of a text of which not every byte is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .alphabet import COMMA, NEWLINE, Sets, is_single
from .history_bytes import ContradictionError

Offsets = NDArray[np.int64]


@dataclass(frozen=True)
class Rows:
    """The rows whose newlines and commas are all known, in ascending order.

    Attributes
    ----------
    begins, ends
        Offset of each cell's first byte, and behind its last: one row a row, one column a cell.
    """

    begins: Offsets
    ends: Offsets

    def __len__(self) -> int:
        return len(self.begins)

    def follows_directly(self) -> NDArray[np.bool_]:
        """For each row but the first: whether no doubtful row lies before it."""
        return np.asarray(self.begins[1:, 0] == self.ends[:-1, -1] + 1)


@dataclass(frozen=True)
class Borders:
    """Where the cells of a text end.

    Attributes
    ----------
    newlines, commas
        Where one surely stands, ascending.
    doubtful
        Where it is not known whether one stands, ascending.
    """

    newlines: Offsets
    commas: Offsets
    doubtful: Offsets

    @classmethod
    def of(cls, sets: Sets) -> Borders:
        """Those of a text, given what each of its bytes may be."""
        return cls(
            np.flatnonzero(sets == np.uint64(NEWLINE)),
            np.flatnonzero(sets == np.uint64(COMMA)),
            np.flatnonzero(((sets & np.uint64(NEWLINE | COMMA)) != 0) & ~is_single(sets)),
        )

    def including(self, places: Offsets, sets: Sets) -> Borders:
        """The same with some more bytes, of which it is given where they are, ascending."""
        more = Borders.of(sets)
        return Borders(
            _merged(self.newlines, places[more.newlines]),
            _merged(self.commas, places[more.commas]),
            _merged(self.doubtful, places[more.doubtful]),
        )


def _merged(some: Offsets, others: Offsets) -> Offsets:
    # A stable sort of integers merges what is in order already.
    return np.sort(np.concatenate([some, others]), kind="stable") if len(others) else some


def find_rows(borders: Borders, columns: int) -> Rows:
    """The sure rows of a text.

    Parameters
    ----------
    borders
        Where its cells end.
    columns
        How many cells a row has.

    Raises
    ------
    ContradictionError
        If a sure row has another number of cells.
    """
    newlines, commas, doubts = borders.newlines, borders.commas, borders.doubtful
    if len(newlines) < 2:
        return Rows(np.zeros((0, columns), np.int64), np.zeros((0, columns), np.int64))
    doubts_before = np.searchsorted(doubts, newlines)
    commas_before = np.searchsorted(commas, newlines)
    sure = np.flatnonzero(doubts_before[:-1] == doubts_before[1:])
    first = commas_before[sure]
    if (commas_before[sure + 1] - first != columns - 1).any():
        raise ContradictionError("a row has another number of cells")
    inner = commas[first[:, None] + np.arange(columns - 1)]
    return Rows(
        np.concatenate([newlines[sure, None], inner], axis=1) + 1,
        np.concatenate([inner, newlines[sure + 1, None]], axis=1),
    )
