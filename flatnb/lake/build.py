"""Building a lake: which days are converted, by which executor, and their outcomes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime

from ..context import ContextSpec
from ..download.events import BytesReceived, DownloadFailed, DownloadFinished, Listener, SizeKnown
from ..errors import AccessDeniedError, FlatnbError, ObjectNotFoundError, TransferError
from ..frames.header import AbsentColumnsError
from ..load.cache_files import SCHEMA_VERSION
from ..load.object_versions import VersionSurvey, reason_for_no_file
from ..load.progress import Progress
from ..load.refusals import explain_second_refusal, unexpectedly_forbidden
from ..load.request import Request
from ..market.data_types import DataType
from ..market.known_issues import why_no_file
from ..report import DayOutcome, Status
from .day_task import DayTask, Executor, ManifestRow
from .manifest import Manifest
from .transform import Transform, label_of


def tasks_for(
    request: Request,
    survey: VersionSurvey,
    spec: ContextSpec,
    lake: str,
    scratch: str,
    transform: Transform | None = None,
) -> list[DayTask]:
    """A task for each day that has a file."""
    made_by = label_of(transform) if transform is not None else ""
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
            hours=request.hours,
            transform=transform,
            made_by=made_by,
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
        If the request does not fit the files: it is the same for all days; or none of these days
        has a column that is wanted.
    """
    is_done = await asyncio.to_thread(lambda: {task.date: manifest.is_done(task) for task in tasks})
    done = [task for task in tasks if is_done[task.date]]
    to_do = [task for task in tasks if not is_done[task.date]]
    progress.files, progress.cached = len(to_do), len(done)
    outcomes = [_outcome(task, manifest.rows[task.date.isoformat()], "cached") for task in done]
    running = [asyncio.ensure_future(_do(task, executor, listener)) for task in to_do]
    adding: list[asyncio.Future[None]] = []

    async def record(task: DayTask, row: ManifestRow | Exception) -> DayOutcome:
        if isinstance(row, ManifestRow):
            adding.append(asyncio.ensure_future(asyncio.to_thread(manifest.add, row)))
            await asyncio.shield(adding[-1])
            return _outcome(task, row, "loaded")
        if isinstance(row, ValueError) and not isinstance(row, FlatnbError):
            raise row
        return _failure(task, row)

    try:
        outcomes += [await record(*await ended) for ended in asyncio.as_completed(running)]
        outcomes.sort(key=lambda day: day.date)
        by_day = {task.date: task for task in to_do}
        for at in unexpectedly_forbidden(outcomes):
            again = asyncio.ensure_future(_do(by_day[outcomes[at].date], executor, listener))
            running.append(again)
            outcomes[at] = explain_second_refusal(await record(*await again))
    finally:
        for each in running:
            each.cancel()
        await asyncio.gather(*running, *adding, return_exceptions=True)
    await asyncio.to_thread(_check_columns, tasks, to_do, manifest)
    return outcomes


def _check_columns(tasks: Sequence[DayTask], new: Sequence[DayTask], manifest: Manifest) -> None:
    """Refuse wanted columns that no day of the lake has, and remove the days that are new."""
    if any(task.date.isoformat() not in manifest.rows for task in tasks):
        return  # a day that failed may have the column
    nowhere = _absent_everywhere(manifest)
    wanted = tasks[0].columns or () if tasks else ()
    for name in wanted:
        if name in nowhere:
            manifest.remove(task.date for task in new)
            known = [*tasks[0].data_type.columns] or [each for each in wanted if each != name]
            raise AbsentColumnsError(name, known)


def _absent_everywhere(manifest: Manifest) -> set[str]:
    absent = [set(row.absent) for row in manifest.rows.values()]
    return set.intersection(*absent) if absent else set()


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
    remedy = f" – {error.remedy}" if isinstance(error, TransferError) else ""
    return DayOutcome(task.date, task.key, status, f"{type(error).__name__}: {reason}{remedy}")


def missing_days(data_type: DataType, survey: VersionSurvey, now: datetime) -> list[DayOutcome]:
    """The trading days that the bucket has no file of, at the time ``now`` (zone-aware)."""
    return [
        DayOutcome(day, key, "missing", reason_for_no_file(data_type, day) or why_no_file(day, now))
        for day, key in survey.keys.items()
        if key not in survey.listed
    ]
