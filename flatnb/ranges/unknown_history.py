"""Text decoded from the middle of a gzip file: what is known of it, and what is a copy of what.

A deflate block copies from the 32 KiB of text before it, which are not here. They are replaced by
two made-up histories that differ in every byte, and together say each byte's place. What comes out
the same both times does not depend on the history, so it is the true text; where the two differ,
they say of which byte of the history it is a copy.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .gzip_members import GzipStream
from .inflate import HISTORY_BYTES, InflateError, Inflater

Places = NDArray[np.int64]
"""Places in the unknown history: 0 (the oldest byte) to 32,767."""


def _made_up_histories() -> tuple[bytes, bytes]:
    place = np.arange(HISTORY_BYTES)
    low, high = place & 0xFF, place >> 8
    # The second differs from the first by 1 to 128, modulo 256, which says the place's upper part.
    return low.astype(np.uint8).tobytes(), ((low + 1 + high) & 0xFF).astype(np.uint8).tobytes()


_FIRST, _SECOND = _made_up_histories()


class MarkedText:
    """Decoded text, of which some bytes are copies of an unknown history.

    Attributes
    ----------
    first, second
        The text with either made-up history. Where both agree, it is the true text.
    first_bytes
        The same as ``first``.
    start_bit
        Where in the data it starts.
    ended
        Whether the member ends with it.
    """

    def __init__(self, first: bytes, second: bytes, start_bit: int, *, ended: bool) -> None:
        self.first_bytes = first
        self.first = np.frombuffer(first, np.uint8)
        self.second = np.frombuffer(second, np.uint8)
        self.start_bit = start_bit
        self.ended = ended

    def __len__(self) -> int:
        return len(self.first)

    def unknown(self, start: int, stop: int) -> tuple[Places, Places]:
        """The unknown bytes from ``start`` to before ``stop``.

        Returns
        -------
        tuple
            Their offsets in the text, and the places in the history that they are copies of.
        """
        first, second = self.first[start:stop], self.second[start:stop]
        cells = np.flatnonzero(first != second)
        low = first[cells].astype(np.int64)
        high = (second[cells].astype(np.int64) - low - 1) & 0xFF
        return cells + start, low | high << 8


def decode_marked(data: memoryview | bytes, start_bit: int) -> MarkedText:
    """Decode a file's bytes from a block start to their end.

    Raises
    ------
    InflateError
        If the bits are not deflate data, so that no block starts there.
    """
    byte, bit = divmod(start_bit, 8)
    texts = []
    ended = False
    for history in (_FIRST, _SECOND):
        inflater = Inflater(bit, history)
        texts.append(inflater.feed(data[byte:]))
        ended = inflater.ended
    return MarkedText(texts[0], texts[1], start_bit, ended=ended)


def decode_from_start(data: bytes | memoryview) -> MarkedText:
    """Decode the beginning of a file, of which nothing is unknown.

    Raises
    ------
    InflateError
        If the file is not gzip.
    """
    stream = GzipStream()
    text, rest = stream.feed(data)
    if rest:
        raise InflateError("the file has several gzip members")
    return MarkedText(text, text, 0, ended=stream.between_members)
