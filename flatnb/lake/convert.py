"""Converts one day's file to Parquet files, which appear all at once."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..download.async_downloader import AsyncS3Downloader
from ..download.core.transfer import ObjectVersion
from ..download.events import Listener
from ..download.targets import SpillTarget, Target, sync_folder
from ..errors import SchemaError
from ..frames.interrupts import retry_on_interrupt
from ..frames.misdated import misdated_rows
from ..frames.reader import batches, consume_day
from ..frames.wanted_columns import WantedColumns
from ..load.hours import columns_to_read, in_hours, time_column_of
from .day_task import DayTask, ManifestRow, part_name
from .storage import storage_at
from .transform import transformed

if TYPE_CHECKING:
    import polars as pl

_ROWS_PER_GROUP = 250_000

_PIECES_A_FILE = 8
"""Of some 32 MB of text each."""


async def convert(
    downloader: AsyncS3Downloader, task: DayTask, listener: Listener | None = None
) -> ManifestRow:
    """Run a task: download, verify, convert, and move the day into the lake.

    Memory is bounded: a large file lies in ``scratch`` while it is read, and its rows become one
    Parquet file for each 256 MB of text; as files are ordered by ticker, that is a range of them.

    Raises
    ------
    TransferError
        If the file could not be downloaded.
    SchemaError
        If it does not fit its data type.
    OSError
        If the lake cannot be written.
    """
    return await downloader.fetch(
        task.spec.bucket,
        task.key,
        SpillTarget(_scratch(task)),
        partial(retry_on_interrupt(_write), task, downloader.max_decompressed_bytes),
        listener=listener,
    )


def _write(
    task: DayTask, max_decompressed_bytes: int | None, target: Target, version: ObjectVersion | None
) -> ManifestRow:
    names = columns_to_read(task.data_type, task.columns, task.hours)
    wanted = WantedColumns(task.data_type, names)
    with _scratch_folder(task) as folder:
        columns, rows = wanted.read(
            lambda columns: consume_day(
                target.chunks,
                task.data_type,
                lambda pieces: _write_parts(task, folder, map(wanted.complete, pieces)),
                key=task.key,
                selection=task.selection,
                columns=columns,
                max_decompressed_bytes=max_decompressed_bytes,
            )
        )
        storage_at(task.lake).put_day(folder, task.folder)
    target.abort()  # frees the compressed bytes, which are not needed any more
    return ManifestRow(
        date=task.date.isoformat(),
        key=task.key,
        etag=version.etag if version is not None else task.etag,
        size_bytes=version.size_bytes if version is not None else task.size_bytes,
        schema=task.schema,
        rules=task.data_type.fingerprint,
        content=task.content,
        rows=sum(rows),
        parts=len(rows),
        columns=columns,
        absent=tuple(name for name in task.columns or () if name not in wanted.found),
    )


def _scratch(task: DayTask) -> Path:
    return Path(task.scratch or tempfile.gettempdir())


@contextlib.contextmanager
def _scratch_folder(task: DayTask) -> Iterator[Path]:
    folder = _scratch(task) / f"{task.date}-{uuid.uuid4().hex}"
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write_parts(
    task: DayTask, folder: Path, pieces: Iterator[pl.DataFrame]
) -> tuple[tuple[str, ...], list[int]]:
    """Write a Parquet file for every few pieces; return the columns and each file's rows."""
    import polars as pl

    for old in folder.iterdir():
        old.unlink()
    if task.hours != "all":
        chosen = partial(_in_hours, task)
        pieces = map(chosen, pieces)
    if task.transform is not None:
        pieces = transformed(pieces, task.transform, task.date, task.key, folder)
    columns: tuple[str, ...] = ()
    rows: list[int] = []
    for some in batches(pieces, _PIECES_A_FILE):
        piece = pl.concat(some, how="vertical_relaxed" if task.transform else "vertical")
        with (folder / part_name(len(rows))).open("wb") as file:
            piece.write_parquet(file, compression="zstd", row_group_size=_ROWS_PER_GROUP)
            file.flush()
            os.fsync(file.fileno())
        columns = tuple(piece.columns)
        rows.append(piece.height)
    sync_folder(folder)
    return columns, rows


def _in_hours(task: DayTask, rows: pl.DataFrame) -> pl.DataFrame:
    chosen = in_hours(rows, task.data_type, task.hours, task.date)
    if chosen.is_empty() and task.data_type.days == "calendar":
        # Rows of another day are in no hours of this one: a file of them, which the vendor has
        # published, would be left out without a word.
        note = misdated_rows(rows, task.date, time_column_of(task.data_type))
        if note:
            raise SchemaError(note, key=task.key)
    return chosen.select(task.columns or chosen.columns)
