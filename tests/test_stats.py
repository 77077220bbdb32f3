"""Totals, rates and retry delays, with a clock that the test controls."""

from __future__ import annotations

import threading

import pytest

from flatnb import AsyncS3Downloader, SyncS3Downloader
from flatnb.download.core.commands import Call, Failure, Sleep
from flatnb.download.core.retry import (
    RetryPolicy,
    Throttle,
    ThroughputEstimate,
    TransferContext,
    with_retries,
)
from flatnb.download.events import (
    BytesDiscarded,
    BytesReceived,
    DownloadFailed,
    DownloadFinished,
    DownloadStarted,
    Event,
    Retried,
    SizeKnown,
)
from flatnb.download.statistics import Statistics
from flatnb.errors import ConnectionFailedError
from flatnb.formatting import format_bytes
from flatnb.load.progress import Progress
from tests.twins import CREDENTIALS


class Clock:
    """A clock in seconds that only the test advances."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_totals_and_rates() -> None:
    """Time counts while anything runs: concurrent downloads count once, pauses do not count."""
    clock = Clock()
    statistics = Statistics(clock=clock)
    assert repr(statistics) == "no downloads yet"
    statistics(DownloadStarted("b", "1"))
    clock.now += 1
    statistics(DownloadStarted("b", "2"))
    statistics(BytesReceived("b", "1", 1000))
    statistics(Retried("b", "1", 1, 0.5, "reset"))
    clock.now += 1
    assert statistics.totals.running == 2
    assert statistics.totals.busy_s == 2
    statistics(DownloadFinished("b", "1", 1000, 2.0))
    statistics(BytesReceived("b", "2", 3000))
    statistics(BytesDiscarded("b", "2", 3000))
    clock.now += 2
    statistics(DownloadFailed("b", "2", "404", 3.0))
    clock.now += 1000
    totals = statistics.totals
    assert (totals.busy_s, totals.received_bytes, totals.discarded_bytes) == (4, 4000, 3000)
    assert totals.bytes_per_s == 1000
    assert repr(statistics) == (
        "1 files done, 0 running, 1 failed; 4.0 kB received in 4.0 s (1.0 kB/s), 1 retries, "
        "success rate 50%"
    )


def test_reset_keeps_what_is_running() -> None:
    """A download that ends after a reset still counts as started."""
    clock = Clock()
    statistics = Statistics(clock=clock)
    statistics(DownloadStarted("b", "1"))
    clock.now += 5
    statistics.reset()
    clock.now += 1
    statistics(DownloadFinished("b", "1", 10, 6.0))
    assert statistics.as_dict()["total_downloads"] == 1
    assert statistics.totals.busy_s == 1


def test_display_calls_the_observer() -> None:
    """With an observer a notebook shows what that shows; without one, the HTML representation."""
    displayed: list[str] = []
    observed = Statistics(on_display=lambda: displayed.append("live view"))
    observed._ipython_display_()
    assert displayed == ["live view"]
    with pytest.raises(NotImplementedError):
        Statistics()._ipython_display_()


@pytest.mark.parametrize("kind", [AsyncS3Downloader, SyncS3Downloader])
def test_downloaders_take_statistics(
    kind: type[AsyncS3Downloader] | type[SyncS3Downloader],
) -> None:
    """The passed object counts; without one, each downloader has its own."""
    statistics = Statistics()
    downloader = kind(CREDENTIALS, statistics=statistics)
    assert downloader.statistics is statistics
    downloader.emit(Retried("b", "k", 1, 0.0, "reset"))
    assert statistics.as_dict() == downloader.get_statistics()
    assert downloader.get_statistics()["total_retries"] == 1
    assert kind(CREDENTIALS).get_statistics()["total_retries"] == 0


def test_progress_of_a_restarted_object() -> None:
    """Its size counts once, and discarded bytes do not count."""
    progress = Progress(files=1)
    events: list[Event] = [
        SizeKnown("b", "k", 100),
        BytesReceived("b", "k", 60),
        BytesDiscarded("b", "k", 60),
        SizeKnown("b", "k", 120),
        BytesReceived("b", "k", 120),
        DownloadFinished("b", "k", 120, 1.0),
    ]
    for event in events:
        progress(event)
    assert (progress.known_bytes, progress.received_bytes, progress.ended) == (120, 120, 1)


def test_sizes_have_units() -> None:
    """In powers of 1000."""
    sizes = [0, 999, 1500, 25_000_000, 3_700_000_000, 4 * 10**12]
    assert [format_bytes(size) for size in sizes] == [
        "0 B",
        "999 B",
        "1.5 kB",
        "25.0 MB",
        "3.7 GB",
        "4.0 TB",
    ]


def test_backoff_doubles_to_a_bound_with_full_jitter() -> None:
    """The delay is a fraction of a doubling bound, but at least Retry-After."""
    policy = RetryPolicy(max_retries=9, backoff_s=0.5, deadline_s=60)
    assert [policy.delay(n, None, 1.0) for n in (1, 2, 3, 6, 7, 8)] == [0.5, 1, 2, 16, 20, 20]
    assert policy.delay(3, None, 0.25) == 0.5
    assert policy.delay(3, None, 0.0) == 0.0
    assert policy.delay(1, 7.0, 1.0) == 7.0


def test_waiting_for_a_connection_does_not_count_against_the_deadline() -> None:
    """The deadline is measured from the first failure, not from the start."""
    clock = Clock()
    context = TransferContext(
        policy=RetryPolicy(max_retries=1, backoff_s=1, deadline_s=10),
        emit=lambda event: None,
        timeout_s=1,
        new_latch=threading.Event,
        clock=clock,
        fraction=lambda: 0.5,
    )
    operation = with_retries(context, "b", "k", lambda: Call("head_object", {}))
    assert isinstance(next(operation), Call)
    clock.now += 1000  # the driver had no free connection
    sleep = operation.send(Failure.of(ConnectionFailedError, "reset"))
    assert sleep == Sleep(0.5)
    assert isinstance(next(operation), Call)
    with pytest.raises(StopIteration, match="response"):
        operation.send("response")


def test_part_sizes_follow_throughput() -> None:
    """The bytes of a quarter of a second, between one and eight times the smallest size."""
    throughput = ThroughputEstimate()
    assert throughput.part_bytes(1000) == 1000
    throughput.update(1_150, 1.0)
    assert throughput.part_bytes(1000) == 1000
    throughput = ThroughputEstimate()
    throughput.update(20_000, 1.0)
    assert throughput.part_bytes(1000) == 5000
    throughput.update(1_000_000, 0.0)
    assert throughput.part_bytes(1000) == 8000
    for _ in range(200):
        throughput.update(1_150, 1.0)
    assert throughput.part_bytes(1000) == 1000


def test_a_throttle_pauses_until_the_latest_time() -> None:
    """An earlier time does not shorten the pause."""
    throttle = Throttle()
    throttle.slow_down(10)
    throttle.slow_down(5)
    assert (throttle.pause(8), throttle.pause(11)) == (2, 0)
