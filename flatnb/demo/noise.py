"""Random numbers without state: each is a hash of its purpose.

The numbers of a generator depend on what was drawn before; a hash of (seed, ticker, day, purpose)
does not. So the days can be generated in any order and in parallel, and a ticker has the same
prices in a market of ten tickers and of ten thousand.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.uint64]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

_WORD = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15  # SplitMix64's increment: 2**64 divided by the golden ratio
_OCTAVES = np.arange(12)
_OCTAVE_SIZES = 2.0 ** (_OCTAVES / 2)


def mix(keys: Keys) -> Keys:
    """The finaliser of SplitMix64 (Steele, Lea, Flood 2014): each bit depends on all."""
    keys = keys ^ (keys >> np.uint64(30))
    keys *= np.uint64(0xBF58476D1CE4E5B9)
    keys ^= keys >> np.uint64(27)
    keys *= np.uint64(0x94D049BB133111EB)
    keys ^= keys >> np.uint64(31)
    return keys


def derive(keys: Keys, *purposes: int | Ints | Keys) -> Keys:
    """New keys for a purpose; arrays broadcast against the keys."""
    for purpose in purposes:
        if isinstance(purpose, int):
            keys = mix(keys + np.uint64((purpose + 1) * _GOLDEN & _WORD))
        else:
            keys = mix(keys + (purpose.astype(np.uint64) + np.uint64(1)) * np.uint64(_GOLDEN))
    return keys


def chunks(keys: Keys) -> NDArray[np.uint16]:
    """Four independent 16-bit numbers for each key, as the last axis."""
    return np.ascontiguousarray(keys).view(np.uint16).reshape(*keys.shape, 4)


def uniform(keys: Keys) -> Floats:
    """A number in [0, 1) for each key."""
    return (keys >> np.uint64(11)).astype(np.float64) * 2.0**-53


def normal(keys: Keys) -> Floats:
    """A nearly normally distributed number for each key, bounded at ±3.5.

    The sum of four uniform numbers: fast, as it needs no logarithm, and without the tails that
    would take a ticker's price to zero within 20 years.
    """
    parts = chunks(keys)
    total = parts[..., 0].astype(np.float64)
    for place in (1, 2, 3):
        total += parts[..., place]
    total -= 2.0 * 65535.0
    total *= np.sqrt(3.0) / 65536.0
    return total


def walk(keys: Keys, step: int) -> Floats:
    """The position of a random walk at one step, for each key; each step has a deviation of 1.

    It is the sum of smoothed noise of period 1, 2, 4, … steps with the amplitudes of Brownian
    motion: on every scale up to a few thousand steps like a random walk, but computed directly.
    """
    periods = 1 << _OCTAVES
    position = (step % periods) / periods
    blend = position * position * (3 - 2 * position)
    lattice = step // periods + np.array([[0], [1]])
    heights = normal(derive(keys[:, None, None], _OCTAVES, lattice))
    smooth = heights[:, 0] * (1 - blend) + heights[:, 1] * blend
    return np.asarray(0.5 * (smooth @ _OCTAVE_SIZES))
