"""Which versions of which files a notebook used, and what has become of them since."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from .. import __version__
from ..download.core.listing import ObjectSummary
from ..download.targets import PartFile
from ..html import table
from ..load.day_cache import SCHEMA_VERSION

LockStatus = Literal["same", "changed", "gone"]


@dataclass(frozen=True, slots=True)
class LockedFile:
    """One file that was used: its key, version, size, and the rules by which it was read."""

    key: str
    etag: str
    size_bytes: int
    columns: str


@dataclass(frozen=True)
class Lock:
    """What was used. ``schema`` is the version of what flatnb makes of a file."""

    bucket: str
    files: tuple[LockedFile, ...]
    schema: str = SCHEMA_VERSION
    flatnb: str = __version__

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write it as JSON; it appears whole.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        told = {
            "flatnb": self.flatnb,
            "schema": self.schema,
            "bucket": self.bucket,
            "files": {
                file.key: {
                    "etag": file.etag,
                    "size_bytes": file.size_bytes,
                    "columns": file.columns,
                }
                for file in sorted(self.files, key=lambda file: file.key)
            },
        }
        part = PartFile(Path(path))
        try:
            part.write(0, (json.dumps(told, indent=1) + "\n").encode())
            part.commit()
        finally:
            part.abort()

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Lock:
        """Read what `write` wrote.

        Raises
        ------
        ValueError
            If the file is no lock file.
        OSError
            If it cannot be read.
        """
        text = Path(path).read_text(encoding="utf-8")
        try:
            told: dict[str, Any] = json.loads(text)
            files = tuple(
                LockedFile(key, str(each["etag"]), int(each["size_bytes"]), str(each["columns"]))
                for key, each in told["files"].items()
            )
            return cls(str(told["bucket"]), files, str(told["schema"]), str(told["flatnb"]))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"path={os.fspath(path)!r} is no lock file ({error!r}); write one by session.lock()"
            ) from None


@dataclass(frozen=True)
class Verification:
    """What has become of the files of a lock; true if nothing has changed.

    Attributes
    ----------
    files
        Key → ``"same"``, ``"changed"`` (the vendor has replaced it) or ``"gone"``.
    rules
        What has changed in how flatnb reads; empty if nothing has.
    """

    files: Mapping[str, LockStatus]
    rules: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return not self.rules and all(status == "same" for status in self.files.values())

    def with_status(self, status: LockStatus) -> list[str]:
        """The keys with this status."""
        return [key for key, each in self.files.items() if each == status]

    def __repr__(self) -> str:
        counts = (f"{len(self.with_status(status))} {status}" for status in _STATUSES)
        odd = [f"  {key} {status}" for key, status in self._odd()]
        return "\n".join([", ".join(counts), *odd, *(f"  {rule}" for rule in self.rules)])

    def _repr_html_(self) -> str:
        note = f"{len(self.with_status('same'))} of {len(self.files)} files are the same"
        return table("Lock", self._odd(), ("file", "now"), "; ".join([note, *self.rules]))

    def _odd(self) -> list[tuple[str, str]]:
        return [(key, status) for key, status in self.files.items() if status != "same"]


_STATUSES: tuple[LockStatus, ...] = ("same", "changed", "gone")


def compare(
    lock: Lock, listed: Iterable[ObjectSummary], columns: Mapping[str, str]
) -> Verification:
    """Compare a lock with what the bucket has now.

    Parameters
    ----------
    columns
        Key → the rules by which its file would be read now.
    """
    etags = {item.key: item.etag for item in listed}

    def status(file: LockedFile) -> LockStatus:
        if file.key not in etags:
            return "gone"
        return "same" if etags[file.key] == file.etag else "changed"

    rules = []
    if lock.schema != SCHEMA_VERSION:
        rules.append(f"flatnb reads files otherwise (schema {SCHEMA_VERSION}, was {lock.schema})")
    others = {file.key for file in lock.files if columns.get(file.key) != file.columns}
    if others:
        rules.append(f"the columns of {len(others)} files are known otherwise now")
    return Verification({file.key: status(file) for file in lock.files}, tuple(rules))
