"""The cache of days: one Parquet file per day and data type, with the version of its source."""

from __future__ import annotations

import asyncio
import contextlib
import io
import mmap
import os
import re
import time
import zlib
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from .. import html
from ..download.core.transfer import ObjectVersion
from ..download.targets import PartFile
from ..formatting import format_bytes
from ..frames.header import check_columns
from ..frames.selection import Selection
from ..market.calendar import DateLike, as_date
from ..market.data_types import OPTIONS_ROOTS, find_data_type, get_data_type

if TYPE_CHECKING:
    import polars as pl

SCHEMA_VERSION = "3"
"""Part of every entry; to be increased when the result of `read_day` for a file changes."""

# Measured on a day of 1.8M rows: lz4 with groups of 50,000 rows is fast to write, and selecting a
# few symbols reads only their groups.
_ROWS_PER_GROUP = 50_000

# Parquet's page checksums are optional (PageHeader.crc), and polars neither writes nor verifies
# them: a flipped bit in a page would be another price. So the metadata in the footer contain the
# checksum of the whole file, computed with zeros in its place.
_CHECKSUM_PREFIX = b"flatnb-crc32:"
_CHECKSUM_PLACEHOLDER = b"00000000"

_LOCK_FILES = 1024
_LOCK_POLL_S = 0.05


def cache_root(cache: bool | str | os.PathLike[str]) -> Path | None:
    """The folder of all caches: ``cache``, ``FLATNB_CACHE`` or the user's; None for False.

    It is absolute: a later change of the working directory does not move it.

    Raises
    ------
    ValueError
        If it is neither a bool nor a path.
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
    return Path(os.fspath(cache)).expanduser().absolute()


def cache_folder(root: Path, endpoint_url: str, bucket: str) -> Path:
    """Where the days of one bucket are cached.

    Host, port and bucket are part of the path, so that days of different services are not mixed.
    """
    # A port is separated by ":", which is not allowed in Windows' file names.
    host = re.sub(r"[^0-9A-Za-z.-]", "_", urlsplit(endpoint_url).netloc)
    return root / host / bucket


class DayCache:
    """The cached days of one bucket.

    Safe for use by several processes: an entry is written to a temporary file and renamed, and
    `exclusive` prevents two processes from loading the same day. The checksum of an entry is
    verified when it is first used. Other files in the folder are never changed.

    Parameters
    ----------
    folder
        It is created when the first day is stored.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._verified: dict[Path, tuple[int, int, int]] = {}

    def version(self, key: str, columns: str) -> ObjectVersion | None:
        """The cached version of a file; None if there is none, or it cannot be used.

        Parameters
        ----------
        columns
            The `DataType.fingerprint` with which it must have been read.
        """
        metadata = _metadata(self._path(key))
        rules = SCHEMA_VERSION, key, columns
        if rules != tuple(metadata.get(f"flatnb.{name}") for name in ("schema", "key", "columns")):
            return None
        return ObjectVersion(int(metadata["flatnb.size_bytes"]), metadata["flatnb.etag"])

    def note(self, key: str) -> str:
        """The note on the quality of a cached day; empty if there is none."""
        return _metadata(self._path(key)).get("flatnb.note", "")

    def rows(self, key: str, selection: Selection | None) -> int | None:
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
        import polars as pl

        try:
            path = self._path(key)
            if not self._is_intact(path):
                return None
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
        path.parent.mkdir(parents=True, exist_ok=True)
        buffer = io.BytesIO()
        frame.write_parquet(
            buffer,
            compression="lz4",
            row_group_size=_ROWS_PER_GROUP,
            metadata={
                "flatnb.schema": SCHEMA_VERSION,
                "flatnb.key": key,
                "flatnb.columns": columns,
                "flatnb.etag": version.etag,
                "flatnb.size_bytes": str(version.size_bytes),
                "flatnb.note": note,
                "flatnb.checksum": (_CHECKSUM_PREFIX + _CHECKSUM_PLACEHOLDER).decode(),
            },
        )
        content = _with_checksum(buffer)
        part = PartFile(path)
        try:
            part.write(0, content)
            part.commit()
        finally:
            part.abort()

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
        """Size of all entries, in bytes."""
        return sum(path.stat().st_size for path in self._entries())

    def __len__(self) -> int:
        """Number of cached days of all data types."""
        return sum(1 for _ in self._entries())

    def days(self, data_type: str) -> list[date]:
        """The cached days of a data type, in ascending order.

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
            Number of removed entries.

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
        return len(entries)

    def __repr__(self) -> str:
        return f"DayCache({str(self.folder)!r}: {len(self)} days, {format_bytes(self.size_bytes)})"

    def _repr_html_(self) -> str:
        sizes: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)
        for path in self._entries():
            root, folder = path.relative_to(self.folder).parts[:2]
            data_type = find_data_type(root, folder)
            name = data_type.name if data_type else f"{root}/{folder}"
            sizes[name].append((path.stem, path.stat().st_size))
        rows = [
            (name, len(days), min(days)[0], max(days)[0], format_bytes(sum(s for _, s in days)))
            for name, days in sizes.items()
        ]
        columns = ("data type", "days", "first", "last", "size")
        return html.table("Cached days", rows, columns, note=str(self.folder))

    def _path(self, key: str) -> Path:
        return self.folder / f"{key.removesuffix('.gz').removesuffix('.csv')}.parquet"

    def _files(self, data_type: str | None) -> list[Path]:
        if data_type is None:
            return sorted(self.folder.rglob("*.parquet"))
        found = get_data_type(data_type)
        roots = OPTIONS_ROOTS if found.is_options else (found.root,)
        return [
            path
            for root in roots
            for path in sorted((self.folder / root / found.folder).rglob("*.parquet"))
        ]

    def _entries(self, data_type: str | None = None) -> Iterator[Path]:
        for path in self._files(data_type):
            if "flatnb.key" in _metadata(path):
                yield path

    def _is_intact(self, path: Path) -> bool:
        """Whether the checksum of the entry is right; verified again only if the file changed."""
        stat = path.stat()
        state = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
        if self._verified.get(path) != state:
            if not _checksum_matches(path):
                return False
            self._verified[path] = state
        return True


def _day_of(path: Path) -> date | None:
    try:
        return date.fromisoformat(path.stem)
    except ValueError:
        return None


def _with_checksum(buffer: io.BytesIO) -> memoryview:
    """The content of the buffer, with its checksum instead of the placeholder."""
    content = buffer.getbuffer()
    # The last one, as a column may contain the same text.
    start = buffer.getvalue().rindex(_CHECKSUM_PREFIX + _CHECKSUM_PLACEHOLDER)
    start += len(_CHECKSUM_PREFIX)
    content[start : start + len(_CHECKSUM_PLACEHOLDER)] = b"%08x" % _crc32(content)
    return content


def _checksum_matches(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            stored = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        except ValueError:  # an empty file
            return False
        with stored:
            start = stored.rfind(_CHECKSUM_PREFIX) + len(_CHECKSUM_PREFIX)
            end = start + len(_CHECKSUM_PLACEHOLDER)
            checksum = stored[start:end]
            stored[start:end] = _CHECKSUM_PLACEHOLDER  # in a private copy (ACCESS_COPY)
            return checksum == b"%08x" % _crc32(stored)


def _crc32(data: memoryview | mmap.mmap) -> int:
    from isal import isal_zlib

    return isal_zlib.crc32(data)


def _metadata(path: Path) -> dict[str, str]:
    """The metadata of a Parquet file; empty if it is not a Parquet file."""
    import polars as pl

    try:
        return dict(pl.read_parquet_metadata(path))
    except (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return {}
