"""Which days are in a lake: a line of JSON each, written after the day's files."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date
from functools import cached_property

from .day_task import DayTask, ManifestRow, day_folder, part_name, type_folder
from .storage import Storage


class Manifest:
    """The manifest of one data type in a lake.

    One process at a time writes it: the one that submits the tasks. A line is there only when
    its day is, so a killed process loses only the days that it was converting.
    """

    def __init__(self, storage: Storage, data_type: str) -> None:
        self._storage = storage
        self._data_type = data_type
        self._folder = type_folder(data_type)
        self._name = f"_flatnb/{self._folder}.jsonl"
        self.scratch = storage.scratch(self._folder)
        self.rows = {row.date: row for row in self._read()}

    def _read(self) -> Iterator[ManifestRow]:
        for line in self._storage.read(self._name).splitlines():
            # The last line of a process that was killed may be half a line.
            with contextlib.suppress(ValueError, TypeError, KeyError):
                yield ManifestRow.from_dict(json.loads(line))

    def is_done(self, task: DayTask) -> bool:
        """Whether the lake has all files of the day, made of the same version and options."""
        row = self.rows.get(task.date.isoformat())
        if row is None or not row.is_of(task):
            return False
        return self._found[task.folder] == row.parts

    @cached_property
    def _found(self) -> Counter[str]:
        """The number of files of each day."""
        files = self._storage.parquet_files(self._folder)
        return Counter(f"{self._folder}/{file.rpartition('/')[0]}" for file in files)

    def add(self, row: ManifestRow) -> None:
        """Record that the lake has a day."""
        self.rows[row.date] = row
        self._storage.append(self._name, _line(row))

    def remove(self, days: Iterable[date]) -> None:
        """Remove days from the lake.

        Raises
        ------
        OSError
            If the lake cannot be written.
        """
        gone = [str(day) for day in days if str(day) in self.rows]
        for day in gone:
            del self.rows[day]
        self._rewrite()
        for day in gone:
            self._storage.remove_day(day_folder(self._data_type, day))

    def with_other_content(self, content: str) -> list[ManifestRow]:
        """The days that have other rows or columns."""
        return [row for row in self.rows.values() if row.content != content]

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Exclude other writers, and leave a manifest in the order of the days.

        Raises
        ------
        RuntimeError
            If another process is writing this data type of this lake.
        OSError
            If the lake cannot be written.
        """
        with self._storage.exclusive(self._folder):
            yield
            self._rewrite()

    def _rewrite(self) -> None:
        lines = "".join(_line(self.rows[day]) for day in sorted(self.rows))
        self._storage.replace(self._name, lines)

    def paths(self) -> list[str]:
        """The Parquet files of all days, in the order of the days."""
        return [path for day in sorted(self.rows) for path in self._files(day)]

    def examples(self) -> list[str]:
        """One file for each set of columns in the lake, in the order of the days."""
        first: dict[tuple[str, ...], str] = {}
        for day in sorted(self.rows):
            first.setdefault(self.rows[day].columns, day)
        return [path for day in first.values() for path in self._files(day)[:1]]

    def _files(self, day: str) -> list[str]:
        folder = day_folder(self._data_type, day)
        names = map(part_name, range(self.rows[day].parts))
        return [self._storage.at(f"{folder}/{name}") for name in names]


def _line(row: ManifestRow) -> str:
    return json.dumps(row.as_dict()) + "\n"
