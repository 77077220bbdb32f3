"""What a study asks of `load`: hours, adjusted prices, and securities over changes of tickers."""

from __future__ import annotations

import functools
import pickle
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pandas as pd
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from flatnb import FlatnbWarning, FlatSession, S3Catalog
from flatnb.demo import DemoMarket, DemoServer
from flatnb.errors import CredentialsError, ReferenceServiceError
from flatnb.market.calendar import trading_days
from flatnb.reference import ReferenceService
from flatnb.research import adjust, hours
from tests.servers.fault_s3 import FaultServer
from tests.servers.payloads import gz

KEYS = ("an-access-key", "a-secret-key")
CATALOG = S3Catalog(options_root="us_options_opra")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlatSession]:
    """A session on the demo market, without keys and with a cache."""
    with FlatSession.demo(cache=tmp_path_factory.mktemp("cache")) as session:
        yield session


@pytest.fixture
def cached(demo_server: DemoServer, tmp_path: Path) -> Iterator[FlatSession]:
    """A session with a cache and without an API key."""
    with FlatSession(
        *KEYS,
        endpoint_url=demo_server.endpoint_url,
        bucket=demo_server.bucket,
        cache=tmp_path,
    ) as session:
        yield session


# --- hours ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data_type", "day"),
    [
        ("stocks_minute", "2024-07-03"),
        ("stocks_trades", "2024-03-11"),
        ("options_minute", "2024-07-03"),
        ("indices_values", "2024-03-08"),
    ],
)
@pytest.mark.parametrize("which", ["regular", "extended", "all"])
def test_hours_are_those_of_the_research_function(
    demo: FlatSession, data_type: str, day: str, which: str
) -> None:
    """On an early close, and on both sides of a change of the clocks."""
    every = demo.load(data_type, day, day)
    some = demo.load(data_type, day, day, hours=which)
    assert_frame_equal(some, hours(every, which))
    assert demo.last_report is not None
    assert [each.rows for each in demo.last_report] == [len(some)]
    if data_type == "stocks_minute" and which == "regular":
        assert 0 < len(some) < len(every)


def test_the_cache_keeps_whole_days(cached: FlatSession) -> None:
    """Regular hours first, then all; the column of times is read if it is not asked for."""
    day = "2024-01-02"
    regular = cached.load("stocks_minute", day, day, hours="regular", columns=["close", "ticker"])
    every = cached.load("stocks_minute", day, day)
    assert cached.last_report is not None
    assert [each.status for each in cached.last_report] == ["cached"]
    assert_frame_equal(regular, hours(every, "regular").select("date", "close", "ticker"))
    again = cached.load(
        "stocks_minute", day, day, hours="regular", columns=["close", "ticker"], symbols="AAPL"
    )
    assert_frame_equal(again, regular.filter(ticker="AAPL"))


def test_hours_of_any_zone_and_kind(demo: FlatSession) -> None:
    """Times in New York, and pandas."""
    day = "2024-01-02"
    local = demo.load("stocks_minute", day, day, hours="regular", tz="America/New_York")
    assert local["window_start"].dt.hour().unique().sort().to_list() == list(range(9, 16))
    frame = demo.load("stocks_minute", day, day, hours="regular", frame="pandas")
    assert isinstance(frame, pd.DataFrame)
    assert len(frame) == len(local)


@pytest.mark.parametrize(
    ("data_type", "which", "message"),
    [
        ("stocks_daily", "regular", "hours='regular' has no meaning for stocks_daily"),
        ("crypto_minute", "regular", "hours='regular' has no meaning for crypto"),
        ("futures_cme_session", "extended", "hours='extended' has no meaning for futures"),
        ("stocks_minute", "open", "hours='open' is unknown"),
        ("us_stocks_sip/news_v1", "regular", "hours needs a column of times"),
    ],
)
def test_hours_that_there_are_not(
    demo: FlatSession, data_type: str, which: str, message: str
) -> None:
    """They are refused before anything is loaded, with what to do."""
    with pytest.raises(ValueError, match=message):
        demo.load(data_type, "2024-01-02", "2024-01-02", hours=which)  # type: ignore[call-overload]


