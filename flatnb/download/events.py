"""The events of downloads, for statistics, progress and users' own listeners.

A listener is any callable that takes one event. It is called in the thread that runs the download,
must return quickly and must not raise. Events hold neither credentials nor data.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """An event of one object; for a listing, ``key`` is its prefix."""

    bucket: str
    key: str


@dataclass(frozen=True, slots=True)
class DownloadStarted(Event):
    """A download started."""


@dataclass(frozen=True, slots=True)
class SizeKnown(Event):
    """The object's size is known, in bytes as stored."""

    size_bytes: int


@dataclass(frozen=True, slots=True)
class BytesReceived(Event):
    """Bytes of the body were received."""

    size_bytes: int


@dataclass(frozen=True, slots=True)
class BytesDiscarded(Event):
    """Received bytes were discarded, as the part that they belong to is downloaded again."""

    size_bytes: int


@dataclass(frozen=True, slots=True)
class Retried(Event):
    """A request failed and will be repeated after ``delay_s`` seconds."""

    attempt: int
    delay_s: float
    reason: str


@dataclass(frozen=True, slots=True)
class DownloadFinished(Event):
    """The object is complete and verified; ``size_bytes`` as stored, before decompression."""

    size_bytes: int
    elapsed_s: float


@dataclass(frozen=True, slots=True)
class DownloadFailed(Event):
    """The download failed; ``reason`` is ``"cancelled"`` if it was cancelled.

    ``is_missing`` says that the bucket has no such object.
    """

    reason: str
    elapsed_s: float
    is_missing: bool = False

    @property
    def was_cancelled(self) -> bool:
        """Whether the download was cancelled, and did not fail by itself."""
        return self.reason == "cancelled"


@dataclass(frozen=True, slots=True)
class CacheHit(Event):
    """The object was not downloaded, as its data are in the cache."""

    size_bytes: int


Listener = Callable[[Event], None]
