"""Totals and rates of downloads, counted from events."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypedDict

from .. import html
from ..formatting import format_bytes
from .events import (
    BytesDiscarded,
    BytesReceived,
    CacheHit,
    DownloadFailed,
    DownloadFinished,
    DownloadStarted,
    Event,
    Retried,
)


class StatisticsDict(TypedDict):
    """What ``get_statistics()`` returns."""

    total_downloads: int
    successful_downloads: int
    failed_downloads: int
    total_retries: int
    success_rate: float


@dataclass(frozen=True, slots=True)
class Totals:
    """The totals at one time.

    ``cancelled`` counts those of ``failed`` that were cancelled, ``missing`` those that the bucket
    does not have.

    ``busy_s`` is the time in seconds during which at least one download was running.
    """

    started: int = 0
    successful: int = 0
    failed: int = 0
    cancelled: int = 0
    missing: int = 0
    retries: int = 0
    cache_hits: int = 0
    received_bytes: int = 0
    discarded_bytes: int = 0
    busy_s: float = 0.0

    @property
    def running(self) -> int:
        """Downloads that have started and not ended."""
        return self.started - self.successful - self.failed

    @property
    def failures(self) -> int:
        """Downloads that failed: neither cancelled nor of a file that does not exist."""
        return self.failed - self.cancelled - self.missing

    @property
    def success_rate(self) -> float:
        """Successful downloads as a fraction (0 to 1) of the ended ones; 0.0 if there are none."""
        ended = self.successful + self.failed
        return self.successful / ended if ended else 0.0

    @property
    def bytes_per_s(self) -> float:
        """Mean rate over the time in which at least one download was running."""
        return self.received_bytes / self.busy_s if self.busy_s else 0.0


class Statistics:
    """Counts events; safe to call from several threads.

    Parameters
    ----------
    on_display
        Called instead of the HTML representation when a notebook displays the statistics, for
        example to show a live view.
    clock
        A monotonic clock, in seconds.
    """

    def __init__(
        self,
        *,
        on_display: Callable[[], object] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._on_display = on_display
        self._clock = clock
        self._lock = threading.Lock()
        self._totals = Totals()
        self._busy_since: float | None = None

    def __call__(self, event: Event) -> None:
        """Count one event."""
        with self._lock:
            self._count(event)

    def _count(self, event: Event) -> None:
        # A new object for each event, so that `totals` returns a consistent one without copying.
        totals = self._totals
        match event:
            case BytesReceived():
                totals = replace(totals, received_bytes=totals.received_bytes + event.size_bytes)
            case BytesDiscarded():
                totals = replace(totals, discarded_bytes=totals.discarded_bytes + event.size_bytes)
            case Retried():
                totals = replace(totals, retries=totals.retries + 1)
            case CacheHit():
                totals = replace(totals, cache_hits=totals.cache_hits + 1)
            case DownloadStarted():
                if not totals.running:
                    self._busy_since = self._clock()
                totals = replace(totals, started=totals.started + 1)
            case DownloadFinished():
                totals = replace(totals, successful=totals.successful + 1)
            case DownloadFailed():
                totals = replace(
                    totals,
                    failed=totals.failed + 1,
                    cancelled=totals.cancelled + event.was_cancelled,
                    missing=totals.missing + event.is_missing,
                )
        if self._busy_since is not None and not totals.running:
            totals = replace(totals, busy_s=totals.busy_s + self._clock() - self._busy_since)
            self._busy_since = None
        self._totals = totals

    @property
    def totals(self) -> Totals:
        """The totals so far; ``busy_s`` includes the downloads that are running now."""
        with self._lock:
            if self._busy_since is None:
                return self._totals
            running_s = self._clock() - self._busy_since
            return replace(self._totals, busy_s=self._totals.busy_s + running_s)

    def as_dict(self) -> StatisticsDict:
        """The documented summary: downloads (ended or running), retries, success rate (0 to 1)."""
        totals = self.totals
        return {
            "total_downloads": totals.started,
            "successful_downloads": totals.successful,
            "failed_downloads": totals.failed,
            "total_retries": totals.retries,
            "success_rate": totals.success_rate,
        }

    def reset(self) -> None:
        """Start counting from zero; downloads that are running now count as started now."""
        with self._lock:
            running = self._totals.running
            self._totals = Totals(started=running)
            self._busy_since = self._clock() if running else None

    def _repr_html_(self) -> str:
        totals = self.totals
        return html.page(
            html.facts(
                {
                    "Files": f"{totals.successful:,} done, {totals.running:,} running, "
                    f"{_unsuccessful(totals)}, {totals.cache_hits:,} from cache",
                    "Received": f"{format_bytes(totals.received_bytes)} in {totals.busy_s:.1f} s "
                    f"({format_bytes(totals.bytes_per_s)}/s)",
                    "Retries": f"{totals.retries:,}",
                    "Success rate": f"{totals.success_rate:.0%}",
                }
            )
        )

    def _ipython_display_(self) -> None:
        if self._on_display is None:
            # IPython then falls back to the other representations (DisplayFormatter.format).
            raise NotImplementedError
        self._on_display()

    def __repr__(self) -> str:
        totals = self.totals
        if not totals.started:
            return "no downloads yet"
        return (
            f"{totals.successful} files done, {totals.running} running, {_unsuccessful(totals)}; "
            f"{format_bytes(totals.received_bytes)} received in {totals.busy_s:.1f} s "
            f"({format_bytes(totals.bytes_per_s)}/s), {totals.retries} retries, "
            f"success rate {totals.success_rate:.0%}"
        )


def _unsuccessful(totals: Totals) -> str:
    """The downloads that gave no file, each by the word that the report has for its day."""
    parts = [f"{totals.failures:,} failed"]
    parts += [f"{totals.missing:,} missing"] if totals.missing else []
    parts += [f"{totals.cancelled:,} cancelled"] if totals.cancelled else []
    return ", ".join(parts)
