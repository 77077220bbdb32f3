"""The rows of some tickers, found in the text: the same as parsing everything and filtering."""

from __future__ import annotations

import gzip
import io
import random
import subprocess
import sys
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flatnb import DATA_TYPES, FlatnbWarning, FlatSession, LoadError, SchemaError
from flatnb.download.targets import SPILL_BYTES
from flatnb.frames import reader as frames_read
from flatnb.frames.reader import read_day
from flatnb.frames.selection import Selection, parse_symbols
from tests.servers.fault_s3 import FaultServer
from tests.servers.payloads import DAY, DAY_KEY, HEADER, day_csv, gz
from tests.twins import CREDENTIALS

DAILY = DATA_TYPES["stocks_daily"]
TRADES = DATA_TYPES["options_trades"]
TRADES_HEADER = b"ticker,conditions,correction,exchange,price,sip_timestamp,size"

# Tickers that contain, begin or end one another, and roots that do.
TICKERS = st.sampled_from(
    ["A", "AA", "AAPL", "aapl", "BRK.B", "BRKXB", "NA", "TRUE", "É", "A.B", "A+", "(A)", "A|B"]
    + [f"O:{root}240119C00475000" for root in ("SPX", "SPXW", "SPX1", "SP", "X")]
    + ["O:SPX", "O:SPX240119X00475000", "O:SPX240119C0047500", "SPX240119C00475000"]
)


def is_of(ticker: str, root: str) -> bool:
    """Whether it is a contract of this root, read from the right, independently of flatnb."""
    body, tail = ticker[2:-15], ticker[-15:]
    return (
        ticker[:2] == "O:"
        and body == root
        and tail[:6].isdigit()
        and tail[6] in "CP"
        and tail[7:].isdigit()
    )


@settings(deadline=None, max_examples=150)
@given(
    tickers=st.lists(TICKERS, max_size=60),
    conditions=st.sampled_from(["", "227", '"12,37"', '"1,""x"""', "É"]),
    newline=st.sampled_from(["\n", "\r\n"]),
    last_newline=st.booleans(),
    block_bytes=st.sampled_from([1, 40, 200, 10**6]),
    wanted=st.lists(TICKERS, max_size=4),
    roots=st.lists(st.sampled_from(["SPX", "SPXW", "SPX1", "SP", "Q"]), max_size=2),
)
def test_any_order_of_rows(
    tickers: list[str],
    conditions: str,
    newline: str,
    last_newline: bool,
    block_bytes: int,
    wanted: list[str],
    roots: list[str],
) -> None:
    """Split groups, quotes, CRLF, a missing last newline, and blocks that end anywhere."""
    rows = [f"{ticker},{conditions},0,309,1.5,{n},3" for n, ticker in enumerate(tickers)]
    text = newline.join([TRADES_HEADER.decode(), *rows]) + (newline if last_newline else "")
    compressed = gzip.compress(text.encode())
    expected = [
        n
        for n, ticker in enumerate(tickers)
        if ticker in wanted or any(is_of(ticker, root) for root in roots)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frames_read, "SEARCH_BYTES", block_bytes)
        patch.setattr(frames_read, "PARSE_BYTES", block_bytes)
        frame = read_day(
            lambda: [compressed],
            TRADES,
            key=DAY_KEY,
            selection=Selection(tuple(wanted), tuple(roots)),
        )
    assert frame["sip_timestamp"].to_physical().to_list() == expected


def test_a_row_that_only_seems_to_begin() -> None:
    """A file with a line break in quotes is an error, with and without symbols."""
    fake = b'ZZZ,"12,\nAAPL,227",0,309,1.5,7,3\n'
    for selection in (None, Selection(("AAPL",))):
        with pytest.raises(SchemaError):
            read_day(
                lambda: [gz(TRADES_HEADER + b"\n" + fake)], TRADES, key=DAY_KEY, selection=selection
            )


def test_thousands_of_symbols() -> None:
    """Any number of them."""
    names = [f"T{n}" for n in range(5000)]
    random.Random(1).shuffle(names)
    compressed = gz(day_csv(names))
    for count in (1, 300, 3000):
        frame = read_day(
            lambda: [compressed], DAILY, key=DAY_KEY, selection=Selection(tuple(names[:count]))
        )
        assert set(frame["ticker"]) == set(names[:count])


def test_ticker_may_be_another_column() -> None:
    """Not the first: then all rows are parsed."""
    names = HEADER.decode().split(",")
    table = pl.read_csv(day_csv()).select(names[::-1])
    compressed = gz(table.write_csv().encode())
    frame = read_day(lambda: [compressed], DAILY, key=DAY_KEY, selection=Selection(("AAPL",)))
    assert frame["ticker"].to_list() == ["AAPL"]