@pytest.mark.parametrize("data_type", ["stocks_minute", "stocks_trades"])
def test_misdated_rows_are_told_of_before_hours_drop_them(
    fault_server: FaultServer, data_type: str
) -> None:
    """A file whose rows are all of another day gives no rows, and a warning."""
    day = date(2024, 1, 3)
    text = DemoMarket(stocks=5).csv(data_type, date(2024, 1, 2))
    fault_server.put(CATALOG.get_key(data_type, day), gz(text))
    with (
        FlatSession(*KEYS, endpoint_url=fault_server.endpoint_url, cache=False) as session,
        pytest.warns(FlatnbWarning, match="is not on 2024-01-03"),
    ):
        assert session.load(data_type, day, day, hours="regular").is_empty()


# --- adjusted prices -----------------------------------------------------------------------------


def test_the_demo_market_is_adjusted_without_keys(demo: FlatSession, market: DemoMarket) -> None:
    """Splits and dividends come from the local service; report, job and plan say so."""
    span = ("2024-06-03", "2024-06-28")
    raw = demo.load("stocks_daily", *span)
    for how in ("splits", "all"):
        made = demo.load("stocks_daily", *span, adjust=how, as_of="2024-06-28")
        actions = market.actions()
        assert_frame_equal(made, adjust(raw, actions, how=how, as_of="2024-06-28"), rel_tol=1e-5)
        assert not made.select("close").equals(raw.select("close"))
        words = "adjusted for splits"
        words += " and dividends as of 2024-06-28" if how == "all" else " as of 2024-06-28"
        assert demo.last_report is not None
        assert demo.last_report.adjusted == words
        assert words in repr(demo.last_report)
        assert words in demo.last_report._repr_html_()
        assert words in demo.panel().text()
        assert words in demo.panel().html()
    plan = demo.plan("stocks_minute", *span, adjust="splits", hours="regular", as_of="2024-06-28")
    assert "rows: regular hours, adjusted for splits as of 2024-06-28" in repr(plan)
    assert demo.load("stocks_daily", *span).equals(raw)
    assert demo.last_report.adjusted == ""


def test_no_jump_is_left_at_a_split(demo: FlatSession) -> None:
    """WMT, three for one on 2024-06-11: its closes and its volumes go on."""
    span = {"data_type": "stocks_daily", "start": "2024-06-03", "end": "2024-06-20"}
    raw = demo.load(**span, symbols="WMT")["close"]
    made = demo.load(**span, symbols="WMT", adjust="splits")["close"]
    assert raw.pct_change().min() < -0.6  # type: ignore[operator]
    assert made.pct_change().abs().max() < 0.1  # type: ignore[operator]


def test_columns_that_adjusting_takes_are_not_given(demo: FlatSession) -> None:
    """The ticker, which tells whose the splits are."""
    span = ("2024-06-03", "2024-06-20")
    made = demo.load("stocks_daily", *span, symbols=["WMT", "KO"], columns="close", adjust="splits")
    whole = demo.load("stocks_daily", *span, symbols=["WMT", "KO"], adjust="splits")
    assert_frame_equal(made, whole.select("date", "close"))


