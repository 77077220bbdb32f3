"""The retry loop, without I/O: exponential backoff with full jitter, Retry-After, deadline."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ...errors import ThrottledError, TransferError
from ..events import Listener, Retried
from .commands import Command, Failure, Latch, Operation, Sleep

_WEIGHT = 0.1  # of a new part in the moving average
_PART_S = 0.25


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and after which delays a request is repeated.

    Attributes
    ----------
    max_retries
        How often a request is repeated; it makes ``max_retries + 1`` attempts in total.
    backoff_s
        The upper bound of the first delay, in seconds; it doubles with each retry up to
        ``max_backoff_s``. The delay is drawn uniformly from zero to the bound ("full jitter" in
        Amazon's "Exponential Backoff And Jitter"), so that clients do not retry in step.
    deadline_s
        No retry starts later than this after the first failure, whatever Retry-After says.
    """

    max_retries: int
    backoff_s: float
    deadline_s: float
    max_backoff_s: float = 20.0

    def delay(self, retry: int, retry_after_s: float | None, fraction: float) -> float:
        """Seconds to wait before the ``retry``-th retry; ``fraction`` is uniform in [0, 1)."""
        # Retry-After is a minimum; with less, the service would reject the request again.
        bound: float = min(self.max_backoff_s, self.backoff_s * 2 ** (retry - 1))
        return max(retry_after_s or 0.0, fraction * bound)


@dataclass(slots=True)
class Throttle:
    """A pause of all requests of a downloader, as one throttled request concerns them all.

    ``until`` is a time of the context's clock, in seconds.
    """

    until: float = 0.0

    def slow_down(self, until: float) -> None:
        """Pause all requests until then; an earlier time than before changes nothing."""
        self.until = max(self.until, until)

    def pause(self, now: float) -> float:
        """Seconds for which a request has to wait."""
        return max(0.0, self.until - now)


@dataclass(slots=True)
class ThroughputEstimate:
    """The throughput of one connection, estimated from all parts of a downloader.

    If the service throttles each connection, or its latency is high, many small parts are faster.
    If connections are fast, few large parts are: a request costs some 1.5 ms of CPU time (measured,
    mostly the signature).

    Attributes
    ----------
    bytes_per_s
        An exponential moving average over the parts; 0.0 before the first.
    """

    bytes_per_s: float = 0.0

    def update(self, size_bytes: int, seconds: float) -> None:
        """Include a part in the average."""
        rate = size_bytes / max(seconds, 0.001)
        self.bytes_per_s += (rate - self.bytes_per_s) * (_WEIGHT if self.bytes_per_s else 1.0)

    def part_bytes(self, least: int) -> int:
        """The bytes of a quarter of a second, at least ``least`` and at most eight times that."""
        return min(max(least, int(self.bytes_per_s * _PART_S)), 8 * least)


@dataclass(frozen=True, slots=True)
class TransferContext:
    """The settings and dependencies of the core; tests replace the clock and the random source.

    ``fraction`` returns random numbers, uniform in [0, 1). ``known_buckets`` are those of which a
    request has succeeded, so that they exist.
    """

    policy: RetryPolicy
    emit: Listener
    timeout_s: float
    new_latch: Callable[[], Latch]
    throttle: Throttle = field(default_factory=Throttle)
    throughput: ThroughputEstimate = field(default_factory=ThroughputEstimate)
    known_buckets: set[str] = field(default_factory=set)
    clock: Callable[[], float] = time.monotonic
    fraction: Callable[[], float] = random.random


def with_retries(
    context: TransferContext, bucket: str, key: str, command: Callable[[], Command]
) -> Operation[Any]:
    """Make a request until it succeeds; transient failures are retried.

    ``command`` is called for each attempt, so that an interrupted download can resume.

    Raises
    ------
    TransferError
        The failure's exception: if it is permanent, or the retries or the deadline are exhausted.
    """
    policy = context.policy
    deadline: float | None = None
    attempt = 0
    while True:
        if pause := context.throttle.pause(context.clock()):
            # Jitter, so that the waiting parts do not all send their requests at the same time.
            yield Sleep(pause * (1 + 0.25 * context.fraction()))
        attempt += 1
        result = yield command()
        if not isinstance(result, Failure):
            context.known_buckets.add(bucket)
            return result
        now = context.clock()
        # Measured from the first failure, not from the start: a part of a large object may have
        # waited for a free connection for longer than the deadline.
        deadline = deadline or now + policy.deadline_s
        delay = policy.delay(attempt, result.retry_after_s, context.fraction())
        resume_at = now + delay
        if not result.retryable or attempt > policy.max_retries or resume_at > deadline:
            raise as_exception(result, bucket, key, attempt) from result.cause
        if issubclass(result.error, ThrottledError):
            context.throttle.slow_down(resume_at)
        context.emit(Retried(bucket, key, attempt, delay, result.reason))
        yield Sleep(delay)


def as_exception(failure: Failure, bucket: str, key: str, attempts: int) -> TransferError:
    """The exception for users."""
    return failure.error(
        failure.reason, bucket=bucket, key=key, attempts=attempts, request_id=failure.request_id
    )
