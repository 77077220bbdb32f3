"""What keys reach, what the bucket holds, and what has changed since a notebook ran."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from flatnb import AccessDeniedError, FlatSession, LoadError, S3Catalog
from flatnb.demo import DemoServer
from flatnb.load import cache_files
from tests.servers import faults
from tests.servers.fault_s3 import FaultServer
from tests.servers.payloads import day_csv, gz

CATALOG = S3Catalog()
DAYS = [
    *CATALOG.get_date_range_keys("stocks_daily", "2022-12-20", "2023-01-10"),
    *CATALOG.get_date_range_keys("stocks_daily", "2023-06-01", "2023-06-30"),
    *CATALOG.get_date_range_keys("stocks_daily", "2024-01-02", "2024-01-05"),
]


@pytest.fixture
def days(fault_server: FaultServer) -> FaultServer:
    """The fault server with some days of three years."""
    for key in DAYS:
        fault_server.put(key, gz(day_csv(key=key)))
    return fault_server


@pytest.fixture
def session(days: FaultServer, tmp_path: Path) -> Iterator[FlatSession]:
    """A session with a cache of its own."""
    with FlatSession(
        "a", "b", endpoint_url=days.endpoint_url, cache=tmp_path / "cache", max_retries=0
    ) as session:
        yield session


def forbid_before(days: FaultServer, first: str) -> None:
    """Forbid all files of earlier days, as a plan does."""
    for key in DAYS:
        if key[-17:-7] < first:
            days.always(key, faults.bare_status(403))


@pytest.mark.parametrize(
    ("first", "years"),
    [
        ("2023-06-14", {2022: False, 2023: False, 2024: True}),
        ("2023-01-03", {2022: False, 2023: True, 2024: True}),
        ("2022-12-29", {2022: False, 2023: True, 2024: True}),
        ("2024-01-04", {2022: False, 2023: False, 2024: False}),
        ("2022-12-20", {2022: True, 2023: True, 2024: True}),
    ],
)
def test_entitlements(
    session: FlatSession, days: FaultServer, first: str, years: dict[int, bool]
) -> None:
    """The first day that can be read is found by HEADs, wherever in a year it is."""
    forbid_before(days, first)
    found = session.entitlements("stocks_daily")["stocks_daily"]
    assert found.years == years
    assert found.first_day == date.fromisoformat(first)
    assert not [request for request in days.requests if request.kind == "get"]
    assert found.summary == ("everything" if all(years.values()) else f"from {first} on")


def test_entitlements_to_nothing(session: FlatSession, days: FaultServer) -> None:
    """All is forbidden; and a data type without files."""
    forbid_before(days, "9999")
    found = session.entitlements(["stocks_daily", "stocks_minute"])
    assert (found["stocks_daily"].first_day, found["stocks_daily"].summary) == (None, "nothing")
    assert found["stocks_minute"].summary == "no files"
    assert "stocks_minute" in repr(found)
    assert "no files" in found._repr_html_()
    with pytest.raises(ValueError, match="stocks_dayly"):
        session.entitlements("stocks_dayly")


def test_refused_keys_are_no_entitlement(session: FlatSession, days: FaultServer) -> None:
    """Keys that are wrong are an error, not an empty plan."""
    for prefix in ("us_stocks_sip/day_aggs_v1/2022/", "us_stocks_sip/day_aggs_v1/2003/"):
        days.always(prefix, faults.s3_error("InvalidAccessKeyId"))
    with pytest.raises(AccessDeniedError, match="S3 keys"):
        session.entitlements("stocks_daily")


def test_a_forbidden_day_tells_from_when_on(session: FlatSession, days: FaultServer) -> None:
    """The message of a load names the first day that would work."""
    forbid_before(days, "2023-06-14")
    with pytest.raises(
        LoadError, match=r"(?s)2 days forbidden, 12–13 Jun 2023: 403.*your plan begins 2023-06-14"
    ):
        session.load("stocks_daily", "2023-06-12", "2023-06-15")
    assert session.last_report is not None
    assert "plan begins 2023-06-14" in session.last_report.days[0].reason
    assert session.last_report.days[-1].reason == ""


def test_the_bucket_by_its_folders(session: FlatSession, days: FaultServer) -> None:
    """Also of a folder that nobody registered; nothing but listings of folders."""
    days.put("us_bonds/day_aggs_v1/2020/03/2020-03-02.csv.gz", b"")
    days.put("us_bonds/day_aggs_v1/readme/a.txt", b"")
    view = session.catalog_view()
    assert [(held.data_type, held.years, held.last_month) for held in view] == [
        ("us_bonds/day_aggs_v1", (2020,), "2020-03"),
        ("stocks_daily", (2022, 2023, 2024), "2024-01"),
    ]
    assert {request.kind for request in days.requests} == {"list"}
    assert "stocks_daily          2022 to 2024-01" in repr(view)
    assert "us_bonds/day_aggs_v1" in view._repr_html_()


def test_the_demo_bucket_by_its_folders(demo_server: DemoServer) -> None:
    """Another implementation of S3."""
    with FlatSession(
        *demo_server.credentials.values(), endpoint_url=demo_server.endpoint_url, cache=False
    ) as session:
        held = {held.data_type: held.years[0] for held in session.catalog_view()}
    assert held["stocks_daily"] == 2003
    assert held["options_minute"] == 2014


def test_lock_and_verify(session: FlatSession, days: FaultServer, tmp_path: Path) -> None:
    """What was used is written down, from the bucket or the cache; what has changed is told."""
    used = CATALOG.get_date_range_keys("stocks_daily", "2024-01-02", "2024-01-04")
    session.load("stocks_daily", "2024-01-02", "2024-01-03")
    session.load("stocks_daily", "2024-01-03", "2024-01-04", symbols=["A"])
    path = tmp_path / "nb.lock"
    lock = session.lock(path)
    told = json.loads(path.read_text())
    assert sorted(told["files"]) == used
    assert [file.key for file in sorted(lock.files, key=lambda file: file.key)] == used
    assert told["files"][used[0]]["size_bytes"] == len(gz(day_csv(key=used[0])))
    verified = session.verify(path)
    assert verified
    assert verified.files == dict.fromkeys(used, "same")
    days.put(used[1], gz(day_csv(["NEW"], used[1])))
    days.delete(used[2])
    verified = session.verify(path)
    assert not verified
    assert verified.files == {used[0]: "same", used[1]: "changed", used[2]: "gone"}
    assert f"{used[1]} changed" in repr(verified)
    assert f"{used[2]}" in verified._repr_html_()


def test_a_lock_of_other_rules(
    session: FlatSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock tells if flatnb itself reads otherwise by now."""
    session.load("stocks_daily", "2024-01-02", "2024-01-03")
    path = tmp_path / "nb.lock"
    session.lock(path)
    told = json.loads(path.read_text())
    told["schema"] = f"{cache_files.SCHEMA_VERSION}0"
    for file in told["files"].values():
        file["columns"] = "other"
    path.write_text(json.dumps(told))
    verified = session.verify(path)
    assert not verified
    assert len(verified.rules) == 2
    assert set(verified.files.values()) == {"same"}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"files": {"a": 1}}', "no json"])
