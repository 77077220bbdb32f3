"""`session.update()` and `flatnb update`: what is new and no more, also twice at once or killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date
from functools import partial
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from flatnb import FlatSession, S3Catalog
from flatnb.cli import main
from flatnb.demo import DemoMarket
from flatnb.demo.bucket import last_published_day
from flatnb.lake.lake import Lake
from flatnb.market.calendar import trading_days
from flatnb.research import bars
from tests.servers import faults
from tests.servers.fault_s3 import FaultServer
from tests.servers.payloads import gz_bad_crc

CATALOG = S3Catalog(options_root="us_options_opra")
KEYS = ("an-access-key", "a-secret-key")
NEWEST = last_published_day()
DAYS = trading_days(date.fromordinal(NEWEST.toordinal() - 14), NEWEST)[-6:]
SMALL = DemoMarket(stocks=30, option_underlyings=1)


def key_of(day: date, data_type: str = "stocks_daily") -> str:
    """A day's key in the bucket."""
    return CATALOG.get_key(data_type, day)


def put(server: FaultServer, *days: date, data_type: str = "stocks_daily") -> None:
    """Publish some days."""
    for day in days:
        server.put(key_of(day, data_type), SMALL.file(data_type, day))


def fetched(server: FaultServer) -> list[str]:
    """The days of the files that were downloaded since this was last asked."""
    found = sorted(request.key[-17:-7] for request in server.requests if request.kind == "get")
    server.forget_requests()
    return found


@pytest.fixture
def server(fault_server: FaultServer) -> FaultServer:
    """A bucket with the newest days but the last."""
    put(fault_server, *DAYS[:-1])
    return fault_server


@pytest.fixture
def session(server: FaultServer, tmp_path: Path) -> Iterator[FlatSession]:
    """A session with a cache."""
    with FlatSession(
        *KEYS, endpoint_url=server.endpoint_url, cache=tmp_path / "cache", max_retries=1, timeout=5
    ) as session:
        yield session


@pytest.mark.parametrize("to_lake", [False, True])
def test_what_is_new_is_brought_once(
    session: FlatSession, server: FaultServer, tmp_path: Path, to_lake: bool
) -> None:
    """First all, then nothing, then the late day that has come; and one that was replaced."""
    update = partial(
        session.update, "stocks_daily", since=DAYS[0], lake=tmp_path / "lake" if to_lake else None
    )
    first = update()
    assert (first.status, first.exit_code) == ("late", 3)
    assert [day.date for day in first.with_status("new")] == DAYS[:-1]
    assert [day.date for day in first.with_status("late")] == [DAYS[-1]]
    assert fetched(server) == [str(day) for day in DAYS[:-1]]
    again = update()
    assert (again.status, len(again.with_status("here")), again.exit_code) == ("late", 5, 3)
    assert fetched(server) == []
    put(server, DAYS[-1])
    third = update()
    assert (third.status, third.exit_code) == ("new", 0)
    assert [day.date for day in third.with_status("new")] == [DAYS[-1]]
    assert fetched(server) == [str(DAYS[-1])]
    server.put(key_of(DAYS[2]), DemoMarket(stocks=31).file("stocks_daily", DAYS[2]))
    replaced = update()
    assert [day.date for day in replaced.with_status("new")] == [DAYS[2]]
    assert fetched(server) == [str(DAYS[2])]
    last = update()
    assert (last.status, last.exit_code) == ("nothing", 0)
    assert fetched(server) == []
    if to_lake:
        there = Lake(tmp_path / "lake", "stocks_daily").scan().collect()
        assert_frame_equal(there, session.load("stocks_daily", DAYS[0], DAYS[-1]))
    else:
        assert session.cache is not None
        assert session.cache.days("stocks_daily") == DAYS


def test_days_far_back_are_missing_and_not_late(session: FlatSession, server: FaultServer) -> None:
    """The bucket has the last six days of four weeks: older ones are counted, and no failure."""
    put(server, DAYS[-1])
    seen: list[str] = []
    update = session.update("stocks_daily", on_day=lambda day: seen.append(day.line()))
    assert update.status == "new"
    assert update.exit_code == 0
    assert len(update.with_status("missing")) > 10
    assert max(day.date for day in update.with_status("missing")) < DAYS[0]
    assert len(update.lines()) == 6
    assert all(line in seen for line in update.lines())
    assert "6 new" in repr(update)
    assert "6 new" in update._repr_html_()


def test_it_goes_on_where_it_was_left(session: FlatSession, server: FaultServer) -> None:
    """A cache whose newest day is older than four weeks is brought up from that day on."""
    old = trading_days(date.fromordinal(NEWEST.toordinal() - 70), NEWEST)
    put(server, *old)
    session.load("stocks_daily", old[0], old[0])
    update = session.update("stocks_daily")
    assert [day.date for day in update.with_status("new")] == old[1:]
    assert [day.date for day in update.with_status("here")] == old[:1]


