"""Targets of downloads: memory, or a temporary file that replaces the final one.

A target accepts parts in any order and from several threads, as each part writes its own region.
"""

from __future__ import annotations

import bisect
import contextlib
import os
import re
import secrets
import socket
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Protocol

CHUNK_BYTES = 1 << 20

SPILL_BYTES = 32 << 20
"""Larger objects are written to a file. A day of stock minute bars (30 MB) stays in memory; by
default eight such files are processed at the same time."""


def local_path(value: str | os.PathLike[str], parameter: str) -> Path:
    """A path of this machine that a user gave, with ``~`` expanded.

    Raises
    ------
    ValueError
        If it is not a path, or the address of something else, such as ``s3://…``; the message
        names ``parameter``.
    """
    text = os.fspath(value) if isinstance(value, (str, os.PathLike)) else None
    if not isinstance(text, str) or not text:
        raise ValueError(f"{parameter}={value!r} is not a path; give one of this machine")
    if "://" in text:
        # pathlib would make of it a folder called "s3:".
        raise ValueError(f"{parameter}={value!r} is an address; give a path of this machine")
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise ValueError(
            f"{parameter}={value!r} begins with a user whose home is unknown; write it in full"
        ) from None


class Aborted(Exception):  # noqa: N818 - a signal between threads, never seen by users
    """The target was aborted while another thread wrote to it or read from it."""


class Target(Protocol):
    """Stores the bytes of one object; all sizes and offsets are in bytes."""

    def allocate(self, size: int | None) -> None:
        """Discard the content, and prepare for an object of this size (None: unknown)."""

    def write(self, offset: int, data: bytes) -> None:
        """Store bytes at a position."""

    def chunks(self) -> Iterator[memoryview]:
        """All bytes in order, in pieces of at most `CHUNK_BYTES`."""

    def read(self, start: int, stop: int) -> bytes:
        """The bytes of a range."""

    @property
    def size(self) -> int:
        """Bytes allocated or written."""

    def abort(self) -> None:
        """Discard the content and temporary files; a committed file is not touched."""


class MemoryTarget:
    """Stores the object in one buffer, allocated at once if the size is known."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def allocate(self, size: int | None) -> None:
        self._buffer = bytearray(size or 0)

    def write(self, offset: int, data: bytes) -> None:
        self._buffer[offset : offset + len(data)] = data

    def chunks(self) -> Iterator[memoryview]:
        view = memoryview(self._buffer)
        for offset in range(0, len(view), CHUNK_BYTES):
            if view.obj is not self._buffer:
                raise Aborted
            yield view[offset : offset + CHUNK_BYTES]

    def read(self, start: int, stop: int) -> bytes:
        return bytes(self._buffer[start:stop])

    @property
    def size(self) -> int:
        return len(self._buffer)

    @property
    def buffer(self) -> bytearray:
        """The content, without a copy."""
        return self._buffer

    def abort(self) -> None:
        self._buffer = bytearray()


class RangesTarget:
    """Stores byte ranges of an object in memory.

    Parameters
    ----------
    ranges
        Offsets in the object, each the first byte and the one after the last; ascending, without
        overlap.
    """

    def __init__(self, ranges: Sequence[tuple[int, int]]) -> None:
        self.ranges = tuple(ranges)
        self._starts = [start for start, _ in self.ranges]
        self._buffers = [bytearray(stop - start) for start, stop in self.ranges]

    def allocate(self, size: int | None) -> None:
        """Nothing to do: the ranges are known from the beginning."""

    def write(self, offset: int, data: bytes) -> None:
        """Store bytes at an offset in the object; they lie in one range."""
        number = bisect.bisect_right(self._starts, offset) - 1
        start = offset - self._starts[number]
        self._buffers[number][start : start + len(data)] = data

    def chunks(self) -> Iterator[memoryview]:
        """The ranges, in order."""
        return map(memoryview, self._buffers)

    def read(self, start: int, stop: int) -> bytes:
        """The bytes from ``start`` to ``stop``, which lie in one range."""
        number = bisect.bisect_right(self._starts, start) - 1
        first = self._starts[number]
        return bytes(self._buffers[number][start - first : stop - first])

    @property
    def size(self) -> int:
        """Bytes of all ranges together."""
        return sum(map(len, self._buffers))

    def abort(self) -> None:
        """Discard the content."""
        self._buffers = [bytearray() for _ in self.ranges]


class _SharedFile:
    """An open file that several threads write to and read from by offset."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._lock = threading.Lock()

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        with self._open() as file:
            file.seek(offset)
            view = memoryview(data)
            while view:
                view = view[file.write(view) :]

    def read(self, start: int, stop: int) -> bytes:
        with self._open() as file:
            file.seek(start)
            return file.read(stop - start)

    def read_chunks(self, size: int) -> Iterator[memoryview]:
        for offset in range(0, size, CHUNK_BYTES):
            with self._open() as file:
                file.seek(offset)
                chunk = file.read(min(CHUNK_BYTES, size - offset))
            yield memoryview(chunk)

    @contextlib.contextmanager
    def _open(self) -> Iterator[IO[bytes]]:
        with self._lock:
            if self._file.closed:
                raise Aborted
            yield self._file


