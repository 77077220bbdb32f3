"""The handle on work that runs in the background."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Generic, TypeVar

from ..errors import LoadCancelledError
from ..load.progress import Progress
from .event_loop import CLEAN_UP_S
from .forked import check_fork
from .status import JobStatus

T = TypeVar("T")

WAKE_S = 0.1
"""A blocked wait wakes this often: to move a progress bar, and to notice an interrupt."""


class Job(Generic[T]):
    """Work in progress; made by `FlatSession.start`.

    ``result()`` waits for it, ``await job`` does so in async code, ``cancel()`` stops it.
    Interrupting a wait (Ctrl-C, the notebook's stop button) cancels the job as well. Displayed in
    a notebook it shows its progress, with a button to cancel it.

    Attributes
    ----------
    status
        Name, state, progress in files and bytes, seconds.
    """

    def __init__(
        self,
        work: Coroutine[Any, Any, Any],
        loop: asyncio.AbstractEventLoop,
        *,
        name: str,
        finish: Callable[[Any], T],
        progress: Progress | None = None,
    ) -> None:
        self.status = JobStatus(name, progress or Progress(files=0), self._cancel_soon)
        self._finish = finish
        self._show: Callable[[], object] | None = None
        self._on_wake: Callable[[bool], object] = lambda done: None
        self._loop = loop
        self._task: asyncio.Task[Any] | None = None
        self._outcome: Any = None
        self._error: BaseException | None = None
        # Set at the task's end, when it has cleaned up; a future's cancel() returns before that.
        self._ended = threading.Event()
        # The work is passed on and not kept: it holds the session, which may be garbage-collected
        # as soon as the job has ended.
        loop.call_soon_threadsafe(self._begin, work)

    def _begin(self, work: Coroutine[Any, Any, Any]) -> None:
        self._task = self._loop.create_task(work)
        self._task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[Any]) -> None:
        self._task = None
        if task.cancelled():
            self._error = LoadCancelledError(f"{self.name} was cancelled")
            self.status.end("cancelled")
        elif error := task.exception():
            self._error = error
            self.status.end("failed", str(error))
        else:
            self._outcome = task.result()
            self.status.end("done")
        self._ended.set()

    @property
    def name(self) -> str:
        """What is done, for people."""
        return self.status.name

    @property
    def progress(self) -> Progress:
        """Files and bytes received and expected."""
        return self.status.progress

    def watch(
        self, on_wake: Callable[[bool], object], show: Callable[[], object] | None = None
    ) -> None:
        """Have ``on_wake(done)`` called while someone waits, and ``show()`` to display the job."""
        self._on_wake = on_wake
        self._show = show

    def done(self) -> bool:
        """Whether the job has ended, in whatever way."""
        return self._ended.is_set()

    def cancelled(self) -> bool:
        """Whether the job was cancelled and has ended."""
        return self.done() and isinstance(self._error, LoadCancelledError)

    def cancel(self) -> None:
        """Ask the job to stop; once it has stopped, `done` is true."""
        self.status.cancel()

    def _cancel_soon(self) -> None:
        self.status.state = "cancelling"
        with contextlib.suppress(RuntimeError):  # the loop is closed: so is the job
            self._loop.call_soon_threadsafe(self._cancel_task)

    def _cancel_task(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def result(self, timeout: float | None = None) -> T:
        """Wait for the job and return its result.

        Parameters
        ----------
        timeout
            Seconds to wait at most; None waits without a limit.

        Raises
        ------
        TimeoutError
            If the job is not done by then; it goes on.
        LoadCancelledError
            If it was cancelled.
        RuntimeError
            If this process was forked after the job was started: the job is not in it.
        """
        check_fork()
        waited_s = 0.0
        try:
            while not self._ended.wait(WAKE_S):
                self._on_wake(self.done())
                waited_s += WAKE_S
                if timeout is not None and waited_s >= timeout:
                    raise TimeoutError(f"{self.name} is not done after {timeout} s; it goes on")
        except (KeyboardInterrupt, SystemExit):
            self.cancel()
            self._ended.wait(CLEAN_UP_S)
            raise
        finally:
            self._on_wake(self.done())
        return self._result()

    def __await__(self) -> Generator[Any, None, T]:
        return self._wait().__await__()

    async def _wait(self) -> T:
        check_fork()
        try:
            # Polled: an interrupted cell was otherwise noticed many seconds late by ipykernel.
            while not self._ended.is_set():
                await asyncio.sleep(WAKE_S / 2)
                self._on_wake(self.done())
        except BaseException:
            self.cancel()
            self._ended.wait(CLEAN_UP_S)
            raise
        finally:
            self._on_wake(self.done())
        return self._result()

    def _result(self) -> T:
        if self._error is not None:
            raise self._error
        return self._finish(self._outcome)

    def __repr__(self) -> str:
        from .rendering import job_text

        return f"<Job {job_text(self.status)}>"

    def _repr_html_(self) -> str:
        from ..html import page
        from .rendering import job_html

        return page(job_html(self.status))

    def _ipython_display_(self) -> None:
        if self._show is None:
            raise NotImplementedError  # IPython then takes the other representations
        self._show()
