"""The progress of one load, counted from its events."""

from __future__ import annotations

import threading

from ..download.events import (
    BytesDiscarded,
    BytesReceived,
    CacheHit,
    DownloadFailed,
    DownloadFinished,
    Event,
    SizeKnown,
)


class Progress:
    """Counts the events of one load; safe to feed from several threads.

    Attributes
    ----------
    files
        Files to download, as far as known.
    cached
        Files read from the cache.
    ended
        Files that were downloaded, failed, were missing or cancelled.
    failed, missing, cancelled
        Files that have failed; that the bucket does not have; whose download was cancelled. Each
        file counts as one of them at most.
    known_bytes
        Sum of the sizes that the service has reported so far.
    received_bytes
        Bytes received and not discarded.
    """

    def __init__(self, files: int = 0) -> None:
        self.files = files
        self.cached = 0
        self.ended = 0
        self.failed = 0
        self.missing = 0
        self.cancelled = 0
        self.known_bytes = 0
        self.received_bytes = 0
        self._sizes: dict[str, int] = {}
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        """Count one event."""
        with self._lock:
            match event:
                case SizeKnown():
                    # An object that starts again reports its size again.
                    self.known_bytes += event.size_bytes - self._sizes.get(event.key, 0)
                    self._sizes[event.key] = event.size_bytes
                case BytesReceived():
                    self.received_bytes += event.size_bytes
                case BytesDiscarded():
                    self.received_bytes -= event.size_bytes
                case DownloadFinished() | DownloadFailed():
                    self.ended += 1
                    if isinstance(event, DownloadFailed):
                        self._count_failure(event)
                    # Else `expected_bytes` would still count it.
                    self._sizes.setdefault(event.key, 0)
                case CacheHit():
                    self.cached += 1

    def _count_failure(self, event: DownloadFailed) -> None:
        if event.was_cancelled:
            self.cancelled += 1
        elif event.is_missing:
            self.missing += 1
        else:
            self.failed += 1

    def retry_failed(self) -> None:
        """Take back one failure, as its file is downloaded once more."""
        with self._lock:
            self.ended -= 1
            self.failed -= 1

    @property
    def loaded(self) -> int:
        """Files that were downloaded."""
        return self.ended - self.failed - self.missing - self.cancelled

    @property
    def expected_bytes(self) -> int:
        """Bytes in all: those of unknown size count as the mean of the known."""
        with self._lock:
            sizes = [size for size in self._sizes.values() if size]
            unknown = max(self.files - len(self._sizes), 0)
            return self.known_bytes + (unknown * sum(sizes) // len(sizes) if sizes else 0)
