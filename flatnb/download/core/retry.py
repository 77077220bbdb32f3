"""The one retry loop, without I/O: exponential backoff with full jitter, Retry-After, deadline."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ...errors import ThrottledError, TransferError
from ..events import Listener, Retried
from .commands import Command, Failure, Latch, Operation, Sleep

_WEIGHT = 0.1
_PART_S = 0.25


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how late to try again.

    Attributes
    ----------
    max_retries
        How often a request is made again; ``max_retries + 1`` attempts in all.
    backoff_s
        The upper bound of the first delay, in seconds; it doubles with each retry up to
        ``max_backoff_s``. The delay is drawn uniformly from zero to the bound ("full jitter"),
        so that many clients do not come back together.
    deadline_s
        No retry begins later than this after the first fault, whatever Retry-After asks.
    """

    max_retries: int
    backoff_s: float
    deadline_s: float
    max_backoff_s: float = 20.0

    def delay(self, retry: int, retry_after_s: float | None, fraction: float) -> float:
        """Seconds to wait before the ``retry``-th retry; ``fraction`` is uniform in [0, 1)."""
        bound: float = min(self.max_backoff_s, self.backoff_s * 2 ** (retry - 1))
        return max(retry_after_s or 0.0, fraction * bound)


@dataclass(slots=True)
class Throttle:
    """What all requests of a downloader know of the service's wish to slow down."""

    until: float = 0.0

    def slow_down(self, until: float) -> None:
        """Hold all requests until then."""
        self.until = max(self.until, until)

    def pause(self, now: float) -> float:
        """Seconds for which a request must wait."""
        return max(0.0, self.until - now)


@dataclass(slots=True)
class ThroughputEstimate:
    """How fast a connection is, as all parts of a downloader found it.

    A service that slows each connection (or a long way to it) wants many small parts; where a
    connection is quick, each request's own cost, some 1.5 ms of the processor, is what is left.

    Attributes
    ----------
    bytes_per_s
        The mean of the last parts; 0.0 before the first.
    """

    bytes_per_s: float = 0.0

    def note(self, size_bytes: int, seconds: float) -> None:
        """Take a part's rate into the mean."""
        rate = size_bytes / max(seconds, 0.001)
        self.bytes_per_s += (rate - self.bytes_per_s) * (_WEIGHT if self.bytes_per_s else 1.0)

    def part_bytes(self, least: int) -> int:
        """What comes in a quarter of a second, but ``least``, and eight times that at most."""
        return min(max(least, int(self.bytes_per_s * _PART_S)), 8 * least)


@dataclass(frozen=True, slots=True)
class TransferContext:
    """What the core needs from outside; the clock and the randomness are given by tests."""

    policy: RetryPolicy
    emit: Listener
    timeout_s: float
    new_latch: Callable[[], Latch]
    throttle: Throttle = field(default_factory=Throttle)
    throughput: ThroughputEstimate = field(default_factory=ThroughputEstimate)
    clock: Callable[[], float] = time.monotonic
    fraction: Callable[[], float] = random.random


def with_retries(
    context: TransferContext, bucket: str, key: str, command: Callable[[], Command]
) -> Operation[Any]:
    """Make a request until it succeeds; answered faults that are transient are retried.

    ``command`` is asked anew for each attempt, so that a cut download can go on where it stopped.

    Raises
    ------
    TransferError
        The fault's exception, if it is permanent, or the retries or the deadline ran out.
    """
    policy = context.policy
    deadline: float | None = None
    attempt = 0
    while True:
        if pause := context.throttle.pause(context.clock()):
            # A little jitter, or all parts come back in the same instant.
            yield Sleep(pause * (1 + 0.25 * context.fraction()))
        attempt += 1
        answer = yield command()
        if not isinstance(answer, Failure):
            return answer
        now = context.clock()
        # From the first fault on, as a part of a large object may have waited long for its turn.
        deadline = deadline or now + policy.deadline_s
        delay = policy.delay(attempt, answer.retry_after_s, context.fraction())
        resume_at = now + delay
        if not answer.retryable or attempt > policy.max_retries or resume_at > deadline:
            raise as_exception(answer, bucket, key, attempt) from answer.cause
        if issubclass(answer.error, ThrottledError):
            context.throttle.slow_down(resume_at)
        context.emit(Retried(bucket, key, attempt, delay, answer.reason))
        yield Sleep(delay)


def as_exception(failure: Failure, bucket: str, key: str, attempts: int) -> TransferError:
    """The exception that tells users of a fault."""
    return failure.error(
        failure.reason, bucket=bucket, key=key, attempts=attempts, request_id=failure.request_id
    )
