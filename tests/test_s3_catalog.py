"""Conversion of data types and dates to keys and back, as documented."""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatnb import DATA_TYPES, S3Catalog
from flatnb.market.data_types import OPTIONS_ROOTS

DAYS = st.dates()
KEY = "us_stocks_sip/day_aggs_v1/2024/01/2024-01-02.csv.gz"


def test_the_documented_keys() -> None:
    """The four documented keys, literally."""
    catalog = S3Catalog()
    day = "2024-01-02"
    assert catalog.bucket == "flatfiles"
    assert catalog.get_stocks_daily_key(day) == KEY
    assert catalog.get_stocks_minute_key(day) == (
        "us_stocks_sip/minute_aggs_v1/2024/01/2024-01-02.csv.gz"
    )
    assert catalog.get_options_daily_key(day) == (
        "us_options/day_aggs_v1/2024/01/2024-01-02.csv.gz"
    )
    assert catalog.get_options_minute_key(day) == (
        "us_options/minute_aggs_v1/2024/01/2024-01-02.csv.gz"
    )


def test_the_live_options_root() -> None:
    """The live bucket's folder on request; any other is an error."""
    live = S3Catalog(options_root="us_options_opra")
    assert live.get_options_daily_key("2024-01-02").startswith("us_options_opra/day_aggs_v1/")
    assert live.get_stocks_daily_key("2024-01-02") == KEY
    with pytest.raises(ValueError, match=r"options_root='options'.*us_options_opra"):
        S3Catalog(options_root="options")


def test_a_range_has_trading_days_only() -> None:
    """Both ends are inclusive, weekends and holidays are not included, symbols have no effect."""
    catalog = S3Catalog()
    keys = catalog.get_date_range_keys("stocks_daily", "2024-01-12", "2024-01-16", ["AAPL"])
    assert keys == [
        "us_stocks_sip/day_aggs_v1/2024/01/2024-01-12.csv.gz",
        "us_stocks_sip/day_aggs_v1/2024/01/2024-01-16.csv.gz",
    ]
    assert keys == catalog.get_date_range_keys("stocks_daily", "2024-01-12", "2024-01-16")


def test_a_range_without_a_calendar() -> None:
    """Every calendar day, as only a listing shows which files exist."""
    keys = S3Catalog().get_date_range_keys("crypto_trades", "2024-01-05", "2024-01-08")
    assert [key[-17:-7] for key in keys] == ["2024-01-05", "2024-01-06", "2024-01-07", "2024-01-08"]


@pytest.mark.parametrize(
    ("data_type", "folder"),
    [
        ("stocks_trades", "us_stocks_sip/trades_v1"),
        ("options_quotes", "us_options_opra/quotes_v1"),
        ("indices_values", "us_indices/values_v1"),
        ("forex_minute", "global_forex/minute_aggs_v1"),
        ("crypto_trades", "global_crypto/trades_v1"),
        ("futures_cme_session", "us_futures_cme/session_aggs_v1"),
        ("futures_nymex_quotes", "us_futures_nymex/quotes_v1"),
        ("us_indices/day_aggs_v1", "us_indices/day_aggs_v1"),
        ("us_bonds/day_aggs_v1", "us_bonds/day_aggs_v1"),
    ],
)
def test_keys_of_the_whole_bucket(data_type: str, folder: str) -> None:
    """One of each asset class, literally; and unregistered folders."""
    catalog = S3Catalog(options_root="us_options_opra")
    assert catalog.get_key(data_type, "2025-03-02") == f"{folder}/2025/03/2025-03-02.csv.gz"


def test_the_metadata_of_a_key() -> None:
    """The documented dict."""
    expected = {"data_type": "stocks_daily", "date": "2024-01-02", "year": "2024", "month": "01"}
    assert S3Catalog().parse_key_metadata(KEY) == expected


@pytest.mark.parametrize(
    "key",
    [
        "",
        None,
        KEY.upper(),
        KEY + "\n",
        "/" + KEY,
        KEY.removesuffix(".gz"),
        KEY.replace("/2024/01/", "/2024/02/"),
        KEY.replace("/2024/01/", "/2023/01/"),
        KEY.replace("/01/2024-01-02", "/02/2024-02-30"),
        KEY.replace("day_aggs_v1", "week_aggs_v1"),
        KEY.replace("us_stocks_sip", "us_bonds"),
        "us_stocks_sip/../day_aggs_v1/2024/01/2024-01-02.csv.gz",
    ],
)
def test_invalid_keys(key: Any) -> None:
    """Unknown folders, and dates that do not exist or do not match their folders."""
    catalog = S3Catalog()
    assert catalog.validate_key(key) is False
    with pytest.raises(ValueError, match="key="):
        catalog.parse_key_metadata(key)


