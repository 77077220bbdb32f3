"""Every state of the panel, without a browser."""

from __future__ import annotations

import threading
import time
from html.parser import HTMLParser

import pytest

from flatnb import FlatSession
from flatnb.demo import DemoServer
from flatnb.download.events import (
    BytesDiscarded,
    BytesReceived,
    DownloadFailed,
    DownloadFinished,
    DownloadStarted,
    Retried,
    SizeKnown,
)
from flatnb.download.statistics import Statistics
from flatnb.errors import LoadCancelledError, LoadError
from flatnb.jobs.activity import (
    MAX_FAILURES,
    MAX_POINTS,
    Activity,
    ActivitySnapshot,
    FailedFile,
    RunningFile,
    Throughput,
)
from flatnb.jobs.rendering import (
    MAX_FILE_ROWS,
    eta_s,
    figures,
    format_seconds,
    job_html,
    job_text,
    short_key,
)
from flatnb.jobs.status import JobStatus
from flatnb.load.progress import Progress
from flatnb.notebook.live_view import INTERVAL_S, LiveView
from flatnb.notebook.panel import Panel
from tests.servers import faults
from tests.servers.fault_s3 import FaultServer
from tests.servers.payloads import day_csv, gz

KEYS = [f"us_stocks_sip/day_aggs_v1/2024/01/2024-01-{day:02}.csv.gz" for day in (2, 3, 4, 5, 8)]


class Clock:
    """Seconds that go forward when the test sets them."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Tags(HTMLParser):
    """Counts the tags that are open; all must be closed in their order."""

    VOID = frozenset({"input", "br", "img"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """One more."""
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """It must be the last one that was opened."""
        if tag not in ("polygon", "polyline"):
            assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Closed at once."""

    def handle_data(self, data: str) -> None:
        """Text between tags."""
        self.text.append(data)


def text_of(html: str) -> str:
    """The text of HTML that is well formed."""
    tags = Tags()
    tags.feed(html)
    tags.close()
    assert tags.open == []
    return " ".join(part for part in tags.text if part.strip())


def make_panel(clock: Clock) -> tuple[Panel, Activity, Statistics]:
    """A panel that is fed by hand."""
    panel = Panel("somewhere", clock=clock)
    return panel, panel.activity, panel.statistics


def test_what_is_running() -> None:
    """Each file's size, bytes and retries; it goes when it ends, and failures stay."""
    clock = Clock()
    activity = Activity(clock=clock)
    for event in [
        DownloadStarted("b", "x"),
        SizeKnown("b", "x", 1000),
        BytesReceived("b", "x", 600),
        BytesDiscarded("b", "x", 100),
        Retried("b", "x", 1, 0.5, "503"),
        DownloadStarted("b", "y"),
        Retried("b", "a listing", 1, 0.5, "503"),
    ]:
        activity(event)
    assert activity.snapshot.running == (RunningFile("x", 1000, 500, 1), RunningFile("y"))
    activity(DownloadFinished("b", "x", 1000, 1.0))
    activity(DownloadFailed("b", "y", "cancelled", 1.0))
    assert activity.snapshot.running == ()
    assert activity.snapshot.failures == ()
    for number in range(MAX_FAILURES + 1):
        activity(DownloadStarted("b", str(number)))
        activity(DownloadFailed("b", str(number), "404", 1.0))
    assert activity.snapshot.failures[0] == FailedFile(str(MAX_FAILURES), "404")
    assert len(activity.snapshot.failures) == MAX_FAILURES


def test_observers_are_called() -> None:
    """The first of several downloads starts the display; statistics display what they are given."""
    calls: list[str] = []
    activity = Activity(on_start=lambda: calls.append(f"{len(activity.snapshot.running)} running"))
    statistics = Statistics(on_display=lambda: calls.append("displayed"))
    for key in ("x", "y"):
        activity(DownloadStarted("b", key))
    for key in ("x", "y"):
        activity(DownloadFinished("b", key, 1, 1.0))
    activity(DownloadStarted("b", "z"))
    assert calls == ["1 running", "1 running"]
    statistics._ipython_display_()
    assert calls[2:] == ["displayed"]
    with pytest.raises(NotImplementedError):
        Statistics()._ipython_display_()


def test_the_rate_is_smooth_and_ends() -> None:
    """The mean over three seconds; a steady stream has a steady rate; none when nothing runs."""
    clock = Clock()
    activity = Activity(clock=clock)
    activity(DownloadStarted("b", "x"))
    for _ in range(100):
        clock.now += 0.1
        activity(BytesReceived("b", "x", 500))
    assert activity.snapshot.bytes_per_s == pytest.approx(5000, rel=0.05)
    clock.now += 1.5  # nothing comes
    assert activity.snapshot.bytes_per_s == pytest.approx(2500, rel=0.1)
    activity(DownloadFinished("b", "x", 50_000, 11.5))
    assert activity.snapshot.bytes_per_s == 0.0


