"""The damaged payloads are damaged where they say, and the others are sound."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

import pytest

from tests.servers import csv_payloads, payloads


def members(data: bytes) -> bytes:
    """Unpack all members with the standard library, which verifies CRC and length."""
    return gzip.decompress(data)


@pytest.mark.parametrize("name", payloads.DAMAGED_GZIP)
def test_damaged_gzip_is_damaged(name: str) -> None:
    """No damaged payload unpacks to the file; gzip itself raises for all but the empty one."""
    damaged = payloads.DAMAGED_GZIP[name](payloads.day_csv())
    if not damaged:
        return
    with pytest.raises((OSError, EOFError, zlib.error)):
        members(damaged)


def test_sound_gzip_is_sound() -> None:
    """The payloads that only look odd unpack to the file, and a bomb is small."""
    csv = payloads.day_csv()
    for name, make in payloads.SOUND_GZIP.items():
        assert members(make(csv)) == csv, name
    bomb = payloads.bomb(20)
    assert len(bomb) < 50_000
    assert len(members(bomb)) > 20 * 1024 * 1024


CSV_FACTS: list[tuple[Callable[[bytes], bytes], Callable[[list[bytes]], bool]]] = [
    (csv_payloads.header_only, lambda lines: lines == [payloads.HEADER, b""]),
    (csv_payloads.without_header, lambda lines: lines[0].startswith(b"A,1000,")),
    (csv_payloads.reordered_columns, lambda lines: lines[0].endswith(b",volume,ticker")),
    (csv_payloads.extra_column, lambda lines: lines[0].endswith(b",vwap")),
    (csv_payloads.duplicate_column, lambda lines: lines[0].count(b"close") == 2),
    (csv_payloads.missing_column, lambda lines: b"volume" not in lines[0]),
    (csv_payloads.short_row, lambda lines: lines[2].count(b",") == 6),
    (csv_payloads.long_row, lambda lines: lines[2].count(b",") == 8),
    (csv_payloads.cut_last_row, lambda lines: 0 < lines[-1].count(b",") < 7),
    (csv_payloads.blank_line, lambda lines: lines[2] == b"" and len(lines) == 11),
    (csv_payloads.nul_byte, lambda lines: lines[2].startswith(b"AAPL\0,")),
    (csv_payloads.crlf, lambda lines: lines[0].endswith(b"\r")),
    (csv_payloads.byte_order_mark, lambda lines: lines[0].startswith(b"\xef\xbb\xbfticker")),
    (csv_payloads.invalid_utf8, lambda lines: lines[2].startswith(b"A\xff,")),
    (csv_payloads.quoted_fields, lambda lines: lines[2].startswith(b'"AAPL","1007"')),
    (csv_payloads.quoted_comma_column, lambda lines: lines[2].endswith(b',"12,37"')),
    (csv_payloads.text_in_number, lambda lines: lines[2].startswith(b"AAPL,n/a,")),
    (csv_payloads.late_decimal, lambda lines: b",17798.430378," in lines[20_000]),
    (csv_payloads.word_tickers, lambda lines: lines[1].startswith(b"NA,")),
    (csv_payloads.empty_ticker, lambda lines: lines[2].startswith(b",1007,")),
]


@pytest.mark.parametrize(("make", "holds"), CSV_FACTS, ids=lambda value: value.__name__)
def test_csv_payload(make: Callable[[bytes], bytes], holds: Callable[[list[bytes]], bool]) -> None:
    """Each CSV fault is where its docstring puts it."""
    assert holds(make(payloads.day_csv()).split(b"\n"))
