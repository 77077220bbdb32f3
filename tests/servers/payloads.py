"""A small valid file, and gzip streams that are damaged or unusual.

Each function takes the plain bytes and returns an object's content; its docstring gives the
expected result. "The same frame" means that of the undamaged file. `csv_payloads` damages the CSV
inside.
"""

from __future__ import annotations

import gzip
import zlib
import zoneinfo
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

DAY = "2024-01-02"
DAY_KEY = f"us_stocks_sip/day_aggs_v1/2024/01/{DAY}.csv.gz"
HEADER = b"ticker,volume,open,close,high,low,window_start,transactions"
TICKERS = ("A", "AAPL", "BCPC", "BCpC", "BRK.B", "MSFT", "SPY", "ZVZZT")
_TRAILER_BYTES = 8
_MIB = 1024 * 1024


def day_csv(symbols: Sequence[str] = TICKERS, key: str = DAY_KEY) -> bytes:
    """A valid file of daily bars of the key's day, one row per ticker."""
    # Midnight of the day in New York, as in the vendor's daily bars.
    midnight = datetime.fromisoformat(key[-17:-7]).replace(
        tzinfo=zoneinfo.ZoneInfo("America/New_York")
    )
    window_start = int(midnight.timestamp()) * 10**9
    rows = [
        f"{ticker},{1000 + 7 * n},{10 + n}.5,{11 + n},{12 + n}.25,{9 + n}.75,{window_start},{n + 3}"
        for n, ticker in enumerate(symbols)
    ]
    return b"\n".join([HEADER, *(row.encode() for row in rows), b""])


def gz(plain: bytes) -> bytes:
    """A valid gzip of one member. The same frame."""
    return gzip.compress(plain, 6, mtime=0)


def gz_truncated(plain: bytes, missing: int | None = None) -> bytes:
    """A gzip that lacks its last bytes (or its half), served with its own length.

    IntegrityError. With ``missing`` from 1 to 8 all of the data can be decompressed, and only the
    checksum or the length in the trailer is truncated.
    """
    whole = gz(plain)
    return whole[: len(whole) // 2 if missing is None else -missing]


def gz_bad_crc(plain: bytes) -> bytes:
    """The CRC in the trailer is wrong. IntegrityError."""
    return _inverted(gz(plain), -_TRAILER_BYTES)


def gz_bad_isize(plain: bytes) -> bytes:
    """The length in the trailer is wrong. IntegrityError."""
    return _inverted(gz(plain), -4)


def gz_flipped(plain: bytes) -> bytes:
    """A byte in the middle of the compressed data is wrong. IntegrityError."""
    whole = gz(plain)
    return _inverted(whole, len(whole) // 2)


def gz_stored_flipped(plain: bytes) -> bytes:
    """A byte that deflate only stored is wrong, so only the CRC shows it. IntegrityError."""
    compressor = zlib.compressobj(0, zlib.DEFLATED, 31)
    whole = compressor.compress(plain) + compressor.flush()
    return _inverted(whole, len(whole) // 2)


def gz_trailing_garbage(plain: bytes, garbage: bytes = b"garbage") -> bytes:
    """Bytes that are neither a member nor padding follow. IntegrityError."""
    return gz(plain) + garbage


def gz_zero_padded(plain: bytes, zeros: int = 512) -> bytes:
    """Zero bytes follow, as tape and block tools add them. The same frame."""
    return gz(plain) + bytes(zeros)


def gz_members(*plains: bytes) -> bytes:
    """One gzip member for each. The frame of all of them together."""
    return b"".join(map(gz, plains))


def gz_split(plain: bytes, members: int = 3) -> bytes:
    """Several members that end within a line. The same frame."""
    size = len(plain) // members + 1
    return gz_members(*(plain[at : at + size] for at in range(0, len(plain), size)))


def gz_empty_members(plain: bytes) -> bytes:
    """Empty members before, in and after the data (as bgzip's last one). The same frame."""
    half = len(plain) // 2
    return gz_members(b"", plain[:half], b"", plain[half:], b"")


def gz_second_member_cut(plain: bytes) -> bytes:
    """The last of two members lacks its end. IntegrityError."""
    half = len(plain) // 2
    return gz(plain[:half]) + gz_truncated(plain[half:])


def gz_second_member_bad_crc(plain: bytes) -> bytes:
    """The last of two members has a wrong CRC. IntegrityError."""
    half = len(plain) // 2
    return gz(plain[:half]) + gz_bad_crc(plain[half:])


def zero_bytes(plain: bytes = b"") -> bytes:
    """An empty object. IntegrityError."""
    return b""


def all_zeros(plain: bytes) -> bytes:
    """Zeros in the length of the gzip, as after a file system's crash. IntegrityError."""
    return bytes(len(gz(plain)))


def not_gzip(plain: bytes) -> bytes:
    """Plain CSV with the key of a gzip. IntegrityError."""
    return plain


def html_instead(plain: bytes = b"") -> bytes:
    """A web page with the key of a gzip. IntegrityError."""
    return b"<!DOCTYPE html>\n<html><body>Not here.</body></html>\n"


def bomb(decompressed_mib: int = 100, *, prefix: bytes = HEADER + b"\n") -> bytes:
    """A gzip of about 1/1000 of its decompressed size. IntegrityError, with bounded memory."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = bytes(_MIB)
    parts = [compressor.compress(prefix)]
    parts += [compressor.compress(block) for _ in range(decompressed_mib)]
    return b"".join([*parts, compressor.flush()])


def _inverted(data: bytes, at: int) -> bytes:
    damaged = bytearray(data)
    damaged[at] ^= 0xFF
    return bytes(damaged)


DAMAGED_GZIP: Mapping[str, Callable[[bytes], bytes]] = {
    "cut in half": gz_truncated,
    "one byte short": lambda plain: gz_truncated(plain, 1),
    "no length": lambda plain: gz_truncated(plain, 4),
    "no trailer": lambda plain: gz_truncated(plain, _TRAILER_BYTES),
    "bad CRC": gz_bad_crc,
    "bad ISIZE": gz_bad_isize,
    "flipped byte": gz_flipped,
    "flipped stored byte": gz_stored_flipped,
    "trailing garbage": gz_trailing_garbage,
    "second member cut": gz_second_member_cut,
    "second member bad CRC": gz_second_member_bad_crc,
    "zero bytes": zero_bytes,
    "all zeros": all_zeros,
    "not gzip": not_gzip,
    "HTML": html_instead,
}
"""Each must raise an IntegrityError."""

SOUND_GZIP: Mapping[str, Callable[[bytes], bytes]] = {
    "one member": gz,
    "zero padding": gz_zero_padded,
    "several members": gz_split,
    "empty members": gz_empty_members,
}
"""Each must give the original bytes."""
