"""Every state of the picker, without a browser."""

from __future__ import annotations

import time
import zoneinfo
from collections.abc import Callable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from polars.testing import assert_frame_equal

from flatnb import DATA_TYPES, FlatSession
from flatnb.demo import DemoServer
from flatnb.notebook.debounce import Debouncer
from flatnb.notebook.picker import Picker
from flatnb.notebook.picker_calendar import describe_day, month_of, preset
from flatnb.notebook.picker_estimate import estimate_of
from flatnb.notebook.picker_form import PickerForm, data_type_groups
from tests.servers import faults
from tests.servers.fault_s3 import FaultServer
from tests.servers.payloads import DAY_KEY, day_csv, gz

NEW_YORK = zoneinfo.ZoneInfo("America/New_York")
NOW = datetime(2024, 7, 5, 12, tzinfo=NEW_YORK)
STOCKS, CRYPTO = DATA_TYPES["stocks_daily"], DATA_TYPES["crypto_daily"]


@pytest.fixture
def session(demo_server: DemoServer, tmp_path: Path) -> Iterator[FlatSession]:
    """A session on the demo market, with a cache."""
    with FlatSession(
        *demo_server.credentials.values(), endpoint_url=demo_server.endpoint_url, cache=tmp_path
    ) as session:
        yield session


@pytest.fixture
def picker(session: FlatSession) -> Picker:
    """A picker on two days of January 2024."""
    picker = session.picker()
    picker.receive({"action": "range", "start": "2024-01-02", "end": "2024-01-03"})
    return picker


def wait(condition: Callable[[], Any]) -> None:
    """Until it holds."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def kinds(picker: Picker) -> dict[str, str]:
    """The kinds of the days in the calendar."""
    return {day["date"]: day["kind"] for month in picker.widget.months for day in month["days"]}


def test_the_fields_make_a_call(picker: Picker, session: FlatSession) -> None:
    """The code shown loads what Load loads."""
    picker.receive({"action": "set", "name": "symbols", "value": "AAPL, MSFT\nBCpC  AAPL"})
    picker.receive({"action": "set", "name": "columns", "value": ["ticker", "close"]})
    assert picker.code == (
        'df = session.load("stocks_daily", "2024-01-02", "2024-01-03", '
        'symbols=["AAPL", "MSFT", "BCpC"], columns=["ticker", "close"])'
    )
    assert picker.widget.code == picker.code
    picker.receive({"action": "load"})
    wait(lambda: picker.result is not None)
    scope: dict[str, Any] = {"session": session}
    exec(picker.code, scope)
    assert_frame_equal(picker.result, scope["df"])
    wait(lambda: not picker.widget.job["running"])
    assert picker.widget.message["text"] == "picker.result has 6 rows."
    assert "2 of 2 files" in picker.widget.job["html"]
    # What was loaded is cached by now, and the calendar knows it.
    wait(lambda: kinds(picker)["2024-01-02"] == "cached")
    assert kinds(picker)["2024-01-04"] == "open"
    wait(lambda: " cached" in picker.widget.estimate["text"])


def test_filled_in_from_code(picker: Picker) -> None:
    """As by hand; a wrong field is an error."""
    picker.choose(start="2024-01-04", end="2024-01-04", symbols="SPY", frame="pandas")
    picker.load()
    assert list(picker.wait()["ticker"]) == ["SPY"]
    with pytest.raises(ValueError, match="'symbol'"):
        picker.choose(symbol="SPY")


def test_options_have_fields_of_their_own(picker: Picker) -> None:
    """Which only options' calls have; a new data type forgets the columns."""
    picker.receive({"action": "set", "name": "columns", "value": ["ticker"]})
    picker.receive({"action": "set", "name": "underlyings", "value": "SPY"})
    assert "underlyings" not in picker.code
    assert not picker.widget.form["options"]
    picker.receive({"action": "set", "name": "data_type", "value": "options_daily"})
    assert picker.widget.form["options"]
    fields = {"expiry_to": "2024-02-01", "strike_from": "470", "option_type": "put"}
    for name, value in fields.items():
        picker.receive({"action": "set", "name": name, "value": value})
    assert picker.code == (
        'df = session.load("options_daily", "2024-01-02", "2024-01-03", underlyings=["SPY"], '
        'expiry=(None, "2024-02-01"), strike=(470, None), option_type="put")'
    )
    picker.load()
    wait(lambda: picker.result is not None)
    assert picker.result.height > 0
    picker.receive({"action": "set", "name": "strike_to", "value": "many"})
    picker.load()
    assert "strike_to='many' is not a number" in picker.widget.message["text"]