def test_the_line_keeps_all_bytes_in_few_points() -> None:
    """However long it takes: spans become longer, their sum stays."""
    throughput = Throughput(started_at=10.0)
    for second in range(3600):
        throughput.add(10.0 + second, 1000)
    line = throughput.history(10.0 + 3600 + throughput.span_s)
    assert MAX_POINTS / 2 <= len(line) <= MAX_POINTS
    assert sum(line) * throughput.span_s == pytest.approx(3_600_000)
    assert line[0] == pytest.approx(1000, rel=0.05)


def test_time_left() -> None:
    """Files of unknown size count as the mean of the known ones; failed ones count no more."""
    progress = Progress(files=4)
    progress(SizeKnown("b", "1", 1000))
    progress(SizeKnown("b", "2", 3000))
    assert progress.expected_bytes == 4000 + 2 * 2000
    progress(BytesReceived("b", "1", 1000))
    job = JobStatus("job", progress, lambda: None)
    assert eta_s(job, 500.0) == pytest.approx(14.0)
    assert eta_s(job, 0.0) is None
    progress(DownloadFailed("b", "3", "404", 0.1))
    assert progress.expected_bytes == 4000 + 2000
    assert "0 of 4 files · 1 failed · 1.0 kB of 6.0 kB · 10 s left" in job_text(job, 500.0)


def test_each_file_counts_once() -> None:
    """A cancelled or missing file is neither done nor failed, in the panel, job and statistics."""
    progress, statistics = Progress(files=5), Statistics()
    events = [
        DownloadFinished("b", "1", 10, 0.1),
        DownloadFailed("b", "2", "404 Not Found", 0.1, is_missing=True),
        DownloadFailed("b", "3", "cancelled", 0.1),
        DownloadFailed("b", "4", "500", 0.1),
        DownloadFailed("b", "5", "cancelled", 0.1),
    ]
    for event in events:
        statistics(DownloadStarted("b", event.key))
        for listener in (progress, statistics):
            listener(event)
    assert progress.loaded == 1
    job = JobStatus("job", progress, lambda: None)
    assert "1 of 5 files · 1 failed · 1 missing · 2 cancelled" in job_text(job)
    shown = dict(figures(statistics.totals, ActivitySnapshot()))
    assert (shown["Done"], shown["Failed"], shown["Missing"]) == ("1", "1", "1")
    assert shown["Success"] == "50%"
    assert "1 failed, 1 missing, 2 cancelled" in repr(statistics)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.04, "40 ms"),
        (0.96, "1.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (75, "1 min 15 s"),
        (3720, "1 h 02 min"),
    ],
)
def test_seconds_as_people_read_them(seconds: float, words: str) -> None:
    """With as many digits as matter."""
    assert format_seconds(seconds) == words


def test_an_idle_panel() -> None:
    """Nothing has happened yet: no rate, no line, no lists."""
    panel, activity, statistics = make_panel(Clock())
    assert dict(figures(statistics.totals, activity.snapshot)) == {
        "Done": "0",
        "Running": "0",
        "Failed": "0",
        "Received": "0 B",
        "Rate now": "–",
        "Mean rate": "–",
        "Retries": "0",
        "Cached": "0",
        "Success": "–",
    }
    text = text_of(panel.html())
    assert "idle" in text
    assert "<svg" not in panel.html()
    assert repr(panel).startswith("flatnb – somewhere – idle")


def test_a_busy_panel() -> None:
    """A row for each running file, the rest counted; the line and its label; no markup in names."""
    clock = Clock()
    panel, activity, statistics = make_panel(clock)
    for number in range(MAX_FILE_ROWS + 3):
        for event in (DownloadStarted("b", f"<{number}>"), SizeKnown("b", f"<{number}>", 1000)):
            activity(event)
            statistics(event)
    for _ in range(20):
        clock.now += 0.1
        for event in (BytesReceived("b", "<0>", 50),):
            activity(event)
            statistics(event)
    html = panel.html(live=True)
    assert html.count('<th scope="row">') == MAX_FILE_ROWS
    text = text_of(html)
    assert "… and 3 more" in text
    assert "1.0 kB of 1.0 kB" in text
    assert "loading" in text
    assert "Rate over time, at most" in html
    assert "<0>" not in html
    assert panel.is_active()


def test_names_of_files() -> None:
    """Data type and day; what is not known stays as it is."""
    assert short_key(KEYS[0]) == "stocks_daily 2024-01-02"
    assert short_key("other/thing/x.csv.gz") == "other/thing/x.csv.gz"