class _Spool(_SharedFile):
    """A temporary file without a name, which the system removes even if the process is killed."""

    def __init__(self, folder: Path | None) -> None:
        self.size = 0
        self._spool = tempfile.SpooledTemporaryFile(  # noqa: SIM115 - closed by abort
            SPILL_BYTES, dir=str(folder) if folder else None
        )
        super().__init__(self._spool)

    def allocate(self, size: int | None) -> None:
        # The spool starts in memory, where a write at a large offset would allocate all before it.
        if size is not None:
            self._spool.rollover()

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        super().write(offset, data)
        self.size = max(self.size, offset + len(data))

    def chunks(self) -> Iterator[memoryview]:
        return self.read_chunks(self.size)

    def abort(self) -> None:
        with self._lock:
            self._file.close()


class SpillTarget:
    """Stores the object in memory, or in a temporary file if it is larger than `SPILL_BYTES`.

    Parameters
    ----------
    folder
        The folder of the temporary file; None: the system's (which may be a RAM disk).
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._target: Target = MemoryTarget()

    def allocate(self, size: int | None) -> None:
        self._target.abort()
        fits = size is not None and size <= SPILL_BYTES
        self._target = MemoryTarget() if fits else _Spool(self._folder)
        self._target.allocate(size)

    def write(self, offset: int, data: bytes) -> None:
        self._target.write(offset, data)

    def chunks(self) -> Iterator[memoryview]:
        return self._target.chunks()

    def read(self, start: int, stop: int) -> bytes:
        return self._target.read(start, stop)

    @property
    def size(self) -> int:
        return self._target.size

    def abort(self) -> None:
        self._target.abort()


class FileTarget:
    """Writes to a temporary file in the folder of ``path``; `commit` renames it to ``path``.

    A download that fails leaves ``path`` unchanged. If this process is killed, the temporary file
    remains until the next target is created in that folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._part = PartFile(path)
        self._size = 0

    def allocate(self, size: int | None) -> None:
        self._size = size or 0
        self._part.truncate(self._size)

    def write(self, offset: int, data: bytes) -> None:
        self._part.write(offset, data)
        self._size = max(self._size, offset + len(data))

    def chunks(self) -> Iterator[memoryview]:
        return self._part.read_chunks(self._size)

    def read(self, start: int, stop: int) -> bytes:
        return self._part.read(start, stop)

    @property
    def size(self) -> int:
        return self._size

    def commit(self) -> None:
        """Rename the temporary file to its final path, durably."""
        self._part.commit()

    def abort(self) -> None:
        self._part.abort()


class PartFile(_SharedFile):
    """A temporary file in the folder of its final path; created at once, exclusively.

    Raises
    ------
    OSError
        If the folder does not exist or is not writable, or ``path`` is a folder.
    """

    def __init__(self, path: Path) -> None:
        if path.is_dir():
            raise IsADirectoryError(
                f"local_path={str(path)!r} is a folder; pass the path of a file in it"
            )
        if not path.parent.is_dir():
            raise FileNotFoundError(
                f"local_path={str(path)!r}: the folder {str(path.parent)!r} does not exist; "
                "create it"
            )
        _remove_abandoned_parts(path.parent)
        self.path = path
        self._temporary = path.parent / _part_name(path.name)
        # O_BINARY exists on Windows, where files are otherwise opened in text mode. The mode 0o666
        # is that of open(); the umask applies.
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        super().__init__(os.fdopen(os.open(self._temporary, flags, 0o666), "r+b", buffering=0))

    def truncate(self, size: int) -> None:
        with self._open() as file:
            file.truncate(0)
            file.truncate(size)

    def commit(self) -> None:
        with self._open() as file:
            # Without fsync, a crash after the rename can leave an empty file (ext4's delayed
            # allocation). Windows cannot rename an open file.
            os.fsync(file.fileno())
            file.close()
            self._temporary.replace(self.path)
        sync_folder(self.path.parent)

    def abort(self) -> None:
        with self._lock:
            if not self._file.closed:
                self._file.close()
                self._temporary.unlink(missing_ok=True)


def write_whole(path: Path, chunks: Iterable[bytes | bytearray | memoryview]) -> None:
    """Write a file, which replaces an older one once it is complete.

    Raises
    ------
    OSError
        As `PartFile`, or if there is no space; an older file then remains.
    """
    part = PartFile(path)
    try:
        offset = 0
        for chunk in chunks:
            part.write(offset, chunk)
            offset += len(chunk)
        part.commit()
    finally:
        part.abort()


def sync_folder(folder: Path) -> None:
    """Make a rename in ``folder`` durable, on POSIX systems (fsync(2): the directory itself)."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


# The name identifies the writing process, so that files of killed processes can be distinguished
# from those of running ones: .{target}.{host}-{pid}-{token}.flatnb-part
_PART_NAME = re.compile(r"\..*\.(?P<host>[^.]*)-(?P<pid>\d+)-[0-9a-f]{8}\.flatnb-part")


def _host() -> str:
    return re.sub(r"[^0-9A-Za-z]", "_", socket.gethostname())[:32]


def _part_name(name: str) -> str:
    # Most file systems limit a name to 255 bytes (NAME_MAX on Linux).
    return f".{name[:120]}.{_host()}-{os.getpid()}-{secrets.token_hex(4)}.flatnb-part"


def _remove_abandoned_parts(folder: Path) -> None:
    """Remove temporary files in ``folder`` of processes of this machine that no longer run."""
    for path in folder.glob(".*.flatnb-part"):
        found = _PART_NAME.fullmatch(path.name)
        if found and found["host"] == _host() and not _is_alive(int(found["pid"])):
            with contextlib.suppress(OSError):
                path.unlink()


def _is_alive(pid: int) -> bool:
    if os.name != "posix":
        return True  # on Windows 0 is CTRL_C_EVENT and no mere check (documentation of os.kill)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