def test_summary_counts_every_key() -> None:
    """The documented data types are always included, others if they occur."""
    catalog = S3Catalog()
    keys = [KEY, KEY, catalog.get_options_minute_key("2024-01-02"), "junk"]
    forex = catalog.get_key("forex_quotes", "2024-01-02")
    assert catalog.get_summary([forex])["forex_quotes"] == 1
    assert catalog.get_summary(keys) == {
        "total": 4,
        "stocks_daily": 2,
        "stocks_minute": 0,
        "options_daily": 0,
        "options_minute": 1,
        "invalid": 1,
    }


@pytest.mark.parametrize("keys", [KEY, None])
def test_summary_requires_a_list(keys: Any) -> None:
    """The characters of a single key are not counted as invalid keys."""
    with pytest.raises(ValueError, match=f"keys={keys!r} must be a list"):
        S3Catalog().get_summary(keys)


def test_business_days_and_missing_dates() -> None:
    """Around Hurricane Sandy, as strings."""
    assert S3Catalog.get_business_days("2012-10-26", "2012-10-31") == ["2012-10-26", "2012-10-31"]
    missing = S3Catalog.get_missing_dates([date(2012, 10, 26)], "2012-10-26", "2012-11-01")
    assert missing == ["2012-10-31", "2012-11-01"]
    stamps = pd.to_datetime(["2012-10-26", "2012-10-31"])
    assert S3Catalog.get_missing_dates(stamps, "2012-10-26", "2012-11-01") == ["2012-11-01"]
    with pytest.raises(ValueError, match="existing_dates='2012-10-26' must be a list"):
        S3Catalog.get_missing_dates("2012-10-26", "2012-10-26", "2012-11-01")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("stocks", "2024-01-02", "2024-01-03"), "data_type='stocks'.*did you mean 'stocks_daily'"),
        ((None, "2024-01-02", "2024-01-03"), "data_type=None"),
        (("stocks_daily", "2024-13-01", "2024-01-03"), "start_date='2024-13-01'"),
        (("stocks_daily", "2024-01-02", 5), "end_date=5"),
        (("stocks_daily", "2024-01-03", "2024-01-02"), "start_date=2024-01-03 is after end_date"),
    ],
)
def test_wrong_arguments_are_named(arguments: Any, message: str) -> None:
    """The message has the parameter, the value and the remedy."""
    with pytest.raises(ValueError, match=message):
        S3Catalog().get_date_range_keys(*arguments)


@given(st.sampled_from(sorted(DATA_TYPES)), DAYS, st.sampled_from(OPTIONS_ROOTS))
def test_a_key_and_its_metadata_round_trip(data_type: str, day: date, root: str) -> None:
    """Catalogues of both layouts can parse every key."""
    key = S3Catalog(options_root=root).get_key(data_type, day)
    for catalog in (S3Catalog(), S3Catalog(options_root="us_options_opra")):
        metadata = catalog.parse_key_metadata(key)
        assert (metadata["data_type"], metadata["date"]) == (data_type, day.isoformat())
        assert f"/{metadata['year']}/{metadata['month']}/{metadata['date']}" in key


@given(st.data())
def test_a_mistyped_key_never_means_another_folder(data: st.DataObject) -> None:
    """A key with one character changed is invalid, or still the key of its metadata."""
    catalog = S3Catalog(options_root=data.draw(st.sampled_from(OPTIONS_ROOTS)))
    right = catalog.get_key(data.draw(st.sampled_from(sorted(DATA_TYPES))), data.draw(DAYS))
    at = data.draw(st.integers(0, len(right) - 1))
    # Mostly characters that occur in keys, as others rarely give a valid key.
    other = data.draw(st.sampled_from("0123456789/-_.") | st.characters())
    key = right[:at] + other + right[at + 1 :]
    if catalog.validate_key(key):
        metadata = catalog.parse_key_metadata(key)
        assert catalog.get_key(metadata["data_type"], metadata["date"]) == key


def test_the_catalogue_is_light() -> None:
    """Importing it loads neither an S3 client nor a frame library."""
    heavy = "boto3 aioboto3 botocore polars pandas holidays ipywidgets isal"
    script = (
        "import sys, flatnb.download.s3_catalog, flatnb.market.calendar, flatnb.errors; "
        f"print([name for name in {heavy!r}.split() if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")
