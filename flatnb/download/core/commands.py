"""The commands that the transfer core yields to its drivers, and their results.

The core (`retry`, `transfer`, `listing`) consists of generators, here called operations: they yield
the commands below and are sent the results, so that retries, ranges and verification are written
once, without I/O. `sync_driver` executes commands with boto3 and threads, `async_driver` with
aioboto3 and tasks.

A driver does not raise errors of the service or the network: it sends a `Failure` into the
generator, and the core decides. All other exceptions (a cancellation, a full disk, a defect) it
throws into the generator.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, TypedDict, TypeVar, Unpack

from ...errors import RETRYABLE, TransferError

T = TypeVar("T")


class _FailureDetails(TypedDict, total=False):
    retry_after_s: float | None
    request_id: str | None
    cause: BaseException | None


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a request failed.

    ``retryable``: whether the same request may succeed if it is repeated.
    """

    error: type[TransferError]
    reason: str
    retryable: bool
    retry_after_s: float | None = None
    request_id: str | None = None
    cause: BaseException | None = None

    @classmethod
    def of(
        cls, error: type[TransferError], reason: str, **details: Unpack[_FailureDetails]
    ) -> Failure:
        """A failure that is retryable if its exception type is."""
        return cls(error, reason, issubclass(error, RETRYABLE), **details)


class ResponseRejected(Exception):  # noqa: N818 - a signal to the driver, never seen by users
    """Raised by a receiver that does not accept this response."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.reason)
        self.failure = failure


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """Status and headers of the response to a GET.

    ``etag_is_opaque``: the ETag may look like an MD5 but is not that of the content, which S3's API
    reference ("Object", ETag) says of objects encrypted with SSE-KMS or SSE-C.
    """

    status: int
    etag: str | None
    content_length: int | None
    content_range: str | None
    etag_is_opaque: bool
    request_id: str | None

    @classmethod
    def of(cls, response: Mapping[str, Any]) -> ResponseHead:
        """From the response dict of botocore or aiobotocore."""
        meta = response["ResponseMetadata"]
        headers = meta["HTTPHeaders"]  # names in lower case, in botocore as in aiobotocore
        length = headers.get("content-length", "")
        return cls(
            status=meta["HTTPStatusCode"],
            etag=response.get("ETag") or None,
            content_length=int(length) if length.isdecimal() else None,
            content_range=response.get("ContentRange"),
            etag_is_opaque=headers.get("x-amz-server-side-encryption", "").startswith("aws:kms")
            or "x-amz-server-side-encryption-customer-algorithm" in headers,
            request_id=meta.get("RequestId") or headers.get("x-amz-request-id"),
        )

    def range(self) -> tuple[int, int, int] | None:
        """The Content-Range as ``(start, stop, total)``, ``stop`` exclusive; None if malformed."""
        found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", self.content_range or "")
        if found is None:
            return None
        start, last, total = map(int, found.groups())
        return start, last + 1, total


class Receiver(Protocol):
    """Receives the response to one GET; each method may raise `ResponseRejected`."""

    def begin(self, head: ResponseHead) -> None:
        """Receive status and headers."""

    def feed(self, chunk: bytes) -> None:
        """Receive a piece of the body."""

    def end(self) -> None:
        """Receive the end of the body, without an error."""


class Latch(Protocol):
    """The common interface of `asyncio.Event` and `threading.Event`."""

    def set(self) -> None:
        """Release all that wait."""

    def wait(self) -> Any:
        """Wait (threading), or return an awaitable (asyncio)."""


@dataclass(frozen=True, slots=True)
class Call:
    """Make a request with a small response; the result is botocore's dict or a `Failure`.

    ``operation`` is the name of a method of the S3 client.
    """

    operation: str
    parameters: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Get:
    """Get an object or a range of it into ``receiver``; the result is None or a `Failure`."""

    parameters: Mapping[str, object]
    receiver: Receiver


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait for a time in seconds; the result is None."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait until the latch is set; the result is None."""

    latch: Latch


@dataclass(frozen=True, slots=True)
class RunInThread:
    """Run a long computation outside the event loop; the result is that of ``function``."""

    function: Callable[[], object]


@dataclass(frozen=True, slots=True)
class Gather:
    """Run operations concurrently; the result is None when all have ended.

    The first exception stops the other operations; when they have cleaned up, it is thrown.
    """

    operations: Sequence[Operation[object]]


Command: TypeAlias = Call | Get | Sleep | Wait | RunInThread | Gather
# What is sent depends on the command that was yielded, which a Generator's type cannot express.
Operation: TypeAlias = Generator[Command, Any, T]
