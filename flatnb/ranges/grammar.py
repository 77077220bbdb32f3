"""What a row of minute bars looks like, as an automaton of at most 64 states.

A state stands for a place in a row, for example "in the decimals of the price ``high``". A set of
states is a 64-bit number, so that one step for all states together is a few bit operations.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from types import MappingProxyType
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from .alphabet import COMMA, DIGITS, DOT, NEWLINE, Alphabet, Sets

_EXCHANGE_TIME = ZoneInfo("America/New_York")
_MOST_STATES = 64
# Volumes were whole numbers before that day in all 11,452 names, and in few of them after it.
_FRACTIONS_SINCE = date(2026, 2, 23)
_MINUTES_A_DAY = 1440
_SECOND_DIGITS = 10
_NANOSECOND_DIGITS = 9

PRICES = ("open", "close", "high", "low")
COLUMNS = frozenset({"ticker", "volume", *PRICES, "window_start", "transactions"})
"""The columns of stock minutes, whose order the header gives."""


class Grammar:
    """The automaton of a day's rows.

    Attributes
    ----------
    columns
        The header's columns, in its order.
    shifts
        By how many places a move may go on.
    states
        The set of all states.
    longest_row
        How many bytes a usual row has at most.
    minute_digits
        The first ten digits of ``window_start`` (the seconds): one row for each of the day's
        minutes from midnight on, exchange time.
    minute_digit_sets
        Which digits each of the ten places has in the day.

    Parameters
    ----------
    columns
        The header's columns: those of `COLUMNS`, in any order.
    day
        The day, in exchange time.
    alphabet
        With the letters of the day's tickers.
    decimals
        Columns whose numbers all have so many decimals.

    Raises
    ------
    ValueError
        If a column is missing or not known.
    """

    def __init__(
        self,
        columns: tuple[str, ...],
        day: date,
        alphabet: Alphabet,
        decimals: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        if set(columns) != COLUMNS or len(columns) != len(COLUMNS):
            raise ValueError(
                f"columns={columns} are not those of stock minutes ({', '.join(sorted(COLUMNS))}); "
                "read whole files"
            )
        self.columns = columns
        self.alphabet = alphabet
        midnight = datetime(day.year, day.month, day.day, tzinfo=_EXCHANGE_TIME)
        self.midnight_s = int(midnight.timestamp())
        seconds = self.midnight_s + 60 * np.arange(_MINUTES_A_DAY)
        places = [seconds // 10**power % 10 for power in reversed(range(_SECOND_DIGITS))]
        self.minute_digits = np.stack(places, axis=1)
        bits = np.uint64(1) << self.minute_digits.astype(np.uint64)
        self.minute_digit_sets: Sets = np.bitwise_or.reduce(bits, axis=0)  # type: ignore[call-overload, unused-ignore]  # stubs of numpy 2.5
        self._decimals = dict(decimals)
        if day < _FRACTIONS_SINCE:
            self._decimals.setdefault("volume", 0)
        moves = self._moves()
        while len(moves.ends) > _MOST_STATES:
            # Any decimals is a wider rule than six decimals and takes fewer states.
            self._decimals.pop(max(self._decimals))
            moves = self._moves()
        self.states = np.uint64((1 << len(moves.ends)) - 1)
        self.shifts = sorted({shift for _, shift, _ in moves.steps})
        self.longest_row = 116 if max(self._decimals.values(), default=0) > 4 else 96
        self._tabulate(moves)

    def _moves(self) -> _Moves:
        moves = _Moves()
        letters = self.alphabet.all & ~(COMMA | NEWLINE)
        for column in self.columns:
            end = NEWLINE if column == self.columns[-1] else COMMA
            if column == "ticker":
                moves.many(letters, end)
            elif column == "transactions":
                moves.many(DIGITS, end)
            elif column == "window_start":
                for digits in self.minute_digit_sets.tolist():
                    moves.one(digits)
                for _ in range(_NANOSECOND_DIGITS):
                    moves.one(1)
                moves.one(end)
            elif column in self._decimals:
                moves.fixed(self._decimals[column], end)
            else:
                moves.number(end)
        return moves

    def _tabulate(self, moves: _Moves) -> None:
        """For each character and shift: the states from which it moves on so far."""
        count = len(self.alphabet.characters)
        self._by_shift = {shift: np.zeros(64, np.uint64) for shift in self.shifts}
        self._row_end = np.zeros(64, np.uint64)
        last = len(moves.ends)
        numbers = np.arange(count, dtype=np.uint64)
        for state, shift, characters in moves.steps:
            table = self._row_end if state + shift == last else self._by_shift[shift]
            has = (np.uint64(characters) >> numbers & np.uint64(1)).astype(np.bool_)
            table[:count][has] |= np.uint64(1 << state)
        kinds = np.stack([*self._by_shift.values(), self._row_end], 1)[:count]
        # Characters that move alike, such as all letters, are one class.
        rows, which = np.unique(kinds, axis=0, return_inverse=True)
        self.classes: Sets = np.zeros(len(rows), np.uint64)
        np.bitwise_or.at(self.classes, which.ravel(), np.uint64(1) << numbers)
        self._class_moves = rows

    def tables(self, sets: Sets) -> NDArray[np.uint64]:
        """For each set of characters, the states that move on.

        Returns
        -------
        numpy.ndarray
            One row for each of `shifts`, the last one for moves to the next row; one column a set.
        """
        found = np.zeros((len(self.shifts) + 1, len(sets)), np.uint64)
        for characters, moves in zip(self.classes, self._class_moves, strict=True):
            has = (sets & characters) != 0
            found |= np.where(has, moves[:, None], np.uint64(0))
        return found


class _Moves:
    """The moves of a row's states, made column by column.

    A step is a state, by how much it moves on, and the characters that do so.
    """

    def __init__(self) -> None:
        self.ends: list[int] = []
        self.steps: list[tuple[int, int, int]] = []

    def _state(self, *steps: tuple[int, int]) -> None:
        state = len(self.ends)
        self.ends.append(state)
        self.steps += [(state, shift, characters) for shift, characters in steps]

    def one(self, characters: int) -> None:
        """Exactly one of these characters."""
        self._state((1, characters))

    def many(self, characters: int, end: int) -> None:
        """One or more of these characters."""
        self._state((1, characters))
        self._state((0, characters), (1, end))

    def number(self, end: int) -> None:
        """Digits, and perhaps decimals."""
        self._state((1, DIGITS))
        self._state((0, DIGITS), (1, DOT), (3, end))
        self._state((1, DIGITS))
        self._state((0, DIGITS), (1, end))

    def fixed(self, decimals: int, end: int) -> None:
        """Digits and so many decimals; none means no point either."""
        if not decimals:
            self.many(DIGITS, end)
            return
        self._state((1, DIGITS))
        self._state((0, DIGITS), (1, DOT))
        for _ in range(decimals):
            self.one(DIGITS)
        self.one(end)
