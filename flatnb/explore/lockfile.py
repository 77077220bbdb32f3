"""Which versions of which files a notebook used, and whether the bucket still has them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from .. import __version__
from ..download.core.listing import ObjectSummary
from ..download.targets import local_path, write_whole
from ..formatting import format_bytes
from ..html import good, table
from ..load.cache_files import SCHEMA_VERSION
from ..load.journal import UsedFile

LockStatus = Literal["same", "changed", "gone"]


@dataclass(frozen=True)
class Lock:
    """The files that were used.

    Attributes
    ----------
    bucket
        Where they are.
    files
        Key, version and size of each.
    schema
        The version of how flatnb reads files.
    flatnb
        The version of flatnb.
    """

    bucket: str
    files: tuple[UsedFile, ...]
    schema: str = SCHEMA_VERSION
    flatnb: str = __version__

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write it as JSON; it appears whole.

        Raises
        ------
        ValueError
            If ``path`` is not a path of this machine, or there is no file to lock.
        OSError
            If it cannot be written.
        """
        if not self.files:
            raise ValueError(
                "nothing to lock: this session has used no file yet; call lock() after load, scan, "
                "audit or to_lake"
            )
        content = {
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
        write_whole(local_path(path, "path"), [(json.dumps(content, indent=1) + "\n").encode()])

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Lock:
        """Read what `write` wrote.

        Raises
        ------
        ValueError
            If the file is not a lock file, or locks nothing.
        OSError
            If it cannot be read.
        """
        text = local_path(path, "path").read_text(encoding="utf-8")
        try:
            content: dict[str, Any] = json.loads(text)
            files = tuple(
                UsedFile(key, str(each["etag"]), int(each["size_bytes"]), str(each["columns"]))
                for key, each in content["files"].items()
            )
            names = ("bucket", "schema", "flatnb")
            bucket, schema, version = (str(content[name]) for name in names)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"path={os.fspath(path)!r} is not a lock file ({error!r}); write one with "
                "session.lock()"
            ) from None
        if not files:
            raise ValueError(
                f"path={os.fspath(path)!r} locks no file, so that it verifies nothing; write it "
                "again with session.lock() after a load"
            )
        return cls(bucket, files, schema, version)

    def __repr__(self) -> str:
        return f"Lock({self._summary()})"

    def _repr_html_(self) -> str:
        return good(f"locked: {self._summary()}")

    def _summary(self) -> str:
        size = format_bytes(sum(file.size_bytes for file in self.files))
        count = len(self.files)
        return f"{count:,} {'file' if count == 1 else 'files'}, {size}, bucket {self.bucket}"


@dataclass(frozen=True)
class Verification:
    """Which files of a lock have changed; true if none has.

    Attributes
    ----------
    files
        Key → ``"same"``, ``"changed"`` (the vendor has replaced it) or ``"gone"``.
    rules
        What has changed in how flatnb reads files; empty if nothing has.
    """

    files: Mapping[str, LockStatus]
    rules: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return not self.rules and all(status == "same" for status in self.files.values())

    def with_status(self, status: LockStatus) -> list[str]:
        """The keys with this status."""
        return [key for key, each in self.files.items() if each == status]

    def __repr__(self) -> str:
        if self and self.files:
            return f"✓ {self._clean()}"
        counts = (f"{len(self.with_status(status))} {status}" for status in _STATUSES)
        changes = [f"  {key} {status}" for key, status in self._changes()]
        return "\n".join([", ".join(counts), *changes, *(f"  {rule}" for rule in self.rules)])

    def _clean(self) -> str:
        return f"verified: all {len(self.files):,} files are the same as when they were locked"

    def _repr_html_(self) -> str:
        if self and self.files:
            return good(self._clean())
        note = f"{len(self.with_status('same'))} of {len(self.files)} files are the same"
        return table("Lock", self._changes(), ("file", "now"), "; ".join([note, *self.rules]))

    def _changes(self) -> list[tuple[str, str]]:
        return [(key, status) for key, status in self.files.items() if status != "same"]


_STATUSES: tuple[LockStatus, ...] = ("same", "changed", "gone")


def compare(
    lock: Lock, listed: Iterable[ObjectSummary], columns: Mapping[str, str]
) -> Verification:
    """Compare a lock with what the bucket has now.

    Parameters
    ----------
    columns
        Key → the fingerprint of the columns that its file would be read with now.
    """
    etags = {item.key: item.etag for item in listed}

    def status(file: UsedFile) -> LockStatus:
        if file.key not in etags:
            return "gone"
        return "same" if etags[file.key] == file.etag else "changed"

    rules = []
    if lock.schema != SCHEMA_VERSION:
        rules.append(f"flatnb reads files differently (schema {SCHEMA_VERSION}, was {lock.schema})")
    changed = {file.key for file in lock.files if columns.get(file.key) != file.columns}
    if changed:
        rules.append(f"the known columns of {len(changed)} files have changed")
    return Verification({file.key: status(file) for file in lock.files}, tuple(rules))
