"""Symbols that no loaded day has: each mistake is told with its own remedy; spellings accepted."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from flatnb import DATA_TYPES, FlatnbWarning, FlatSession
from flatnb.frames.symbol_hints import explain_unknown
from flatnb.market.option_symbols import OptionSymbol, vendors_spelling
from tests.servers.fault_s3 import FaultServer
from tests.servers.payloads import DAY, DAY_KEY, day_csv, gz
from tests.twins import CREDENTIALS

STOCKS = ("AAPL", "BCPC", "BCpC", "BRK.A", "BRK.B", "MSFT", "TSLA")
OPTIONS = (
    "O:AAPL240119C00300000",
    "O:BRKB240119C00300000",
    "O:SDS1240119C00030000",
    "O:SPY240119C00475000",
)
TICKERS = {
    "stocks_daily": STOCKS,
    "options_daily": OPTIONS,
    "crypto_daily": ("X:BTC-USD", "X:ETH-USD"),
    "forex_daily": ("C:EUR-USD",),
    "indices_daily": ("I:SPX",),
}
OPTIONS_KEY = DAY_KEY.replace("us_stocks_sip", "us_options_opra")


@pytest.mark.parametrize("tickers_are_known", [True, False])
@pytest.mark.parametrize(
    ("data_type", "symbol", "remedy"),
    [
        ("stocks_daily", "aapl", "case-sensitive: did you mean 'AAPL'?"),
        ("stocks_daily", "BRK/B", "with a dot: did you mean 'BRK.B'?"),
        ("stocks_daily", "BRK-B", "with a dot: did you mean 'BRK.B'?"),
        ("stocks_daily", "AAPL,MSFT", "write ['AAPL', 'MSFT'], a list"),
        ("stocks_daily", "AAPL MSFT", "write ['AAPL', 'MSFT'], a list"),
        ("stocks_daily", "AAPL ", "space or comma at an end: write 'AAPL'"),
        ("stocks_daily", "O:SPY240119C00475000", "load 'options_daily'"),
        ("stocks_daily", "X:BTC-USD", "X: marks crypto"),
        ("options_daily", "SPY", "underlyings='SPY'"),
        ("options_daily", "I:SPX", "underlyings='SPX'"),
        ("options_daily", "o:spy240119c00475000", "write 'O:SPY240119C00475000'"),
        ("options_daily", "O:BRK.B*", "underlyings='BRKB'"),
        ("options_daily", "O:spy*", "underlyings='SPY'"),
        ("options_daily", "O:SPY240119C00475000*", "symbols='O:SPY240119C00475000'"),
        ("crypto_daily", "X:BTCUSD", "did you mean 'X:BTC-USD'?"),
        ("crypto_daily", "BTC/USD", "did you mean 'X:BTC-USD'?"),
        ("forex_daily", "EURUSD", "did you mean 'C:EUR-USD'?"),
        ("indices_daily", "SPX", "did you mean 'I:SPX'?"),
        ("indices_daily", "^SPX", "did you mean 'I:SPX'?"),
    ],
)
def test_each_mistake_has_its_own_hint(
    data_type: str, symbol: str, remedy: str, tickers_are_known: bool
) -> None:
    """Also where the tickers of the day are not at hand."""
    tickers = TICKERS[data_type] if tickers_are_known else ()
    assert remedy in explain_unknown(symbol, DATA_TYPES[data_type], tickers)


@pytest.mark.parametrize(
    ("data_type", "symbol", "remedy"),
    [
        ("stocks_daily", "bcpc", "did you mean 'BCPC' or 'BCpC'?"),
        ("stocks_daily", "APPL", "did you mean 'AAPL'?"),
        ("stocks_daily", "TSLAA", "did you mean 'TSLA'?"),
        ("stocks_daily", "ZZZZZ", "7 tickers and none that is similar"),
        ("stocks_daily", "AAPL", "other files or days have it"),
        ("options_daily", "O:SDS*", "underlyings=['SDS1']"),
        ("options_daily", "O:AAPL1*", "underlyings='AAPL'"),
        ("options_daily", "O:APPL*", "underlyings='AAPL'"),
        ("options_daily", "O:SDS240119C00030000", "did you mean 'O:SDS1240119C00030000'?"),
        ("options_daily", "O:SPY240119C00999000", "SPY has 1 contracts on a loaded day"),
    ],
)
def test_what_the_days_tickers_tell(data_type: str, symbol: str, remedy: str) -> None:
    """Similar tickers, adjusted roots, contracts without a trade."""
    assert remedy in explain_unknown(symbol, DATA_TYPES[data_type], TICKERS[data_type])


@pytest.fixture
def server() -> Iterator[FaultServer]:
    """A day of stocks and of options."""
    with FaultServer() as server:
        server.put(DAY_KEY, gz(day_csv(STOCKS)))
        server.put(OPTIONS_KEY, gz(day_csv(OPTIONS)))
        yield server


@pytest.fixture
def session(server: FaultServer, cache_or_none: Path | bool) -> Iterator[FlatSession]:
    """With and without a cache, from which the tickers of a day can be read."""
    with FlatSession(
        *CREDENTIALS.values(), endpoint_url=server.endpoint_url, cache=cache_or_none, max_retries=0
    ) as session:
        yield session


@pytest.mark.parametrize(("columns", "width"), [(None, 9), (["close"], 2), ("volume", 2)])
def test_a_load_compares_with_the_days_tickers(
    session: FlatSession, columns: Any, width: int
) -> None:
    """Also where the frame has no tickers, and again from the cache, without a further request."""
    for _ in range(2):
        with pytest.warns(FlatnbWarning, match="'APPL': did you mean 'AAPL'") as caught:
            frame = session.load(
                "stocks_daily", DAY, DAY, symbols=["APPL", "MSFT"], columns=columns
            )
        assert len(caught) == 1
        assert "MSFT" not in str(caught[0].message)
        assert frame.shape == (1, width)


def test_the_file_is_downloaded_once(session: FlatSession, server: FaultServer) -> None:
    """The tickers come from what is at hand."""
    with pytest.warns(FlatnbWarning, match="did you mean"):
        session.load("stocks_daily", DAY, DAY, symbols="APPL")
    assert [each.key for each in server.requests if each.kind == "get"] == [DAY_KEY]


def test_known_symbols_with_other_columns_are_silent(session: FlatSession) -> None:
    """No warning, and no column besides."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frame = session.load("stocks_daily", DAY, DAY, symbols=["MSFT"], columns="close")
    assert frame.columns == ["date", "close"]


