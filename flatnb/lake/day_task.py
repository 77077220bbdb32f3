"""One day's work, as it is sent to whoever does it, and what comes back."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Protocol, Self, runtime_checkable

from ..context import ContextSpec
from ..frames.selection import Selection
from ..market.data_types import DataType

PARTITION = "date="


@dataclass(frozen=True, slots=True)
class DayTask:
    """Convert one day's file. It has no keys: who does it finds its own.

    Attributes
    ----------
    key, etag, size_bytes
        The file, as listed.
    schema
        The version of what flatnb makes of a file.
    lake
        Its address, which is the same wherever tasks are done.
    scratch
        Where unfinished files are; empty for the machine's temporary folder.
    """

    data_type: DataType
    date: date
    key: str
    etag: str
    size_bytes: int
    schema: str
    spec: ContextSpec
    lake: str
    scratch: str
    selection: Selection | None = None
    columns: tuple[str, ...] | None = None

    @property
    def asked(self) -> str:
        """What of the file is kept, as text: another one for other rows or columns."""
        return content_label(self.selection, self.columns)

    @property
    def folder(self) -> str:
        """The day's, in the lake."""
        return day_folder(self.data_type.name, self.date)


def content_label(selection: Selection | None, columns: tuple[str, ...] | None) -> str:
    """What of each file is kept, as text."""
    return f"{'all rows' if selection is None else selection}, {columns or 'all columns'}"


def type_folder(data_type: str) -> str:
    """Where in a lake a data type's days are."""
    return data_type.replace("/", ".")


def day_folder(data_type: str, day: date | str) -> str:
    """Where in a lake a day's Parquet files are."""
    return f"{type_folder(data_type)}/{PARTITION}{day}"


def part_name(number: int) -> str:
    """The name of one of a day's files."""
    return f"part-{number:04d}.parquet"


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """One day that is in the lake.

    Attributes
    ----------
    etag, size_bytes
        The version that it was made of.
    schema, rules, asked
        How the file was read, and what of it was kept.
    rows, parts
        How many rows there are, in how many Parquet files.
    columns
        Their columns.
    """

    date: str
    key: str
    etag: str
    size_bytes: int
    schema: str
    rules: str
    asked: str
    rows: int
    parts: int
    columns: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Self:
        """From JSON."""
        return cls(**{**told, "columns": tuple(told["columns"])})

    def is_of(self, task: DayTask) -> bool:
        """Whether a task would make the same."""
        ours = (self.key, self.etag, self.schema, self.rules, self.asked)
        return ours == (
            task.key,
            task.etag,
            task.schema,
            task.data_type.fingerprint,
            task.asked,
        )


@runtime_checkable
class Executor(Protocol):
    """Does tasks, somewhere. Cancelling a future that it gave asks it to stop that task."""

    def submit(self, task: DayTask) -> Future[ManifestRow]:
        """Begin a task, or queue it."""
