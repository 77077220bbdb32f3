"""The reference service through the vendor's client, against the stand-in; and its secret key."""

from __future__ import annotations

import json
import logging
import pickle
import traceback
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

import flatnb.reference
from flatnb.errors import CredentialsError, FlatnbWarning
from flatnb.reference import ReferenceService, ReferenceServiceError, ReferenceStandIn
from flatnb.reference.api_key import find_api_key
from flatnb.research import adjust, read_actions

pytest.importorskip("massive")

SECRET = "kPz3secretXkeyXofXthirtyXtwoXchr"


def actions() -> pl.DataFrame:
    """Splits and dividends of tickers that differ in case alone, and one without any."""
    rows = [
        ("ETHA", "2026-10-06", "split", 3.0, 1.0, None, None),
        ("BCPC", "2024-05-01", "split", 1.0, 2.0, None, None),
        ("BCpC", "2024-06-01", "split", 1.0, 5.0, None, None),
        ("AAPL", "2020-08-31", "split", 1.0, 4.0, None, None),
        ("AAPL", "2025-08-11", "dividend", None, None, 0.26, 1 - 0.26 / 229.35),
        ("AAPL", "2025-11-10", "dividend", None, None, 0.26, 1 - 0.26 / 268.47),
        ("AAPL", "2027-02-09", "dividend", None, None, 0.27, None),
    ]
    names = ["ticker", "date", "kind", "from", "to", "amount", "factor"]
    return pl.DataFrame(rows, schema=names, orient="row")


EVENTS = {
    "META": [("2012-05-18", "FB"), ("2022-06-09", "META")],
    "BRK.B": [("1996-05-09", "BRK.B")],
}


@pytest.fixture
def server() -> Iterator[ReferenceStandIn]:
    """The stand-in, with small pages."""
    with ReferenceStandIn(
        actions(),
        events=EVENTS,
        tickers={"AAPL": "CS", "SPY": "ETF", "BCPC": "CS"},
        api_key=SECRET,
        page_rows=2,
    ) as started:
        yield started


@pytest.fixture
def service(server: ReferenceStandIn, tmp_path: Path) -> ReferenceService:
    """The service, asked at the stand-in, with an empty folder."""
    return ReferenceService(SECRET, url=server.url, folder=tmp_path / "kept")


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key in the environment, but where a test sets one."""
    for name in ("MASSIVE_API_KEY", "POLYGON_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def test_actions_come_as_adjust_takes_them(service: ReferenceService) -> None:
    """Types and names are those of `read_actions`; the vendor's example of ETHA comes out."""
    table = service.actions("ETHA")
    assert table.drop("retrieved_on").row(0) == (
        *("ETHA", date(2026, 10, 6), "reverse_split", 3.0, 1.0, None, None, None),
    )
    assert table["retrieved_on"].to_list() == [datetime.now(UTC).date()]
    read_actions(table)
    bar = pl.DataFrame({"date": [date(2026, 10, 1)], "ticker": ["ETHA"], "close": [20.34]})
    assert adjust(bar, table)["close"].item() == pytest.approx(61.02)


def test_tickers_are_case_sensitive_and_none_is_mixed_up(
    server: ReferenceStandIn, service: ReferenceService
) -> None:
    """One request for several; a ticker without actions is known to have none."""
    table = service.actions(["BCpC", "BCPC", "NONE"])
    assert table.select("ticker", "to").rows() == [("BCPC", 2.0), ("BCpC", 5.0)]
    assert service.actions(["BCPC"])["to"].to_list() == [2.0]
    asked = len(server.requests)
    assert service.actions("NONE").is_empty()
    assert len(server.requests) == asked


