"""Builds a lake: a history as Parquet, one folder for each day."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from functools import partial
from typing import Unpack

from ..context import Context
from ..errors import LoadError
from ..load.day_loader import days_at_once
from ..load.object_versions import ObjectVersions
from ..load.progress import Progress
from ..load.request import LoadOptions, Request
from ..load.result import warn
from ..market.calendar import DateLike
from ..market.data_types import DATA_TYPES
from ..report import LoadReport, list_days
from .build import build, missing_days, tasks_for
from .day_task import content_label
from .executors import LocalExecutor, executor_for
from .lake import Lake
from .manifest import Manifest
from .storage import Storage, storage_at

_LOADS_ONLY = ("tz", "missing", "strict")


@dataclass(frozen=True)
class LakeWriter:
    """Converts days to Parquet, on this machine or on a cluster."""

    context: Context

    def to_lake(
        self,
        data_type: str,
        start: DateLike,
        end: DateLike,
        path: str | os.PathLike[str],
        *,
        client: object,
        progress: bool | None,
        **options: Unpack[LoadOptions],
    ) -> Lake:
        """See `FlatSession.to_lake`."""
        if isinstance(start, str) and start in DATA_TYPES:
            raise ValueError(
                f"start={start!r} is a data type: the path comes after the days, "
                "to_lake(data_type, start, end, path)"
            )
        for name in _LOADS_ONLY:
            if name in options:
                raise ValueError(
                    f"{name}={dict(options)[name]!r} is for load() alone: a lake has UTC, and its "
                    "report lists missing days; omit it"
                )
        request = Request.validate(data_type, start, end, **options)
        storage = storage_at(path)
        counts = Progress()
        return self.context.runner.start(
            self._build(request, storage, client, counts),
            f"{request.data_type.name} {start} … {end} to {storage.address}",
            finish=partial(_finish, storage.address),
            progress=counts,
            show=progress,
        ).result()

    async def _build(
        self, request: Request, storage: Storage, client: object, counts: Progress
    ) -> LoadReport:
        context, name = self.context, request.data_type.name
        manifest = await asyncio.to_thread(Manifest, storage, name)
        _refuse_other_content(request, manifest, storage)
        local = LocalExecutor(
            context.downloader,
            asyncio.get_running_loop(),
            counts,
            days_at_once(request.data_type, context.spec.max_concurrent),
        )
        executor = local if client is None else executor_for(client)
        versions = ObjectVersions(context.downloader, context.catalog, None, request)
        survey = await versions.survey()
        with manifest.writing():
            tasks = tasks_for(request, survey, context.spec, storage.address, manifest.scratch)
            listener = None if client is None else counts
            try:
                outcomes = await build(tasks, executor, manifest, counts, listener)
            finally:
                await local.settle()
        outcomes += missing_days(survey)
        report = LoadReport(name, tuple(sorted(outcomes, key=lambda day: day.date)))
        context.journal.record(request.data_type, report)
        return report


def _refuse_other_content(request: Request, manifest: Manifest, storage: Storage) -> None:
    content = content_label(request.selection, request.columns)
    if others := manifest.with_other_content(content):
        raise ValueError(
            f"path={storage.address!r} has days of {request.data_type.name} with "
            f"{others[0].content}, and {content} are requested; choose another folder"
        )


def _finish(address: str, report: LoadReport) -> Lake:
    bad = report.with_status("forbidden", "failed")
    if bad:
        lines = [f"{len(bad)} of {len(report)} days could not be converted", *list_days(bad)]
        raise LoadError("\n".join(lines), report=report)
    if missing := report.with_status("missing"):
        warn("\n".join([f"{len(missing)} days missing", *list_days(missing)]))
    return Lake(address, report.data_type, report)
