"""Builds a lake: a history as Parquet, one folder for each day."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Unpack

from ..context import Context
from ..errors import LoadError
from ..load.day_loader import days_at_once
from ..load.object_versions import ObjectVersions
from ..load.progress import Progress
from ..load.request import LoadOptions, Request, check_progress
from ..load.result import mixed_sizes, unknown_symbols_warning, warn
from ..market.calendar import DateLike, exchange_now
from ..market.data_types import DATA_TYPES
from ..report import LoadReport, list_days
from .build import build, missing_days, tasks_for
from .day_task import content_label
from .executors import LocalExecutor, executor_for
from .lake import Lake
from .manifest import Manifest
from .storage import Storage, storage_at
from .transform import Transform, label_of

_LOADS_ONLY = {
    "tz": "a lake has UTC",
    "missing": "its report lists missing days",
    "strict": "audit() finds misdated rows",
    "quote_sizes": "a lake keeps sizes as filed: flatnb.research.quote_sizes_in_shares converts "
    "what you read from it",
    "adjust": "a lake keeps prices as filed, as adjusted ones are wrong after the next split: "
    "adjust what you read from it, adjust(lake.scan().filter(…).collect(), actions) of "
    "flatnb.research",
    "as_of": "it belongs to adjust and follow_renames",
    "follow_renames": "a lake keeps the tickers of each day: flatnb.research.follow_renames joins "
    "what you read from it",
}


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
        transform: Transform | None = None,
        **options: Unpack[LoadOptions],
    ) -> Lake:
        """See `FlatSession.to_lake`."""
        if isinstance(start, str) and start in DATA_TYPES:
            raise ValueError(
                f"start={start!r} is a data type: the path comes after the days, "
                "to_lake(data_type, start, end, path)"
            )
        check_lake_options(options)
        check_progress(progress)
        request = Request.validate(data_type, start, end, **options)
        if transform is not None:
            label_of(transform)  # refuses one that other processes cannot find
        storage = storage_at(path)
        counts = Progress()
        return self.context.runner.start(
            self.build(request, storage, client, counts, transform),
            f"{request.data_type.name} {start} … {end} to {storage.address}",
            finish=partial(_finish, request, storage.address),
            progress=counts,
            show=progress,
        ).result()

    async def build(
        self,
        request: Request,
        storage: Storage,
        client: object,
        counts: Progress,
        transform: Transform | None = None,
    ) -> tuple[LoadReport, list[str]]:
        """Convert the days that the lake does not have; the outcome of each day, and notes.

        Raises
        ------
        ValueError, RuntimeError, OSError, TransferError
            As `FlatSession.to_lake` does.
        """
        context, name = self.context, request.data_type.name
        manifest = await asyncio.to_thread(Manifest, storage, name)
        _refuse_other_content(request, transform, manifest, storage)
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
            scratch = manifest.scratch
            tasks = tasks_for(request, survey, context.spec, storage.address, scratch, transform)
            listener = None if client is None else counts
            try:
                outcomes = await build(tasks, executor, manifest, counts, listener)
            finally:
                await local.settle()
        outcomes += missing_days(request.data_type, survey, exchange_now())
        report = LoadReport(name, tuple(sorted(outcomes, key=lambda day: day.date)))
        context.journal.record(request.data_type, report)
        return report, versions.notes


def check_lake_options(options: LoadOptions) -> None:
    """Refuse what a lake cannot have.

    Raises
    ------
    ValueError
        The message names the option, its value and the remedy.
    """
    for name, value in options.items():
        if name in _LOADS_ONLY:
            raise ValueError(f"{name}={value!r} is for load() alone: {_LOADS_ONLY[name]}; omit it")


def _refuse_other_content(
    request: Request, transform: Transform | None, manifest: Manifest, storage: Storage
) -> None:
    made_by = label_of(transform) if transform is not None else ""
    content = content_label(request.selection, request.columns, request.hours, made_by)
    if others := manifest.with_other_content(content):
        raise ValueError(
            f"path={storage.address!r} has days of {request.data_type.name} with "
            f"{others[0].content}, and {content} are requested; choose another folder"
        )


def _finish(request: Request, address: str, built: tuple[LoadReport, list[str]]) -> Lake:
    report, notes = built
    bad = report.with_status("forbidden", "failed")
    if bad:
        lines = [f"{len(bad)} of {len(report)} days could not be converted", *list_days(bad)]
        raise LoadError("\n".join(lines), report=report)
    if missing := report.with_status("missing"):
        warn("\n".join([f"{len(missing)} days missing", *list_days(missing)]))
    lake = Lake(address, report.data_type, report)
    for text in (*notes, *_doubts(request, report, lake)):
        warn(text)
    return lake


def _doubts(request: Request, report: LoadReport, lake: Lake) -> Iterator[str]:
    """What to warn of in a lake: sizes in two units, symbols that it does not have."""
    columns = request.columns or tuple(request.data_type.columns)
    if sizes := mixed_sizes(request, report, columns):
        yield sizes
    selection = request.selection
    if selection is None or not selection.names or not len(lake):
        return
    rows = lake.scan()
    if "ticker" in rows.collect_schema().names():
        tickers = set(rows.select("ticker").unique().collect()["ticker"])
        yield from filter(None, [unknown_symbols_warning(request, selection.not_in(tickers), ())])
    elif not lake.rows:
        yield unknown_symbols_warning(request, selection.names, ())
