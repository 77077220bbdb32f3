"""Runs a grammar over many windows of a text at once.

Each window is a column of symbols: a known character, or an unknown byte with the set of what it
may be. Nothing is assumed of where in a row a window begins, so its borders say less than its
middle: they are the overlap, as long as a row.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .alphabet import Sets
from .grammar import Grammar

Tables = NDArray[np.uint64]
"""`Grammar.tables` of windows: axes are the step, the table, and the window."""

_ONE = np.uint64(1)


class Automaton:
    """Says what unknown bytes cannot be, as no row would then fit.

    Parameters
    ----------
    grammar
        What rows look like.
    """

    def __init__(self, grammar: Grammar) -> None:
        self._grammar = grammar
        self._shifts = np.array(grammar.shifts, np.uint64)[:, None]

    def accepts(self, tables: Tables) -> NDArray[np.bool_]:
        """Which windows can be part of rows."""
        states = np.full(tables.shape[2], self._grammar.states)
        for table in tables:
            states = self._forward(states, table)
        return np.asarray(states != 0)

    def allowed(
        self, tables: Tables, first: int, cells: tuple[NDArray[np.int64], NDArray[np.int64]]
    ) -> tuple[Sets, NDArray[np.bool_]]:
        """What the symbols at some cells can be.

        Parameters
        ----------
        tables
            The windows.
        first
            The first step that a cell may be at; as many steps are at the end for the overlap.
        cells
            Step and window of each cell.

        Returns
        -------
        tuple
            For each cell the set of characters that it can be, and for each window whether it can
            be part of rows at all.
        """
        steps, _, windows = tables.shape
        before = np.empty((steps, windows), np.uint64)
        states = np.full(windows, self._grammar.states)
        for step in range(steps - first):
            before[step] = states
            states = self._forward(states, tables[step])
        after = np.empty((steps, windows), np.uint64)
        states = np.full(windows, self._grammar.states)
        for step in range(steps - 1, first - 1, -1):
            after[step] = states
            states = self._backward(states, tables[step])
        fits = (before[first] & states) != 0
        return self._possible(before[cells], after[cells]), fits

    def _forward(self, states: Sets, table: Tables) -> Sets:
        moved = states & table
        np.minimum(moved[-1], _ONE, out=moved[-1])  # a row ends, and the next one begins
        moved[:-1] <<= self._shifts
        found: Sets = np.bitwise_or.reduce(moved, axis=0)  # type: ignore[call-overload, unused-ignore]  # stubs of numpy 2.5
        return found

    def _backward(self, states: Sets, table: Tables) -> Sets:
        moved = np.empty_like(table)
        moved[-1] = ~(states & _ONE) + _ONE  # all ones if a row may begin, else zero
        np.right_shift(states, self._shifts, out=moved[:-1])
        moved &= table
        found: Sets = np.bitwise_or.reduce(moved, axis=0)  # type: ignore[call-overload, unused-ignore]  # stubs of numpy 2.5
        return found

    def _possible(self, before: Sets, after: Sets) -> Sets:
        """The characters that lead from one of the states before to one of those after."""
        found = np.zeros(len(before), np.uint64)
        classes = self._grammar.classes
        for characters, table in zip(classes, self._grammar.tables(classes).T, strict=True):
            moved = self._forward(before, np.repeat(table[:, None], len(before), axis=1))
            found[(moved & after) != 0] |= characters
        return found
