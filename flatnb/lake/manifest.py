"""Which days are in a lake: a line of JSON each, written when the day is there."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from ..download.targets import PartFile
from .task import PARTITION, DayTask, ManifestRow, type_folder

# Readers of Parquet leave out what begins with an underscore.
_MANIFESTS = "_flatnb"
_SCRATCH = "_scratch"


class Manifest:
    """The manifest of one data type in a lake.

    One process at a time writes it: the one that gives out the tasks. A line is there only when
    its day is, so a killed process loses no day but what was under way.
    """

    def __init__(self, lake: str, data_type: str) -> None:
        self._lake = lake
        self._data_type = data_type
        self.path = Path(lake) / _MANIFESTS / f"{type_folder(lake, data_type).name}.jsonl"
        self.scratch = Path(lake) / _SCRATCH / type_folder(lake, data_type).name
        self.rows = {row.date: row for row in self._read()}

    def _read(self) -> Iterator[ManifestRow]:
        if not self.path.exists():
            return
        for line in self.path.read_text(encoding="utf-8").splitlines():
            # The last line of a process that was killed may be half a line.
            with contextlib.suppress(ValueError, TypeError, KeyError):
                yield ManifestRow.from_dict(json.loads(line))

    def has(self, task: DayTask) -> bool:
        """Whether the task is done: the day was made of the same, and its files are there."""
        row = self.rows.get(task.date.isoformat())
        if row is None or not row.is_of(task):
            return False
        return len(list(task.place.glob("*.parquet"))) == row.parts

    def add(self, row: ManifestRow) -> None:
        """Write down that a day is there."""
        self.rows[row.date] = row
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row.as_dict()) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def others(self, asked: str) -> list[ManifestRow]:
        """The days of which something else was kept."""
        return [row for row in self.rows.values() if row.asked != asked]

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Keep other processes out, and leave a manifest in the order of the days.

        Raises
        ------
        RuntimeError
            If another process is writing this data type of this lake.
        OSError
            If the lake cannot be written.
        """
        import filelock

        self.path.parent.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(self.path.with_suffix(".lock"), thread_local=False)
        try:
            lock.acquire(blocking=False)
        except filelock.Timeout:
            raise RuntimeError(
                f"another process is writing {self._data_type} in {self._lake}; wait for it"
            ) from None
        try:
            shutil.rmtree(self.scratch, ignore_errors=True)  # of a process that was killed
            self.scratch.mkdir(parents=True)
            yield
            self._tidy()
        finally:
            shutil.rmtree(self.scratch, ignore_errors=True)
            with contextlib.suppress(OSError):  # another data type's is there
                self.scratch.parent.rmdir()
            lock.release()

    def _tidy(self) -> None:
        lines = (json.dumps(self.rows[day].as_dict()) + "\n" for day in sorted(self.rows))
        part = PartFile(self.path)
        try:
            part.write(0, "".join(lines).encode())
            part.commit()
        finally:
            part.abort()

    def paths(self) -> list[Path]:
        """The Parquet files of all days, in the order of the days."""
        return [path for day in sorted(self.rows) for path in self._files(day)]

    def examples(self) -> list[Path]:
        """One file for each set of columns that there is, in the order of the days."""
        first: dict[tuple[str, ...], str] = {}
        for day in sorted(self.rows):
            first.setdefault(self.rows[day].columns, day)
        return [path for day in first.values() for path in self._files(day)[:1]]

    def _files(self, day: str) -> list[Path]:
        folder = type_folder(self._lake, self._data_type) / f"{PARTITION}{day}"
        return sorted(folder.glob("*.parquet"))