@pytest.mark.parametrize("symbol", ["SPY*", "*", "O:*", "O:S*Y*", "O:O:SPY*"])
def test_a_star_is_for_roots_only(symbol: str) -> None:
    """The error says what it is for."""
    with pytest.raises(ValueError, match=r"'O:SPY\*'"):
        parse_symbols([symbol], None)


def test_options_by_their_underlying(demo_server: Any) -> None:
    """From the service and from the cache; the same as by a star; one of both is found."""
    with FlatSession.demo() as session:
        whole = session.load("options_daily", "2024-01-02", "2024-01-02")
    root = whole["ticker"].str.slice(2, 3).to_list()
    roots = sorted({ticker[2:-15] for ticker in whole["ticker"]})
    wanted = roots[0]
    expected = whole.filter(
        pl.Series([is_of(ticker, wanted) for ticker in whole["ticker"]], dtype=pl.Boolean)
    )
    assert 0 < expected.height < len(root)
    with FlatSession.demo(cache=True) as session:
        for _ in range(2):
            for chosen in ({"underlyings": wanted}, {"symbols": [f"O:{wanted}*"]}):
                frame = session.load("options_daily", "2024-01-02", "2024-01-02", **chosen)
                assert frame.equals(expected)
        other = whole["ticker"][-1]
        both = session.load(
            "options_daily", "2024-01-02", "2024-01-02", symbols=[other], underlyings=[wanted]
        )
        assert both.height == expected.height + 1
        with pytest.warns(FlatnbWarning, match=r"O:NOPE\*"):
            session.load("options_daily", "2024-01-02", "2024-01-02", underlyings="NOPE")
        with pytest.raises(ValueError, match="stocks_daily has none"):
            session.load("stocks_daily", "2024-01-02", "2024-01-02", underlyings="SPY")


def misdated(csv: bytes) -> bytes:
    """The file with three rows a day late, as the vendor's of 2019-08-12."""
    start = csv.splitlines()[1].split(b",")[6]
    late = str(int(start) + 86_400 * 10**9).encode()
    return csv.replace(start, late, 3)


def test_rows_of_another_day(fault_server: FaultServer, fault_session: FlatSession) -> None:
    """They cause a warning, or with ``strict`` an error; also when they are cached."""
    fault_server.put(DAY_KEY, gz(misdated(day_csv())))
    with FlatSession(
        *CREDENTIALS.values(), endpoint_url=fault_server.endpoint_url
    ) as caching_session:
        for session in (fault_session, caching_session, caching_session):
            with pytest.warns(FlatnbWarning, match="3 of 8 rows is not on 2024-01-02"):
                assert session.load("stocks_daily", DAY, DAY).height == 8
            assert "3 of 8" in repr(session.last_report)
            with pytest.raises(LoadError, match="3 of 8 rows"):
                session.load("stocks_daily", DAY, DAY, strict=True)


MEMORY_SCRIPT = """
import re, sys
from pathlib import Path
from flatnb import FlatSession
session = FlatSession("a", "b", endpoint_url=sys.argv[1], cache=sys.argv[2])
frame = session.load("stocks_minute", "2024-01-02", "2024-01-02", symbols="NEEDLE")
# Not getrusage: its maximum begins with that of the process that started this one.
peak_kib = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]
print(frame.height, int(peak_kib) * 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_a_file_larger_than_the_memory_allowed(fault_server: FaultServer, tmp_path: Any) -> None:
    """1.6 GB of text are read with a peak below 1 GB, and no temporary file is left."""
    start = day_csv().splitlines()[1].split(b",")[6]
    rows = io.BytesIO()
    for n in range(200_000):
        rows.write(b"T%d,%d,1.5,1.5,1.5,1.5,%s,%d\n" % (n, n * 7919**3 % 10**9, start, n % 97))
    member = gz(rows.getvalue())
    needle = gz(b"NEEDLE,1,1.5,1.5,1.5,1.5,%s,9\n" % start)
    repeats = 1_600_000_000 // rows.tell()
    compressed = gz(HEADER + b"\n") + (member * (repeats // 2) + needle) * 2
    assert len(compressed) > SPILL_BYTES
    key = f"us_stocks_sip/minute_aggs_v1/2024/01/{DAY}.csv.gz"
    fault_server.put(key, compressed, etag='"large-3"')
    arguments = [fault_server.endpoint_url, str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-c", MEMORY_SCRIPT, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    height, peak_bytes = map(int, done.stdout.split())
    assert height == 2
    assert peak_bytes < 1_000_000_000
    left = {each.suffix for each in tmp_path.rglob("*") if each.is_file()}
    assert left <= {".lock", ".index", ".rows"}  # the cache's own
