"""Sizes of stock quotes: round lots before 2025-11-03, shares since."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from flatnb import FlatnbWarning, FlatSession, S3Catalog
from tests.servers.fault_s3 import FaultServer
from tests.servers.payloads import gz
from tests.twins import CREDENTIALS

HEADER = (
    "ticker,ask_exchange,ask_price,ask_size,bid_exchange,bid_price,bid_size,conditions,indicators,"
    "participant_timestamp,sequence_number,sip_timestamp,tape,trf_timestamp"
)
LOTS, SHARES = "2025-10-31", "2025-11-03"  # the Friday and the Monday


def quotes(bid_size: str, ask_size: str) -> bytes:
    """A file of one quote."""
    row = (
        f"A,11,10.05,{ask_size},12,10.0,{bid_size},1,,1761917400000000000,7,1761917400000000001,1,0"
    )
    return gz(f"{HEADER}\n{row}\n".encode())


@pytest.fixture(params=[True, False], ids=["cache", "no cache"])
def session(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FlatSession]:
    """The last day of round lots and the first of shares."""
    with FaultServer() as server:
        server.put(S3Catalog().get_key("stocks_quotes", LOTS), quotes("2", "11"))
        server.put(S3Catalog().get_key("stocks_quotes", SHARES), quotes("200", "1100"))
        cache = tmp_path / "cache" if request.param else False
        with FlatSession(
            *CREDENTIALS.values(), endpoint_url=server.endpoint_url, cache=cache
        ) as session:
            yield session


def sizes(frame: pl.DataFrame) -> list[tuple[float, float]]:
    """Bid and ask sizes."""
    return frame.select("bid_size", "ask_size").rows()


def test_both_units_in_one_frame(session: FlatSession) -> None:
    """As stored, with a warning that names the remedies."""
    with pytest.warns(FlatnbWarning, match=r"quote_sizes='shares'.*round_lots"):
        frame = session.load("stocks_quotes", LOTS, SHARES)
    assert sizes(frame) == [(2.0, 11.0), (200.0, 1100.0)]


def test_in_shares(session: FlatSession) -> None:
    """The sizes before the change are multiplied, without a warning; the cache has the file's."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            frame = session.load("stocks_quotes", LOTS, SHARES, quote_sizes="shares")
            assert sizes(frame) == [(200.0, 1100.0), (200.0, 1100.0)]
        assert sizes(session.load("stocks_quotes", LOTS, LOTS)) == [(2.0, 11.0)]
        one = session.load("stocks_quotes", LOTS, SHARES, columns="bid_size", quote_sizes="shares")
        assert one["bid_size"].to_list() == [200.0, 200.0]


def test_no_warning_without_sizes(session: FlatSession) -> None:
    """Of prices alone, and of days of one unit."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        session.load("stocks_quotes", LOTS, SHARES, columns=["ticker", "bid_price"])
        session.load("stocks_quotes", SHARES, SHARES)


def test_scans_and_lakes_warn(session: FlatSession, tmp_path: Path) -> None:
    """They have the files' values."""
    days = pl.col("date").is_between(pl.date(2025, 10, 31), pl.date(2025, 11, 3))
    with pytest.warns(FlatnbWarning, match="round lots before 2025-11-03"):
        session.scan("stocks_quotes").filter(days).select("bid_size").collect()
    with pytest.warns(FlatnbWarning, match="round lots before 2025-11-03"):
        session.to_lake("stocks_quotes", LOTS, SHARES, tmp_path / "lake")
    with pytest.raises(ValueError, match="quote_sizes='shares' is for load"):
        session.to_lake("stocks_quotes", LOTS, LOTS, tmp_path / "lake", quote_sizes="shares")


def test_only_of_stock_quotes(session: FlatSession) -> None:
    """Other sizes are no round lots."""
    for data_type in ("stocks_trades", "options_quotes", "stocks_daily"):
        with pytest.raises(ValueError, match="is for stocks_quotes"):
            session.load(data_type, LOTS, LOTS, quote_sizes="shares")
    with pytest.raises(ValueError, match="'as stored' or 'shares'"):
        session.load("stocks_quotes", LOTS, LOTS, quote_sizes="lots")  # type: ignore[arg-type]
