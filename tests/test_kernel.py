"""In a real kernel: the stop button, cells that are busy, nested loops, the magic."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernel import CellError, Kernel
from tests.servers import faults
from tests.servers.fault_s3 import FaultServer
from tests.servers.payloads import day_csv, gz

KEYS = [f"us_stocks_sip/day_aggs_v1/2024/01/2024-01-{day:02}.csv.gz" for day in (2, 3, 4, 5, 8)]


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """A kernel that the tests of this module share."""
    with Kernel(tmp_path_factory.mktemp("kernel")) as kernel:
        yield kernel


@pytest.fixture
def days(fault_server: FaultServer) -> FaultServer:
    """The fault server with a week of daily bars."""
    for key in KEYS:
        fault_server.put(key, gz(day_csv(key=key)))
    return fault_server


def new_session(server: FaultServer) -> str:
    """Code that makes a session on this server."""
    return (
        "from flatnb import FlatSession\n"
        f"session = FlatSession('key', 'secret', endpoint_url={server.endpoint_url!r}, cache=False)"
    )


def wait_for_requests(server: FaultServer, count: int) -> None:
    """Wait until the server has been asked so often."""
    deadline = time.monotonic() + 20
    while len(server.requests) < count and time.monotonic() < deadline:
        time.sleep(0.02)


@pytest.mark.parametrize("call", ["session.load(*load)", "await session.load_async(*load)"])
def test_the_stop_button(kernel: Kernel, days: FaultServer, call: str) -> None:
    """Within a second, nothing left behind, and the session goes on working."""
    days.always(KEYS[0], faults.stall_after(10))
    kernel.run(new_session(days))
    kernel.run("load = 'stocks_daily', '2024-01-02', '2024-01-08'")
    cell = kernel.start(call)
    wait_for_requests(days, 5)
    time.sleep(0.3)
    began = time.monotonic()
    kernel.interrupt()
    with pytest.raises(CellError, match=r"KeyboardInterrupt|CancelledError"):
        kernel.wait(cell)
    assert time.monotonic() - began < 1
    left = "session.stats.totals.running, len(session.panel().jobs), session.panel().jobs[0].state"
    assert kernel.run(left) == "(0, 1, 'cancelled')"
    days.heal()
    assert kernel.run("session.load(*load, progress=False).height") == "40"
    kernel.run("session.close()")


@pytest.mark.parametrize("after_s", [0.3, 0.36, 0.42, 0.48])
def test_the_stop_button_while_the_bar_turns_up(
    days: FaultServer, tmp_path: Path, after_s: float
) -> None:
    """In a new kernel its widget is imported then, in which an interrupt can get lost."""
    days.always(KEYS[0], faults.stall_after(10))
    with Kernel(tmp_path) as kernel:
        kernel.run(new_session(days))
        cell = kernel.start("session.load('stocks_daily', '2024-01-02', '2024-01-08')")
        wait_for_requests(days, 5)
        time.sleep(after_s)
        kernel.interrupt()
        with pytest.raises(CellError, match="KeyboardInterrupt"):
            kernel.wait(cell, timeout_s=10)


def test_a_script_with_asyncio_run(kernel: Kernel, days: FaultServer) -> None:
    """After ``%load_ext flatnb`` it can be pasted in a cell; the session works besides."""
    kernel.run(new_session(days))
    kernel.run("%load_ext flatnb")
    script = f"""
import asyncio
from flatnb import AsyncS3Downloader, S3Catalog

async def main():
    keys = S3Catalog().get_date_range_keys("stocks_daily", "2024-01-02", "2024-01-08")
    credentials = {{"access_key_id": "a", "secret_access_key": "b"}}
    async with AsyncS3Downloader(credentials, {days.endpoint_url!r}) as downloader:
        return await downloader.download_batch("flatfiles", keys)

