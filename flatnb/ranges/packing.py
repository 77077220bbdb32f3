"""Numbers, texts and byte strings written one behind another, and read back in the same order."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

_LENGTH = struct.Struct("<I")
_NUMBER = struct.Struct("<q")


class Writer:
    """Appends values to a byte string."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def data(self, value: bytes) -> None:
        """Append bytes as they are."""
        self._parts += [_LENGTH.pack(len(value)), value]

    def text(self, value: str) -> None:
        """Append a text, compressed."""
        self.data(zlib.compress(value.encode("utf-8"), 6))

    def number(self, value: int) -> None:
        """Append an integer of 64 bits."""
        self._parts.append(_NUMBER.pack(value))

    def integers(self, values: NDArray[np.int64]) -> None:
        """Append integers, compressed."""
        # All lowest bytes together, then the next: the upper ones are nearly all zero.
        planes = np.ascontiguousarray(values, "<i8").view(np.uint8).reshape(-1, 8).T
        self.data(zlib.compress(planes.tobytes(), 6))

    def ascending(self, values: NDArray[np.int64]) -> None:
        """Append integers that are close to the one before, compressed."""
        self.integers(np.diff(values, prepend=0))

    def joined(self) -> bytes:
        """All that was appended."""
        return b"".join(self._parts)


class Reader:
    """Takes values from a byte string, in the order in which they were appended."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def _take(self, length: int) -> bytes:
        self._at += length
        if self._at > len(self._data):
            raise ValueError("the data are cut short")
        return self._data[self._at - length : self._at]

    def data(self) -> bytes:
        """Take bytes."""
        return self._take(_LENGTH.unpack(self._take(_LENGTH.size))[0])

    def text(self) -> str:
        """Take a text."""
        return zlib.decompress(self.data()).decode("utf-8")

    def number(self) -> int:
        """Take an integer."""
        return int(_NUMBER.unpack(self._take(_NUMBER.size))[0])

    def integers(self) -> NDArray[np.int64]:
        """Take integers that `Writer.integers` wrote."""
        planes = np.frombuffer(zlib.decompress(self.data()), np.uint8).reshape(8, -1)
        return np.ascontiguousarray(planes.T).view("<i8")[:, 0].astype(np.int64)

    def ascending(self) -> NDArray[np.int64]:
        """Take integers that `Writer.ascending` wrote."""
        return np.cumsum(self.integers())
