"""What a gzip file shows of the program that made it, for a report that holds none of its rows."""

from __future__ import annotations

from dataclasses import dataclass

_HEADER_BYTES = 10
_EXTRA, _NAME, _COMMENT, _HEADER_CRC = 4, 8, 16, 2
_END_OF_BLOCK = 256
_CODE_LENGTH_ORDER = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)
# RFC 1951, section 3.2.5: how many bits follow the symbols of lengths and of distances.
_LENGTH_BITS = [0] * 8 + [bits for bits in range(1, 6) for _ in range(4)] + [0]
_DISTANCE_BITS = [0] * 4 + [bits for bits in range(1, 14) for _ in range(2)]
_WIDEST = 15

Codes = list[tuple[int, int]]
"""The next 15 bits → (symbol, its number of bits)."""


@dataclass(frozen=True)
class EncoderMarks:
    """The marks of an encoder.

    Attributes
    ----------
    modified
        The header's time: Unix seconds, 0 if none is given.
    extra_flags
        2: slowest, 4: fastest algorithm (RFC 1952, section 2.3.1).
    system
        The operating system's number; 3 is Unix, 255 unknown.
    fields
        Which optional fields the header has.
    stored, fixed, own
        How many blocks of each kind lie within what was looked at: stored, with fixed codes, with
        codes of their own.
    looked_bytes
        How many compressed bytes these blocks have.
    """

    modified: int
    extra_flags: int
    system: int
    fields: tuple[str, ...]
    stored: int
    fixed: int
    own: int
    looked_bytes: int

    def __str__(self) -> str:
        blocks = self.stored + self.fixed + self.own
        mean = self.looked_bytes // max(blocks, 1)
        return (
            f"gzip header: flags {', '.join(self.fields) or 'none'}, time {self.modified}, extra "
            f"flags {self.extra_flags}, system {self.system}; {blocks} blocks in "
            f"{self.looked_bytes:,} bytes ({self.own} with their own codes, {self.fixed} with "
            f"fixed codes, {self.stored} stored), {mean:,} bytes a block"
        )


def encoder_marks(data: bytes, *, most_bytes: int = 1 << 20) -> EncoderMarks:
    """Read a file's gzip header and count the blocks at its beginning.

    This takes about a second a megabyte.

    Parameters
    ----------
    data
        The beginning of the file.
    most_bytes
        How much of it is looked at.

    Raises
    ------
    ValueError
        If it is not gzip.
    """
    if len(data) < _HEADER_BYTES or data[:3] != b"\x1f\x8b\x08":
        raise ValueError("the data are not gzip: they do not begin with its mark")
    flags = data[3]
    names = {_EXTRA: "extra", _NAME: "name", _COMMENT: "comment", _HEADER_CRC: "header CRC"}
    fields = tuple(name for flag, name in names.items() if flags & flag)
    walk = _BlockWalk(data[:most_bytes], 8 * _header_size(data))
    walk.run()
    stored, fixed, own = walk.kinds
    modified = int.from_bytes(data[4:8], "little")
    looked = walk.done_bits // 8
    return EncoderMarks(modified, data[8], data[9], fields, stored, fixed, own, looked)


def _header_size(data: bytes) -> int:
    at, flags = _HEADER_BYTES, data[3]
    if flags & _EXTRA:
        at += 2 + int.from_bytes(data[at : at + 2], "little")
    for flag in (_NAME, _COMMENT):
        if flags & flag:
            at = data.index(b"\0", at) + 1
    return at + (2 if flags & _HEADER_CRC else 0)


class _BlockWalk:
    """Goes through blocks without decoding their text."""

    def __init__(self, data: bytes, bit: int) -> None:
        # Zeros behind the end read as bits, so that no step has to ask how many are left.
        self._data = data + bytes(64)
        self._end = 8 * len(data)
        self._bit = bit
        self._begin = bit
        self.kinds = [0, 0, 0]
        self.done_bits = 0

    def run(self) -> None:
        """Count whole blocks until the data or the member ends."""
        last = 0
        while not last:
            last, kind = self._take(1), self._take(2)
            if kind == 0:
                self._skip_stored()
            elif kind == 1:
                self._skip_symbols(*_FIXED)
            elif kind == 2:
                self._skip_symbols(*self._own_codes())
            if kind == 3 or self._bit > self._end:
                return
            self.kinds[kind] += 1
            self.done_bits = self._bit - self._begin

    def _peek(self) -> int:
        byte, bit = divmod(self._bit, 8)
        return int.from_bytes(self._data[byte : byte + 8], "little") >> bit

    def _take(self, width: int) -> int:
        value = self._peek() & ((1 << width) - 1)
        self._bit += width
        return value

    def _skip_stored(self) -> None:
        self._bit += -self._bit % 8
        self._bit += 32 + 8 * (self._peek() & 0xFFFF)

    def _own_codes(self) -> tuple[Codes, Codes]:
        literals, distances, count = self._take(5) + 257, self._take(5) + 1, self._take(4) + 4
        widths = [0] * len(_CODE_LENGTH_ORDER)
        for symbol in _CODE_LENGTH_ORDER[:count]:
            widths[symbol] = self._take(3)
        codes = _codes(widths)
        lengths: list[int] = []
        while len(lengths) < literals + distances and self._bit <= self._end:
            symbol = self._symbol(codes)
            if symbol < 16:
                lengths.append(symbol)
            elif symbol == 16:
                lengths += lengths[-1:] * (3 + self._take(2))
            else:
                lengths += [0] * (3 + self._take(3) if symbol == 17 else 11 + self._take(7))
        return _codes(lengths[:literals]), _codes(lengths[literals : literals + distances])

    def _symbol(self, codes: Codes) -> int:
        symbol, width = codes[self._peek() & 0x7FFF]
        self._bit += width
        return symbol

    def _skip_symbols(self, literals: Codes, distances: Codes) -> None:
        while self._bit <= self._end:
            symbol = self._symbol(literals)
            if symbol == _END_OF_BLOCK:
                return
            if symbol > _END_OF_BLOCK:
                self._bit += _LENGTH_BITS[min(symbol - 257, 28)]
                distance = self._symbol(distances)
                self._bit += _DISTANCE_BITS[min(distance, 29)]


def _codes(widths: list[int]) -> Codes:
    """The canonical code of these widths (RFC 1951, section 3.2.2), as a table."""
    # A code that no symbol has only comes up in what is not deflate data: it ends the block.
    table: Codes = [(_END_OF_BLOCK, _WIDEST)] * (1 << _WIDEST)
    code = 0
    for width in range(1, _WIDEST + 1):
        code <<= 1
        for symbol, its_width in enumerate(widths):
            if its_width != width:
                continue
            turned = int(f"{code:0{width}b}"[::-1], 2)
            count = len(range(turned, 1 << _WIDEST, 1 << width))
            table[turned :: 1 << width] = [(symbol, width)] * count
            code += 1
    return table


_FIXED = (_codes([8] * 144 + [9] * 112 + [7] * 24 + [8] * 8), _codes([5] * 30))
