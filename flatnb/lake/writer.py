"""What a session offers to those who want a history as Parquet."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any, Unpack, cast

from ..errors import LoadError
from ..jobs.job import Job
from ..lazy.service_tmp import Service
from ..load.day_loader import DayLoader
from ..load.progress import Progress
from ..load.report import LoadReport, list_days
from ..load.request import Request, RequestOptions, warn
from ..market.calendar import DateLike
from .build import build, missing_days, tasks_for
from .day_task import content_label
from .executors import DAYS_AT_ONCE, LocalExecutor, executor_for
from .lake import Lake
from .manifest import Manifest
from .storage import Storage, storage_at

if TYPE_CHECKING:
    from ..download.async_downloader import AsyncS3Downloader
    from ..download.s3_catalog import S3Catalog
    from ..jobs.job import LoopThread
    from ..notebook.panel import Panel
    from ..session import FlatSession

_LOADS_ONLY = ("tz", "missing", "strict")


class Lakes:
    """The part of `flatnb.FlatSession` that writes Parquet."""

    downloader: AsyncS3Downloader
    catalog: S3Catalog
    last_report: LoadReport | None
    _threads: LoopThread
    _panel: Panel
    _max_concurrent: int | None

    def to_lake(
        self,
        path: str | os.PathLike[str],
        data_type: str,
        start: DateLike,
        end: DateLike,
        *,
        client: Any = None,
        progress: bool | None = None,
        **options: Unpack[RequestOptions],
    ) -> Lake:
        """Convert a history to Parquet, one folder for each day, in bounded memory.

        Days that are in the lake already, made of the same version of the file, are left as they
        are: a build that was interrupted goes on where it stopped. A day appears whole or not at
        all, also if a process is killed. The session's cache is neither read nor filled.

        Parameters
        ----------
        path
            A folder; with a cluster, one that all workers reach by this name. Or
            ``s3://bucket/folder``: read and written with the keys that each machine has for AWS
            (``AWS_PROFILE``, an instance's role …), not with those for the market data.
        data_type, start, end
            As `load` takes them.
        client
            A ``distributed.Client`` whose workers do the days, each with keys of its own (from
            its environment or an AWS profile); None: this process does. Any other object with
            ``submit(task)`` that gives a ``concurrent.futures.Future`` will do.
        progress
            Whether to show it; None: in a notebook or a terminal.
        **options
            ``symbols``, ``underlyings``, ``expiry``, ``strike``, ``option_type``, ``columns``: what
            to keep, as `load` takes them.

        Returns
        -------
        Lake
            ``scan()`` for polars, ``to_dask()``, ``paths`` and ``folder`` for others; its
            ``report`` tells what became of each day. Days without a file are warned of.

        Raises
        ------
        ValueError
            If an argument is wrong, or the lake was made with other options.
        RuntimeError
            If another process is writing this data type of this lake.
        LoadError
            If days are forbidden, damaged or failed; the others are there.
        OSError
            If the lake cannot be written.
        """
        if wrong := [name for name in _LOADS_ONLY if name in options]:
            raise ValueError(
                f"{wrong[0]}={options.get(wrong[0])!r} is for load() alone: a lake keeps UTC, and "
                "its report tells of missing days; leave it out"
            )
        request = Request.checked(data_type, start, end, frame="polars", **options)
        lake = storage_at(path)
        counts = Progress()
        job: Job[Lake] = Job(
            self._build(request, lake, client, counts),
            self._threads.loop,
            name=f"{request.data_type.name} {start} … {end} to {lake.address}",
            deliver=lambda report: _deliver(report, lake.address),
            progress=counts,
        )
        self._panel.follow(job, progress)
        return job.result()

    def sink(
        self,
        data_type: str,
        start: DateLike,
        end: DateLike,
        path: str | os.PathLike[str],
        *,
        progress: bool | None = None,
        **options: Unpack[RequestOptions],
    ) -> Lake:
        """As `load`, straight to Parquet in bounded memory: `to_lake` on this machine.

        Returns
        -------
        Lake
            ``paths`` are the files that were written, ``report`` what became of each day.
        """
        return self.to_lake(path, data_type, start, end, progress=progress, **options)

    async def _build(
        self, request: Request, lake: Storage, client: Any, counts: Progress
    ) -> LoadReport:
        name = request.data_type.name
        manifest = await asyncio.to_thread(Manifest, lake, name)
        asked = content_label(request.selection, request.columns)
        if others := manifest.others(asked):
            raise ValueError(
                f"path={lake.address!r} has days of {name} with {others[0].asked}, and {asked} "
                "are asked for; choose another folder"
            )
        local = LocalExecutor(
            self.downloader, self._threads.loop, counts, self._max_concurrent or DAYS_AT_ONCE
        )
        executor = local if client is None else executor_for(client)
        loader = DayLoader(self.downloader, self.catalog, None, request, Progress())
        keys, listed, _ = await loader.survey()
        service = Service.of(cast("FlatSession", self))
        with manifest.writing():
            tasks = tasks_for(request, keys, listed, service, lake.address, manifest.scratch)
            listener = None if client is None else counts
            try:
                outcomes = await build(tasks, executor, manifest, counts, listener)
            finally:
                await local.settle()
        outcomes += missing_days(keys, listed)
        self.last_report = LoadReport(name, tuple(sorted(outcomes, key=lambda day: day.date)))
        return self.last_report


def _deliver(report: LoadReport, lake: str) -> Lake:
    bad = report.with_status("forbidden", "failed")
    if bad:
        lines = [f"{len(bad)} of {len(report)} days could not be converted", *list_days(bad)]
        raise LoadError("\n".join(lines), report=report)
    if missing := report.with_status("missing"):
        warn("\n".join([f"{len(missing)} days have no file", *list_days(missing)]))
    return Lake(lake, report.data_type, report)