def test_a_job_through_its_states(fault_server: FaultServer) -> None:
    """Running with Cancel, cancelled; done; done with failures; each with its look."""
    for key in KEYS:
        fault_server.put(key, gz(day_csv(key=key)))
    fault_server.always(KEYS[0], faults.stall_after(10))
    span = "stocks_daily", "2024-01-02", "2024-01-08"
    with FlatSession("a", "b", endpoint_url=fault_server.endpoint_url, cache=False) as session:
        panel = session.panel()
        assert panel is session.panel()
        job = session.start(*span)
        while job.progress.ended < 4:
            threading.Event().wait(0.02)
        live = job_html(job.status, live=True)
        assert "Cancel" in text_of(live)
        assert f'data-id="{job.status.number}"' in live
        assert "Cancel" not in job._repr_html_()
        assert "4 of 5 files" in text_of(live)
        assert repr(job).startswith("<Job stocks_daily 2024-01-02 … 2024-01-08: running, 4 of 5")
        assert panel.jobs == [job.status]
        panel.click("cancel", str(job.status.number + 1))  # of another job
        panel.click("other", str(job.status.number))
        assert job.status.state == "running"
        panel.click("cancel", str(job.status.number))
        with pytest.raises(LoadCancelledError):
            job.result()
        assert job.status.state == "cancelled"
        assert "cancelled in" in text_of(panel.html())
        fault_server.heal()
        panel.click("cancel", str(job.status.number))  # too late, and no harm to the next
        assert session.load(*span).height == 40
        assert "done in" in text_of(panel.html())
        assert "40 rows" in text_of(session.last_report._repr_html_())  # type: ignore[union-attr]
        fault_server.delete(KEYS[1])
        fault_server.always(KEYS[2], faults.bare_status(403))
        with pytest.raises(LoadError):
            session.load(*span)
        text = text_of(panel.html())
        assert "done, with failures" in text
        assert "3 of 5 files · 1 failed · 1 missing" in text
        assert "stocks_daily 2024-01-04" in text


def test_figures_are_the_bytes_on_disk(demo_server: DemoServer, tmp_path: str) -> None:
    """Exactly; the second time all days are cache hits, and no byte comes."""
    url = demo_server.endpoint_url
    with FlatSession("a", "b", endpoint_url=url, cache=tmp_path) as session:
        for _ in range(2):
            session.load("stocks_daily", "2024-01-02", "2024-01-31")
        totals = session.stats.totals
        assert (totals.successful, totals.cache_hits) == (21, 21)
        sizes = [
            len(demo_server.market.file("stocks_daily", day.date))
            for day in session.last_report or ()
        ]
        assert totals.received_bytes - totals.discarded_bytes == sum(sizes)
        assert "21 from cache" in text_of(session.panel().html())
        assert "21 cached" in text_of(session.last_report._repr_html_())  # type: ignore[union-attr]
        assert "stocks_daily 21 2024-01-02 2024-01-31" in text_of(session.cache._repr_html_())  # type: ignore[union-attr]
        assert "SYNTHETIC" not in text_of(session._repr_html_())


class Busy:
    """A source that changes all the time."""

    def __init__(self) -> None:
        self.active = True
        self.asked = 0
        self.clicks: list[tuple[str, str]] = []

    def is_active(self) -> bool:
        """Until the test sets it."""
        return self.active

    def html(self, live: bool) -> str:
        """Another one each time."""
        self.asked += 1
        return f"<b>{self.asked if live else 'end'}</b>"

    def text(self) -> str:
        """Without HTML."""
        return str(self.asked)

    def click(self, action: str, identity: str) -> None:
        """A button was pressed."""
        self.clicks.append((action, identity))


def test_a_view_is_pushed_ten_times_a_second() -> None:
    """Also when it is started much more often; then it ends, with its thread."""
    source = Busy()
    view = LiveView(source)
    widget = view.widget
    began = time.monotonic()
    while time.monotonic() - began < 1.0:
        view.start_updates()
        time.sleep(0.001)
    assert 5 <= view.pushes <= 1 / INTERVAL_S
    source.active = False
    view.flush()
    assert (widget.html, view.is_live) == ("<b>end</b>", False)
    deadline = time.monotonic() + 2
    while any(t.name == "flatnb-view" for t in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    pushes = view.pushes
    view.flush()
    assert view.pushes == pushes


def test_clicks_reach_the_source() -> None:
    """As the front end sends them; other messages do nothing."""
    source = Busy()
    widget = LiveView(source).widget  # the view itself is forgotten
    view = LiveView(source)
    widget = view.widget
    widget._handle_custom_msg({"action": "cancel", "id": "7"}, [])
    widget._handle_custom_msg("nonsense", [])
    assert source.clicks == [("cancel", "7")]


def test_a_push_is_cheap(demo_server: DemoServer) -> None:
    """Ten a second take less than 2% of a core: 2 ms each."""
    clock = Clock()
    panel, activity, statistics = make_panel(clock)
    for number in range(MAX_FILE_ROWS):
        key = f"us_stocks_sip/minute_aggs_v1/2024/01/2024-01-{number + 2:02}.csv.gz"
        for event in (DownloadStarted("b", key), SizeKnown("b", key, 20_000_000)):
            activity(event)
            statistics(event)
    for _ in range(300):
        clock.now += 0.1
        activity(BytesReceived("b", KEYS[0], 300_000))
    widget = LiveView(panel).widget
    best = min(_timed(lambda: setattr(widget, "html", panel.html(True))) for _ in range(20))
    assert best < 0.002


def _timed(work: object) -> float:
    began = time.thread_time()
    work()  # type: ignore[operator]
    return time.thread_time() - began