len([file for file in asyncio.run(main()) if file is not None])
"""
    assert kernel.run(script) == "5"
    assert (
        kernel.run(
            "session.load('stocks_daily', '2024-01-02', '2024-01-02', progress=False).height"
        )
        == "8"
    )
    assert (
        kernel.run("(await session.load_async('stocks_daily', '2024-01-02', '2024-01-02')).height")
        == "8"
    )
    kernel.run("session.close()")


def test_the_magic(kernel: Kernel, days: FaultServer) -> None:
    """It loads with the notebook's session, alone and behind an assignment; Tab completes."""
    kernel.run(new_session(days))
    kernel.run("%load_ext flatnb")
    kernel.run("frame = %flat stocks_daily 2024-01-02 2024-01-08 AAPL MSFT")
    direct = "session.load('stocks_daily', '2024-01-02', '2024-01-08', symbols=['AAPL', 'MSFT'])"
    assert kernel.run(f"frame.equals({direct})").endswith("True")
    kernel.run("frame = %flat stocks_daily 2024-01-02 2024-01-02 --pandas --tz America/New_York")
    assert kernel.run("str(frame['window_start'].dtype)") == "'datetime64[ns, America/New_York]'"
    with pytest.raises(CellError, match=r"start='2\.1\.24'"):
        kernel.run("%flat stocks_daily 2.1.24 2024-01-08")
    for line in ("%flat stocks_", "frame = %flat stocks_"):
        assert {"stocks_daily", "stocks_minute"} <= set(kernel.complete(line))
        assert "options_daily" not in kernel.complete(line)
    kernel.run("session.close()")


def test_two_sessions_a_reload_and_a_restart(kernel: Kernel, days: FaultServer) -> None:
    """None of them disturbs a load."""
    days.always(KEYS[0], faults.drip(piece_bytes=64, every_s=0.02))
    kernel.run(new_session(days))
    kernel.run(new_session(days).replace("session =", "other ="))
    load = "('stocks_daily', '2024-01-02', '2024-01-08')"
    kernel.run(f"jobs = [s.start(*{load}, progress=False) for s in (session, other)]")
    kernel.run("import importlib, flatnb; importlib.reload(flatnb)")
    assert kernel.run("[job.result().height for job in jobs]") == "[40, 40]"
    assert kernel.run(
        f"flatnb.FlatSession is type(session), session.load(*{load}, progress=False).height"
    ) == ("(True, 40)")
    kernel.restart()
    kernel.run(new_session(days))
    assert kernel.run(f"session.load(*{load}, progress=False).height") == "40"
    kernel.run("session.close()")


def test_at_most_ten_updates_a_second(kernel: Kernel, days: FaultServer) -> None:
    """However many events there are; the last display is HTML, with the bytes of the files."""
    for key in KEYS:
        days.always(key, faults.drip(piece_bytes=8, every_s=0.02))
    kernel.run(new_session(days))
    kernel.run("session.panel()")
    kernel.messages.clear()
    kernel.run("frame = session.load('stocks_daily', '2024-01-02', '2024-01-08')")
    pushes = [(at, m) for at, m in kernel.messages if m["msg_type"] == "comm_msg"]
    seconds = kernel.messages[-1][0] - kernel.messages[0][0]
    assert seconds > 0.8
    assert 0.4 * 10 * seconds < len(pushes) <= 10 * seconds + 2
    shown = [
        m["content"]["data"] for _, m in kernel.messages if m["msg_type"] == "update_display_data"
    ]
    assert "application/vnd.jupyter.widget-view+json" in shown[0]
    assert set(shown[-1]) == {"text/html", "text/plain"}
    received = "session.stats.totals.received_bytes - session.stats.totals.discarded_bytes"
    stored = sum(len(gz(day_csv(key=key))) for key in KEYS)
    assert kernel.run(received) == str(stored)
    assert f"Received: {stored / 1000:.1f} kB" in shown[-1]["text/plain"]
    kernel.run("session.close()")


def test_a_saved_panel_needs_no_widget(kernel: Kernel, days: FaultServer, tmp_path: Path) -> None:
    """The long load's own bar as well: HTML, that says what came and how long it took."""
    days.always(KEYS[0], faults.drip(piece_bytes=8, every_s=0.04))
    kernel.run(new_session(days))
    kernel.messages.clear()
    kernel.run("frame = session.load('stocks_daily', '2024-01-02', '2024-01-08')")
    shown = [m for _, m in kernel.messages if m["msg_type"].endswith("display_data")]
    assert [m["msg_type"] for m in shown].count("display_data") == 1
    assert "widget" not in json.dumps(shown[-1]["content"]["data"])
    assert "5 of 5 files" in shown[-1]["content"]["data"]["text/plain"]
    # Neither does it leave a widget behind, which kernel and page would keep for ever.
    assert "comm_close" in [m["msg_type"] for _, m in kernel.messages]
    kernel.messages.clear()
    kernel.run("frame = session.load('stocks_daily', '2024-01-02', '2024-01-08', progress=False)")
    assert [m for _, m in kernel.messages if m["msg_type"].endswith("display_data")] == []
    kernel.run("session.close()")


