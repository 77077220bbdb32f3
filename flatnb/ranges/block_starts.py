"""Where deflate blocks may start, found in the middle of the data by what their headers look like.

A block of codes of its own begins with a description of these codes, and a wrong place seldom
looks like one: three bits of type, two counts that must be below 30, and up to 19 code lengths of
three bits that must use up the code space exactly (RFC 1951, section 3.2.7). All bit offsets are
looked at together, with numpy. What is left is tried by decoding.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
from numpy.typing import NDArray

from .inflate import HISTORY_BYTES, InflateError, Inflater

Bits = NDArray[np.int64]

PROBE_BYTES = 16384
"""How many bytes are looked at together."""

_TRIAL_BYTES = 2048
_HEADER_BYTES = 16
_MOST_LENGTHS = 19
# What the bytes before the trial's block were is unknown and does not matter: any will do.
_ANY_HISTORY = bytes(HISTORY_BYTES)


def block_starts(data: memoryview | bytes, limit: int | None = None) -> Iterator[int]:
    """Bit offsets where blocks may start, in ascending order, each tried by decoding.

    Blocks of fixed codes are not looked for: nothing distinguishes them from chance. An encoder
    that uses them uses others as well, or makes files too small to need a start in the middle.

    Parameters
    ----------
    data
        Bytes from anywhere in a deflate stream.
    limit
        Only starts before this byte are looked for; the bytes from it on are used in trials.
    """
    limit = len(data) if limit is None else min(limit, len(data))
    for base in range(0, limit, PROBE_BYTES):
        part = data[base : base + PROBE_BYTES + _HEADER_BYTES]
        for bit in candidates(part, min(PROBE_BYTES, limit - base)):
            start = 8 * base + int(bit)
            if _decodes(data, start):
                yield start


def _decodes(data: memoryview | bytes, start: int) -> bool:
    byte, bit = divmod(start, 8)
    trial = Inflater(bit, _ANY_HISTORY)
    try:
        return bool(trial.feed(data[byte : byte + _TRIAL_BYTES]) or trial.ended)
    except InflateError:
        return False


def candidates(data: memoryview | bytes, limit: int) -> Bits:
    """Bit offsets before byte ``limit`` where a header may stand, ascending."""
    padded = np.zeros(limit + 2 * _HEADER_BYTES, np.uint8)
    given = np.frombuffer(data, np.uint8)[: len(padded)]
    padded[: len(given)] = given
    found = [_own_codes(padded, limit), _stored(padded, limit), _after_flush(padded, limit)]
    return np.unique(np.concatenate(found))


def _own_codes(data: NDArray[np.uint8], limit: int) -> Bits:
    """Blocks with codes of their own that are not the file's last."""
    start = _types_and_counts(data, limit)
    byte, bit = start >> 3, (start & 7).astype(np.uint64)
    words = _words(data)
    lengths = (words[byte] >> (bit + np.uint64(13))) & np.uint64(15)
    # The code lengths begin 17 bits after the block: 57 bits from there are in the word two bytes
    # on for the first seven bit offsets, and in the next word for the last.
    late = bit == 7
    rest = words[byte + 2 + late] >> np.where(late, np.uint64(0), bit + np.uint64(1))
    used = np.uint64(3) * (lengths + np.uint64(4))
    rest &= (np.uint64(1) << used) - np.uint64(1)
    found: Bits = start[_code_space(rest) == 128]
    return found


def _types_and_counts(data: NDArray[np.uint8], limit: int) -> Bits:
    """Where type and counts are those of a block with codes of its own.

    Three bits of type (not the last; 2, lowest bit first), and two counts of five bits, neither of
    which is 30 or 31.
    """
    bits = np.unpackbits(data[: limit + 2], bitorder="little").view(np.bool_)
    at = [bits[place : 8 * limit + place] for place in range(13)]
    fits = ~(at[0] | at[1]) & at[2]
    fits &= ~(at[4] & at[5] & at[6] & at[7])
    fits &= ~(at[9] & at[10] & at[11] & at[12])
    return np.flatnonzero(fits)


def _words(data: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """The eight bytes from each byte on, as a number."""
    count = len(data) - 7
    return np.ndarray((count,), "<u8", data.data, strides=(1,)).astype(np.uint64)


def _code_space(lengths: NDArray[np.uint64]) -> NDArray[np.int16]:
    """How much of the code space the code lengths of three bits each use up, in 128ths."""
    table = _code_space_of_five()
    total = np.zeros(len(lengths), np.int16)
    for group in range(4):
        total += table[((lengths >> np.uint64(15 * group)) & np.uint64(0x7FFF)).astype(np.int64)]
    return total


@cache
def _code_space_of_five() -> NDArray[np.int16]:
    every = np.arange(1 << 15)
    total = np.zeros(1 << 15, np.int16)
    for place in range(5):
        length = (every >> (3 * place)) & 7
        total += np.where(length, 128 >> length, 0).astype(np.int16)
    return total


def _stored(data: NDArray[np.uint8], limit: int) -> Bits:
    """Stored blocks: their length is followed by its complement.

    The header's three bits lie before the length, with zeros up to the whole byte. Whichever of
    these zeros it began with, what is decoded is the same.
    """
    pairs = np.ndarray((len(data) - 3,), "<u4", data.data, strides=(1,))
    lengths = pairs & np.uint32(0xFFFF)
    byte = np.flatnonzero(lengths == (pairs >> np.uint32(16) ^ np.uint32(0xFFFF)))
    byte = byte[(byte > 0) & (byte <= limit)]
    byte = byte[(data[byte - 1] >> 5 == 0) & (lengths[byte] > 0)]
    found: Bits = (byte - 1) * 8 + 5
    return found


def _after_flush(data: NDArray[np.uint8], limit: int) -> Bits:
    """What follows an empty stored block, which encoders write to end at a whole byte."""
    pairs = np.ndarray((len(data) - 3,), "<u4", data.data, strides=(1,))
    return np.asarray((np.flatnonzero(pairs == np.uint32(0xFFFF0000)) + 4) * 8, np.int64)