@pytest.mark.parametrize("kind", ["frame", "pandas", "csv", "parquet"])
def test_a_table_of_ones_own(
    kind: str, demo_server: DemoServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a frame or a file, wherever the working directory goes; no service is asked."""
    for name in ("MASSIVE_API_KEY", "POLYGON_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    table = pl.DataFrame(
        {"ticker": ["AAPL"], "date": ["2024-01-04"], "kind": ["split"], "from": [1], "to": [4]}
    )
    table.write_csv(tmp_path / "actions.csv")
    table.write_parquet(tmp_path / "actions.parquet")
    monkeypatch.chdir(tmp_path)
    given = {"frame": table, "pandas": table.to_pandas()}.get(kind, f"actions.{kind}")
    with FlatSession(
        *KEYS,
        endpoint_url=demo_server.endpoint_url,
        bucket=demo_server.bucket,
        cache=False,
        actions=given,
    ) as session:
        monkeypatch.chdir("/")
        span = ("2024-01-02", "2024-01-05")
        raw = session.load("stocks_daily", *span, symbols=["AAPL", "MSFT"])
        made = session.load("stocks_daily", *span, symbols=["AAPL", "MSFT"], adjust="splits")
        assert_frame_equal(made, adjust(raw, table))
        assert made["close"][0] == pytest.approx(raw["close"][0] / 4)
        context_spec = session._context.spec
        assert (context_spec.actions is None) == (kind in ("frame", "pandas"))
        assert pickle.loads(pickle.dumps(context_spec)) == context_spec


def test_a_key_is_missing(cached: FlatSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said before a day is loaded, with the two remedies."""
    for name in ("MASSIVE_API_KEY", "POLYGON_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(CredentialsError, match=r"MASSIVE_API_KEY.*FlatSession\(actions=…\)"):
        cached.load("stocks_daily", "2024-01-02", "2024-01-03", symbols="KO", adjust="all")
    assert len(cached.cache or ()) == 0
    with pytest.raises(CredentialsError, match=r"FlatSession\(ticker_events=…\)"):
        cached.load("stocks_daily", "2024-01-02", "2024-01-03", symbols="KO", follow_renames=True)


def test_the_key_is_nowhere_and_kept_actions_work_offline(
    demo_server: DemoServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither in a repr, a pickle, a message nor a file; then all is loaded without a service."""
    key = "secret-of-the-rest-service"
    stand_in = demo_server.reference
    monkeypatch.setattr(stand_in, "api_key", key)
    monkeypatch.setenv("MASSIVE_API_KEY", key)
    where = {"endpoint_url": demo_server.endpoint_url, "bucket": demo_server.bucket}
    service = ReferenceService(url=stand_in.url, folder=tmp_path / "reference")
    span = ("2024-06-10", "2024-06-12")
    with FlatSession(*KEYS, **where, cache=tmp_path, reference=service) as session:
        first = session.load("stocks_daily", *span, symbols=["WMT", "KO"], adjust="all")
        texts = [repr(session), session._repr_html_(), repr(session.last_report)]
        texts += [repr(session._context), session.panel().html(), repr(service)]
        assert key.encode() not in pickle.dumps(session._context.spec) + pickle.dumps(service)
        assert not any(key in text for text in texts)
    assert not any(
        key.encode() in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()
    )
    monkeypatch.delenv("MASSIVE_API_KEY")
    asked = len(stand_in.requests)
    # The service's address is part of what an answer is kept under, so it is the same.
    offline = ReferenceService(url=stand_in.url, folder=tmp_path / "reference", offline=True)
    with FlatSession(*KEYS, **where, cache=tmp_path, offline=True, reference=offline) as session:
        again = session.load("stocks_daily", *span, symbols=["WMT", "KO"], adjust="all")
        assert_frame_equal(first, again)
        with pytest.raises(ReferenceServiceError, match="no splits are stored of AAPL"):
            session.load("stocks_daily", *span, symbols=["AAPL"], adjust="splits")
    assert len(stand_in.requests) == asked


def test_splits_alone_do_not_ask_for_dividends(demo_server: DemoServer, tmp_path: Path) -> None:
    """Of the whole market these are far more."""
    stand_in = demo_server.reference
    service = ReferenceService(stand_in.api_key, url=stand_in.url, folder=tmp_path)
    asked = len(stand_in.requests)
    with FlatSession(
        *KEYS,
        endpoint_url=demo_server.endpoint_url,
        bucket=demo_server.bucket,
        cache=False,
        reference=service,
    ) as session:
        session.load("stocks_daily", "2024-06-10", "2024-06-12", adjust="splits")
    assert [each.partition("?")[0] for each in stand_in.requests[asked:]] == ["/stocks/v1/splits"]


@pytest.mark.parametrize(
    ("data_type", "options", "message"),
    [
        ("options_daily", {"adjust": "splits"}, "adjusted by the OCC"),
        ("crypto_daily", {"adjust": "all"}, "is for stocks alone"),
        ("stocks_daily", {"adjust": "split"}, "adjust='split' is unknown"),
        ("stocks_daily", {"as_of": "2024-06-30"}, "belongs to adjust or follow_renames"),
        (
            "stocks_daily",
            {"adjust": "splits", "as_of": "2024-01-02"},
            "as_of='2024-01-02' is before end='2024-01-03'",
        ),
        ("stocks_daily", {"follow_renames": True}, "needs symbols"),
        ("options_daily", {"follow_renames": True, "symbols": "O:A"}, "is for stocks alone"),
    ],
)
def test_what_cannot_be_adjusted(
    demo: FlatSession, data_type: str, options: dict[str, object], message: str
) -> None:
    """It is refused before anything is loaded."""
    for ask in (demo.load, demo.plan):
        with pytest.raises(ValueError, match=message):
            ask(data_type, "2024-01-02", "2024-01-03", **options)  # type: ignore[operator]


# --- securities over changes of tickers ----------------------------------------------------------


def test_a_history_over_a_rename(demo: FlatSession, market: DemoMarket) -> None:
    """META is FB until 2022-06-08; what was META until January is another security."""
    span = ("2022-01-03", "2022-12-30")
    made = demo.load("stocks_daily", *span, symbols=["META", "KO"], follow_renames=True)
    assert made.columns[-1] == "symbol"
    meta = made.filter(symbol="META")
    assert meta["date"].to_list() == trading_days(*span)
    changed = pl.col("date") >= date(2022, 6, 9)
    assert set(meta.filter(changed)["ticker"]) == {"META"}
    assert set(meta.filter(~changed)["ticker"]) == {"FB"}
    for day in (date(2022, 1, 3), date(2022, 6, 8), date(2022, 6, 9)):
        table = market.table("stocks_daily", day)
        ticker = "FB" if day < date(2022, 6, 9) else "META"
        assert meta.filter(date=day)["close"].item() == table.filter(ticker=ticker)["close"].item()
    assert (
        made.filter(symbol="KO")
        .drop("symbol")
        .equals(demo.load("stocks_daily", *span, symbols="KO"))
    )
    # The one that gave the ticker up.
    other = demo.load("stocks_daily", *span, symbols="BCAT", follow_renames=True)
    before = other.filter(pl.col("date") < date(2022, 1, 31))
    assert set(before["ticker"]) == {"META"}
    assert len(other) == len(trading_days(*span))


def test_a_ticker_that_was_given_up(demo: FlatSession) -> None:
    """FB is nobody's today; on a day of 2021 it is that security's, which goes on as META."""
    span = ("2022-06-06", "2022-06-10")
    events = pl.DataFrame(
        {"date": ["2012-05-18", "2022-06-09"], "from": [None, "FB"], "to": ["FB", "META"]}
    )
    where = {"endpoint_url": demo.downloader.endpoint_url, "cache": False}
    with FlatSession(*KEYS, **where, ticker_events=events) as session:
        with pytest.raises(ValueError, match="symbol='FB' became META on 2022-06-09"):
            session.load("stocks_daily", *span, symbols="FB", follow_renames=True)
        made = session.load(
            "stocks_daily", *span, symbols="FB", follow_renames=True, as_of="2021-12-31"
        )
    assert made["ticker"].to_list() == ["FB"] * 3 + ["META"] * 2
    assert set(made["symbol"]) == {"FB"}


def test_a_split_counts_for_the_tickers_before(demo: FlatSession, tmp_path: Path) -> None:
    """A split of META adjusts the rows of FB, and one of the other META before does not."""
    pl.DataFrame(
        {
            "ticker": ["META", "META", "FB"],
            "date": ["2022-08-01", "2022-01-14", "2022-03-01"],
            "kind": ["split"] * 3,
            "from": [1, 1, 1],
            "to": [2, 7, 3],
        }
    ).write_csv(tmp_path / "actions.csv")
    pl.DataFrame(
        {"date": ["2012-05-18", "2022-06-09"], "from": [None, "FB"], "to": ["FB", "META"]}
    ).write_csv(tmp_path / "events.csv")
    span = ("2022-01-03", "2022-09-30")
    with FlatSession(
        *KEYS,
        endpoint_url=demo.downloader.endpoint_url,
        cache=False,
        actions=tmp_path / "actions.csv",
        ticker_events=tmp_path / "events.csv",
    ) as session:
        load = functools.partial(
            session.load, "stocks_daily", *span, symbols="META", follow_renames=True
        )
        raw, made = load(), load(adjust="splits")
    ratio = (raw["close"] / made["close"]).round(9)
    expected = [
        6.0 if day < date(2022, 3, 1) else 2.0 if day < date(2022, 8, 1) else 1.0
        for day in raw["date"]
    ]
    assert ratio.to_list() == expected
    assert made.columns == raw.columns
    assert made["ticker"].equals(raw["ticker"])


def test_symbols_that_are_not_there_are_told_of(demo: FlatSession) -> None:
    """By the name that was asked for."""
    span = ("2022-06-06", "2022-06-07")
    ask = functools.partial(
        FlatSession.load,
        data_type="stocks_daily",
        start=span[0],
        end=span[1],
        symbols=["META", "AAL"],
        follow_renames=True,
    )
    with pytest.raises(ReferenceServiceError, match="Ticker AAL not found"):
        ask(demo)
    where = {"endpoint_url": demo.downloader.endpoint_url, "cache": False}
    events = pl.DataFrame({"date": ["2022-06-09"], "from": ["FB"], "to": ["META"]})
    with (
        FlatSession(*KEYS, **where, ticker_events=events) as session,
        pytest.warns(FlatnbWarning, match=r"symbols=\['AAL'\] are in none"),
    ):
        assert set(ask(session)["ticker"]) == {"FB"}
