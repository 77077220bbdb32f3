"""The downloads in progress: the running files, the rate over time, the last failures."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from ..download.events import (
    BytesDiscarded,
    BytesReceived,
    DownloadFailed,
    DownloadFinished,
    DownloadStarted,
    Event,
    Retried,
    SizeKnown,
)

MAX_POINTS = 120
"""The most points of the rate over time: a panel is about 600 pixels wide, 5 for each."""

RATE_WINDOW_S = 3.0
"""The current rate is the mean over these last seconds."""

MAX_FAILURES = 5
"""The number of last failures that are kept."""

_FIRST_SPAN_S = 0.1
_JOIN_WITHIN_S = 0.05


@dataclass(frozen=True, slots=True)
class RunningFile:
    """A download in progress."""

    key: str
    size_bytes: int | None = None
    received_bytes: int = 0
    retries: int = 0


@dataclass(frozen=True, slots=True)
class FailedFile:
    """A download that failed; ``reason`` is the error's message."""

    key: str
    reason: str


class Throughput:
    """Bytes over time, in at most `MAX_POINTS` equal spans.

    When there are more, each two neighbours are joined, so that memory and time per update stay
    the same however long the downloads take.

    Parameters
    ----------
    started_at
        The time at which the first span starts, in seconds.

    Attributes
    ----------
    span_s
        The length of a span in seconds; it doubles with each joining.
    """

    def __init__(self, started_at: float) -> None:
        self.span_s = _FIRST_SPAN_S
        self._started_at = started_at
        self._spans = [0]
        self._recent: deque[tuple[float, int]] = deque()

    def add(self, now: float, size_bytes: int) -> None:
        """Count bytes that were received now, in seconds of the same clock as the start."""
        self._extend(now)
        self._spans[-1] += size_bytes
        if self._recent and now - self._recent[-1][0] < _JOIN_WITHIN_S:
            # A fast download has thousands of events a second; joined, 60 entries cover the window.
            last, before = self._recent.pop()
            self._recent.append((last, before + size_bytes))
        else:
            self._recent.append((now, size_bytes))

    def bytes_per_s(self, now: float) -> float:
        """The mean rate of the last `RATE_WINDOW_S` seconds, or since the start if that is less."""
        while self._recent and self._recent[0][0] <= now - RATE_WINDOW_S:
            self._recent.popleft()
        # At least a span: the first bytes would else give an enormous rate.
        seconds = min(RATE_WINDOW_S, max(now - self._started_at, _FIRST_SPAN_S))
        return sum(size for _, size in self._recent) / seconds

    def history(self, now: float) -> tuple[float, ...]:
        """The mean rate of each span that has ended, in bytes per second, oldest first."""
        self._extend(now)
        return tuple(size / self.span_s for size in self._spans[:-1])

    def _extend(self, now: float) -> None:
        last = int((now - self._started_at) / self.span_s)
        while last >= MAX_POINTS:
            pairs = zip(self._spans[::2], [*self._spans[1::2], 0], strict=False)
            self._spans = [first + second for first, second in pairs]
            self.span_s *= 2
            last = int((now - self._started_at) / self.span_s)
        self._spans += [0] * (last + 1 - len(self._spans))


@dataclass(frozen=True, slots=True)
class ActivitySnapshot:
    """The downloads in progress at one time.

    Attributes
    ----------
    running
        The downloads in progress, in the order in which they started.
    failures
        The last failures, newest first; neither cancelled downloads nor missing files.
    bytes_per_s
        The current rate; 0.0 if nothing is running.
    rate_history
        Mean rates in bytes per second of equal spans of time, oldest first, since something has
        been running without a pause; if nothing is running, of the last such period.
    """

    running: tuple[RunningFile, ...] = ()
    failures: tuple[FailedFile, ...] = ()
    bytes_per_s: float = 0.0
    rate_history: tuple[float, ...] = ()


class Activity:
    """Follows the events of downloads; may be called from several threads.

    Parameters
    ----------
    on_start
        Called when a download starts and no other one is running, from the thread that reported
        the start.
    clock
        Seconds that only go forward; given by tests.
    """

    def __init__(
        self,
        *,
        on_start: Callable[[], object] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._on_start = on_start
        self._clock = clock
        self._lock = threading.Lock()
        self._running: dict[str, RunningFile] = {}
        self._failures: deque[FailedFile] = deque(maxlen=MAX_FAILURES)
        self._throughput = Throughput(clock())
        self._rate_history: tuple[float, ...] = ()

    def __call__(self, event: Event) -> None:
        """Follow one event."""
        with self._lock:
            is_first = isinstance(event, DownloadStarted) and not self._running
            self._follow(event)
        # Outside the lock: the observer may ask for a snapshot.
        if is_first:
            self._on_start()

    def _follow(self, event: Event) -> None:
        file = self._running.get(event.key, RunningFile(event.key))
        match event:
            case DownloadStarted():
                if not self._running:
                    self._throughput = Throughput(self._clock())
                self._running[event.key] = file
                return
            case SizeKnown():
                file = replace(file, size_bytes=event.size_bytes)
            case BytesReceived():
                self._throughput.add(self._clock(), event.size_bytes)
                file = replace(file, received_bytes=file.received_bytes + event.size_bytes)
            case BytesDiscarded():
                # The rate still counts these bytes: they did use the connection.
                file = replace(file, received_bytes=file.received_bytes - event.size_bytes)
            case Retried():
                file = replace(file, retries=file.retries + 1)
            case DownloadFinished() | DownloadFailed():
                self._end(event)
                return
        if event.key in self._running:  # a listing is retried too, and is not a file
            self._running[event.key] = file

    def _end(self, event: DownloadFinished | DownloadFailed) -> None:
        self._running.pop(event.key, None)
        if isinstance(event, DownloadFailed) and not (event.was_cancelled or event.is_missing):
            self._failures.appendleft(FailedFile(event.key, event.reason))
        if not self._running:
            self._rate_history = self._throughput.history(self._clock())

    @property
    def snapshot(self) -> ActivitySnapshot:
        """The downloads in progress now."""
        with self._lock:
            if not self._running:
                return ActivitySnapshot((), tuple(self._failures), 0.0, self._rate_history)
            now = self._clock()
            return ActivitySnapshot(
                tuple(self._running.values()),
                tuple(self._failures),
                self._throughput.bytes_per_s(now),
                self._throughput.history(now),
            )