def test_a_limit_of_zero_is_a_limit() -> None:
    """Only an empty field is none."""
    form = PickerForm(data_type="options_daily", strike_to="0", expiry_from=" ")
    assert form.arguments() == {"strike": (None, 0)}


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({"action": "set", "name": "start", "value": "2024-13-45"}, "2024-13-45"),
        ({"action": "set", "name": "start", "value": "2024-02-01"}, "swap them"),
        ({"action": "set", "name": "symbols", "value": "AA*"}, "OCC root"),
    ],
)
def test_what_is_wrong_is_said(picker: Picker, message: dict[str, Any], words: str) -> None:
    """In the estimate at once, and under the form on Load; nothing is started."""
    picker.receive(message)
    wait(lambda: words in picker.widget.estimate["text"])
    assert picker.widget.estimate["kind"] == "error"
    picker.receive({"action": "load"})
    assert words in picker.widget.message["text"]
    assert picker.job is None


def test_messages_that_make_no_sense(picker: Picker) -> None:
    """Are said, and change nothing."""
    before = picker.form
    for message in (
        {"action": "set", "name": "nothing", "value": "x"},
        {"action": "set", "name": "symbols", "value": 3},
        {"action": "set"},
        {"action": "preset", "name": "decade"},
        {"action": "month", "year": 2024, "month": 13},
        {"action": "range", "start": "x", "end": "y"},
        {"action": "set", "name": "columns", "value": "ticker"},
        {"action": "month", "year": 1066, "month": 10},
        {"action": "cancel", "job": "x"},
        "load",
    ):
        picker.widget.message = {"kind": "", "text": "", "details": ""}
        picker.receive(message)
        assert picker.widget.message["kind"] == "error"
    assert picker.form == before


def test_what_was_loaded_is_seen(picker: Picker) -> None:
    """An explorer below the form, of the newest result; none of a result without rows."""
    picker.choose(symbols="AAPL, MSFT")
    assert picker.explorer is None
    picker.load()
    frame = picker.wait()
    wait(lambda: picker.explorer is not None)
    first = picker.explorer
    assert first is not None
    assert_frame_equal(first.result, frame)
    assert picker._box.children == (picker.widget, first.widget)
    picker.choose(symbols="AAPL")
    picker.load()
    picker.wait()
    assert picker.explorer is not None
    assert picker.explorer.result["ticker"].unique().to_list() == ["AAPL"]
    assert picker._box.children == (picker.widget, picker.explorer.widget)
    assert first.widget.comm is None  # closed: its frame can go
    picker.choose(symbols="NOSUCH")
    picker.load()
    picker.wait()
    assert picker.explorer is None
    assert picker._box.children == (picker.widget,)


def test_a_cancelled_load(fault_server: FaultServer) -> None:
    """Only its own button cancels it; the picker then loads again."""
    fault_server.put(DAY_KEY, gz(day_csv()))
    fault_server.script(DAY_KEY, [faults.stall_after(5)], when="get")
    with FlatSession("a", "b", endpoint_url=fault_server.endpoint_url, cache=False) as session:
        picker = session.picker()
        picker.receive({"action": "range", "start": "2024-01-02", "end": "2024-01-02"})
        picker.load()
        wait(lambda: picker.widget.job.get("running"))
        # The fault is for the first GET: a load that is cancelled before it would leave it behind.
        wait(lambda: any(each.fault for each in fault_server.requests_for(DAY_KEY)))
        job = picker.job
        assert job is not None
        picker.load()
        assert picker.job is job
        picker.receive({"action": "cancel", "job": picker.widget.job["number"] - 1})
        time.sleep(0.2)
        assert not job.done()
        picker.receive({"action": "cancel", "job": picker.widget.job["number"]})
        wait(lambda: "cancelled" in picker.widget.message["text"])
        assert picker.result is None
        picker.load()
        wait(lambda: picker.result is not None)
        assert picker.result.height == 8


def test_a_load_that_fails_in_part(fault_server: FaultServer) -> None:
    """The reason in words, the traceback folded, and the days that did load."""
    fault_server.put(DAY_KEY, gz(day_csv()))
    bad = DAY_KEY.replace("01-02", "01-03")
    fault_server.put(bad, b"damaged")
    with FlatSession("a", "b", endpoint_url=fault_server.endpoint_url, max_retries=0) as session:
        picker = session.picker()
        picker.receive({"action": "range", "start": "2024-01-02", "end": "2024-01-04"})
        picker.load()
        wait(lambda: picker.widget.message["kind"] == "error")
        assert "1 of 3 days could not be loaded" in picker.widget.message["text"]
        assert "Traceback" in picker.widget.message["details"]
        assert picker.error is not None
        assert picker.result.height == 8
        # A day without a file is warned of, not an error.
        fault_server.put(bad, gz(day_csv(key=bad)))
        picker.load()
        wait(lambda: picker.widget.message["kind"] == "warning")
        assert "2024-01-04 missing" in picker.widget.message["text"]
        assert picker.error is None
        wait(lambda: kinds(picker)["2024-01-04"] == "missing")


