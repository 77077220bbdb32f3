"""What is going on just now: the running files, the rate over time, the last failures."""

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

POINTS = 120
"""The line of the rate over time has at most so many points."""

RATE_WINDOW_S = 3.0
"""The rate just now is the mean over these last seconds."""

FAILURES = 5
"""How many of the last failures are remembered."""


@dataclass(frozen=True, slots=True)
class RunningFile:
    """A download in progress."""

    key: str
    size_bytes: int | None = None
    received_bytes: int = 0
    retries: int = 0


@dataclass(frozen=True, slots=True)
class FailedFile:
    """A download that ended without its object."""

    key: str
    reason: str


class Throughput:
    """Bytes over time, in at most `POINTS` equal spans: when they are full, two become one.

    Parameters
    ----------
    began
        The time of the first span's begin, in seconds.
    """

    def __init__(self, began: float) -> None:
        self.span_s = 0.1
        self._began = began
        self._spans = [0]
        self._recent: deque[tuple[float, int]] = deque()

    def add(self, now: float, size_bytes: int) -> None:
        """Count bytes that came now."""
        self._extend(now)
        self._spans[-1] += size_bytes
        if self._recent and now - self._recent[-1][0] < 0.05:
            last, before = self._recent.pop()
            self._recent.append((last, before + size_bytes))
        else:
            self._recent.append((now, size_bytes))

    def bytes_per_s(self, now: float) -> float:
        """The rate over the last `RATE_WINDOW_S` seconds, or since the begin."""
        while self._recent and self._recent[0][0] <= now - RATE_WINDOW_S:
            self._recent.popleft()
        seconds = min(RATE_WINDOW_S, max(now - self._began, 0.1))
        return sum(size for _, size in self._recent) / seconds

    def line(self, now: float) -> tuple[float, ...]:
        """The rate of each span that is over, in bytes per second, oldest first."""
        self._extend(now)
        return tuple(size / self.span_s for size in self._spans[:-1])

    def _extend(self, now: float) -> None:
        last = int((now - self._began) / self.span_s)
        while last >= POINTS:
            pairs = zip(self._spans[::2], [*self._spans[1::2], 0], strict=False)
            self._spans = [first + second for first, second in pairs]
            self.span_s *= 2
            last = int((now - self._began) / self.span_s)
        self._spans += [0] * (last + 1 - len(self._spans))


@dataclass(frozen=True, slots=True)
class ActivitySnapshot:
    """What was going on at one moment.

    Attributes
    ----------
    running
        The downloads in progress, in the order of their begin.
    failures
        The last ones, newest first; cancelled downloads are none.
    bytes_per_s
        The rate just now; 0.0 if nothing is running.
    line
        Rates of equal spans of time since anything began to run, oldest first.
    """

    running: tuple[RunningFile, ...] = ()
    failures: tuple[FailedFile, ...] = ()
    bytes_per_s: float = 0.0
    line: tuple[float, ...] = ()


class Activity:
    """Follows the events; safe to feed from several threads.

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
        on_start: Callable[[], object] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._on_start = on_start
        self._clock = clock
        self._lock = threading.Lock()
        self._running: dict[str, RunningFile] = {}
        self._failures: deque[FailedFile] = deque(maxlen=FAILURES)
        self._throughput = Throughput(clock())
        self._line: tuple[float, ...] = ()

    def __call__(self, event: Event) -> None:
        """Follow one event."""
        with self._lock:
            is_first = isinstance(event, DownloadStarted) and not self._running
            self._follow(event)
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
                file = replace(file, received_bytes=file.received_bytes - event.size_bytes)
            case Retried():
                file = replace(file, retries=file.retries + 1)
            case DownloadFinished() | DownloadFailed():
                self._end(event)
                return
        if event.key in self._running:  # a listing is retried as well, and is no file
            self._running[event.key] = file

    def _end(self, event: DownloadFinished | DownloadFailed) -> None:
        self._running.pop(event.key, None)
        if isinstance(event, DownloadFailed) and not event.was_cancelled:
            self._failures.appendleft(FailedFile(event.key, event.reason))
        if not self._running:
            self._line = self._throughput.line(self._clock())

    @property
    def snapshot(self) -> ActivitySnapshot:
        """What is going on now."""
        with self._lock:
            if not self._running:
                return ActivitySnapshot((), tuple(self._failures), 0.0, self._line)
            now = self._clock()
            return ActivitySnapshot(
                tuple(self._running.values()),
                tuple(self._failures),
                self._throughput.bytes_per_s(now),
                self._throughput.line(now),
            )
