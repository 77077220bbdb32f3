"""One Parquet file per day and data type, bound to the version of the file that it came from."""

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
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .. import html
from ..download.core.transfer import ObjectVersion
from ..download.statistics import format_bytes
from ..download.targets import PartFile
from ..frames.header import check_columns
from ..frames.selection import Selection
from ..market.calendar import DateLike, as_date
from ..market.data_types import OPTIONS_ROOTS, find_data_type, get_data_type

if TYPE_CHECKING:
    import polars as pl

SCHEMA_VERSION = "3"
"""Part of every entry: raised when what `read_day` makes of a file changes."""

# Measured on a day of 1.8M rows: lz4 with groups of 50,000 rows is quick to write, and a few
# symbols are read from their groups alone.
_ROWS_PER_GROUP = 50_000

# Parquet's own checksums are optional, and polars neither writes nor looks at them: a flipped bit
# in a page would be another price. The footer has that of the whole file, computed with zeros here.
_CHECKSUM = b"flatnb-crc32:"
_UNKNOWN = b"00000000"

_LOCKS = 1024
_LOOK_AGAIN_S = 0.05


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

    Days of different services never mix: host, port and bucket are part of the path.
    """
    host = re.sub(r"[^0-9A-Za-z.-]", "_", urlsplit(endpoint_url).netloc)
    return root / host / bucket


class DayCache:
    """The days that were loaded before.

    Safe with several processes at once: an entry is written to a temporary file and renamed, and
    `exclusive` keeps two processes from doing the same work. Each entry is compared with its
    checksum when it is first used. Files of others in the folder are not touched.

    Parameters
    ----------
    folder
        Created when the first day is stored.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._sound: dict[Path, tuple[int, int, int]] = {}

    def version(self, key: str, columns: str) -> ObjectVersion | None:
        """The version that is here of a file; None if there is none, or it cannot be used.

        Parameters
        ----------
        columns
            The `DataType.fingerprint` that it must have been read with.
        """
        metadata = _metadata(self._path(key))
        rules = SCHEMA_VERSION, key, columns
        if rules != tuple(metadata.get(f"flatnb.{name}") for name in ("schema", "key", "columns")):
            return None
        return ObjectVersion(int(metadata["flatnb.size_bytes"]), metadata["flatnb.etag"])

    def note(self, key: str) -> str:
        """What is odd about a day that is here."""
        return str(_metadata(self._path(key)).get("flatnb.note", ""))

    def read(
        self, key: str, selection: Selection | None, columns: Sequence[str] | None
    ) -> pl.DataFrame | None:
        """What `read_day` would give; None if the entry is gone or damaged.

        Raises
        ------
        ValueError
            If ``columns`` names one that the file does not have.
        """
        import polars as pl

        try:
            path = self._path(key)
            if not self._is_sound(path):
                return None
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
        """Keep what `read_day` made of a whole file, with a note on it.

        Parameters
        ----------
        columns
            The `DataType.fingerprint` that it was read with.

        Raises
        ------
        OSError
            If it cannot be written; an older entry is still there.
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
                "flatnb.checksum": (_CHECKSUM + _UNKNOWN).decode(),
            },
        )
        sealed = _seal(buffer)
        part = PartFile(path)
        try:
            part.write(0, sealed)
            part.commit()
        finally:
            part.abort()

    @contextlib.asynccontextmanager
    async def exclusive(self, key: str, patience_s: float) -> AsyncIterator[bool]:
        """Bring a day while no other process of this machine does, or at least not for long.

        What is in the cache does not depend on it, as entries are put in place whole. It spares
        downloading a day twice; so where locks cannot be had, the day is brought without one.

        Parameters
        ----------
        patience_s
            How many seconds to wait for another process.

        Yields
        ------
        bool
            Whether another was waited for: the day may be here by now.
        """
        import filelock

        path = self.folder / ".locks" / f"{zlib.crc32(key.encode()) % _LOCKS:03x}.lock"
        lock = filelock.FileLock(path, thread_local=False)
        give_up_at = time.monotonic() + patience_s
        waited = False
        while True:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                lock.acquire(blocking=False)
            except filelock.Timeout:
                if time.monotonic() < give_up_at:
                    waited = True
                    await asyncio.sleep(_LOOK_AGAIN_S)
                    continue
            except (OSError, NotImplementedError):
                pass
            break
        try:
            yield waited
        finally:
            lock.release()

    @property
    def size_bytes(self) -> int:
        """Size of all entries."""
        return sum(path.stat().st_size for path in self._entries())

    def __len__(self) -> int:
        """How many days there are, over all data types."""
        return sum(1 for _ in self._entries())

    def days(self, data_type: str) -> list[date]:
        """The days of a data type that are here, in ascending order.

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
        """Remove entries, and nothing else.

        Parameters
        ----------
        data_type
            None: those of all.
        start, end
            The days to remove, both inclusive; None: from the first, to the last.

        Returns
        -------
        int
            How many there were.

        Raises
        ------
        ValueError
            If an argument is wrong.
        """
        first = date.min if start is None else as_date(start, "start")
        last = date.max if end is None else as_date(end, "end")
        entries = [
            path
            for path in self._entries(data_type)
            if (day := _day_of(path)) and first <= day <= last
        ]
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
        return html.table("Days on disk", rows, columns, note=str(self.folder))

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

    def _is_sound(self, path: Path) -> bool:
        """Whether the entry is what was stored, bit for bit; looked at once as long as it stays."""
        found = path.stat()
        state = (found.st_ino, found.st_mtime_ns, found.st_size)
        if self._sound.get(path) != state:
            if not _has_its_checksum(path):
                return False
            self._sound[path] = state
        return True


def _day_of(path: Path) -> date | None:
    try:
        return date.fromisoformat(path.stem)
    except ValueError:
        return None


def _seal(buffer: io.BytesIO) -> memoryview:
    """Put the checksum in."""
    sealed = buffer.getbuffer()
    start = buffer.getvalue().rindex(_CHECKSUM + _UNKNOWN) + len(_CHECKSUM)
    sealed[start : start + len(_UNKNOWN)] = b"%08x" % _crc32(sealed)
    return sealed


def _has_its_checksum(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            stored = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        except ValueError:  # an empty file
            return False
        with stored:
            start = stored.rfind(_CHECKSUM) + len(_CHECKSUM)
            metadata = stored[start : start + len(_UNKNOWN)]
            stored[start : start + len(_UNKNOWN)] = _UNKNOWN
            return metadata == b"%08x" % _crc32(stored)


def _crc32(data: memoryview | mmap.mmap) -> int:
    from isal import isal_zlib

    return isal_zlib.crc32(data)


def _metadata(path: Path) -> dict[str, Any]:
    """The metadata of a Parquet file; empty if it is none."""
    import polars as pl

    try:
        return dict(pl.read_parquet_metadata(path))
    except (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return {}