@pytest.mark.parametrize("to_lake", [False, True])
def test_failures_are_told_and_the_rest_is_brought(
    session: FlatSession, server: FaultServer, tmp_path: Path, to_lake: bool
) -> None:
    """A damaged file, one that is forbidden, and a data type that cannot be listed."""
    put(server, DAYS[-1])
    server.put(key_of(DAYS[1]), gz_bad_crc(SMALL.csv("stocks_daily", DAYS[1])))
    server.always(key_of(DAYS[3]), faults.s3_error("AccessDenied"), "get")
    lake = tmp_path / "lake" if to_lake else None
    update = session.update("stocks_daily", since=DAYS[0], lake=lake)
    assert (update.status, update.exit_code) == ("failed", 4)
    assert [day.date for day in update.with_status("failed")] == [DAYS[1], DAYS[3]]
    assert len(update.with_status("new")) == 4
    assert all(day.reason for day in update.with_status("failed"))
    with server.down():
        broken = session.update(["stocks_daily", "stocks_minute"], since=DAYS[0], lake=lake)
    assert broken.exit_code == 4
    assert set(broken.errors) == {"stocks_daily", "stocks_minute"}
    assert len(broken.lines()) == 2


def test_a_lake_of_bars(session: FlatSession, server: FaultServer, tmp_path: Path) -> None:
    """With the options that it was made with; with others it is refused."""
    put(server, *DAYS, data_type="stocks_minute")
    hourly = partial(bars, every="1h")
    session.to_lake(
        "stocks_minute", DAYS[0], DAYS[2], tmp_path / "lake", transform=hourly, symbols=["AAPL"]
    )
    update = partial(session.update, "stocks_minute", lake=tmp_path / "lake", since=DAYS[0])
    made = update(transform=hourly, symbols=["AAPL"])
    assert [day.date for day in made.with_status("new")] == DAYS[3:]
    there = Lake(tmp_path / "lake", "stocks_minute").scan().collect()
    minutes = session.load("stocks_minute", DAYS[0], DAYS[-1], symbols="AAPL")
    assert_frame_equal(there, bars(minutes, "1h"))
    with pytest.raises(ValueError, match="choose another folder"):
        update()


@pytest.mark.parametrize(
    ("data_types", "options", "message"),
    [
        ([], {}, r"data_types=\[\] names none"),
        (5, {}, "data_types=5 names none"),
        ("stocks_weekly", {}, "stocks_weekly"),
        ("stocks_daily", {"since": "2100-01-01"}, "since='2100-01-01' is in the future"),
        ("stocks_daily", {"symbols": "AAPL"}, "symbols is for lakes"),
        ("stocks_daily", {"transform": len}, "transform is for lakes"),
        ("stocks_daily", {"lake": "x", "adjust": "all"}, r"adjust='all' is for load\(\) alone"),
    ],
)
def test_wrong_arguments(
    session: FlatSession, data_types: object, options: dict[str, object], message: str
) -> None:
    """They are errors of the caller, not of the update."""
    with pytest.raises(ValueError, match=message):
        session.update(data_types, **options)  # type: ignore[arg-type]


def test_a_session_without_a_cache_needs_a_lake(server: FaultServer) -> None:
    """It has nowhere else to bring days."""
    with (
        FlatSession(*KEYS, endpoint_url=server.endpoint_url, cache=False) as session,
        pytest.raises(ValueError, match="this session has none; name a lake"),
    ):
        session.update("stocks_daily")


# --- the command ---------------------------------------------------------------------------------


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keys and a cache."""
    monkeypatch.setenv("MASSIVE_S3_ACCESS_KEY", KEYS[0])
    monkeypatch.setenv("MASSIVE_S3_SECRET_KEY", KEYS[1])
    monkeypatch.setenv("FLATNB_CACHE", str(tmp_path / "cache"))


def command(server: FaultServer, *arguments: str) -> list[str]:
    """The arguments of ``flatnb update`` on the local server."""
    where = ["--endpoint-url", server.endpoint_url, "--since", str(DAYS[0])]
    return ["update", "stocks_daily", *where, *arguments]


@pytest.mark.usefixtures("environment")
def test_the_command_for_cron(
    server: FaultServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit status, lines, log and JSON: a late day, then all is there, then a damaged one."""
    log = tmp_path / "logs" / "update.log"
    arguments = command(server, "--log", str(log))
    assert main(arguments) == 3
    out = capsys.readouterr().out.splitlines()
    assert len(out) == 6
    assert f"stocks_daily {DAYS[-1]} late: the bucket has no file" in out
    put(server, DAYS[-1])
    assert main(arguments) == 0
    assert capsys.readouterr().out.startswith(f"stocks_daily {DAYS[-1]} new ")
    assert main(arguments) == 0
    assert capsys.readouterr().out == "nothing new\n"
    lines = [line.split(" ", 1) for line in log.read_text(encoding="utf-8").splitlines()]
    assert [line[1].split(" ")[-1] for line in lines[-1:]] == ["new"]
    assert len(lines) == 6 + 1 + 1
    assert all(time.strptime(line[0][:19], "%Y-%m-%dT%H:%M:%S") for line in lines)
    server.put(key_of(DAYS[0]), gz_bad_crc(SMALL.csv("stocks_daily", DAYS[0])))
    assert main([*arguments, "--json"]) == 4
    found = json.loads(capsys.readouterr().out)
    assert (found["status"], found["exit_code"]) == ("failed", 4)
    assert [day["status"] for day in found["days"]] == ["failed", *["here"] * 5]
    assert found["days"][0]["reason"]


