"""The files of the cache: content bound to a version of an object, with a checksum of their own.

Parquet's page checksums are optional (PageHeader.crc), and polars neither writes nor verifies them:
a flipped bit in a page would be another price. So the metadata in the footer contain the checksum
of the whole file, computed with zeros in its place. Other files end in their metadata as JSON.
"""

from __future__ import annotations

import io
import json
import mmap
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from isal import isal_zlib

from ..download.core.transfer import ObjectVersion
from ..download.targets import write_whole

if TYPE_CHECKING:
    import polars as pl

SCHEMA_VERSION = "3"
"""Part of every file; to be increased when the result of `read_day` for a file changes."""

Metadata = dict[str, str]

# Measured on a day of 1.8M rows: lz4 with groups of 50,000 rows is fast to write, and selecting a
# few symbols reads only their groups.
_ROWS_PER_GROUP = 50_000

_CHECKSUM_PREFIX = b"flatnb-crc32:"
_CHECKSUM_PLACEHOLDER = b"00000000"

# After the content: the metadata, their length in 8 hexadecimal digits, and this mark.
_MARK = b"flatnb-cache-file"
_LENGTH_DIGITS = 8


def metadata_of(key: str, version: ObjectVersion, columns: str, **more: str) -> Metadata:
    """What binds a file of the cache to an object: how and of which version it was made."""
    return {
        "flatnb.schema": SCHEMA_VERSION,
        "flatnb.key": key,
        "flatnb.columns": columns,
        "flatnb.etag": version.etag,
        "flatnb.size_bytes": str(version.size_bytes),
        **{f"flatnb.{name}": value for name, value in more.items()},
    }


def version_in(metadata: Mapping[str, str], key: str, columns: str) -> ObjectVersion | None:
    """The version that a file was made of; None if it was made in another way or of another key."""
    names = ("schema", "key", "columns")
    if (SCHEMA_VERSION, key, columns) != tuple(metadata.get(f"flatnb.{name}") for name in names):
        return None
    return ObjectVersion(int(metadata["flatnb.size_bytes"]), metadata["flatnb.etag"])


def write_rows(path: Path, frame: pl.DataFrame, metadata: Metadata) -> None:
    """Write a frame as Parquet; it appears whole.

    Raises
    ------
    OSError
        If it cannot be written; an older file then remains.
    """
    buffer = io.BytesIO()
    frame.write_parquet(
        buffer,
        compression="lz4",
        row_group_size=_ROWS_PER_GROUP,
        metadata={
            **metadata,
            "flatnb.checksum": (_CHECKSUM_PREFIX + _CHECKSUM_PLACEHOLDER).decode(),
        },
    )
    content = buffer.getbuffer()
    at = buffer.getvalue().rindex(_CHECKSUM_PREFIX + _CHECKSUM_PLACEHOLDER) + len(_CHECKSUM_PREFIX)
    content[at : at + len(_CHECKSUM_PLACEHOLDER)] = b"%08x" % isal_zlib.crc32(content)
    _write(path, [content])


def rows_metadata(path: Path) -> Metadata:
    """The metadata of a Parquet file; empty if it is not one."""
    import polars as pl

    try:
        return dict(pl.read_parquet_metadata(path))
    except (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return {}


def rows_are_intact(path: Path) -> bool:
    """Whether the checksum of a Parquet file is right."""
    with path.open("rb") as file:
        try:
            stored = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        except ValueError:  # an empty file
            return False
        with stored:
            start = stored.rfind(_CHECKSUM_PREFIX) + len(_CHECKSUM_PREFIX)
            checksum = stored[start : start + len(_CHECKSUM_PLACEHOLDER)]
            stored[start : start + len(_CHECKSUM_PLACEHOLDER)] = _CHECKSUM_PLACEHOLDER
            return checksum == b"%08x" % isal_zlib.crc32(stored)


def write_content(
    path: Path, chunks: Iterable[bytes | bytearray | memoryview], metadata: Metadata
) -> None:
    """Write bytes with metadata after them; the file appears whole.

    Raises
    ------
    OSError
        If it cannot be written; an older file then remains.
    """

    def with_footer() -> Iterator[bytes | bytearray | memoryview]:
        checksum = 0
        for chunk in chunks:
            checksum = isal_zlib.crc32(chunk, checksum)
            yield chunk
        footer = json.dumps({**metadata, "flatnb.checksum": f"{checksum:08x}"}).encode()
        yield footer + b"%08x" % len(footer) + _MARK

    _write(path, with_footer())


def content_metadata(path: Path) -> Metadata:
    """The metadata of a file of `write_content`; empty if it is not one."""
    try:
        with path.open("rb") as file:
            _, metadata = _parse(file)
    except (OSError, ValueError):
        return {}
    return metadata


def read_content(path: Path) -> memoryview:
    """The bytes of a file of `write_content`, verified.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is damaged.
    """
    with path.open("rb") as file:
        size_bytes, metadata = _parse(file)
        file.seek(0)
        content = memoryview(file.read(size_bytes))
    if f"{isal_zlib.crc32(content):08x}" != metadata.get("flatnb.checksum"):
        raise ValueError(f"{path} is damaged: its checksum is wrong")
    return content


def _parse(file: io.BufferedReader) -> tuple[int, Metadata]:
    """The size of the content and the metadata."""
    tail = _LENGTH_DIGITS + len(_MARK)
    end = file.seek(0, os.SEEK_END)
    file.seek(max(end - tail, 0))
    last = file.read(tail)
    if not last.endswith(_MARK):
        raise ValueError("not a file of the cache")
    size = end - tail - int(last[:_LENGTH_DIGITS], 16)
    file.seek(max(size, 0))
    metadata = json.loads(file.read(end - tail - max(size, 0)))
    if size < 0 or not isinstance(metadata, dict):
        raise ValueError("not a file of the cache")
    return size, metadata


def _write(path: Path, chunks: Iterable[bytes | bytearray | memoryview]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, chunks)
