"""What happens during downloads, as frozen events.

A listener is any callable that takes one event. It is called from whichever thread the download
runs in, must be quick and must not raise. Events hold no credentials and no data.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to one object (for a listing: to its prefix)."""

    bucket: str
    key: str


@dataclass(frozen=True, slots=True)
class DownloadStarted(Event):
    """A download was asked for and began."""


@dataclass(frozen=True, slots=True)
class SizeKnown(Event):
    """The service told the object's size."""

    size_bytes: int


@dataclass(frozen=True, slots=True)
class BytesReceived(Event):
    """Bytes of the body came in."""

    size_bytes: int


@dataclass(frozen=True, slots=True)
class BytesDiscarded(Event):
    """Bytes that had come in were thrown away, as the part they belong to starts again."""

    size_bytes: int


@dataclass(frozen=True, slots=True)
class Retried(Event):
    """A request failed and will be made again after ``delay_s`` seconds."""

    attempt: int
    delay_s: float
    reason: str


@dataclass(frozen=True, slots=True)
class DownloadFinished(Event):
    """The whole object is here and verified; ``size_bytes`` as stored, before unpacking."""

    size_bytes: int
    elapsed_s: float


@dataclass(frozen=True, slots=True)
class DownloadFailed(Event):
    """The download ended without the object. ``reason`` is ``"cancelled"`` if it was stopped."""

    reason: str
    elapsed_s: float

    @property
    def was_cancelled(self) -> bool:
        """Whether it was stopped, and did not fail by itself."""
        return self.reason == "cancelled"


@dataclass(frozen=True, slots=True)
class CacheHit(Event):
    """The object was not downloaded: what was made of it before is here."""

    size_bytes: int


Listener = Callable[[Event], None]
