"""Deflate data decoded from any bit on, with any history (RFC 1951).

isal starts at whole bytes only. A block may start at any bit, so empty blocks are put in front
whose bits fill the first byte up to there; the data themselves stay where they are, which stored
blocks need (they begin at a whole byte) and which saves a copy.
"""

from __future__ import annotations

from typing import Any

from isal import isal_zlib

HISTORY_BYTES = 32768
"""How far back deflate may point (RFC 1951, section 2)."""

_RAW = -15  # wbits: no header, no trailer


class InflateError(ValueError):
    """The bits are not deflate data."""


class Inflater:
    """Decodes raw deflate data that start in the middle of a byte.

    Parameters
    ----------
    first_bit
        Where in the first byte the first block starts: 0 (lowest) to 7.
    history
        The text before that block, at most its last 32,768 bytes.
    """

    def __init__(self, first_bit: int = 0, history: bytes = b"") -> None:
        self._first_bit = first_bit
        self._decoder: Any = isal_zlib.decompressobj(wbits=_RAW, zdict=history)

    @property
    def ended(self) -> bool:
        """Whether the last block is decoded."""
        return bool(self._decoder.eof)

    @property
    def rest(self) -> bytes:
        """What follows the last block."""
        return bytes(self._decoder.unused_data)

    def feed(self, data: memoryview | bytes) -> bytes:
        """Decode the next bytes.

        Raises
        ------
        InflateError
            If they are not deflate data.
        """
        try:
            if not self._first_bit or not data:
                return bytes(self._decoder.decompress(data))
            start = _start_inside(data[0], self._first_bit)
            self._first_bit = 0
            text = self._decoder.decompress(start)
            return bytes(text + self._decoder.decompress(data[1:]))
        except isal_zlib.IsalError as error:  # type: ignore[misc]  # its stub is wrong
            raise InflateError(str(error)) from error


def _start_inside(byte: int, bit: int) -> bytes:
    """The byte's upper bits behind empty blocks, as whole bytes."""
    filling, length = _FILLINGS[bit]
    value = (byte >> bit) << length | filling
    return value.to_bytes((length + 8 - bit) // 8, "little")


def _bits(*fields: tuple[int, int]) -> tuple[int, int]:
    """Fields of (value, number of bits), the first in the lowest bits."""
    value = length = 0
    for field, width in fields:
        value |= field << length
        length += width
    return value, length


def _empty_blocks() -> dict[int, tuple[int, int]]:
    """Start bit → empty blocks whose length, modulo 8, is that bit."""
    # Not last, fixed codes, end of block: 10 bits.
    fixed = _bits((0, 1), (1, 2), (0, 7))
    # Not last, own codes: 91 bits. The code lengths are given by two symbols, 1 ("length 1", bit 0)
    # and 18 ("zeros, 11 and more", bit 1): literal 0 and the end of the block have length 1, and
    # so has the only distance. The bit 1 at the end is the end of the block.
    order = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1)
    lengths = [(1 if symbol in (1, 18) else 0, 3) for symbol in order]
    zeros = [(1, 1), (138 - 11, 7), (1, 1), (117 - 11, 7)]
    own = _bits(
        (0, 1), (2, 2), (0, 5), (0, 5), (14, 4), *lengths, (0, 1), *zeros, (0, 1), (0, 1), (1, 1)
    )
    found = {}
    for blocks in ([fixed], [fixed] * 2, [fixed] * 3):
        for filling in (_bits(*blocks), _bits(own, *blocks)):
            found[filling[1] % 8] = filling
    found[own[1] % 8] = own
    return found


_FILLINGS = _empty_blocks()