@pytest.mark.parametrize(
    ("day", "kind", "words"),
    [
        ("2024-07-02", "cached", "cached"),
        ("2024-07-03", "open", ""),
        ("2024-07-04", "closed", "Independence Day"),
        ("2024-07-05", "late", "11:00"),
        ("2024-07-06", "closed", "weekend"),
        ("2024-07-08", "future", "in the future"),
        ("2024-07-01", "missing", "no file"),
        ("2003-09-09", "before", "before the first day"),
    ],
)
def test_what_a_day_is(day: str, kind: str, words: str) -> None:
    """By the exchange's calendar, the cache, the listing and the clock: a Friday at noon."""
    statuses = {date(2024, 7, 2): "cached", date(2024, 7, 1): "missing"}
    found = describe_day(date.fromisoformat(day), STOCKS, statuses, NOW)
    assert found[0] == kind
    assert words in found[1]


def test_days_that_only_a_listing_tells() -> None:
    """Crypto trades on Saturdays; a day without a file is a closed one."""
    saturday, sunday = date(2024, 6, 29), date(2024, 6, 30)
    assert describe_day(saturday, CRYPTO, None, NOW)[0] == "open"
    statuses = {saturday: "to download"}
    assert describe_day(saturday, CRYPTO, statuses, NOW)[0] == "open"
    assert describe_day(sunday, CRYPTO, statuses, NOW) == ("closed", "no file")


def test_a_month() -> None:
    """Its days under their weekdays, with labels for screen readers."""
    month = month_of(2024, 7, STOCKS, None, NOW)
    assert (month["title"], month["lead"], len(month["days"])) == ("July 2024", 0, 31)
    third, fifth = month["days"][2], month["days"][4]
    assert third["label"] == "Wednesday, 3 July 2024, early close at 13:00"
    assert third["early"]
    assert fifth["today"]


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("day", "2024-07-03"),
        ("week", "2024-06-27"),
        ("month", "2024-06-04"),
        ("ytd", "2024-01-01"),
        ("year", "2023-07-04"),
    ],
)
def test_presets_end_on_the_last_published_day(name: str, first: str) -> None:
    """On Friday the 5th at noon that is Wednesday: Thursday was a holiday."""
    assert preset(name, NOW) == (date.fromisoformat(first), date(2024, 7, 3))


@pytest.mark.parametrize(
    ("now", "first"), [("2024-07-31", "2023-07-31"), ("2024-03-01", "2023-03-01")]
)
def test_a_year_before_the_end_of_a_month(now: str, first: str) -> None:
    """A whole year up to the day before, which is the last published one; also to 29 February."""
    noon = datetime.fromisoformat(f"{now}T12:00").replace(tzinfo=NEW_YORK)
    assert preset("year", noon)[0] == date.fromisoformat(first)


def test_typed_dates_turn_the_calendar(picker: Picker) -> None:
    """To the month of the date; a preset too, and the arrows."""
    picker.receive({"action": "set", "name": "end", "value": "2023-05-10"})
    assert [month["title"] for month in picker.widget.months] == ["April 2023", "May 2023"]
    picker.receive({"action": "month", "year": 2024, "month": 1})
    assert [month["title"] for month in picker.widget.months] == ["December 2023", "January 2024"]
    picker.receive({"action": "preset", "name": "day"})
    assert picker.form.start == picker.form.end
    assert picker.form.end in kinds(picker)


def test_all_data_types_are_offered() -> None:
    """By asset class, each with what its files contain."""
    offered = {
        item["name"]: item["contents"] for group in data_type_groups() for item in group["items"]
    }
    assert set(offered) >= set(DATA_TYPES)
    assert all(offered.values())
    assert [group["group"] for group in data_type_groups()][:2] == ["Stocks", "Options"]


def test_a_lot_is_warned_of(session: FlatSession) -> None:
    """Also a range without any file."""
    plan = session.plan("stocks_daily", "2024-01-02", "2024-01-03")
    assert estimate_of(plan)["kind"] == "ok"
    plan = session.plan("stocks_daily", "2024-01-06", "2024-01-07")
    assert estimate_of(plan)["kind"] == "warning"


def test_a_session_in_a_variable_of_another_name() -> None:
    """The code can be had for it."""
    assert PickerForm(start="a", end="b").code("s") == 'df = s.load("stocks_daily", "a", "b")'


def test_only_the_latest_submission_runs() -> None:
    """After a pause; what was submitted before it never starts, and the thread ends."""
    latest, done = Debouncer(quiet_s=0.05), []
    for n in range(5):
        latest.submit(lambda is_current, n=n: done.append(n))
    wait(lambda: latest.is_idle)
    assert done == [4]
    latest.submit(lambda is_current: done.append(5))
    wait(lambda: latest.is_idle)
    assert done == [4, 5]


def test_the_picker_in_a_notebook_is_a_widget(picker: Picker) -> None:
    """Elsewhere it is its code."""
    assert repr(picker).startswith('Picker: df = session.load("stocks_daily"')
