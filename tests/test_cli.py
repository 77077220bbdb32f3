"""The ``flatnb`` command."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from flatnb import FlatSession
from flatnb.cli import main
from tests.servers import faults
from tests.servers.fault_s3 import FaultServer
from tests.servers.payloads import DAY_KEY, day_csv, gz

LOAD = ["load", "stocks_daily", "2024-01-02", "2024-01-05", "--no-progress"]


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> str:
    """Credentials in the environment; the secret is returned."""
    secret = "s3cr3t-of-the-environment"
    monkeypatch.setenv("MASSIVE_S3_ACCESS_KEY", "key")
    monkeypatch.setenv("MASSIVE_S3_SECRET_KEY", secret)
    return secret


def test_demo_in_a_process_of_its_own(tmp_path: Path) -> None:
    """Frames, report, statistics and the way to the notebook; clean at the end."""
    done = subprocess.run(
        [sys.executable, "-m", "flatnb", "demo"],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=tmp_path,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )
    assert (done.returncode, done.stderr) == (0, "")
    for part in ("SYNTHETIC", "21 loaded", "AAPL", "stocks_minute: 1 loaded", "jupyter lab"):
        assert part in done.stdout


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_load_to_a_file(suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file has what the session loads, and nothing else is left beside it."""
    out = tmp_path / f"bars.{suffix}"
    symbols = ["AAPL", "MSFT"]
    assert main([*LOAD, "--demo", "--symbols", *symbols, "--out", str(out)]) == 0
    assert "8 rows written" in capsys.readouterr().err
    with FlatSession.demo() as session:
        frame = session.load("stocks_daily", "2024-01-02", "2024-01-05", symbols=symbols)
    if suffix == "parquet":
        assert pl.read_parquet(out).equals(frame)
    else:
        assert pl.read_csv(out)["close"].equals(frame["close"])
    assert list(tmp_path.iterdir()) == [out]


def test_load_prints_the_frame(capsys: pytest.CaptureFixture[str]) -> None:
    """Without ``--out``."""
    assert main([*LOAD, "--demo", "--symbols", "AAPL", "--columns", "ticker", "close"]) == 0
    assert "shape: (4, 3)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["load", "bonds", "2024-01-02", "2024-01-05", "--demo"], 2, "data_type='bonds'"),
        (["load", "stocks_daily", "2024-01-05", "2024-01-02", "--demo"], 2, "is after end"),
        ([*LOAD, "--demo", "--out", "bars.xlsx"], 2, "must end in .parquet or .csv"),
        ([*LOAD, "--profile", "nobody"], 1, "profile='nobody'"),
    ],
)
def test_errors_are_one_message(
    arguments: list[str], status: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """On the standard error output, without a traceback, with a telling exit status."""
    assert main(arguments) == status
    shown = capsys.readouterr()
    assert message in shown.err
    assert "Traceback" not in shown.err
    assert shown.out == ""


def test_a_bad_day_writes_no_file(
    fault_server: FaultServer, keys: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file without some of its days would be silently wrong."""
    fault_server.put(DAY_KEY, gz(day_csv()))
    fault_server.always(DAY_KEY, faults.bare_status(403))
    out = tmp_path / "bars.csv"
    arguments = ["--endpoint-url", fault_server.endpoint_url, "--out", str(out)]
    assert main([*LOAD, *arguments]) == 1
    assert "2024-01-02 forbidden" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", [[], ["--no-cache"]])
def test_load_uses_the_cache(
    option: list[str], fault_server: FaultServer, keys: str, cache_of_the_test: Path
) -> None:
    """The days stay on disk for the next run, unless that is not wanted."""
    fault_server.put(DAY_KEY, gz(day_csv()))
    day = ["load", "stocks_daily", "2024-01-02", "2024-01-02"]
    assert main([*day, "--endpoint-url", fault_server.endpoint_url, *option]) == 0
    assert len(list(cache_of_the_test.rglob("*.parquet"))) == (0 if option else 1)


def test_doctor(capsys: pytest.CaptureFixture[str]) -> None:
    """Every step on a line."""
    assert main(["doctor", "--demo"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["ok"] * 5


def test_doctor_names_what_fails_and_no_secret(
    fault_server: FaultServer, keys: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where listing is allowed and reading is not, as outside a plan."""
    fault_server.set_random(random.Random(1), 1.0, [faults.bare_status(403)])
    assert main(["doctor", "--endpoint-url", fault_server.endpoint_url]) == 1
    shown = "".join(capsys.readouterr())
    assert "MASSIVE_S3_ACCESS_KEY" in shown
    assert "failed  list: AccessDeniedError" in shown
    assert keys not in shown


def test_plan(capsys: pytest.CaptureFixture[str]) -> None:
    """What a load would mean; nothing is downloaded."""
    assert main(["plan", "stocks_daily", "2024-01-02", "2024-01-05", "--demo"]) == 0
    assert "stocks_daily: days: 4 to download" in capsys.readouterr().out
    options = ["--underlyings", "SPY", "--demo"]
    assert main(["plan", "options_daily", "2024-01-02", "2024-01-02", *options]) == 0
    assert main(["plan", "stocks_daily", "2024-01-02", "2024-01-05", *options]) == 2
    assert "has none" in capsys.readouterr().err


def test_load_of_regular_hours_and_of_adjusted_prices(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As `load` gives them; the report says so."""
    out = tmp_path / "out.parquet"
    ends = ["--demo", "--no-progress", "--symbols", "WMT", "--out", str(out)]
    span = ["2024-06-10", "2024-06-10"]
    assert main(["load", "stocks_minute", *span, "--hours", "regular", *ends]) == 0
    assert len(pl.read_parquet(out)) <= 390
    assert main(["load", "stocks_daily", *span, "--adjust", "splits", *ends]) == 0
    assert "adjusted for splits as of" in capsys.readouterr().err
    adjusted = pl.read_parquet(out)["close"].item()
    assert main(["load", "stocks_daily", *span, *ends]) == 0
    assert pl.read_parquet(out)["close"].item() == pytest.approx(3 * adjusted)
