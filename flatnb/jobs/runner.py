"""Everything a session does on the service runs here: started, waited for, interrupted, refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from ..load.progress import Progress
from .event_loop import EventLoopThread
from .forked import check_fork, note_use
from .job import Job

T = TypeVar("T")

JobObserver = Callable[[Job[Any], bool | None], object]
"""Called with each new job that may be displayed, and whether to show its progress."""


class JobRunner:
    """Runs work on a private event loop; after `close` it refuses all work.

    Parameters
    ----------
    observer
        Called with each job of `start`, before it is returned.
    """

    def __init__(self, observer: JobObserver = lambda job, show: None) -> None:
        self._thread = EventLoopThread()
        self._observer = observer
        self._is_closed = False

    def start(
        self,
        work: Coroutine[Any, Any, Any],
        name: str,
        *,
        finish: Callable[[Any], T],
        progress: Progress,
        show: bool | None,
    ) -> Job[T]:
        """Start work that can be watched; returns at once.

        Parameters
        ----------
        work
            A coroutine; closed unrun if the work is refused.
        name
            What is done, for people.
        finish
            Makes the job's result of what the coroutine returns, in the thread that asks for it.
        progress
            Counts files and bytes of this job.
        show
            Whether to show the progress; None: where someone watches.

        Raises
        ------
        RuntimeError
            If the session is closed.
        """
        job = Job(work, self._loop_for(work), name=name, finish=finish, progress=progress)
        self._observer(job, show)
        return job

    def wait(
        self,
        work: Coroutine[Any, Any, T],
        name: str,
        on_wake: Callable[[], object] = lambda: None,
    ) -> T:
        """Run work and return its result; an interrupt (Ctrl-C) cancels it.

        Parameters
        ----------
        on_wake
            Called several times a second while it waits; if it raises KeyboardInterrupt, the
            work is cancelled.

        Raises
        ------
        RuntimeError
            If the session is closed.
        LoadCancelledError
            If it was cancelled, as by `close` in another thread.
        """
        job: Job[T] = Job(work, self._loop_for(work), name=name, finish=_unchanged)
        job.watch(lambda done: on_wake())
        return job.result()

    def _loop_for(self, work: Coroutine[Any, Any, Any]) -> asyncio.AbstractEventLoop:
        try:
            self.check_open()
        except RuntimeError:
            work.close()
            raise
        note_use()
        return self._thread.loop

    def check_open(self) -> None:
        """Refuse what would begin now.

        Raises
        ------
        RuntimeError
            If the session is closed, or this process was forked after polars was used.
        """
        check_fork()
        if self._is_closed:
            raise RuntimeError("this session is closed; make a new one")

    def close(self) -> None:
        """Cancel what runs, wait for its clean-up, and refuse all that comes."""
        self._is_closed = True
        self._thread.close()


def _unchanged(result: T) -> T:
    return result
