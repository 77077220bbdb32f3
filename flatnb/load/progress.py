"""How far one load has come, counted from its events; and the bar that shows it."""

from __future__ import annotations

import itertools
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Literal

from ..download.events import (
    BytesDiscarded,
    BytesReceived,
    CacheHit,
    DownloadFailed,
    DownloadFinished,
    Event,
    SizeKnown,
)


class Progress:
    """Counts the events of one load; safe to feed from several threads.

    Attributes
    ----------
    files
        Files to download, as far as known.
    cached
        Files that were here from before.
    ended
        Files that have come or failed.
    failed
        Files that have failed; missing ones as well, but not those that were cancelled.
    known_bytes
        Their sizes, as far as the service has told them.
    received_bytes
        Bytes that have come and were kept.
    """

    def __init__(self, files: int = 0) -> None:
        self.files = files
        self.cached = 0
        self.ended = 0
        self.failed = 0
        self.known_bytes = 0
        self.received_bytes = 0
        self._sizes: dict[str, int] = {}
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        """Count one event."""
        with self._lock:
            match event:
                case SizeKnown():
                    # An object that starts again tells its size again.
                    self.known_bytes += event.size_bytes - self._sizes.get(event.key, 0)
                    self._sizes[event.key] = event.size_bytes
                case BytesReceived():
                    self.received_bytes += event.size_bytes
                case BytesDiscarded():
                    self.received_bytes -= event.size_bytes
                case DownloadFinished() | DownloadFailed():
                    self.ended += 1
                    self.failed += isinstance(event, DownloadFailed) and not event.was_cancelled
                    self._sizes.setdefault(event.key, 0)  # else it would still be expected
                case CacheHit():
                    self.cached += 1

    @property
    def expected_bytes(self) -> int:
        """Bytes in all: those of unknown size count as the mean of the known."""
        with self._lock:
            sizes = [size for size in self._sizes.values() if size]
            unknown = max(self.files - len(self._sizes), 0)
            return self.known_bytes + (unknown * sum(sizes) // len(sizes) if sizes else 0)


JobState = Literal["running", "cancelling", "done", "cancelled", "failed"]

_NUMBERS = itertools.count(1)


class JobStatus:
    """How a job stands. It holds nothing of the job's result, so displays may keep it.

    Attributes
    ----------
    number
        Another for each job of this process.
    name
        What is done, for people.
    progress
        How many files and bytes have come, of how many.
    state
        ``"cancelling"`` is between a cancel and the end of what was under way.
    error
        Why the job failed, in words; empty if it did not.
    cancel
        Asks the job to stop; does nothing when it has ended.
    """

    def __init__(self, name: str, progress: Progress, cancel: Callable[[], object]) -> None:
        self.number = next(_NUMBERS)
        self.name = name
        self.progress = progress
        self.state: JobState = "running"
        self.error = ""
        self.cancel = cancel
        self._began = time.monotonic()
        self._ended: float | None = None

    def end(self, state: JobState, error: str = "") -> None:
        """The job has ended."""
        self.state, self.error, self._ended = state, error, time.monotonic()
        self.cancel = lambda: None

    @property
    def is_done(self) -> bool:
        """Whether the job has ended, in whatever way."""
        return self._ended is not None

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start, up to the end."""
        return (self._ended or time.monotonic()) - self._began


class Bar:
    """A tqdm bar of bytes and files; it appears when a load takes longer than half a second.

    Parameters
    ----------
    progress
        What it shows.
    name
        What is loaded, for its label.
    show
        None: in a kernel, and where the standard error output is a terminal.
    """

    def __init__(self, progress: Progress, name: str, show: bool | None) -> None:
        self._progress = progress
        self._name = name
        self._show = _is_watched() if show is None else show
        self._bar: Any = None

    def update(self, done: bool) -> None:
        """Draw what has come; at the end, leave the last state standing."""
        if not self._show:
            return
        if self._bar is None:
            if done:
                return
            self._bar = _tqdm()(
                unit="B",
                unit_scale=True,
                desc=self._name,
                delay=0.5,
                file=sys.stderr,
                dynamic_ncols=True,
            )
        progress, bar = self._progress, self._bar
        bar.total = progress.known_bytes
        bar.set_postfix_str(f"{progress.ended}/{progress.files} files", refresh=False)
        bar.update(progress.received_bytes - bar.n)
        bar.refresh()
        if done:
            bar.close()
            self._bar, self._show = None, False


def _is_watched() -> bool:
    return in_kernel() or sys.stderr.isatty()


def in_kernel() -> bool:
    """Whether this is a notebook's kernel: there is a front end that displays can be sent to."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return hasattr(shell, "kernel")


def _tqdm() -> Any:
    from tqdm.std import tqdm

    return tqdm
