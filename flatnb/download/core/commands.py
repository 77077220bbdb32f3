"""What the transfer core asks of its drivers, and what it is told.

The core (`retry`, `transfer`, `listing`) is made of generators: they yield the commands below
and are sent the answers, so that retries, ranges and verification are written once, without I/O.
`sync_downloader` answers with boto3 and threads, `async_downloader` with aioboto3 and tasks.

A driver never raises for what the service or the network did: it answers with a `Failure`, and the
core decides. Anything else that it meets (a cancellation, a full disk, a defect) it throws into
the generator.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, TypeVar

from ...errors import RETRYABLE, TransferError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt failed.

    ``retryable`` says whether the same request may succeed if it is made again.
    """

    error: type[TransferError]
    reason: str
    retryable: bool
    retry_after_s: float | None = None
    request_id: str | None = None
    cause: BaseException | None = None

    @classmethod
    def of(cls, error: type[TransferError], reason: str, **details: Any) -> Failure:
        """A fault that is retryable if its exception type is."""
        return cls(error, reason, issubclass(error, RETRYABLE), **details)


class ResponseRejected(Exception):  # noqa: N818 - a signal to the driver, never seen by users
    """Raised by a receiver that does not want this answer."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.reason)
        self.failure = failure


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """The head of an answer to a GET.

    ``etag_is_opaque``: it looks like an MD5 but is none, as S3 documents for SSE-KMS and SSE-C.
    """

    status: int
    etag: str | None
    content_length: int | None
    content_range: str | None
    etag_is_opaque: bool
    request_id: str | None

    @classmethod
    def of(cls, response: Mapping[str, Any]) -> ResponseHead:
        """The head of botocore's answer, from boto3 or aioboto3."""
        meta = response["ResponseMetadata"]
        headers = meta["HTTPHeaders"]
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
    """Takes the answer to one GET; each method may raise `ResponseRejected`."""

    def begin(self, head: ResponseHead) -> None:
        """The head came."""

    def feed(self, chunk: bytes) -> None:
        """A piece of the body came."""

    def end(self) -> None:
        """The body ended without an error."""


class Latch(Protocol):
    """What `asyncio.Event` and `threading.Event` have in common."""

    def set(self) -> None:
        """Let those who wait go on."""

    def wait(self) -> Any:
        """Wait, or give what is to be awaited."""


@dataclass(frozen=True, slots=True)
class Call:
    """Make a request whose answer is small; answered with botocore's dict or a `Failure`."""

    operation: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Get:
    """Get an object or a range of it into ``receiver``; answered with None or a `Failure`."""

    parameters: Mapping[str, Any]
    receiver: Receiver


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait; answered with None."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait until the latch is set; answered with None."""

    latch: Latch


@dataclass(frozen=True, slots=True)
class RunInThread:
    """Compute something that takes a while; answered with what ``function`` returns."""

    function: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Gather:
    """Run generators side by side; answered with None when all have ended.

    The first exception stops the others, waits for them to clean up, and is thrown.
    """

    operations: Sequence[Operation[Any]]


Command: TypeAlias = Call | Get | Sleep | Wait | RunInThread | Gather
Operation: TypeAlias = Generator[Command, Any, T]
