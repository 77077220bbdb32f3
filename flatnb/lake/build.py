"""Building a lake: which days are converted, by which executor, and their outcomes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ..context import ContextSpec
from ..download.events import BytesReceived, DownloadFailed, DownloadFinished, Listener, SizeKnown
from ..errors import AccessDeniedError, FlatnbError, ObjectNotFoundError
from ..load.day_cache import SCHEMA_VERSION
from ..load.object_versions import VersionSurvey
from ..load.progress import Progress
from ..load.request import Request
from ..report import DayOutcome, Status
from .day_task import DayTask, Executor, ManifestRow
from .manifest import Manifest


def tasks_for(
    request: Request,
    survey: VersionSurvey,
    spec: ContextSpec,
    lake: str,
    scratch: str,
) -> list[DayTask]:
    """A task for each day that has a file."""
    return [
        DayTask(
            data_type=request.data_type,
            date=day,
            key=key,
            etag=survey.listed[key].etag,
            size_bytes=survey.listed[key].size_bytes,
            schema=SCHEMA_VERSION,
            spec=spec,
            lake=lake,
            scratch=scratch,
            selection=request.selection,
            columns=request.columns,
        )
        for day, key in survey.keys.items()
        if key in survey.listed
    ]


async def build(
    tasks: Sequence[DayTask],
    executor: Executor,
    manifest: Manifest,
    progress: Progress,
    listener: Listener | None,
) -> list[DayOutcome]:
    """Run the tasks that the manifest does not have; cancelling it cancels them.

    Parameters
    ----------
    listener
        Called with events of each day as a whole; None where the executor emits the events of
        the downloads itself.

    Raises
    ------
    ValueError
        If the request does not fit the files: it is the same for all days.
    """
    is_done = await asyncio.to_thread(lambda: {task.date: manifest.is_done(task) for task in tasks})
    done = [task for task in tasks if is_done[task.date]]
    to_do = [task for task in tasks if not is_done[task.date]]
    progress.files, progress.cached = len(to_do), len(done)
    outcomes = [_outcome(task, manifest.rows[task.date.isoformat()], "cached") for task in done]
    running = [asyncio.ensure_future(_do(task, executor, listener)) for task in to_do]
    adding: list[asyncio.Future[None]] = []
    try:
        for ended in asyncio.as_completed(running):
            task, row = await ended
            if isinstance(row, ManifestRow):
                adding.append(asyncio.ensure_future(asyncio.to_thread(manifest.add, row)))
                await asyncio.shield(adding[-1])
                outcomes.append(_outcome(task, row, "loaded"))
            elif isinstance(row, ValueError) and not isinstance(row, FlatnbError):
                raise row
            else:
                outcomes.append(_failure(task, row))
    finally:
        for each in running:
            each.cancel()
        await asyncio.gather(*running, *adding, return_exceptions=True)
    return outcomes


async def _do(
    task: DayTask, executor: Executor, listener: Listener | None
) -> tuple[DayTask, ManifestRow | Exception]:
    bucket, key, size_bytes = task.spec.bucket, task.key, task.size_bytes
    try:
        row = await asyncio.wrap_future(executor.submit(task))
    except Exception as error:  # a cluster may fail in any way
        if listener is not None:
            is_missing = isinstance(error, ObjectNotFoundError)
            listener(DownloadFailed(bucket, key, str(error), 0.0, is_missing))
        return task, error
    if listener is not None:
        listener(SizeKnown(bucket, key, size_bytes))
        listener(BytesReceived(bucket, key, size_bytes))
        listener(DownloadFinished(bucket, key, size_bytes, 0.0))
    return task, row


def _outcome(task: DayTask, row: ManifestRow, status: Status) -> DayOutcome:
    return DayOutcome(task.date, task.key, status, "", row.size_bytes, row.rows, row.etag)


def _failure(task: DayTask, error: Exception) -> DayOutcome:
    status: Status = "failed"
    if isinstance(error, ObjectNotFoundError):
        status = "missing"
    elif isinstance(error, AccessDeniedError):
        status = "forbidden"
    reason = getattr(error, "reason", str(error))
    return DayOutcome(task.date, task.key, status, f"{type(error).__name__}: {reason}")


def missing_days(survey: VersionSurvey) -> list[DayOutcome]:
    """The trading days that the bucket has no file of."""
    return [
        DayOutcome(day, key, "missing", "the bucket has no file")
        for day, key in survey.keys.items()
        if key not in survey.listed
    ]
