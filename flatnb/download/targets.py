"""Where the bytes of an object go: into memory, or into a temporary file that replaces its target.

A target takes parts in any order and from several threads, as each writes a region of its own.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Protocol

CHUNK_BYTES = 1 << 20

SPILL_BYTES = 32 << 20
"""Larger objects do not stay in memory. A day of stock minutes (30 MB) does; eight are in work."""


class Aborted(Exception):  # noqa: N818 - a signal between threads, never seen by users
    """The target was given up while something still wrote to it or read from it."""


class Target(Protocol):
    """A place for the bytes of one object."""

    def allocate(self, size: int | None) -> None:
        """Begin anew, for an object of this size (None: not known before its end)."""

    def write(self, offset: int, data: bytes) -> None:
        """Place bytes."""

    def chunks(self) -> Iterator[memoryview]:
        """All bytes in order, in pieces of at most `CHUNK_BYTES`."""

    @property
    def size(self) -> int:
        """Bytes allocated or written."""

    def abort(self) -> None:
        """Give up: nothing is left behind. A target that was finished is not touched."""


class MemoryTarget:
    """Keeps the object in one buffer, allocated once where the size is known before."""

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

    @property
    def size(self) -> int:
        return len(self._buffer)

    @property
    def buffer(self) -> bytearray:
        """The object."""
        return self._buffer

    def abort(self) -> None:
        self._buffer = bytearray()


class _SharedFile:
    """An open file that several threads write to and read from by offset, until it is closed."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._lock = threading.Lock()

    def write(self, offset: int, data: bytes | memoryview) -> None:
        with self._open() as file:
            file.seek(offset)
            view = memoryview(data)
            while view:
                view = view[file.write(view) :]

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
    """A temporary file without a name, which the system removes also if the process is killed."""

    def __init__(self, folder: Path | None) -> None:
        self.size = 0
        self._spool = tempfile.SpooledTemporaryFile(  # noqa: SIM115 - closed by abort
            SPILL_BYTES, dir=str(folder) if folder else None
        )
        super().__init__(self._spool)

    def allocate(self, size: int | None) -> None:
        # In memory, a part that is far behind would fill what is before it with zeros.
        if size is not None:
            self._spool.rollover()

    def write(self, offset: int, data: bytes | memoryview) -> None:
        super().write(offset, data)
        self.size = max(self.size, offset + len(data))

    def chunks(self) -> Iterator[memoryview]:
        return self.read_chunks(self.size)

    def abort(self) -> None:
        with self._lock:
            self._file.close()


class SpillTarget:
    """Keeps the object in memory, or in a temporary file if it is large.

    Parameters
    ----------
    folder
        Where the file would be; None: the system's temporary folder, which may be memory.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._held: Target = MemoryTarget()

    def allocate(self, size: int | None) -> None:
        self._held.abort()
        fits = size is not None and size <= SPILL_BYTES
        self._held = MemoryTarget() if fits else _Spool(self._folder)
        self._held.allocate(size)

    def write(self, offset: int, data: bytes) -> None:
        self._held.write(offset, data)

    def chunks(self) -> Iterator[memoryview]:
        return self._held.chunks()

    @property
    def size(self) -> int:
        return self._held.size

    def abort(self) -> None:
        self._held.abort()


class FileTarget:
    """Writes to a temporary file in the folder of ``path``, which `commit` puts in its place.

    A download that fails leaves ``path`` as it was. If this process is killed, the temporary file
    stays: the next target in that folder sweeps it away.
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

    @property
    def size(self) -> int:
        return self._size

    def commit(self) -> None:
        """Put the file in its place, durably."""
        self._part.commit()

    def abort(self) -> None:
        self._part.abort()


class PartFile(_SharedFile):
    """A temporary file beside its final path; created at once, exclusively.

    Raises
    ------
    OSError
        If the folder does not exist or cannot be written, or ``path`` is a folder.
    """

    def __init__(self, path: Path) -> None:
        if path.is_dir():
            raise IsADirectoryError(f"local_path={str(path)!r} is a folder; name a file in it")
        if not path.parent.is_dir():
            raise FileNotFoundError(
                f"local_path={str(path)!r}: there is no folder {str(path.parent)!r}; create it"
            )
        _sweep(path.parent)
        self.path = path
        self._temporary = path.parent / _part_name(path.name)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        super().__init__(os.fdopen(os.open(self._temporary, flags, 0o666), "r+b", buffering=0))

    def truncate(self, size: int) -> None:
        with self._open() as file:
            file.truncate(0)
            file.truncate(size)

    def commit(self) -> None:
        with self._open() as file:
            os.fsync(file.fileno())
            file.close()
            self._temporary.replace(self.path)
        sync_folder(self.path.parent)

    def abort(self) -> None:
        with self._lock:
            if not self._file.closed:
                self._file.close()
                self._temporary.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make a rename in ``folder`` durable, where the system can."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


# The name tells who writes the file, so that what a killed process left can be told from what a
# living one is writing: .{target}.{host}-{pid}-{token}.flatnb-part
_PART_NAME = re.compile(r"\..*\.(?P<host>[^.]*)-(?P<pid>\d+)-[0-9a-f]{8}\.flatnb-part")


def _host() -> str:
    return re.sub(r"[^0-9A-Za-z]", "_", socket.gethostname())[:32]


def _part_name(name: str) -> str:
    # File names have at most 255 bytes nearly everywhere; the cut keeps ours below that.
    return f".{name[:120]}.{_host()}-{os.getpid()}-{secrets.token_hex(4)}.flatnb-part"


def _sweep(folder: Path) -> None:
    """Remove the temporary files that dead processes of this machine left in ``folder``."""
    for path in folder.glob(".*.flatnb-part"):
        found = _PART_NAME.fullmatch(path.name)
        if found and found["host"] == _host() and not _is_alive(int(found["pid"])):
            with contextlib.suppress(OSError):
                path.unlink()


def _is_alive(pid: int) -> bool:
    if os.name != "posix":
        return True  # no harmless way to ask there: os.kill would end the process
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
