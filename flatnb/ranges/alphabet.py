"""The characters that a file of bars may have, as bits of a 64-bit set."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Sets = NDArray[np.uint64]
"""Sets of characters: bit n is the alphabet's character n."""

_MOST = 63

DIGITS = (1 << 10) - 1
"""The set of the digits: bit n is the digit n."""
DOT, COMMA, NEWLINE = 1 << 10, 1 << 11, 1 << 12
EVERY = (1 << 64) - 1
"""The set of an unknown byte of which nothing is known yet."""

ODD = _MOST
"""The number of all characters that no row can have."""


class Alphabet:
    """Digits, point, comma, newline, and the letters of some tickers.

    Attributes
    ----------
    characters
        The characters in the order of their numbers.
    numbers
        Byte → its number; `ODD` for bytes that are not in the alphabet.

    Raises
    ------
    ValueError
        If the tickers have more kinds of letters than a set has bits.
    """

    def __init__(self, tickers: Iterable[str]) -> None:
        common = b"0123456789.,\n"
        letters = set("".join(tickers).encode("utf-8")) - set(common)
        self.characters = common + bytes(sorted(letters))
        if len(self.characters) > _MOST:
            raise ValueError(
                f"the tickers have {len(letters)} kinds of characters, {_MOST - len(common)} "
                "are the most that can be distinguished; read whole files"
            )
        self.numbers = np.full(256, ODD, np.uint8)
        for number, byte in enumerate(self.characters):
            self.numbers[byte] = number

    @property
    def all(self) -> int:
        """The set of all characters."""
        return (1 << len(self.characters)) - 1

    def set_of(self, characters: str) -> int:
        """The set of these characters."""
        return int(sum(1 << int(self.numbers[byte]) for byte in set(characters.encode("utf-8"))))

    def bytes_of(self, sets: Sets) -> NDArray[np.uint8]:
        """The character of each set of one character."""
        codes = np.frombuffer(self.characters.ljust(64, b"\0"), np.uint8)
        return codes[lowest(sets)]


def is_single(sets: Sets) -> NDArray[np.bool_]:
    """Which sets have exactly one character."""
    return np.asarray((sets != 0) & (sets & (sets - np.uint64(1)) == 0))


def lowest(sets: Sets) -> NDArray[np.int64]:
    """The lowest number in each set, which is not empty."""
    only = sets & (~sets + np.uint64(1))
    # A power of two has its exponent in a float's upper bits.
    return (only.astype(np.float64).view(np.int64) >> 52) - 1023


def highest_digit(sets: Sets) -> NDArray[np.int64]:
    """The highest digit in each set of digits."""
    return (sets.astype(np.float64).view(np.int64) >> 52) - 1023
