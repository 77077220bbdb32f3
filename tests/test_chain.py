"""Options by what their symbols say: as columns, as a selection, as a chain."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import pandas as pd
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from flatnb import FlatnbWarning, FlatSession, LoadError, with_option_fields
from flatnb.demo import DemoServer
from flatnb.market.option_symbols import OptionSymbol

DAY = date(2024, 1, 3)
FIELDS = ["root", "expiry", "option_type", "strike"]
# Read by eye; the third is a genuine adjusted root, the last four are no contracts.
SYMBOLS = {
    "O:SPY240119C00475000": ("SPY", date(2024, 1, 19), "call", 475.0),
    "O:SPXW240105P04712500": ("SPXW", date(2024, 1, 5), "put", 4712.5),
    "O:VMRK1251219C00000500": ("VMRK1", date(2025, 12, 19), "call", 0.5),
    "AAPL240119P00180000": ("AAPL", date(2024, 1, 19), "put", 180.0),
    "AAPL": (None, None, None, None),
    "O:SPY240231C00475000": (None, None, None, None),
    "O:SPY240119X00475000": (None, None, None, None),
    "O:240119C00475000": (None, None, None, None),
}


@pytest.fixture(scope="module", params=[False, True], ids=["no cache", "cache"])
def session(
    request: pytest.FixtureRequest,
    demo_server: DemoServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[FlatSession]:
    """A session on the demo market; the cache is filled where there is one."""
    with FlatSession(
        *demo_server.credentials.values(),
        endpoint_url=demo_server.endpoint_url,
        cache=tmp_path_factory.mktemp("cache") if request.param else False,
    ) as session:
        if request.param:
            session.load("options_daily", DAY, DAY)
        yield session


def test_fields_of_symbols() -> None:
    """From the right; null where a ticker is no contract; in either kind of frame."""
    frame = pl.DataFrame({"ticker": list(SYMBOLS), "n": range(len(SYMBOLS))})
    assert with_option_fields(frame).select(FIELDS).rows() == list(SYMBOLS.values())
    assert_frame_equal(with_option_fields(frame.lazy()).collect(), with_option_fields(frame))
    pdf = frame.to_pandas().set_index("n", drop=False).iloc[::-1]
    got = with_option_fields(pdf)
    assert isinstance(got, pd.DataFrame)
    assert list(got["strike"].dropna()) == [180.0, 0.5, 4712.5, 475.0]
    assert got.loc[1, "root"] == "SPXW"
    assert list(pdf.columns) == ["ticker", "n"]
    with pytest.raises(ValueError, match="no column 'ticker'; it has n"):
        with_option_fields(frame.drop("ticker"))
    with pytest.raises(ValueError, match="neither a polars nor a pandas frame"):
        with_option_fields([1])


@pytest.mark.parametrize(
    "options",
    [
        {"underlyings": "AAPL", "option_type": "put"},
        {"underlyings": ["AAPL", "T"], "strike": (20, 185.0)},
        {"underlyings": "SPX", "expiry": (None, "2024-02-20")},
        {"expiry": ("2024-01-05", "2024-01-05"), "option_type": "call"},
        {"strike": (None, 17.5)},
        {"symbols": ["O:QQQ*", "O:SPY*"], "strike": (400, None), "expiry": ("2024-01-12", None)},
    ],
    ids=str,
)
def test_selection_by_contract(session: FlatSession, options: dict[str, Any]) -> None:
    """The same as reading every symbol with `OptionSymbol`, from the service and from the cache."""
    whole = session.load("options_daily", DAY, DAY)
    first, last = options.get("expiry", (None, None))
    low, high = options.get("strike", (None, None))
    names = options.get("underlyings") or [s[2:-1] for s in options.get("symbols", [])]
    roots = [names] if isinstance(names, str) else names

    def wanted(ticker: str) -> bool:
        symbol = OptionSymbol.parse(ticker)
        return (
            (not roots or symbol.root in roots)
            and (first is None or str(symbol.expiry) >= first)
            and (last is None or str(symbol.expiry) <= last)
            and (low is None or symbol.strike >= low)
            and (high is None or symbol.strike <= high)
            and options.get("option_type", symbol.type) == symbol.type
        )

    expected = whole.filter(pl.Series([wanted(ticker) for ticker in whole["ticker"]]))
    assert 0 < expected.height < whole.height
    assert_frame_equal(session.load("options_daily", DAY, DAY, **options), expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"option_type": "both"}, "option_type='both'"),
        ({"strike": 470}, r"strike=470 must be a pair.*\(470, 480\)"),
        ({"strike": (480, 470)}, "is reversed"),
        ({"strike": ("a", None)}, "must be prices in dollars"),
        ({"expiry": "2024-01-19"}, "must be a pair"),
        ({"expiry": ("2024-02-01", "2024-01-01")}, "is reversed"),
        ({"expiry": ("soon", None)}, "expiry='soon'"),
    ],
    ids=str,
)
def test_wrong_contracts_are_named(
    session: FlatSession, options: dict[str, Any], message: str
) -> None:
    """Before anything is fetched."""
    with pytest.raises(ValueError, match=message):
        session.load("options_daily", DAY, DAY, **options)


def test_only_options_have_contracts(session: FlatSession) -> None:
    """Elsewhere the arguments are refused, not left out."""
    with pytest.raises(ValueError, match="stocks_daily has none"):
        session.load("stocks_daily", DAY, DAY, strike=(1, 2))
    with pytest.warns(FlatnbWarning, match="expiry, strike and option_type"):
        session.load("options_daily", DAY, DAY, underlyings="SPY", strike=(1, 2))


def test_a_chain(session: FlatSession) -> None:
    """All contracts of the underlying in order, with its own bar; no adjusted ones."""
    chain = session.chain("T", DAY)
    whole = with_option_fields(session.load("options_daily", DAY, DAY))
    assert "T1" in set(whole["root"])
    expected = whole.filter(pl.col("root") == "T").sort("expiry", "strike", "option_type")
    assert_frame_equal(chain.select(expected.columns), expected, check_column_order=False)
    assert chain.columns[:6] == ["date", "ticker", *FIELDS]
    stock = session.load("stocks_daily", DAY, DAY, symbols="T")
    for name in ("open", "high", "low", "close", "volume"):
        assert set(chain[f"underlying_{name}"]) == {stock[name][0]}
    pdf = session.chain("T", DAY, frame="pandas", option_type="call", strike=(15, 20))
    assert set(pdf["option_type"]) == {"call"}
    assert pdf["strike"].between(15, 20).all()


def test_a_chain_of_an_index(session: FlatSession) -> None:
    """With its weekly root; the bar is the index's, which has no volume."""
    chain = session.chain("SPX", DAY)
    assert set(chain["root"]) == {"SPX", "SPXW"}
    index = session.load("indices_daily", DAY, DAY, symbols="I:SPX")
    assert set(chain["underlying_close"]) == {index["close"][0]}
    assert chain["underlying_volume"].null_count() == chain.height
    assert set(session.chain("SPX", DAY, roots="SPXW")["root"]) == {"SPXW"}


def test_a_chain_on_a_day_without_files(session: FlatSession) -> None:
    """Is an error, not an empty frame."""
    with pytest.raises(LoadError, match="in the future"):
        session.chain("SPY", "2099-01-02")
    with pytest.raises(ValueError, match="underlying=''"):
        session.chain("", DAY)
