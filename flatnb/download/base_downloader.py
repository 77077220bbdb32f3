"""The common base of both downloaders: settings, statistics, results in memory and in files."""

from __future__ import annotations

import io
import math
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import TypeVar

from ..errors import CredentialsError, FlatnbWarning
from .core.commands import Latch, Operation
from .core.listing import ObjectListing
from .core.retry import RetryPolicy, TransferContext
from .core.transfer import ObjectVersion, download
from .drivers.botocore_client import check_endpoint
from .events import Event, Listener
from .gzip_stream import MAGIC, decompress_stream
from .object_names import check_flag, validate_name
from .statistics import Statistics, StatisticsDict
from .targets import FileTarget, MemoryTarget, Target, local_path, write_whole

T = TypeVar("T")

LocalPath = str | os.PathLike[str]


class Downloader:
    """The part of a downloader that does no network I/O; see its two subclasses."""

    def __init__(
        self,
        credentials: Mapping[str, str],
        endpoint_url: str,
        max_retries: int,
        timeout: float,
        max_pool_connections: int,
        backoff_s: float,
        listener: Listener | None,
        max_decompressed_bytes: int | None,
        new_latch: Callable[[], Latch],
        statistics: Statistics | None,
    ) -> None:
        check_endpoint(endpoint_url)
        check_at_least("max_retries", max_retries, 0)
        check_at_least("max_pool_connections", max_pool_connections, 1)
        if max_decompressed_bytes is not None:
            check_at_least("max_decompressed_bytes", max_decompressed_bytes, 1)
        if listener is not None and not callable(listener):
            raise ValueError(f"listener={listener!r} cannot be called; give a function of an event")
        if statistics is not None and not isinstance(statistics, Statistics):
            raise ValueError(f"statistics={statistics!r} is not a Statistics object; omit it")
        _check_seconds("timeout", timeout)
        _check_seconds("backoff_s", backoff_s)
        self.endpoint_url = endpoint_url
        self.max_retries = max_retries
        self.timeout = timeout
        self.max_pool_connections = max_pool_connections
        self.max_decompressed_bytes = max_decompressed_bytes
        self.statistics = statistics if statistics is not None else Statistics()
        self._credentials = _validate_credentials(credentials)
        self._listener = listener
        self._context = TransferContext(
            # The deadline is the duration of all attempts if each of them times out.
            policy=RetryPolicy(max_retries, backoff_s, deadline_s=timeout * (max_retries + 1)),
            emit=self.emit,
            timeout_s=timeout,
            new_latch=new_latch,
        )

    def emit(self, event: Event) -> None:
        """Pass an event to the statistics and the listener."""
        self.statistics(event)
        if self._listener is not None:
            self._listener(event)

    def _context_with(self, listener: Listener | None) -> TransferContext:
        """The context of one download, with an additional listener for it."""
        if listener is None:
            return self._context

        def emit(event: Event) -> None:
            self.emit(event)
            listener(event)

        return replace(self._context, emit=emit)

    def get_statistics(self) -> StatisticsDict:
        """Downloads, retries and success rate since the start or the last reset.

        Returns
        -------
        dict
            ``total_downloads`` (ended or running), ``successful_downloads``,
            ``failed_downloads``, ``total_retries`` (of all requests, including listings) and
            ``success_rate`` (0.0 to 1.0, of the downloads that have ended).
        """
        return self.statistics.as_dict()

    def reset_statistics(self) -> None:
        """Start counting from zero."""
        self.statistics.reset()

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError(f"{type(self).__name__} cannot be pickled: it holds credentials")

    def __repr__(self) -> str:
        return f"{type(self).__name__}(endpoint_url={self.endpoint_url!r})"

    def _to_memory(self, bucket: str, key: str, decompress: bool) -> Operation[io.BytesIO]:
        check_flag("decompress", decompress)
        finish = partial(_into_bytes_io, key, decompress, self.max_decompressed_bytes)
        return download(self._context, *validate_name(bucket, key), MemoryTarget(), finish)

    def _to_file(self, bucket: str, key: str, path: LocalPath, decompress: bool) -> Operation[None]:
        bucket, key = validate_name(bucket, key)
        check_flag("decompress", decompress)
        file = local_path(path, "local_path")
        file.parent.mkdir(parents=True, exist_ok=True)
        target = FileTarget(file)
        finish = partial(_into_file, key, decompress, self.max_decompressed_bytes)
        yield from download(self._context, bucket, key, target, finish)


def keys_of(listing: ObjectListing, max_keys: int) -> list[str]:
    """The keys of a listing; warns, two frames up, if ``max_keys`` has left out further ones."""
    if listing.is_cut:
        warnings.warn(
            f"max_keys={max_keys} has cut the listing, and there are more keys with this prefix; "
            "raise max_keys to get them",
            FlatnbWarning,
            stacklevel=3,
        )
    return [item.key for item in listing]


def _is_gzip(key: str, target: Target) -> bool:
    """Whether the object is gzip, by the key's ending or the content's first bytes."""
    return key.endswith(".gz") or bytes(next(target.chunks(), b"")[:2]) == MAGIC


def _into_bytes_io(
    key: str,
    decompress: bool,
    max_decompressed_bytes: int | None,
    target: MemoryTarget,
    _: ObjectVersion | None,
) -> io.BytesIO:
    if not _is_gzip(key, target):
        return io.BytesIO(target.buffer)
    # Without ``decompress``, too, the content is decompressed, block by block, to verify it.
    blocks = decompress_stream(target.chunks(), max_decompressed_bytes=max_decompressed_bytes)
    if decompress:
        return io.BytesIO(b"".join(blocks))
    _exhaust(blocks)
    return io.BytesIO(target.buffer)


def _into_file(
    key: str,
    decompress: bool,
    max_decompressed_bytes: int | None,
    target: FileTarget,
    _: ObjectVersion | None,
) -> None:
    if not _is_gzip(key, target):
        target.commit()
        return
    blocks = decompress_stream(target.chunks(), max_decompressed_bytes=max_decompressed_bytes)
    if not decompress:
        _exhaust(blocks)
        target.commit()
        return
    write_whole(target.path, blocks)
    target.abort()  # removes the compressed bytes; after an error the core does


def _exhaust(blocks: Iterator[bytes]) -> None:
    """Decompress for the verification alone."""
    for _ in blocks:
        pass


def _validate_credentials(credentials: Mapping[str, str]) -> dict[str, str]:
    """A copy of the pair; error messages contain no values."""
    pair = {}
    for name in ("access_key_id", "secret_access_key"):
        value = credentials.get(name) if isinstance(credentials, Mapping) else None
        if not isinstance(value, str) or not value.strip():
            raise CredentialsError(
                f"credentials has no {name!r}; pass "
                "{'access_key_id': …, 'secret_access_key': …}, both non-empty strings"
            )
        # Copied keys often end in a line break, which the signature would include.
        pair[name] = value.strip()
    return pair


def check_at_least(parameter: str, value: int, least: int) -> None:
    """Raise ValueError if ``value`` is not an integer of at least ``least``."""
    # bool is a subclass of int.
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{parameter}={value!r} must be an integer of at least {least}")


def _check_seconds(parameter: str, value: float) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
        raise ValueError(f"{parameter}={value!r} must be a positive number of seconds")
