"""The cache of days: one Parquet file per day and data type, with the version of its source."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import time
import zlib
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from .. import html
from ..download.core.transfer import ObjectVersion
from ..download.object_names import check_text
from ..download.targets import local_path
from ..formatting import format_bytes
from ..frames.header import check_columns
from ..frames.selection import Selection
from ..market.calendar import DateLike, as_date
from ..market.data_types import OPTIONS_ROOTS, find_data_type, get_data_type
from .cache_files import (
    Metadata,
    content_metadata,
    metadata_of,
    read_content,
    rows_are_intact,
    rows_metadata,
    version_in,
    write_content,
    write_rows,
)

if TYPE_CHECKING:
    import polars as pl

    from ..ranges import ByteRange, SeekIndex

Form = Literal["day", "file", "rows", "index"]
"""A whole day as Parquet, the compressed file, the rows of some tickers, or a seek index."""

_SUFFIXES: dict[Form, str] = {
    "day": ".parquet",
    "file": ".file",
    "rows": ".rows",
    "index": ".index",
}

FILE_COLUMNS = "as stored"
"""In place of a fingerprint: no rule of reading affects a compressed file or its index."""

_LOCK_FILES = 1024
_LOCK_POLL_S = 0.05


def cache_root(cache: bool | str | os.PathLike[str]) -> Path | None:
    """The folder of all caches: ``cache``, ``FLATNB_CACHE`` or the user's; None for False.

    It is absolute: a later change of the working directory does not move it.

    Raises
    ------
    ValueError
        If it is neither a bool nor a path of this machine: ``s3://…`` is none.
    """
    if not isinstance(cache, (bool, str, os.PathLike)):
        raise ValueError(f"cache={cache!r} is unknown; give True, False or a path")
    if cache is False:
        return None
    if cache is True:
        configured = os.environ.get("FLATNB_CACHE")
        if not configured:
            from platformdirs import user_cache_path

            return user_cache_path("flatnb")
        cache = configured
    return local_path(cache, "cache").absolute()


def cache_folder(root: Path, endpoint_url: str, bucket: str) -> Path:
    """Where the days of one bucket are cached.

    Host, port and bucket are part of the path, so that days of different services are not mixed.
    """
    # A port is separated by ":", which is not allowed in Windows' file names.
    host = re.sub(r"[^0-9A-Za-z.-]", "_", urlsplit(endpoint_url).netloc)
    return root / host / bucket


@dataclass(frozen=True, slots=True)
class CachedDay:
    """What is cached of a file and can be used for a request.

    Attributes
    ----------
    version
        The version of the file.
    form
        ``"day"``, ``"file"`` and ``"rows"`` have all that is wanted; ``"index"``: some bytes of
        the file have to be downloaded.
    missing_bytes
        How many, compressed.
    proof
        How rows that are not of a whole file were proved; empty for all others.
    """

    version: ObjectVersion
    form: Form
    missing_bytes: int = 0
    proof: str = ""

    @property
    def source(self) -> str:
        """What a report says of these rows."""
        return f"cache ({self.proof})" if self.proof else "cache"


class DayCache:
    """The cached days of one bucket.

    Safe for use by several processes: an entry is written to a temporary file and renamed, and
    `exclusive` prevents two processes from loading the same day. The checksum of an entry is
    verified when it is first used. Other files in the folder are never changed.

    Parameters
    ----------
    folder
        It is created when the first day is stored.
    max_bytes
        When more is stored, what was not used for the longest time is removed; None: no limit.
    """

    def __init__(self, folder: Path, max_bytes: int | None = None) -> None:
        self.folder = folder
        self.max_bytes = max_bytes
        self._verified: dict[Path, tuple[int, int, int]] = {}

    def find(
        self,
        key: str,
        columns: str,
        selection: Selection | None,
        *,
        accept_proved: bool = False,
    ) -> CachedDay | None:
        """What is cached of a file and can be used for a selection; None if nothing is.

        Parameters
        ----------
        columns
            The `DataType.fingerprint` with which it must have been read.
        selection
            The rows that are wanted; None: all.
        accept_proved
            Whether rows of ranged reads may be used that a daily bar proved.
        """
        if version := self.version(key, columns):
            return CachedDay(version, "day")
        rows_version, proof = self.rows_version(key, columns), self.proof(key)
        covered = self.covered(key, columns)
        is_covered = selection is not None and covered.covers(selection)
        if rows_version and is_covered and (accept_proved or not proof):
            return CachedDay(rows_version, "rows", proof=proof)
        file = content_metadata(self._path(key, "file"))
        if version := version_in(file, key, FILE_COLUMNS):
            return CachedDay(version, "file")
        if selection is None or (index := self.index(key)) is None or index.tickers is None:
            return None
        version = ObjectVersion(index.version.size_bytes, index.version.etag)
        missing_bytes = sum(
            part.size_bytes for part in self.missing_ranges(key, columns, index, selection)
        )
        return CachedDay(version, "index" if missing_bytes else "rows", missing_bytes)

    def version(self, key: str, columns: str) -> ObjectVersion | None:
        """The version of a whole day that is cached as Parquet; None if there is none."""
        return version_in(rows_metadata(self._path(key)), key, columns)

    def note(self, key: str) -> str:
        """The note on the quality of a cached day; empty if there is none."""
        return rows_metadata(self._path(key)).get("flatnb.note", "")

    def count_rows(self, key: str, selection: Selection | None) -> int | None:
        """How many rows of a cached day are selected, without reading others than the tickers.

        None if there is no entry, or it cannot be read. The checksum is not verified: this is for
        estimates.
        """
        import polars as pl

        try:
            lazy = pl.scan_parquet(self._path(key), glob=False)
            if selection is not None:
                lazy = selection.apply(lazy)
            return int(lazy.select(pl.len()).collect().item())
        except (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException):
            return None

    def read(
        self, key: str, selection: Selection | None, columns: Sequence[str] | None
    ) -> pl.DataFrame | None:
        """The result of `read_day`, from the cache; None if the entry is missing or damaged.

        Raises
        ------
        ValueError
            If ``columns`` contains one that the file does not have.
        """
        return self._read_parquet(self._path(key), selection, columns)

    def _read_parquet(
        self, path: Path, selection: Selection | None, columns: Sequence[str] | None
    ) -> pl.DataFrame | None:
        import polars as pl

        try:
            if not self._is_intact(path):
                return None
            if self.max_bytes is not None:
                os.utime(path)  # what was not used for the longest time is removed first
                self._verified[path] = _state_of(path)
            # Without glob, as a folder's name may contain [ or *.
            lazy = pl.scan_parquet(path, glob=False)
            names = lazy.collect_schema().names()
            check_columns(columns, names)
            if selection is not None:
                lazy = selection.apply(lazy)
            return lazy.select(columns or names).collect()
        except (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException):
            return None

    def store(
        self, key: str, version: ObjectVersion, frame: pl.DataFrame, *, columns: str, note: str = ""
    ) -> None:
        """Store the result of `read_day` for a whole file, with a note on its quality.

        Parameters
        ----------
        columns
            The `DataType.fingerprint` with which it was read.

        Raises
        ------
        OSError
            If it cannot be written; an older entry then remains.
        """
        path = self._path(key)
        write_rows(path, frame, metadata_of(key, version, columns, note=note))
        self._remove(key, "rows", "file", "index")  # it has all that they have
        self._evict(path)

    def store_file(
        self,
        key: str,
        version: ObjectVersion,
        chunks: Iterable[bytes | bytearray | memoryview],
    ) -> None:
        """Store a compressed file as it was downloaded.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        self._store_content("file", key, version, chunks)

    def _store_content(
        self,
        form: Literal["file", "index"],
        key: str,
        version: ObjectVersion,
        chunks: Iterable[bytes | bytearray | memoryview],
    ) -> None:
        self._forget_other_versions(key, version)
        path = self._path(key, form)
        write_content(path, chunks, metadata_of(key, version, FILE_COLUMNS))
        self._evict(path)

    def file(self, key: str) -> memoryview | None:
        """The compressed file; None if it is missing or damaged."""
        return _content(self._path(key, "file"))

    def store_index(self, key: str, version: ObjectVersion, index: SeekIndex) -> None:
        """Store the seek index of a file that is too large to be kept.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        self._store_content("index", key, version, [index.to_bytes()])

    def index(self, key: str) -> SeekIndex | None:
        """The seek index of a file; None if it is missing or damaged."""
        from ..ranges import SeekIndex, SeekIndexError

        path = self._path(key, "index")
        if version_in(content_metadata(path), key, FILE_COLUMNS) is None:
            return None
        content = _content(path)
        try:
            return None if content is None else SeekIndex.from_bytes(bytes(content))
        except SeekIndexError:
            return None

    def store_rows(
        self,
        key: str,
        version: ObjectVersion,
        frame: pl.DataFrame,
        *,
        columns: str,
        covered: Selection,
        proof: str = "",
    ) -> None:
        """Store all rows that a file has of a selection.

        Parameters
        ----------
        covered
            The selection that the rows are complete for: symbols and roots.
        proof
            How they were proved, if they are not of a whole file.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        self._forget_other_versions(key, version)
        path = self._path(key, "rows")
        coverage = json.dumps([covered.symbols, covered.roots])
        write_rows(path, frame, metadata_of(key, version, columns, covered=coverage, proof=proof))
        self._evict(path)

    def rows(self, key: str, selection: Selection | None) -> pl.DataFrame | None:
        """The stored rows, or those of a selection; None if they are missing or damaged."""
        return self._read_parquet(self._path(key, "rows"), selection, None)

    def proof(self, key: str) -> str:
        """How the stored rows were proved; empty if they are of a whole file, or there are none."""
        return rows_metadata(self._path(key, "rows")).get("flatnb.proof", "")

    def covered(self, key: str, columns: str) -> Selection:
        """What the stored rows of a file are complete for."""
        metadata = rows_metadata(self._path(key, "rows"))
        if version_in(metadata, key, columns) is None:
            return Selection()
        symbols, roots = json.loads(metadata.get("flatnb.covered", "[[], []]"))
        return Selection(tuple(symbols), tuple(roots))

    def rows_version(self, key: str, columns: str) -> ObjectVersion | None:
        """The version of the file that rows are stored of; None if there are none."""
        return version_in(rows_metadata(self._path(key, "rows")), key, columns)

    def missing_ranges(
        self, key: str, columns: str, index: SeekIndex, selection: Selection
    ) -> tuple[ByteRange, ...]:
        """The byte ranges of an indexed file that a selection needs besides the stored rows."""
        wanted = index_tickers(index, selection) - set(self.covered(key, columns).symbols)
        return index.ranges_for(sorted(wanted)).ranges

    def _forget_other_versions(self, key: str, version: ObjectVersion) -> None:
        """Remove what is cached of another version, so that versions are never mixed."""
        for form in _SUFFIXES:
            path = self._path(key, form)
            if (metadata := _metadata(path)) and metadata.get("flatnb.etag") != version.etag:
                path.unlink(missing_ok=True)

    def _remove(self, key: str, *forms: Form) -> None:
        for form in forms:
            with contextlib.suppress(OSError):
                self._path(key, form).unlink(missing_ok=True)

    def _evict(self, newest: Path) -> None:
        """Remove the files that were not used for the longest time, down to the limit."""
        if self.max_bytes is None:
            return
        files = [(path.stat(), path) for path in self._files(None) if path != newest]
        total = newest.stat().st_size + sum(stat.st_size for stat, _ in files)
        for stat, path in sorted(files, key=lambda each: each[0].st_mtime_ns):
            if total <= self.max_bytes:
                return
            path.unlink(missing_ok=True)
            total -= stat.st_size

    @contextlib.asynccontextmanager
    async def exclusive(self, key: str, timeout_s: float) -> AsyncIterator[bool]:
        """Hold the lock of a day, so that other processes of this machine do not load it as well.

        The lock only avoids downloading a day twice; entries are consistent without it, as they are
        renamed into place. So after the time-out, or if the file system does not support locks, the
        context is entered without the lock.

        Parameters
        ----------
        timeout_s
            How many seconds to wait for another process.

        Yields
        ------
        bool
            Whether another process held the lock: then the day may be cached by now.
        """
        import filelock

        path = self.folder / ".locks" / f"{zlib.crc32(key.encode()) % _LOCK_FILES:03x}.lock"
        lock = filelock.FileLock(path, thread_local=False)
        give_up_at = time.monotonic() + timeout_s
        waited = False
        while True:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                lock.acquire(blocking=False)
            except filelock.Timeout:
                if time.monotonic() < give_up_at:
                    waited = True
                    await asyncio.sleep(_LOCK_POLL_S)
                    continue
            except (OSError, NotImplementedError):
                # A read-only folder, or a file system without locks (filelock raises the latter).
                pass
            break
        try:
            yield waited
        finally:
            lock.release()

    @property
    def size_bytes(self) -> int:
        """Size of all files, in bytes: whole days, files, rows and indexes."""
        return sum(path.stat().st_size for path in self._entries())

    def __len__(self) -> int:
        """Number of cached days of all data types, whole or in part."""
        return len({path.with_suffix("") for path in self._entries()})

    def days(self, data_type: str) -> list[date]:
        """The cached days of a data type, whole or in part, in ascending order.

        Raises
        ------
        ValueError
            If the data type is unknown.
        """
        return sorted({day for path in self._files(data_type) if (day := _day_of(path))})

    def clear(
        self,
        data_type: str | None = None,
        start: DateLike | None = None,
        end: DateLike | None = None,
    ) -> int:
        """Remove entries; other files in the folder remain.

        Parameters
        ----------
        data_type
            The data type whose entries are removed; None: all.
        start, end
            The days to remove, both inclusive; None: from the first, to the last.

        Returns
        -------
        int
            Number of removed days, whole or in part.

        Raises
        ------
        ValueError
            If an argument is invalid.
        """
        first = date.min if start is None else as_date(start, "start")
        last = date.max if end is None else as_date(end, "end")
        entries = [
            path
            for path in self._entries(data_type)
            if (day := _day_of(path)) and first <= day <= last
        ]
        # Lock files belong to days of all data types, so they are removed only with all entries.
        locks = (self.folder / ".locks").glob("*.lock") if data_type is None else ()
        for path in (*entries, *locks):
            path.unlink(missing_ok=True)
        return len({path.with_suffix("") for path in entries})

    def __repr__(self) -> str:
        return f"DayCache({str(self.folder)!r}: {len(self)} days, {format_bytes(self.size_bytes)})"

    def _repr_html_(self) -> str:
        by_type: defaultdict[str, list[Path]] = defaultdict(list)
        for path in self._entries():
            root, folder = path.relative_to(self.folder).parts[:2]
            data_type = find_data_type(root, folder)
            by_type[data_type.name if data_type else f"{root}/{folder}"].append(path)
        rows = [
            (
                name,
                len({path.stem for path in paths}),
                min(path.stem for path in paths),
                max(path.stem for path in paths),
                format_bytes(sum(path.stat().st_size for path in paths)),
                *(sum(path.suffix == suffix for path in paths) for suffix in _SUFFIXES.values()),
            )
            for name, paths in by_type.items()
        ]
        forms = ("whole", "compressed files", "in part", "seek indexes")
        columns = ("data type", "days", "first", "last", "size", *forms)
        return html.table("Cached days", rows, columns, note=str(self.folder))

    def _path(self, key: str, form: Form = "day") -> Path:
        check_text("key", key)
        return self.folder / f"{key.removesuffix('.gz').removesuffix('.csv')}{_SUFFIXES[form]}"

    def _files(self, data_type: str | None) -> list[Path]:
        if data_type is None:
            folders = [self.folder]
        else:
            found = get_data_type(data_type)
            roots = OPTIONS_ROOTS if found.is_options else (found.root,)
            folders = [self.folder / root / found.folder for root in roots]
        return [
            path
            for folder in folders
            for path in sorted(folder.rglob("*"))
            if path.suffix in _SUFFIXES.values() and path.is_file()
        ]

    def _entries(self, data_type: str | None = None) -> Iterator[Path]:
        for path in self._files(data_type):
            if "flatnb.key" in _metadata(path):
                yield path

    def _is_intact(self, path: Path) -> bool:
        """Whether the checksum of the entry is right; verified again only if the file changed."""
        if self._verified.get(path) != _state_of(path):
            if not rows_are_intact(path):
                return False
            self._verified[path] = _state_of(path)
        return True


def index_tickers(index: SeekIndex, selection: Selection) -> set[str]:
    """The tickers of an indexed file that a selection selects.

    Raises
    ------
    ValueError
        If the index does not know the file's tickers.
    """
    import polars as pl

    if index.tickers is None:
        raise ValueError(f"the tickers of {index.version.key} are not known")
    tickers = pl.DataFrame({"ticker": index.tickers}, schema={"ticker": pl.String})
    return set(selection.apply(tickers)["ticker"])


def _metadata(path: Path) -> Metadata:
    is_parquet = path.suffix in (_SUFFIXES["day"], _SUFFIXES["rows"])
    return rows_metadata(path) if is_parquet else content_metadata(path)


def _content(path: Path) -> memoryview | None:
    try:
        content = read_content(path)
        os.utime(path)  # `max_bytes` removes what was not used for the longest time
    except (OSError, ValueError):
        return None
    return content


def _state_of(path: Path) -> tuple[int, int, int]:
    stat = path.stat()
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


def _day_of(path: Path) -> date | None:
    try:
        return date.fromisoformat(path.stem)
    except ValueError:
        return None