def test_a_scan_tells_at_its_end(session: FlatSession) -> None:
    """Of equalities and of is_in; not of a query that other conditions empty."""
    bars = session.scan("stocks_daily").filter(pl.col("date") == pl.date(2024, 1, 2))
    with pytest.warns(FlatnbWarning, match="'brk-b': class shares are written with a dot"):
        bars.filter(pl.col("ticker").is_in(["brk-b", "MSFT"])).select("close").collect()
    with pytest.warns(FlatnbWarning, match="'aapl': tickers are case-sensitive"):
        bars.filter(pl.col("ticker") == "aapl").collect()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert bars.filter(pl.col("ticker") == "MSFT", pl.col("close") < 0).collect().is_empty()


@pytest.mark.parametrize("columns", [None, "close"])
def test_a_lake_tells_too(session: FlatSession, tmp_path: Path, columns: str | None) -> None:
    """A lake without rows does not come without a word."""
    with pytest.warns(FlatnbWarning, match="'aapl': tickers are case-sensitive"):
        session.to_lake(
            "stocks_daily", DAY, DAY, tmp_path / "lake", symbols="aapl", columns=columns
        )


@pytest.mark.parametrize(
    "symbol",
    [
        "O:SPY240119C00475000",
        "SPY240119C00475000",
        "SPY   240119C00475000",
        "O:SPY   240119C00475000",
    ],
)
def test_spellings_of_a_contract(session: FlatSession, symbol: str) -> None:
    """The OCC's padded one and one without ``O:`` are unambiguous."""
    assert vendors_spelling(symbol) == "O:SPY240119C00475000"
    assert OptionSymbol.parse(symbol).root == "SPY"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frame = session.load("options_daily", DAY, DAY, symbols=symbol)
    assert frame["ticker"].to_list() == ["O:SPY240119C00475000"]


@pytest.mark.parametrize("symbol", ["SPY", "O:SPY 240119C00475000", " SPY  240119C00475000", ""])
def test_what_is_no_spelling_of_a_contract(symbol: str) -> None:
    """It stays as it is."""
    assert vendors_spelling(symbol) == symbol


def test_a_chain_takes_the_stocks_ticker(session: FlatSession) -> None:
    """Whose class share has a root without the dot."""
    assert session.chain("BRK.B", DAY)["root"].to_list() == ["BRKB"]


def test_contracts_that_the_filter_leaves_out(session: FlatSession) -> None:
    """Are not explained; a root that is written wrong is."""
    with pytest.warns(FlatnbWarning, match="expiry, strike and option_type given") as caught:
        session.load("options_daily", DAY, DAY, underlyings=["SPY", "BRK.B"], strike=(9000, None))
    text = str(caught[0].message)
    assert "'O:BRK.B*': OCC roots are capital letters without dot" in text
    assert "'O:SPY*':" not in text


@pytest.mark.parametrize("symbols", ["AAPL\nMSFT", "a\0b", "\ud800"])
def test_unprintable_symbols(session: FlatSession, symbols: str) -> None:
    """A ValueError, not an error of polars or of the encoding."""
    with pytest.raises(ValueError, match="unprintable"):
        session.load("stocks_daily", DAY, DAY, symbols=symbols)


def test_many_unknown_symbols(session: FlatSession) -> None:
    """A few are explained, the others counted."""
    names = [f"nope{n}" for n in range(100)]
    with pytest.warns(FlatnbWarning, match="nor are 80 more") as caught:
        session.load("stocks_daily", DAY, DAY, symbols=names)
    assert len(str(caught[0].message).splitlines()) == 6
