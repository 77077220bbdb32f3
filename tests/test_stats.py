"""Events in, totals and rates out, by a clock that the test turns."""

from __future__ import annotations

import threading

import pytest

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
from flatnb.download.statistics import Statistics, format_bytes
from flatnb.errors import ConnectionFailedError
from flatnb.load.progress import Progress


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_totals_and_rates() -> None:
    """Time counts while anything runs: two downloads side by side count once, pauses not."""
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
    """A download that ends after a reset is not one more than was started."""
    clock = Clock()
    statistics = Statistics(clock=clock)
    statistics(DownloadStarted("b", "1"))
    clock.now += 5
    statistics.reset()
    clock.now += 1
    statistics(DownloadFinished("b", "1", 10, 6.0))
    assert statistics.as_dict()["total_downloads"] == 1
    assert statistics.totals.busy_s == 1


def test_progress_of_an_object_that_starts_again() -> None:
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


def test_sizes_as_people_read_them() -> None:
    """Powers of 1000."""
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
    """The delay is a fraction of a doubling bound; Retry-After is the least."""
    policy = RetryPolicy(max_retries=9, backoff_s=0.5, deadline_s=60)
    assert [policy.delay(n, None, 1.0) for n in (1, 2, 3, 6, 7, 8)] == [0.5, 1, 2, 16, 20, 20]
    assert policy.delay(3, None, 0.25) == 0.5
    assert policy.delay(3, None, 0.0) == 0.0
    assert policy.delay(1, 7.0, 1.0) == 7.0


def test_waiting_for_a_turn_does_not_count_against_the_deadline() -> None:
    """The clock of the retries starts with the first fault, not with the first wait."""
    clock = Clock()
    context = TransferContext(
        policy=RetryPolicy(max_retries=1, backoff_s=1, deadline_s=10),
        emit=lambda event: None,
        timeout_s=1,
        new_latch=threading.Event,
        clock=clock,
        fraction=lambda: 0.5,
    )
    core = with_retries(context, "b", "k", lambda: Call("head_object", {}))
    assert isinstance(next(core), Call)
    clock.now += 1000  # the driver had no free connection
    sleep = core.send(Failure.of(ConnectionFailedError, "reset"))
    assert sleep == Sleep(0.5)
    assert isinstance(next(core), Call)
    with pytest.raises(StopIteration, match="answer"):
        core.send("answer")


def test_the_pace_of_connections_sizes_the_parts() -> None:
    """A quarter of a second's bytes, between one and eight of the least; one part tells little."""
    pace = ThroughputEstimate()
    assert pace.part_bytes(1000) == 1000
    pace.note(1_150, 1.0)
    assert pace.part_bytes(1000) == 1000
    pace = ThroughputEstimate()
    pace.note(20_000, 1.0)
    assert pace.part_bytes(1000) == 5000
    pace.note(1_000_000, 0.0)
    assert pace.part_bytes(1000) == 8000
    for _ in range(200):
        pace.note(1_150, 1.0)
    assert pace.part_bytes(1000) == 1000


def test_a_throttle_holds_all() -> None:
    """The latest wish of the service counts."""
    throttle = Throttle()
    throttle.slow_down(10)
    throttle.slow_down(5)
    assert (throttle.pause(8), throttle.pause(11)) == (2, 0)
