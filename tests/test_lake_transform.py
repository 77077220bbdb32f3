"""A lake of what a function makes of each day: whole tickers, one identity, bounded memory."""

from __future__ import annotations

import functools
import gzip
import pickle
import random
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from flatnb import FlatSession, LoadError, S3Catalog
from flatnb.demo import DemoMarket, DemoServer
from flatnb.errors import TransformError
from flatnb.lake import transform as module
from flatnb.lake.day_task import DayTask
from flatnb.lake.transform import label_of, transformed
from flatnb.market.calendar import trading_days
from flatnb.research import bars, hours
from tests.servers.fault_s3 import FaultServer
from tests.servers.payloads import gz

KEYS = ("an-access-key", "a-secret-key")
CATALOG = S3Catalog(options_root="us_options_opra")
SPAN = ("2024-01-02", "2024-01-04")
DAY = date(2024, 1, 2)
TEN_SECONDS = functools.partial(bars, every="10s")


@pytest.fixture
def session(demo_server: DemoServer) -> Iterator[FlatSession]:
    """A session on the demo market, without a cache."""
    with FlatSession(
        *KEYS, endpoint_url=demo_server.endpoint_url, bucket=demo_server.bucket, cache=False
    ) as session:
        yield session


def closes(rows: pl.DataFrame) -> pl.DataFrame:
    """The last close of each ticker, with how many of its rows were there."""
    return rows.group_by("date", "ticker", maintain_order=True).agg(
        pl.col("close").last(), pl.len().cast(pl.Int64)
    )


def of_another_day(rows: pl.DataFrame) -> pl.DataFrame:
    """A mistake."""
    return rows.with_columns(date=pl.lit(date(2000, 1, 1)))


def no_frame(rows: pl.DataFrame) -> pl.DataFrame:
    """Another mistake."""
    return rows.lazy()  # type: ignore[return-value]


def on_one_day_wrong(rows: pl.DataFrame) -> pl.DataFrame:
    """A mistake on one day alone."""
    if rows["date"][0] == date(2024, 1, 3):
        raise ValueError("not on this day")
    return rows


def test_bars_of_ten_seconds_are_those_of_each_day(session: FlatSession, tmp_path: Path) -> None:
    """Row for row what the function makes of the loaded days; a second run does nothing."""
    lake = session.to_lake("stocks_trades", *SPAN, tmp_path, transform=TEN_SECONDS)
    expected = bars(session.load("stocks_trades", *SPAN), "10s")
    assert_frame_equal(lake.scan().collect(), expected)
    again = session.to_lake("stocks_trades", *SPAN, tmp_path, transform=TEN_SECONDS)
    assert again.report is not None
    assert {day.status for day in again.report} == {"cached"}


@pytest.mark.parametrize("pieces_at_once", [1, 3])
def test_no_ticker_is_cut(
    session: FlatSession,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    pieces_at_once: int,
) -> None:
    """A day that is read in many pieces, and divided by ticker, gives the same bars."""
    monkeypatch.setattr(module, "PIECES_AT_ONCE", pieces_at_once)
    monkeypatch.setattr("flatnb.frames.reader.PARSE_BYTES", 40_000)
    monkeypatch.setattr("flatnb.frames.reader._BLOCKS_AT_ONCE", 2)
    lake = session.to_lake(
        "stocks_minute", DAY, DAY, tmp_path, transform=functools.partial(bars, every="1h")
    )
    expected = bars(session.load("stocks_minute", DAY, DAY), "1h")
    made = lake.scan().collect()
    assert_frame_equal(made.sort("ticker", "window_start"), expected.sort("ticker", "window_start"))
    assert {path.name for path in tmp_path.iterdir()} == {"stocks_minute", "_flatnb"}
    assert all(path.endswith(".parquet") for path in lake.paths)


def test_tickers_in_several_runs_are_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the vendor's files; here all rows of a day are in an order of chance."""
    monkeypatch.setattr(module, "PIECES_AT_ONCE", 2)
    table = DemoMarket(stocks=30).table("stocks_minute", DAY)
    places = list(range(len(table)))
    random.Random(3).shuffle(places)
    rows = table[places]
    pieces = [rows.slice(start, 500) for start in range(0, len(rows), 500)]
    made = pl.concat(transformed(pieces, closes, DAY, "a key", tmp_path))
    counts = table.group_by("ticker").len()
    assert made["ticker"].is_unique().all()
    assert dict(made.select("ticker", "len").iter_rows()) == dict(counts.iter_rows())
    # The order of a ticker's rows is that of the file.
    last = rows.group_by("ticker").agg(pl.col("close").last())
    assert dict(made.select("ticker", "close").iter_rows()) == dict(last.iter_rows())
    assert not list(tmp_path.iterdir())


def test_hours_come_before_the_transform(session: FlatSession, tmp_path: Path) -> None:
    """And are part of what a lake is, as are the columns."""
    lake = session.to_lake(
        "stocks_minute",
        *SPAN,
        tmp_path,
        transform=closes,
        hours="regular",
        columns=["ticker", "close"],
    )
    rows = hours(session.load("stocks_minute", *SPAN), "regular")
    expected = closes(rows.select("date", "ticker", "close"))
    assert_frame_equal(lake.scan().collect(), expected)
    plain = session.to_lake("stocks_minute", *SPAN, tmp_path / "plain", hours="regular")
    assert_frame_equal(plain.scan().collect(), rows)
    with pytest.raises(ValueError, match=r'"hours": "regular", "made_by"'):
        session.to_lake("stocks_minute", *SPAN, tmp_path)