def test_dividend_factors_are_those_of_each_alone(service: ReferenceService) -> None:
    """The service's are cumulative and rounded; their product is what it said."""
    table = service.actions(["AAPL"]).filter(kind=pl.lit("dividend"))
    assert table["date"].to_list() == [date(2025, 8, 11), date(2025, 11, 10), date(2027, 2, 9)]
    assert table["factor"].to_list()[:2] == pytest.approx([0.998866, 0.999032], abs=2e-6)
    assert table["factor"][2] is None
    assert table["factor"][0] * table["factor"][1] == pytest.approx(0.997899, abs=1e-9)
    bars = pl.DataFrame({"date": [date(2025, 8, 8)], "ticker": ["AAPL"], "close": [229.35]})
    made = adjust(bars, service.actions("AAPL"), how="all", as_of="2026-11-25")
    assert made["close"].item() == pytest.approx(229.35 * 0.997899, abs=1e-3)


def test_all_pages_are_read(server: ReferenceStandIn, service: ReferenceService) -> None:
    """Two rows a page: the whole market's actions need several."""
    table = service.actions()
    assert len(table) == len(actions())
    assert sum("cursor=" in request for request in server.requests) >= 2


def test_events_are_changes_from_one_ticker_to_the_next(service: ReferenceService) -> None:
    """FB became META on 2022-06-09."""
    table = service.ticker_events(["META", "BRK.B"]).drop("retrieved_on")
    assert table.rows() == [
        ("BRK.B", date(1996, 5, 9), None, "BRK.B"),
        ("META", date(2012, 5, 18), None, "FB"),
        ("META", date(2022, 6, 9), "FB", "META"),
    ]
    with pytest.raises(ReferenceServiceError, match="ZZZZ not found"):
        service.ticker_events("ZZZZ")


def test_tickers_have_their_kinds(service: ReferenceService) -> None:
    """For `universe`."""
    table = service.tickers()
    assert table.select("ticker", "type").rows() == [("AAPL", "CS"), ("BCPC", "CS"), ("SPY", "ETF")]


# --- what is kept --------------------------------------------------------------------------------


def test_a_question_is_asked_once_a_day(
    server: ReferenceStandIn, service: ReferenceService, tmp_path: Path
) -> None:
    """And by no new object or process either; older responses are fetched again."""
    first = service.actions("AAPL")
    asked = len(server.requests)
    again = ReferenceService(SECRET, url=server.url, folder=tmp_path / "kept")
    assert again.actions("AAPL").equals(first)
    assert len(server.requests) == asked
    for path in (tmp_path / "kept").rglob("*.json"):
        kept = json.loads(path.read_text())
        kept["retrieved_at"] = (datetime.now(UTC) - timedelta(hours=25)).isoformat()
        path.write_text(json.dumps(kept))
    service.actions("AAPL")
    assert len(server.requests) > asked


def test_offline_uses_what_was_kept(
    server: ReferenceStandIn, service: ReferenceService, tmp_path: Path
) -> None:
    """Without a key and without a request; what was never fetched is refused by name."""
    table = service.actions("AAPL")
    asked = len(server.requests)
    offline = ReferenceService(url=server.url, folder=tmp_path / "kept", offline=True)
    assert offline.actions("AAPL").equals(table)
    with pytest.raises(ReferenceServiceError, match=r"offline=True.*splits.*MSFT"):
        offline.actions(["AAPL", "MSFT"])
    assert len(server.requests) == asked


def test_old_answers_are_used_with_a_warning_if_the_service_fails(
    server: ReferenceStandIn, tmp_path: Path
) -> None:
    """It tells their date; without any the failure is raised."""
    service = ReferenceService(SECRET, url=server.url, folder=tmp_path, max_age_days=0)
    table = service.actions("ETHA")
    server.failing = True
    with pytest.warns(FlatnbWarning, match=f"splits of {datetime.now(UTC):%Y-%m-%d} are used"):
        assert service.actions("ETHA").equals(table)
    with pytest.raises(ReferenceServiceError, match="did not respond as it should"):
        service.actions("BCPC")


def test_damaged_and_foreign_files_are_not_believed(
    server: ReferenceStandIn, service: ReferenceService
) -> None:
    """A cut file is fetched again; another service's responses are not this one's."""
    table = service.actions("ETHA")
    for path in service.folder.rglob("*.json"):
        path.write_text(path.read_text()[:40])
    assert service.actions("ETHA").equals(table)
    with ReferenceStandIn(api_key=SECRET) as other:
        elsewhere = ReferenceService(SECRET, url=other.url, folder=service.folder)
        assert elsewhere.actions("ETHA").is_empty()


