"""What runs the tasks: this process, or the workers of a Dask cluster."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from concurrent.futures import Future, InvalidStateError
from typing import TYPE_CHECKING, Any, cast

from ..download.async_downloader import AsyncS3Downloader
from ..download.events import Listener
from ..load.day_loader import DAYS_AT_ONCE
from .convert import convert
from .day_task import DayTask, Executor, ManifestRow

if TYPE_CHECKING:
    from distributed import Client

CONNECTIONS = "flatnb-connections"
"""The resource that workers may declare: the number of connections that each may have."""

_RETRIES = 3


class LocalExecutor:
    """Runs tasks on the session's own event loop, several days at once."""

    def __init__(
        self,
        downloader: AsyncS3Downloader,
        loop: asyncio.AbstractEventLoop,
        listener: Listener | None = None,
        days_at_once: int = DAYS_AT_ONCE,
    ) -> None:
        self._downloader = downloader
        self._loop = loop
        self._listener = listener
        self._slots = asyncio.Semaphore(days_at_once)
        self._running: set[asyncio.Task[Any] | None] = set()

    def submit(self, task: DayTask) -> Future[ManifestRow]:
        """Queue a task."""
        return asyncio.run_coroutine_threadsafe(self._do(task), self._loop)

    async def settle(self) -> None:
        """Wait until what was cancelled has cleaned up."""
        await asyncio.sleep(0)  # a cancel from another thread takes effect in the loop's next turn
        running = [task for task in self._running if task is not None]
        await asyncio.gather(*running, return_exceptions=True)

    async def _do(self, task: DayTask) -> ManifestRow:
        this = asyncio.current_task()
        self._running.add(this)
        try:
            async with self._slots:
                return await convert(self._downloader, task, self._listener)
        finally:
            self._running.discard(this)


class DaskExecutor:
    """Sends tasks to the workers of a Dask cluster; each finds its own credentials.

    Where workers declare the resource ``flatnb-connections``, a task takes as many of them as it
    has connections, so that the cluster never has more in all. A task whose worker dies is sent
    to another one.

    Parameters
    ----------
    client
        A ``distributed.Client``.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        workers = client.scheduler_info(n_workers=-1)["workers"].values()
        self._is_bounded = any(CONNECTIONS in worker.get("resources", {}) for worker in workers)

    def submit(self, task: DayTask) -> Future[ManifestRow]:
        """Send a task to the cluster."""
        resources = {CONNECTIONS: task.spec.max_pool_connections} if self._is_bounded else None
        remote = self._client.submit(
            do_in_worker,
            task,
            key=f"flatnb-{task.data_type.name}-{task.date}-{uuid.uuid4().hex[:8]}",
            retries=_RETRIES,
            resources=resources,
            pure=False,
        )
        future = _Remote(remote)
        remote.add_done_callback(future.take)  # type: ignore[no-untyped-call]
        return future


class _Remote(Future[ManifestRow]):
    """A Dask future as a future of the standard library; cancelling it cancels the task."""

    def __init__(self, remote: Any) -> None:
        super().__init__()
        self._remote = remote
        self.set_running_or_notify_cancel()

    def take(self, remote: Any) -> None:
        """Take over the result or the exception of the remote task."""
        # It may be cancelled here while it ends on the cluster.
        with contextlib.suppress(InvalidStateError):
            if remote.status == "finished":
                self.set_result(remote.result())
            elif remote.status == "error":
                self.set_exception(remote.exception())
            else:
                self.set_exception(
                    RuntimeError(f"the task ended on the cluster with status {remote.status}")
                )

    def cancel(self) -> bool:
        """Cancel the task on the cluster."""
        with contextlib.suppress(InvalidStateError):
            self.set_exception(RuntimeError("the task was cancelled"))
            self._remote.cancel()
        return True


def do_in_worker(task: DayTask) -> ManifestRow:
    """Run a task in a worker, with credentials that it finds in this process."""
    context = task.spec.shared()
    work = convert(context.downloader, task)
    return context.runner.wait(work, f"{task.data_type.name} {task.date}")


def executor_for(client: object) -> Executor:
    """A Dask client as an executor, or the executor itself.

    Raises
    ------
    ValueError
        If it is neither.
    """
    if type(client).__module__.partition(".")[0] == "distributed":
        return DaskExecutor(cast("Client", client))
    if isinstance(client, Executor):
        return client
    raise ValueError(
        f"client={client!r} is neither a distributed.Client nor an executor; "
        "omit it to work on this machine"
    )