def error_lines(kernel: Kernel, code: str) -> list[str]:
    """The lines that the front end shows of a cell's error, without colours."""
    with pytest.raises(CellError):
        kernel.run(code)
    shown = [m["content"] for _, m in kernel.messages if m["msg_type"] == "error"][-1]
    return re.sub(r"\x1b\[[\d;]*m", "", "\n".join(shown["traceback"])).splitlines()


def test_errors_are_short(kernel: Kernel, days: FaultServer) -> None:
    """The user's line, what happened by groups of days, the remedy; and nothing of our own code."""
    kernel.run(new_session(days))
    for key in KEYS[1:4]:
        days.always(key, faults.bare_status(403))
    days.delete(KEYS[4])
    line = "frame = session.load('stocks_daily', '2024-01-02', '2024-01-08', progress=False)"
    lines = error_lines(kernel, f"import sys\n{line}")
    assert re.fullmatch(rf"LoadError in Cell In\[\d+\], line 2: {re.escape(line)}", lines[0])
    assert lines[1].startswith("3 of 5 days could not be loaded (error.frame has 1 day")
    assert lines[2].startswith("  3 days forbidden, 3–5 Jan 2024: 403")
    assert lines[3].startswith("  2024-01-08 missing: ")
    assert "sys.last_value.frame" in lines[4]
    assert len(lines) == 5
    assert kernel.run("sys.last_value.frame.height") == "8"
    days.heal()
    wrong = error_lines(kernel, "session.load('stock_daily', '2024-01-02', '2024-01-03')")
    assert wrong[0].startswith("ValueError in Cell In[")
    assert "did you mean 'stocks_daily'" in wrong[1]
    assert len(wrong) == 2
    kernel.run("%xmode Verbose")
    assert len(error_lines(kernel, "session.load('x', '2024-01-02', '2024-01-03')")) > 20
    kernel.run("%xmode Context")
    kernel.run("session.close()")


def test_tab_in_a_call_offers_data_types(kernel: Kernel, days: FaultServer) -> None:
    """Whatever method, and by keyword too; not in other strings. %flat offers the day's tickers."""
    kernel.run(new_session(days))
    for call in ("session.load(", "x = session.plan(data_type=", "job = await session.load_async("):
        for quote in "'\"":
            found = kernel.complete(f"{call}{quote}stocks_")
            assert {"stocks_daily", "stocks_minute"} <= set(found), call
            assert "options_daily" not in found
    assert "stocks_daily" not in kernel.complete("print('sto")
    kernel.run("%load_ext flatnb")
    line = "%flat stocks_daily 2024-01-02 2024-01-05 "
    assert {"A", "AAPL"} & set(kernel.complete(line + "A"))
    assert kernel.complete("%flat stocks_daily 2024-01") == []
    kernel.run("session.close()")


def test_help_is_readable(kernel: Kernel, days: FaultServer) -> None:
    """No quoted aliases in signatures; an example comes first; %flat? has its arguments."""
    kernel.run(new_session(days))
    shown = kernel.run("import inspect; print(inspect.signature(session.load))")
    assert "data_type: str, start: str | date, end: str | date" in shown
    assert "Unpack" not in shown
    assert "DateLike" not in shown
    assert "missing: 'warn' | 'raise' | 'ignore' = 'warn'" in shown
    first = kernel.run("print(inspect.getdoc(session.load).split('\\n\\n')[1])")
    assert first.startswith(">>> session.load(")
    kernel.run("%load_ext flatnb")
    help_text = kernel.run("print(get_ipython().find_line_magic('flat').__doc__)")
    assert "%flat [--pandas] [--columns NAME [NAME ...]] [--tz TZ]" in help_text
    assert "frame = %flat stocks_daily" in help_text
    assert "data_type" in help_text
    kernel.run("session.close()")
