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


def find_rows(sets: Sets, columns: int) -> Rows:
    """The sure rows of a text.

    Parameters
    ----------
    sets
        What each byte may be.
    columns
        How many cells a row has.

    Raises
    ------
    ContradictionError
        If a sure row has another number of cells.
    """
    border = np.uint64(COMMA | NEWLINE)
    newlines = np.flatnonzero(sets == np.uint64(NEWLINE))
    commas = np.flatnonzero(sets == np.uint64(COMMA))
    doubts = np.flatnonzero(((sets & border) != 0) & ~is_single(sets))
    if len(newlines) < 2:
        return Rows(np.zeros((0, columns), np.int64), np.zeros((0, columns), np.int64))
    before, behind = newlines[:-1], newlines[1:]
    sure = np.searchsorted(doubts, before) == np.searchsorted(doubts, behind)
    before, behind = before[sure], behind[sure]
    first = np.searchsorted(commas, before)
    if (np.searchsorted(commas, behind) - first != columns - 1).any():
        raise ContradictionError("a row has another number of cells")
    inner = commas[first[:, None] + np.arange(columns - 1)]
    return Rows(
        np.concatenate([before[:, None], inner], axis=1) + 1,
        np.concatenate([inner, behind[:, None]], axis=1),
    )