def test_a_lake_is_of_one_transform(session: FlatSession, tmp_path: Path) -> None:
    """Other bars, or none, need another folder."""
    session.to_lake("stocks_minute", *SPAN, tmp_path, transform=functools.partial(bars, every="5m"))
    for other in (functools.partial(bars, every="10m"), None, closes):
        with pytest.raises(ValueError, match=r"made_by.*flatnb\.research.*every='5m'"):
            session.to_lake("stocks_minute", *SPAN, tmp_path, transform=other)


def test_what_names_a_transform() -> None:
    """Module, name and arguments; of a function that is not flatnb's, its source as well."""
    assert label_of(TEN_SECONDS) == "flatnb.research.bar_making.bars(every='10s')"
    nested = functools.partial(functools.partial(bars, every="1m"), hours="all")
    assert label_of(nested) == "flatnb.research.bar_making.bars(every='1m', hours='all')"
    assert label_of(closes).startswith("tests.test_lake_transform.closes() ")
    assert label_of(closes) == label_of(functools.partial(closes))
    assert label_of(closes)[-12:] != label_of(no_frame)[-12:]
    for nameless in (lambda rows: rows, functools.partial(lambda rows, n: rows, n=1), 5):
        with pytest.raises(ValueError, match="not a function at the top of a module"):
            label_of(nameless)  # type: ignore[arg-type]


def test_a_task_is_pickled_with_its_transform(
    session: FlatSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers get it, and its name as the submitting process knows it."""
    sent: list[DayTask] = []

    class Recorder:
        def submit(self, task: DayTask) -> object:
            sent.append(pickle.loads(pickle.dumps(task)))
            raise RuntimeError("not run")

    with pytest.raises(LoadError, match="not run"):
        session.to_lake("stocks_trades", *SPAN, tmp_path, client=Recorder(), transform=closes)
    assert {task.transform for task in sent} == {closes}
    monkeypatch.setattr(module.inspect, "getsource", lambda function: 1 / 0)
    assert label_and_hash in sent[0].content


label_and_hash = label_of(closes)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (of_another_day, "returned rows of 2000-01-01 for the file of 2024-01-03"),
        (no_frame, "returned a LazyFrame; return a polars DataFrame"),
        (on_one_day_wrong, "the transform raised ValueError: not on this day"),
    ],
)
def test_a_transform_that_fails(
    session: FlatSession, tmp_path: Path, function: module.Transform, message: str
) -> None:
    """Its days are listed with the reason, and are not in the lake; the others are."""
    with pytest.raises(LoadError, match=f"TransformError: .*{message}") as caught:
        session.to_lake("stocks_daily", *SPAN, tmp_path, transform=function)
    failed = [day.date for day in caught.value.report.with_status("failed")]
    alone = function is on_one_day_wrong
    assert failed == ([date(2024, 1, 3)] if alone else trading_days(*SPAN))
    assert len(list((tmp_path / "stocks_daily").glob("date=*"))) == 3 - len(failed) if alone else 1


def test_a_large_day_without_tickers_is_refused(tmp_path: Path) -> None:
    """They are what it is divided by."""
    pieces = [pl.DataFrame({"close": [1.0]})] * 10
    with pytest.raises(TransformError, match=r"a key: .*no column ticker; add it to columns"):
        list(transformed(pieces, closes, DAY, "a key", tmp_path))


def test_misdated_rows_are_not_dropped_by_hours(fault_server: FaultServer, tmp_path: Path) -> None:
    """A day with rows of another day is not put into the lake."""
    text = DemoMarket(stocks=5).csv("stocks_trades", date(2024, 1, 2))
    fault_server.put(CATALOG.get_key("stocks_trades", date(2024, 1, 3)), gz(text))
    with (
        FlatSession(*KEYS, endpoint_url=fault_server.endpoint_url, cache=False) as session,
        pytest.raises(LoadError, match="is not on 2024-01-03"),
    ):
        session.to_lake("stocks_trades", "2024-01-03", "2024-01-03", tmp_path, hours="regular")


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (
            {"adjust": "splits"},
            r"adjust='splits' is for load\(\) alone: a lake keeps prices as filed",
        ),
        ({"follow_renames": True}, r"follow_renames=True is for load\(\) alone"),
        ({"as_of": "2024-01-31"}, "as_of='2024-01-31'"),
        ({"hours": "regular"}, "hours='regular' has no meaning for stocks_daily"),
    ],
)
def test_options_that_a_lake_does_not_have(
    session: FlatSession, tmp_path: Path, option: dict[str, object], message: str
) -> None:
    """Each is refused with what to do."""
    with pytest.raises(ValueError, match=message):
        session.to_lake("stocks_daily", *SPAN, tmp_path, **option)  # type: ignore[arg-type]


def test_a_day_without_rows_has_the_columns_of_the_transform(
    fault_server: FaultServer, tmp_path: Path
) -> None:
    """The function is given an empty frame once."""
    header = gzip.decompress(DemoMarket(stocks=5).file("stocks_minute", DAY)).splitlines()[0]
    fault_server.put(CATALOG.get_key("stocks_minute", DAY), gz(header + b"\n"))
    with FlatSession(*KEYS, endpoint_url=fault_server.endpoint_url, cache=False) as session:
        lake = session.to_lake("stocks_minute", DAY, DAY, tmp_path, transform=closes)
    assert lake.rows == 0
    assert lake.scan().collect().columns == ["date", "ticker", "close", "len"]
