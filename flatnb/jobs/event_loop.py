"""A private event loop in a daemon thread.

A notebook's own loop is always running, so a synchronous call cannot use it; patching it to nest
leaves tasks behind when a cell is interrupted. A thread with a loop of its own does neither.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError

CLEAN_UP_S = 10.0
"""How long closing waits for cancelled work to clean up before it goes on without it."""


class EventLoopThread:
    """A daemon thread with an event loop; starts when first used; of its own in each process.

    The loop's default executor has a thread for each core: downloading and decoding are two
    pools, as decoding in the download threads would hold up the downloads.
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
                    target=_run_and_close, args=(self._loop,), name="flatnb", daemon=True
                )
                self._thread.start()
            return self._loop

    def close(self) -> None:
        """Cancel what runs, let it clean up, and end the thread.

        Called in the loop's own thread (where a session may be garbage-collected when its last
        job ends) it returns at once: the thread ends after the present callback.
        """
        with self._lock:
            loop, thread, workers = self._loop, self._thread, self._workers
            self._loop = self._thread = self._workers = None
        if loop is None or thread is None or workers is None or self._pid != os.getpid():
            return
        if threading.current_thread() is thread:
            winding_down = loop.create_task(_wind_down())
            winding_down.add_done_callback(lambda _: loop.stop())
            workers.shutdown(wait=False, cancel_futures=True)
            return
        if thread.is_alive():
            # Work that does not end must not keep the caller for ever.
            with contextlib.suppress(FutureTimeoutError):
                asyncio.run_coroutine_threadsafe(_wind_down(), loop).result(CLEAN_UP_S)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(CLEAN_UP_S)
        workers.shutdown(wait=not thread.is_alive(), cancel_futures=True)


def _run_and_close(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
    finally:
        loop.close()


async def _wind_down() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_asyncgens()
