"""Arguments that are valid in unusual types, and wrong ones that reports named."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flatnb import FlatSession, S3Catalog, SchemaError, SyncS3Downloader
from flatnb.frames.contract_filter import ContractFilter, parse_contract_filter
from flatnb.frames.header import _is_valid
from flatnb.frames.reader import read_day
from flatnb.load.request import Request
from flatnb.market.data_types import DATA_TYPES
from tests.servers.fault_s3 import FaultServer
from tests.servers.payloads import DAY, DAY_KEY, day_csv, gz
from tests.twins import CREDENTIALS


@pytest.mark.parametrize(
    ("price", "units"),
    [
        (470, 470_000),
        (470.1, 470_100),
        (np.int64(470), 470_000),
        (np.uint8(47), 47_000),
        (np.float64(470.1), 470_100),
        (np.float32(470.1), 470_100),
        (Decimal("470.1"), 470_100),
        (Fraction(4701, 10), 470_100),
        (float("inf"), float("inf")),
    ],
)
def test_strikes_of_any_number(price: Any, units: float) -> None:
    """The same thousandths of a dollar, whatever type holds the price."""
    low = parse_contract_filter(None, (price, None), None)
    high = parse_contract_filter(None, (None, price), None)
    assert low is not None
    assert high is not None
    assert low.strike[0] == high.strike[1] == units


@pytest.mark.parametrize(
    "strike",
    [
        (True, None),
        (np.bool_(True), None),
        (float("nan"), None),
        (Decimal("NaN"), None),
        (Decimal("sNaN"), None),
        (np.float32("nan"), None),
        ("470", "480"),
        (1j, None),
        (10**400, None),
        (None, object()),
    ],
)
def test_strikes_that_are_no_prices(strike: Any) -> None:
    """The parameter and its value are named."""
    with pytest.raises(ValueError, match=r"strike=.* must be prices in dollars"):
        parse_contract_filter(None, strike, None)


@pytest.mark.parametrize("pair", [{1, 2}, {1: 2, 3: 4}, "ab", b"ab", (1,), (1, 2, 3), 5, object()])
def test_pairs_that_are_none(pair: Any) -> None:
    """A set has no order; a dict, a string and bytes are mistakes."""
    with pytest.raises(ValueError, match="must be a pair"):
        parse_contract_filter(None, pair, None)


@pytest.mark.parametrize("pair", [[470, 480], (470, 480), np.array([470, 480])])
def test_pairs(pair: Any) -> None:
    """Lists, tuples and arrays."""
    expected = ContractFilter(("000101", "991231"), (470_000, 480_000), None)
    assert parse_contract_filter(None, pair, None) == expected


def test_expiries_that_symbols_cannot_express() -> None:
    """Two digits of a year would take 1999 for 2099."""
    found = parse_contract_filter(("1999-06-01", "2150-01-01"), None, None)
    assert found is not None
    assert found.expiry == ("000101", "991231")
    for expiry in [("1990-01-01", "1999-12-31"), ("2100-01-01", None)]:
        with pytest.raises(ValueError, match="2000 to 2099"):
            parse_contract_filter(expiry, None, None)


@pytest.mark.parametrize(
    ("tz", "name"),
    [
        (zoneinfo.ZoneInfo("America/New_York"), "America/New_York"),
        (dt.UTC, "UTC"),
        ("Asia/Tokyo", "Asia/Tokyo"),
    ],
)
def test_time_zones(tz: Any, name: str) -> None:
    """Names and objects."""
    assert Request.validate("stocks_daily", DAY, DAY, tz=tz).tz == name


@pytest.mark.parametrize("tz", ["localtime", "Factory", "posixrules", "../x", "", 5, None])
def test_what_is_no_time_zone(tz: Any) -> None:
    """Also what this machine's database has and polars' has not."""
    with pytest.raises(ValueError, match="is not a time zone"):
        Request.validate("stocks_daily", DAY, DAY, tz=tz)
    with pytest.raises(ValueError, match="is not a time zone"):
        Request.validate("stocks_daily", DAY, DAY, tz=dt.timezone(dt.timedelta(hours=3)))


@pytest.mark.parametrize("bucket", ["s3://flatfiles", "flatfiles/x", "", "a b", None, 5])
def test_what_is_no_bucket(bucket: Any, fault_server: FaultServer) -> None:
    """A ValueError of the session, the catalogue and each method of a downloader."""
    with pytest.raises(ValueError, match=r"bucket=.* is not the name of a bucket"):
        FlatSession(*CREDENTIALS.values(), bucket=bucket)
    with pytest.raises(ValueError, match=r"bucket=.* is not the name of a bucket"):
        S3Catalog(bucket)
    with SyncS3Downloader(CREDENTIALS, fault_server.endpoint_url) as downloader:
        for call in (downloader.download, downloader.list_objects, downloader.check_exists):
            with pytest.raises(ValueError, match=r"bucket=.* is not the name of a bucket"):
                call(bucket, "x")
    assert fault_server.requests == []


@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
def test_certificates_that_are_not_there(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the variable, which the user may have forgotten."""
    monkeypatch.setenv(variable, "/nowhere/ca.pem")
    with pytest.raises(ValueError, match=f"{variable}='/nowhere/ca.pem'"):
        FlatSession(*CREDENTIALS.values())


@pytest.mark.parametrize("cell", [b"1_000", "١".encode(), b"0x1F", b"1e", b"1 "])
@pytest.mark.parametrize("column", [2, 7])
def test_numbers_of_python_alone(cell: bytes, column: int) -> None:
    """The line is named."""
    lines = day_csv().splitlines(keepends=True)
    fields = lines[3].rstrip().split(b",")
    fields[column] = cell
    lines[3] = b",".join(fields) + b"\n"
    with pytest.raises(SchemaError, match=r"line 4: (open|transactions) is"):
        read_day(lambda: [gz(b"".join(lines))], DATA_TYPES["stocks_daily"], key=DAY_KEY)


@settings(deadline=None)
@given(
    cell=st.one_of(
        st.text(alphabet="0123456789+-.eE_ \txnaif١", min_size=1, max_size=8),
        st.floats().map(str),
        st.integers().map(str),
    ),
    kind=st.sampled_from(["float64", "int64"]),
)
def test_cells_are_judged_as_polars_reads_them(cell: str, kind: Any) -> None:
    """What is valid for polars, and finite, is for the search of the line, and nothing else."""
    dtype = pl.Float64() if kind == "float64" else pl.Int64()
    try:
        value = pl.read_csv(
            f"x,{cell}\n".encode(), has_header=False, schema={"a": pl.String(), "b": dtype}
        )["b"][0]
        is_valid = value is not None and abs(value) < float("inf")
    except pl.exceptions.PolarsError:
        is_valid = False
    assert _is_valid(cell, kind) == is_valid


@pytest.mark.parametrize("value", ["no", 1, None])
def test_strict_is_true_or_false(value: Any) -> None:
    """A word is not taken for true."""
    with pytest.raises(ValueError, match="strict="):
        Request.validate("stocks_daily", DAY, DAY, strict=value)