def test_what_is_no_lock_file(session: FlatSession, tmp_path: Path, text: str) -> None:
    """Is refused with a remedy."""
    path = tmp_path / "nb.lock"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"session\.lock"):
        session.verify(path)


def test_a_lock_of_another_bucket(session: FlatSession, tmp_path: Path) -> None:
    """Is refused."""
    path = tmp_path / "nb.lock"
    session.load("stocks_daily", "2024-01-02", "2024-01-02")
    session.lock(path)
    path.write_text(path.read_text().replace('"flatfiles"', '"others"'))
    with pytest.raises(ValueError, match="others"):
        session.verify(path)


def test_how_entitlements_were_found_is_said(session: FlatSession) -> None:
    """They are a probe's, not the vendor's word."""
    assert "probed by a HEAD request" in repr(session.entitlements("stocks_daily"))


def test_what_is_well_is_one_green_line(session: FlatSession, tmp_path: Path) -> None:
    """A lock, its verification and an audit without findings; there is no empty lock."""
    path = tmp_path / "lock.json"
    with pytest.raises(ValueError, match="nothing to lock"):
        session.lock(path)
    session.load("stocks_daily", "2023-06-12", "2023-06-14")
    shown = [
        session.lock(path),
        session.verify(path),
        session.audit("stocks_daily", "2023-06-12", "2023-06-13"),
    ]
    for each in shown:
        body = each._repr_html_().partition("</style>")[2]
        assert body.count("<div") == 2
        assert '<div class="flatnb-good">✓ ' in body
        assert "<table" not in body
        assert "\n" not in repr(each)
