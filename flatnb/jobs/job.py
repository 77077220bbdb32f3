"""Work on a private event loop in a daemon thread, and the handle on it.

A notebook's own loop is always running, so a synchronous call cannot use it; patching it to nest
leaves tasks behind when a cell is interrupted. A thread with a loop of its own does neither.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, TypeVar

from ..errors import LoadCancelledError
from ..load.progress import JobStatus, Progress

T = TypeVar("T")

WAKE_S = 0.1
"""A blocked wait wakes this often: to move a progress bar, and to notice an interrupt."""

CLEAN_UP_S = 10.0
"""How long an interrupted wait lets the work clean up before it goes on without it."""


class Job(Generic[T]):
    """Work in progress; made by `FlatSession.start`.

    ``result()`` waits for it, ``await job`` does so in async code, ``cancel()`` stops it.
    Interrupting a wait (Ctrl-C, the notebook's stop button) cancels the job as well. Displayed in
    a notebook it shows how far it is, with a button to cancel it.

    Attributes
    ----------
    status
        How it stands: name, state, progress in files and bytes, seconds.
    """

    def __init__(
        self,
        coroutine: Coroutine[Any, Any, Any],
        loop: asyncio.AbstractEventLoop,
        *,
        name: str,
        deliver: Callable[[Any], T],
        on_wake: Callable[[bool], object] = lambda done: None,
        progress: Progress | None = None,
    ) -> None:
        self.status = JobStatus(name, progress or Progress(files=0), self._cancel_soon)
        self._deliver = deliver
        self._show: Callable[[], object] | None = None
        self._on_wake = on_wake
        self._loop = loop
        self._coroutine = coroutine
        self._task: asyncio.Task[Any] | None = None
        self._outcome: Any = None
        self._error: BaseException | None = None
        # Set by the task's end, when it has cleaned up; a future's cancel() returns before that.
        self._ended = threading.Event()
        loop.call_soon_threadsafe(self._begin)

    def _begin(self) -> None:
        self._task = self._loop.create_task(self._coroutine)
        self._task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[Any]) -> None:
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
        """How many files and bytes have come, of how many."""
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
        """Ask the job to stop; it has stopped when `done` says so."""
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
            Seconds to wait at most; None waits for ever.

        Raises
        ------
        TimeoutError
            If the job is not done by then; it goes on.
        LoadCancelledError
            If it was cancelled.
        """
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
        return self._deliver(self._outcome)

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


class LoopThread:
    """A daemon thread with an event loop; starts when first used, anew after a fork.

    The loop's default executor has a thread for each core: GET and decode are two pools, as
    decoding where the downloads run would hold these up.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._workers: ThreadPoolExecutor | None = None
        self._pid = 0

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The running loop."""
        with self._lock:
            if self._loop is None or self._pid != os.getpid():
                self._workers = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="flatnb-work")
                self._loop = asyncio.new_event_loop()
                self._loop.set_default_executor(self._workers)
                self._pid = os.getpid()
                self._thread = threading.Thread(
                    target=self._loop.run_forever, name="flatnb", daemon=True
                )
                self._thread.start()
            return self._loop

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a short piece of work and return its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result()

    def close(self) -> None:
        """Cancel what runs, let it clean up, and end the thread."""
        with self._lock:
            loop, thread, workers = self._loop, self._thread, self._workers
            self._loop = self._thread = self._workers = None
        if loop is None or thread is None or workers is None or self._pid != os.getpid():
            return
        if thread.is_alive():
            asyncio.run_coroutine_threadsafe(_wind_down(), loop).result(CLEAN_UP_S)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(CLEAN_UP_S)
        workers.shutdown(cancel_futures=True)
        loop.close()


async def _wind_down() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_asyncgens()
