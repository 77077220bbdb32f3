"""The audit: each fault that users have publicly reported is found, clean days are silent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import polars as pl
import pytest

from flatnb import DATA_TYPES, FlatSession, S3Catalog
from flatnb.demo import DemoMarket, DemoServer
from flatnb.demo.files import to_csv
from flatnb.market.calendar import trading_days
from tests.servers.fault_s3 import FaultServer
from tests.servers.payloads import gz, gz_truncated

Change = Callable[[pl.DataFrame], pl.DataFrame | None]
DAY_NS = 86_400 * 10**9


def gone(_: pl.DataFrame) -> None:
    """The file is missing."""


def before_1970(table: pl.DataFrame) -> pl.DataFrame:
    """As options of 2025-02-10."""
    return table.with_columns(window_start=pl.lit(-68400000000000))


def a_day_late(table: pl.DataFrame) -> pl.DataFrame:
    """As many stocks of 2019-08-12."""
    late = pl.int_range(pl.len()) % 3 == 0
    return table.with_columns(pl.col("window_start") + pl.when(late).then(DAY_NS).otherwise(0))


def cut_at_half_past_three(table: pl.DataFrame) -> pl.DataFrame:
    """As large tickers of options trades from mid-June 2024: 2024-06-20 19:30 UTC."""
    return table.filter(pl.col("sip_timestamp") < 1718911800 * 10**9)


def twice(table: pl.DataFrame) -> pl.DataFrame:
    """The first 20 rows are there twice."""
    return pl.concat([table.head(20), table])


def no_volume(table: pl.DataFrame) -> pl.DataFrame:
    """Three bars have no volume."""
    return table.with_columns(volume=pl.when(pl.int_range(pl.len()) < 3).then(0.0).otherwise(100.0))


def a_quarter(table: pl.DataFrame) -> pl.DataFrame:
    """Most rows are missing."""
    return table.head(table.height // 4)


def empty(table: pl.DataFrame) -> pl.DataFrame:
    """A header alone."""
    return table.clear()


@pytest.fixture
def planted(
    fault_server: FaultServer, fault_session: FlatSession, market: DemoMarket
) -> Callable[..., Any]:
    """Serves days of the demo market, some of them changed, and audits them."""

    def audit(data_type: str, start: str, end: str, changes: dict[str, Change]) -> Any:
        catalog = S3Catalog(options_root="us_options_opra")
        for day in trading_days(start, end):
            change = changes.get(str(day), lambda table: table)
            table = change(market.table(data_type, day))
            if table is not None:
                text = to_csv(table, decimals=False)
                fault_server.put(catalog.get_key(data_type, day), gz(text))
        return fault_session.audit(data_type, start, end)

    return audit


@pytest.mark.parametrize(
    ("data_type", "start", "end", "changes", "check", "words"),
    [
        (
            "options_trades",
            "2018-10-11",
            "2018-10-15",
            {"2018-10-12": gone},
            "missing",
            "https://github.com/polygon-io/issues/issues/293",
        ),
        (
            "options_daily",
            "2025-02-07",
            "2025-02-11",
            {"2025-02-10": before_1970},
            "misdated",
            "https://github.com/polygon-io/issues/issues/334",
        ),
        (
            "stocks_minute",
            "2025-08-06",
            "2025-08-11",
            {"2025-08-07": gone, "2025-08-08": gone},
            "missing",
            "https://github.com/polygon-io/issues/issues/338",
        ),
        (
            "stocks_daily",
            "2019-08-09",
            "2019-08-13",
            {"2019-08-12": a_day_late},
            "misdated",
            "rows is not on 2019-08-12",
        ),
        (
            "options_trades",
            "2024-06-18",
            "2024-06-21",
            {"2024-06-20": cut_at_half_past_three},
            "early end",
            "15:2",
        ),
        ("stocks_daily", "2024-01-02", "2024-01-05", {"2024-01-03": twice}, "duplicates", "20 "),
        ("stocks_daily", "2024-01-02", "2024-01-05", {"2024-01-03": no_volume}, "zero volume", "3"),
        ("stocks_minute", "2024-01-02", "2024-01-05", {"2024-01-03": a_quarter}, "row count", ""),
        ("stocks_daily", "2024-01-02", "2024-01-05", {"2024-01-03": empty}, "empty", "no rows"),
    ],
)
def test_planted_faults_are_found(
    planted: Callable[..., Any],
    data_type: str,
    start: str,
    end: str,
    changes: dict[str, Change],
    check: str,
    words: str,
) -> None:
    """The five of the public reports, and others; on those days alone."""
    audit = planted(data_type, start, end, changes)
    assert not audit
    assert {str(found.date) for found in audit.findings} == set(changes)
    found = [found for found in audit.findings if found.check == check]
    assert {str(each.date) for each in found} == set(changes)
    assert all(words in each.what for each in found)
    assert check in repr(audit)
    assert check in audit._repr_html_()


def test_a_damaged_file_is_a_finding(
    fault_server: FaultServer, fault_session: FlatSession, market: DemoMarket
) -> None:
    """And does not end the audit."""
    for day in trading_days("2024-01-02", "2024-01-04"):
        text = market.csv("stocks_daily", day)
        body = gz_truncated(text) if day == date(2024, 1, 3) else gz(text)
        fault_server.put(S3Catalog().get_stocks_daily_key(day), body)
    audit = fault_session.audit("stocks_daily", "2024-01-02", "2024-01-04")
    assert [(str(found.date), found.check) for found in audit.findings] == [
        ("2024-01-03", "unreadable")
    ]


@pytest.fixture(scope="module")
def demo_session(demo_server: DemoServer) -> Iterator[FlatSession]:
    """A session on the demo market."""
    with FlatSession(
        *demo_server.credentials.values(), endpoint_url=demo_server.endpoint_url, cache=False
    ) as session:
        yield session


@pytest.mark.parametrize("data_type", sorted(set(DATA_TYPES) - {"stocks_quotes"}))
def test_clean_days_are_silent(demo_session: FlatSession, data_type: str) -> None:
    """Of each data type, over an early close (2024-07-03) and a holiday."""
    audit = demo_session.audit(data_type, "2024-07-02", "2024-07-05")
    assert audit, audit
    assert len(audit.days) >= 3
    assert "nothing found" in repr(audit)
