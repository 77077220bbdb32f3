"""One Parquet file per day and data type, bound to the version of the file that it came from."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..download.stats import format_bytes
from ..download.targets import PartFile
from ..download.transfer import Version
from .schema import check_columns
from .select import Selection

if TYPE_CHECKING:
    import polars as pl

SCHEMA_VERSION = "2"
"""Part of every entry: raised when what `read_day` makes of a file changes."""

# Measured on a day of 1.8M rows: lz4 with groups of 50,000 rows is quick to write, and a few
# symbols are read from their groups alone.
_ROWS_PER_GROUP = 50_000


def cache_folder(cache: bool | str | os.PathLike[str], endpoint_url: str, bucket: str) -> Path:
    """Where a session keeps its days: below ``cache``, ``FLATNB_CACHE`` or the user's cache.

    Days of different services never mix: host, port and bucket are part of the path.
    """
    if cache is True:
        configured = os.environ.get("FLATNB_CACHE")
        if configured:
            base = Path(configured)
        else:
            from platformdirs import user_cache_path

            base = user_cache_path("flatnb")
    else:
        base = Path(os.fspath(cache))  # type: ignore[arg-type]
    host = re.sub(r"[^0-9A-Za-z.-]", "_", urlsplit(endpoint_url).netloc)
    return base.expanduser() / host / bucket


class DayCache:
    """The days that were loaded before.

    Safe with several processes at once: an entry is written beside its place and put there whole.
    Files of others in the folder are not touched.

    Parameters
    ----------
    folder
        Created when the first day is stored.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def version(self, key: str) -> Version | None:
        """The version that is here of a file; None if there is none, or it cannot be used."""
        told = _metadata(self._path(key))
        if told.get("flatnb.schema") != SCHEMA_VERSION or told.get("flatnb.key") != key:
            return None
        return Version(int(told["flatnb.size_bytes"]), told["flatnb.etag"])

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
            lazy = pl.scan_parquet(self._path(key), glob=False)
            names = lazy.collect_schema().names()
            check_columns(columns, names)
            if selection is not None:
                lazy = lazy.filter(selection.expression())
            return lazy.select(columns or names).collect()
        except (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException):
            return None

    def store(self, key: str, version: Version, frame: pl.DataFrame, note: str = "") -> None:
        """Keep what `read_day` made of a whole file, with a note on it.

        Raises
        ------
        OSError
            If it cannot be written; an older entry is still there.
        """
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        packed = io.BytesIO()
        frame.write_parquet(
            packed,
            compression="lz4",
            row_group_size=_ROWS_PER_GROUP,
            metadata={
                "flatnb.schema": SCHEMA_VERSION,
                "flatnb.key": key,
                "flatnb.etag": version.etag,
                "flatnb.size_bytes": str(version.size_bytes),
                "flatnb.note": note,
            },
        )
        part = PartFile(path)
        try:
            part.write(0, packed.getbuffer())
            part.commit()
        finally:
            part.abort()

    @property
    def size_bytes(self) -> int:
        """Size of all entries."""
        return sum(path.stat().st_size for path in self._entries())

    def __len__(self) -> int:
        """How many days there are, over all data types."""
        return sum(1 for _ in self._entries())

    def clear(self) -> int:
        """Remove all entries, and nothing else; how many there were is returned."""
        entries = list(self._entries())
        for path in entries:
            path.unlink(missing_ok=True)
        return len(entries)

    def __repr__(self) -> str:
        return f"DayCache({str(self.folder)!r}: {len(self)} days, {format_bytes(self.size_bytes)})"

    def _path(self, key: str) -> Path:
        return self.folder / f"{key.removesuffix('.gz').removesuffix('.csv')}.parquet"

    def _entries(self) -> Iterator[Path]:
        for path in sorted(self.folder.rglob("*.parquet")):
            if "flatnb.key" in _metadata(path):
                yield path


def _metadata(path: Path) -> dict[str, Any]:
    """The metadata of a Parquet file; empty if it is none."""
    import polars as pl

    try:
        return dict(pl.read_parquet_metadata(path))
    except (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return {}