@pytest.mark.usefixtures("environment")
def test_the_command_fails_with_four(
    server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without keys, too, and the log has it; a wrong argument is 2 as in all commands."""
    log = tmp_path / "update.log"
    assert main(["update", "stocks_weekly"]) == 2
    assert main(command(server, "--bars", "10x", "--lake", str(tmp_path / "lake"))) == 2
    monkeypatch.delenv("MASSIVE_S3_ACCESS_KEY")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert main(command(server, "--log", str(log))) == 4
    assert "failed" in log.read_text(encoding="utf-8")


@pytest.mark.usefixtures("environment")
def test_a_lake_of_bars_is_one_command(
    server: FaultServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`flatnb lake … --bars`, and `flatnb update` for the days that come."""
    put(server, *DAYS, data_type="stocks_minute")
    where = ["--endpoint-url", server.endpoint_url, "--bars", "30m", "--bar-hours", "extended"]
    lake = str(tmp_path / "lake")
    first = ["lake", "stocks_minute", str(DAYS[0]), str(DAYS[2]), lake, "--no-progress"]
    assert main([*first, *where]) == 0
    assert main(["update", "stocks_minute", "--lake", lake, "--since", str(DAYS[0]), *where]) == 0
    there = Lake(lake, "stocks_minute")
    assert there.days == DAYS
    day = there.scan().filter(pl.col("date") == DAYS[-1]).collect()
    minutes = SMALL.table("stocks_minute", DAYS[-1]).select(
        pl.lit(DAYS[-1]).alias("date"), pl.all()
    )
    assert_frame_equal(day, bars(minutes, "30m", hours="extended"))
    assert "Lake(" in capsys.readouterr().out


def start(server: FaultServer, *arguments: str) -> subprocess.Popen[str]:
    """The command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "flatnb", *command(server, *arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("to_lake", [False, True])
def test_two_at_once_bring_each_day_once(
    server: FaultServer, tmp_path: Path, to_lake: bool
) -> None:
    """The second waits, and then finds nothing to do."""
    put(server, DAYS[-1])
    for day in DAYS:
        server.always(key_of(day), faults.drip(4096, 0.02), "get")
    arguments = ["--lake", str(tmp_path / "lake")] if to_lake else []
    processes = [start(server, *arguments) for _ in range(2)]
    outputs = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert sorted(output.count(" new ") for output, _ in outputs) == [0, 6]
    assert fetched(server) == [str(day) for day in DAYS]


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("to_lake", [False, True])
def test_one_that_is_killed_is_taken_up(server: FaultServer, tmp_path: Path, to_lake: bool) -> None:
    """By kill -9 in the middle of a file: whole days stay, and the next run brings the others."""
    put(server, DAYS[-1])
    slow = DAYS[3]
    server.always(key_of(slow), faults.drip(64, 0.2), "get")
    lake = tmp_path / "lake"
    process = start(server, *(["--lake", str(lake)] if to_lake else []))
    deadline = time.monotonic() + 30
    while not any(request.key == key_of(slow) for request in server.requests_for(key_of(slow))):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(1.0)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=10)
    assert process.returncode == -signal.SIGKILL
    server.heal()
    fetched(server)
    with FlatSession(*KEYS, endpoint_url=server.endpoint_url, cache=tmp_path / "cache") as session:
        update = session.update("stocks_daily", since=DAYS[0], lake=lake if to_lake else None)
        assert update.status == "new"
        brought = [str(day.date) for day in update.with_status("new")]
        assert str(slow) in brought
        assert 0 < len(update.with_status("here")) < 6
        assert fetched(server) == brought
        if to_lake:
            there = Lake(lake, "stocks_daily").scan().collect()
        else:
            there = session.load("stocks_daily", DAYS[0], DAYS[-1])
    expected = [
        SMALL.table("stocks_daily", day).select(pl.lit(day).alias("date"), pl.all()) for day in DAYS
    ]
    assert_frame_equal(
        there.with_columns(pl.col("window_start").to_physical()), pl.concat(expected)
    )
    assert not list((tmp_path).rglob("*.part"))
