"""The status of a job: what a display needs of it."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Literal

from ..load.progress import Progress

JobState = Literal["running", "cancelling", "done", "cancelled", "failed"]

_NUMBERS = itertools.count(1)


class JobStatus:
    """The status of a job. It holds nothing of the job's result, so displays may keep it.

    Attributes
    ----------
    number
        Unique among the jobs of this process.
    name
        What is done, for people.
    progress
        Files and bytes received and expected.
    state
        ``"cancelling"`` is the time between a cancel and the end of what was under way.
    error
        Why the job failed; empty if it did not.
    cancel
        Asks the job to stop; does nothing once it has ended.
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
        """Record that the job has ended."""
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
