"""The conversion of one day: the task that is sent to an executor, and its result."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Protocol, Self, runtime_checkable

from ..context import ContextSpec
from ..frames.selection import Selection
from ..market.data_types import DataType
from ..research.trading_hours import Hours
from .transform import Transform

PARTITION = "date="


@dataclass(frozen=True, slots=True)
class DayTask:
    """Convert one day's file. It has no credentials: each process finds its own.

    Attributes
    ----------
    key, etag, size_bytes
        The file, as listed.
    schema
        The version of how flatnb reads files.
    lake
        Its address, which is the same in all processes.
    scratch
        The folder of unfinished files; empty for the machine's temporary folder.
    hours, transform
        Which rows are left, and what is then made of a day's.
    made_by
        The transform as text: a worker may not have its source.
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
    hours: Hours = "all"
    transform: Transform | None = None
    made_by: str = ""

    @property
    def content(self) -> str:
        """Which rows and columns of the file are included, as text."""
        return content_label(self.selection, self.columns, self.hours, self.made_by)

    @property
    def folder(self) -> str:
        """The day's folder in the lake."""
        return day_folder(self.data_type.name, self.date)


def content_label(
    selection: Selection | None,
    columns: tuple[str, ...] | None,
    hours: Hours = "all",
    made_by: str = "",
) -> str:
    """Which rows and columns of each file are included, and what is made of them, as text.

    JSON of sorted names, so that it is the same for the same content: it is compared with what
    other versions of flatnb have written.
    """
    parts: dict[str, object] = {}
    if selection is not None:
        parts["symbols"] = sorted(set(selection.symbols))
        parts["underlyings"] = sorted(set(selection.roots))
        if (contracts := selection.contracts) is not None:
            parts |= asdict(contracts) | {"strike": [float(each) for each in contracts.strike]}
    if columns is not None:
        parts["columns"] = sorted(set(columns))
    if hours != "all":
        parts["hours"] = hours
    parts["made_by"] = made_by
    given = {name: value for name, value in parts.items() if value}
    return json.dumps(given, sort_keys=True) if given else "all rows and columns"


def type_folder(data_type: str) -> str:
    """The folder of a data type in a lake."""
    return data_type.replace("/", ".")


def day_folder(data_type: str, day: date | str) -> str:
    """The folder of a day's Parquet files in a lake."""
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
    schema, rules, content
        How the file was read, and which rows and columns are included.
    rows, parts
        The number of rows and of Parquet files.
    columns
        Their columns.
    absent
        The wanted columns that the file lacks: they are null.
    """

    date: str
    key: str
    etag: str
    size_bytes: int
    schema: str
    rules: str
    content: str
    rows: int
    parts: int
    columns: tuple[str, ...]
    absent: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Self:
        """From JSON."""
        names = {"columns": tuple(fields["columns"]), "absent": tuple(fields.get("absent", ()))}
        return cls(**{**fields, **names})

    def is_of(self, task: DayTask) -> bool:
        """Whether a task would give the same."""
        ours = (self.key, self.etag, self.schema, self.rules, self.content)
        return ours == (
            task.key,
            task.etag,
            task.schema,
            task.data_type.fingerprint,
            task.content,
        )


@runtime_checkable
class Executor(Protocol):
    """Runs tasks, here or elsewhere. Cancelling a future that it returned stops that task."""

    def submit(self, task: DayTask) -> Future[ManifestRow]:
        """Start a task, or queue it."""
