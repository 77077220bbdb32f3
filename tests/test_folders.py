"""Folders that nobody registered, and files with unusual columns."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from flatnb import DATA_TYPES, FlatnbWarning, FlatSession, LoadError
from flatnb.frames.header import bind_header
from tests.servers.fault_s3 import FaultServer
from tests.servers.payloads import DAY, DAY_KEY, HEADER, day_csv, gz
from tests.twins import CREDENTIALS

BONDS = "us_bonds/day_aggs_v1"
BONDS_KEY = DAY_KEY.replace("us_stocks_sip", "us_bonds")


@pytest.fixture
def server() -> Iterator[FaultServer]:
    """A day of stocks and a day of a folder that nobody registered."""
    with FaultServer() as server:
        server.put(DAY_KEY, gz(day_csv()))
        server.put(BONDS_KEY, gz(day_csv()))
        yield server


@pytest.fixture
def session(server: FaultServer, tmp_path: Path) -> Iterator[FlatSession]:
    """A session with a cache."""
    with FlatSession(
        *CREDENTIALS.values(), endpoint_url=server.endpoint_url, cache=tmp_path, max_retries=0
    ) as session:
        yield session


@pytest.mark.parametrize("columns", [None, ["ticker", "volume", "window_start"]])
def test_days_without_files(session: FlatSession, columns: list[str] | None) -> None:
    """A weekend of a folder whose columns are unknown is an empty frame, with a warning."""
    with pytest.warns(FlatnbWarning, match="the bucket has no file of us_bonds"):
        frame = session.load(BONDS, "2024-01-06", "2024-01-07", columns=columns)
    assert frame.columns == ["date", *(columns or [])]
    assert frame.height == 0
    if columns:
        whole = session.load(BONDS, DAY, DAY, columns=columns)
        assert frame.schema == whole.schema


def methods(session: FlatSession, folder: Path) -> dict[str, Callable[[str], Any]]:
    """Everything that looks for the days of a data type."""
    return {
        "load": lambda name: session.load(name, DAY, DAY),
        "plan": lambda name: session.plan(name, DAY, DAY),
        "available": lambda name: session.available(name, DAY, DAY),
        "available since ever": lambda name: session.available(name),
        "audit": lambda name: session.audit(name, DAY, DAY),
        "to_lake": lambda name: session.to_lake(name, DAY, DAY, folder),
    }


@pytest.mark.parametrize("method", sorted(methods(None, Path())))  # type: ignore[arg-type]
def test_a_mistyped_folder(session: FlatSession, tmp_path: Path, method: str) -> None:
    """Is an error that names what there is, in every method."""
    run = methods(session, tmp_path / "lake")[method]
    with pytest.raises(ValueError, match="did you mean 'us_bonds/day_aggs_v1'"):
        run("us_bonds/day_agg_v1")
    with pytest.raises(ValueError, match="its folders are: us_bonds, us_stocks_sip"):
        run("us_bond/day_aggs_v1")
    run(BONDS)


@pytest.mark.usefixtures("clean_registry")
def test_a_registered_name_of_a_mistyped_folder(session: FlatSession) -> None:
    """Is the same error; a built-in type that a bucket lacks is not, as the name is right."""
    session.register("bonds_daily", "us_bondz", "day_aggs_v1", HEADER.decode().split(","))
    with pytest.raises(ValueError, match="did you mean 'us_bonds'"):
        session.load("bonds_daily", DAY, DAY)
    with pytest.warns(FlatnbWarning, match="no file of crypto_daily"):
        session.load("crypto_daily", DAY, DAY)


def test_a_column_called_date(server: FaultServer, session: FlatSession) -> None:
    """It is kept under another name, as ``date`` is the file's day; also from the cache."""
    server.put(BONDS_KEY, gz(day_csv().replace(b"volume", b"date")))
    for _ in range(2):
        frame = session.load(BONDS, DAY, DAY)
        assert frame["vendor_date"].to_list()[:2] == ["1000", "1007"]
        assert set(frame["date"]) == {date(2024, 1, 2)}
    some = session.load(BONDS, DAY, DAY, columns=["date", "vendor_date"], symbols="MSFT")
    assert some.columns == ["date", "vendor_date"]
    with pytest.raises(ValueError, match="name it so"):
        session.register("bonds", "us_bonds", "day_aggs_v1", ["ticker", "date"])


def test_a_column_called_date_in_a_lake(
    server: FaultServer, session: FlatSession, tmp_path: Path
) -> None:
    """Beside the partition."""
    server.put(BONDS_KEY, gz(day_csv().replace(b"volume", b"date")))
    lake = session.to_lake(BONDS, DAY, DAY, tmp_path / "lake")
    frame = lake.scan().collect()
    assert frame.columns[0] == "date"
    assert frame["vendor_date"].to_list()[:2] == ["1000", "1007"]


def test_both_names(session: FlatSession, server: FaultServer) -> None:
    """A file that has the other name as well is refused: nothing is overwritten."""
    header = HEADER.replace(b"volume", b"date").replace(b"open", b"vendor_date")
    server.put(BONDS_KEY, gz(day_csv().replace(HEADER, header)))
    with pytest.raises(LoadError, match="'vendor_date' twice"):
        session.load(BONDS, DAY, DAY)


def test_documented_headers_have_no_date() -> None:
    """So that none of their columns has another name than the vendor's."""
    for data_type in DATA_TYPES.values():
        header = ",".join(data_type.columns).encode()
        assert bind_header(header, data_type, "k").ordered() == list(data_type.columns)


@pytest.mark.parametrize("selection", [{"symbols": "AAPL"}, {"symbols": ["A", "B"]}])
def test_symbols_of_files_without_tickers(
    session: FlatSession, server: FaultServer, selection: dict[str, Any]
) -> None:
    """A ValueError that says by what to filter; also from the cache, and of a registered type."""
    server.put(BONDS_KEY, gz(day_csv().replace(b"ticker", b"cusip")))
    for _ in range(2):
        with pytest.raises(ValueError, match=r"column 'ticker'.*cusip"):
            session.load(BONDS, DAY, DAY, **selection)
        assert session.load(BONDS, DAY, DAY).height == 8


@pytest.mark.usefixtures("clean_registry")
def test_symbols_of_a_registered_type_without_tickers(session: FlatSession) -> None:
    """Refused before anything is downloaded."""
    session.register("bonds", "us_bonds", "day_aggs_v1", ["cusip", "close"])
    with pytest.raises(ValueError, match=r"column 'ticker'.*cusip, close"):
        session.load("bonds", DAY, DAY, symbols="X")
    assert session.stats.as_dict()["total_downloads"] == 0


@pytest.mark.parametrize("header", [b"x" * 200_000, b"\xff,ticker"])
def test_headers_that_the_csv_module_refuses(
    session: FlatSession, server: FaultServer, header: bytes
) -> None:
    """Are errors of the day."""
    server.put(BONDS_KEY, gz(header + b"\nA,1\n"))
    with pytest.raises(LoadError, match=re.escape("2024-01-02 failed: SchemaError")):
        session.load(BONDS, DAY, DAY)