# --- the key -------------------------------------------------------------------------------------


def test_the_key_is_found_in_this_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """The argument, MASSIVE_API_KEY, POLYGON_API_KEY."""
    with pytest.raises(CredentialsError, match="MASSIVE_API_KEY and POLYGON_API_KEY"):
        find_api_key()
    monkeypatch.setenv("POLYGON_API_KEY", "polygon")
    assert find_api_key().value == "polygon"
    monkeypatch.setenv("MASSIVE_API_KEY", " massive\n")
    assert find_api_key().value == "massive"
    assert find_api_key("given").value == "given"
    with pytest.raises(CredentialsError, match="characters") as failed:
        find_api_key("a\r\nb: c")
    assert "b: c" not in str(failed.value)


def test_without_a_key_nothing_is_asked(server: ReferenceStandIn, tmp_path: Path) -> None:
    """The message says where it was looked for."""
    with pytest.raises(CredentialsError, match="no REST API key"):
        ReferenceService(url=server.url, folder=tmp_path).actions("AAPL")
    assert server.requests == []


def test_the_key_is_in_no_repr_pickle_log_file_or_error(
    server: ReferenceStandIn,
    service: ReferenceService,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not even if the service repeats it, as the stand-in does."""
    caplog.set_level(logging.DEBUG)
    service.actions("AAPL")
    service.ticker_events("META")
    assert SECRET not in repr(service) + str(vars(service))
    assert SECRET not in caplog.text + "".join(capsys.readouterr())
    assert not any(SECRET in path.read_text() for path in service.folder.rglob("*.json"))
    assert SECRET.encode() not in pickle.dumps(service)
    copy = pickle.loads(pickle.dumps(service))
    with pytest.raises(CredentialsError, match="no REST API key"):
        copy.actions("BCPC")
    monkeypatch.setenv("MASSIVE_API_KEY", SECRET)
    assert len(copy.actions("BCPC")) == 1
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(find_api_key())
    wrong = ReferenceService(f"{SECRET}-wrong", url=server.url, folder=service.folder / "other")
    with pytest.raises(CredentialsError, match="API key was refused") as failed:
        wrong.actions("AAPL")
    assert SECRET not in "".join(traceback.format_exception(failed.value))
    assert "***" in str(failed.value)
    assert failed.value.__suppress_context__


def test_the_key_goes_over_https_alone(tmp_path: Path) -> None:
    """But to this machine."""
    with pytest.raises(ValueError, match="https://"):
        ReferenceService(SECRET, url="http://api.example.com", folder=tmp_path)
    for url in ("https://api.example.com", "http://localhost:1"):
        ReferenceService(SECRET, url=url, folder=tmp_path)


# --- wrong responses and arguments ---------------------------------------------------------------


def test_a_response_that_is_not_json_is_an_error(
    server: ReferenceStandIn, service: ReferenceService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The vendor's client takes it for an empty page, and so would lose all actions silently."""
    monkeypatch.setattr(server, "respond", lambda target, authorization: (200, "<html>"))
    with pytest.raises(ReferenceServiceError, match="no JSON object"):
        service.actions("AAPL")
    with pytest.raises(ReferenceServiceError, match="no JSON object"):
        service.ticker_events("META")


def test_wrong_arguments_are_refused(service: ReferenceService, tmp_path: Path) -> None:
    """Names that are not tickers, and ages that are not numbers."""
    for symbols in ("", "A,B", "*", "A B", "../x"):
        with pytest.raises(ValueError, match="not a ticker"):
            service.actions(symbols)
    with pytest.raises(ValueError, match="empty"):
        service.actions([])
    with pytest.raises(ValueError, match="max_age_days"):
        ReferenceService(SECRET, folder=tmp_path, max_age_days=-1)
    with pytest.raises(ValueError, match="ticker by ticker"):
        service.ticker_events(None)  # type: ignore[arg-type]
    with pytest.raises(AttributeError, match="nothing_such"):
        flatnb.reference.nothing_such  # noqa: B018
