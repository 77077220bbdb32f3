"""Every fault under a load: the right frame in polars and in pandas, or the day and the reason."""

from __future__ import annotations

import csv
import io
from datetime import date
from typing import Any

import pandas as pd
import polars as pl
import pytest

from flatnb import FlatSession, LoadError, S3Catalog
from flatnb.market.calendar import trading_days
from tests.servers import faults
from tests.servers.csv_payloads import BROKEN_CSV, SAME_FRAME_CSV
from tests.servers.fault_s3 import FaultServer
from tests.servers.payloads import DAMAGED_GZIP, SOUND_GZIP, day_csv, gz

DAYS = trading_days("2024-01-02", "2024-06-28")
KEY_OF = {day: S3Catalog().get_stocks_daily_key(day) for day in DAYS}
RECOVERABLE = (*faults.CUTS, *faults.STATUSES, *faults.LIES, *faults.SILENT, *faults.HARMLESS)

Row = tuple[Any, ...]


def prefilter(days: list[date]) -> list[Row]:
    """What the csv module makes of the days' files."""
    found: list[Row] = []
    for day in days:
        for row in list(csv.reader(io.StringIO(day_csv(key=KEY_OF[day]).decode())))[1:]:
            numbers = [float(cell) for cell in row[1:6]]
            found.append((day, row[0], *numbers, int(row[6]), int(row[7])))
    return found


def rows_in(frame: Any) -> list[Row]:
    """The same of a frame of either kind."""
    if isinstance(frame, pl.DataFrame):
        return frame.with_columns(pl.col("window_start").to_physical()).rows()
    assert isinstance(frame, pd.DataFrame)
    plain = frame.assign(
        date=frame["date"].dt.date,
        window_start=frame["window_start"].dt.as_unit("ns").astype("int64"),
    )
    return list(plain.itertuples(index=False, name=None))


def load(session: FlatSession, days: list[date], frame: str, **options: Any) -> Any:
    """The days from the first to the last."""
    return session.load("stocks_daily", days[0], days[-1], frame=frame, **options)


@pytest.mark.parametrize("symbols", [None, ["BCpC", "SPY"]])
@pytest.mark.parametrize("frame", ["polars", "pandas"])
def test_what_can_be_healed_is(
    frame: str, symbols: list[str] | None, fault_server: FaultServer, fault_session: FlatSession
) -> None:
    """A day for each fault of the wire, all in one load: each row is right, none is missing."""
    days = DAYS[: len(RECOVERABLE)]
    for day, fault in zip(days, RECOVERABLE, strict=True):
        fault_server.put(KEY_OF[day], gz(day_csv(key=KEY_OF[day])))
        fault_server.script(KEY_OF[day], [fault])
    expected = [row for row in prefilter(days) if symbols is None or row[1] in symbols]
    assert rows_in(load(fault_session, days, frame, symbols=symbols)) == expected
    assert [key for key in KEY_OF.values() if fault_server.pending_faults(key)] == []


@pytest.mark.parametrize("symbols", [None, ["A", "AAPL", "BCPC", "BCpC", "ZVZZT"]])
@pytest.mark.parametrize("frame", ["polars", "pandas"])
def test_what_cannot_be_healed_is_told(
    frame: str, symbols: list[str] | None, fault_server: FaultServer, fault_session: FlatSession
) -> None:
    """A day for each damaged file and each refusal: all are listed, and no row of them is there."""
    bad: dict[date, tuple[str, str]] = {}
    days = iter(DAYS)
    files = {name: gz(change(day_csv())) for name, change in BROKEN_CSV.items()}
    files |= {name: damage(day_csv()) for name, damage in DAMAGED_GZIP.items()}
    if symbols is not None:
        del files["blank line"]  # one that is among no wanted rows changes nothing
    for name, content in files.items():
        bad[day := next(days)] = "failed", name
        fault_server.put(KEY_OF[day], content)
    for fault in (*faults.PERMANENT, *faults.STATUSES[:3], *faults.CUTS[:3]):
        bad[day := next(days)] = _status_of(str(fault)), str(fault)
        fault_server.put(KEY_OF[day], gz(day_csv(key=KEY_OF[day])))
        fault_server.always(KEY_OF[day], fault)
    good = [next(days), next(days)]
    for day in good:
        fault_server.put(KEY_OF[day], gz(day_csv(key=KEY_OF[day])))
    with pytest.raises(LoadError) as caught:
        load(fault_session, [*bad, *good], frame, symbols=symbols)
    outcomes = {day.date: day for day in caught.value.report}
    assert {day: outcomes[day].status for day in bad} == {
        day: status for day, (status, _) in bad.items()
    }
    assert all(outcomes[day].reason for day in bad)
    expected = [row for row in prefilter(good) if symbols is None or row[1] in symbols]
    assert rows_in(caught.value.frame) == expected


def _status_of(fault: str) -> str:
    if "404" in fault or "NoSuchKey" in fault:
        return "missing"
    permanent = ("401", "403", "AccessDenied", "Signature", "Token", "Skewed", "AccessKeyId")
    return "forbidden" if any(word in fault for word in permanent) else "failed"


@pytest.mark.parametrize("frame", ["polars", "pandas"])
def test_what_is_only_unusual_reads_the_same(
    frame: str, fault_server: FaultServer, fault_session: FlatSession
) -> None:
    """CRLF, quotes, another order of columns, several members …: the same rows."""
    files: list[Any] = [lambda csv, c=change: gz(c(csv)) for change in SAME_FRAME_CSV.values()]
    files += SOUND_GZIP.values()
    days = DAYS[: len(files)]
    for day, change in zip(days, files, strict=True):
        fault_server.put(KEY_OF[day], change(day_csv(key=KEY_OF[day])))
    assert rows_in(load(fault_session, days, frame)) == prefilter(days)
