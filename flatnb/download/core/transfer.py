"""The download of one object, without I/O: ranges, retries, resumption, verification.

The first request gets the first part, and with it the size and the ETag of the object. As soon as
its headers are received, the other parts are requested concurrently, each bound to the same version
by ``If-Match``. An interrupted part resumes at the byte where it stopped. If the object is replaced
meanwhile, or the received bytes are damaged, all of it is downloaded once more; if that fails as
well, it is an error.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from ...errors import (
    ConnectionFailedError,
    IntegrityError,
    ObjectChangedError,
    ObjectNotFoundError,
    TransferError,
    TransferTimeoutError,
)
from ..events import (
    BytesDiscarded,
    BytesReceived,
    DownloadFailed,
    DownloadFinished,
    DownloadStarted,
    Retried,
    SizeKnown,
)
from ..gzip_stream import GzipError
from ..targets import RangesTarget, Target
from .commands import (
    Failure,
    Gather,
    Get,
    Operation,
    ResponseHead,
    ResponseRejected,
    RunInThread,
    Wait,
)
from .listing import check_bucket
from .retry import TransferContext, with_retries

T = TypeVar("T")

PART_BYTES = 1 << 20
"""Larger objects are downloaded in parts. Small enough that a 25 MB file uses many connections, as
the service throttles each of them; where connections are fast, `ThroughputEstimate` makes parts
larger."""

RANGE_PART_BYTES = 1 << 19
"""The same for byte ranges: what they answer waits for all of them, and few are longer."""

MAX_PARTS = 1024
"""For more, the parts are made larger: a request costs about 1 ms for its signature (measured)."""

SLOWEST_BYTES_PER_S = 16 * 1024
"""A slower connection is abandoned, and its part resumed on another. No read time-out expires on a
connection that delivers single bytes."""


@dataclass(frozen=True, slots=True)
class ObjectVersion:
    """One version of an object, as in a listing; ``etag`` includes its quotes."""

    size_bytes: int
    etag: str


def download(
    context: TransferContext,
    bucket: str,
    key: str,
    target: Target,
    finish: Callable[[Target, ObjectVersion | None], T],
    known: ObjectVersion | None = None,
) -> Operation[T]:
    """Download one object into ``target`` and return ``finish(target, version)``.

    ``finish`` runs as `RunInThread` and processes the bytes: it decompresses, parses or commits
    them. Its second argument is their version, or None if the service sends no ETag. If it raises
    `GzipError`, the object is downloaded once more. ``known`` is the version of a listing, which
    lets all parts start at once; if the object has been replaced since, the newer version is
    downloaded.

    Raises
    ------
    TransferError
        If the object could not be downloaded: a BucketNotFoundError if there is no such bucket.
        After this and any other exception, ``target`` is aborted.
    """
    started = context.clock()
    context.emit(DownloadStarted(bucket, key))
    try:
        transfer = _Transfer(context, bucket, key, target, known)
        try:
            value = yield from transfer.run(finish)
        except ObjectNotFoundError:
            yield from check_bucket(context, bucket)
            raise
        except (ObjectChangedError, IntegrityError) as error:
            context.emit(BytesDiscarded(bucket, key, transfer.received_bytes))
            context.emit(Retried(bucket, key, error.attempts, 0.0, error.reason))
            transfer = _Transfer(
                context, bucket, key, target, None, earlier_attempts=error.attempts
            )
            value = yield from transfer.run(finish)
    except BaseException as error:
        target.abort()
        if isinstance(error, Exception):
            reason = str(getattr(error, "reason", type(error).__name__))
        else:
            reason = "cancelled"
        is_missing = isinstance(error, ObjectNotFoundError)
        context.emit(DownloadFailed(bucket, key, reason, context.clock() - started, is_missing))
        raise
    elapsed_s = context.clock() - started
    context.emit(DownloadFinished(bucket, key, transfer.received_bytes, elapsed_s))
    return value


def download_ranges(
    context: TransferContext,
    bucket: str,
    key: str,
    target: RangesTarget,
    finish: Callable[[RangesTarget], T],
    version: ObjectVersion,
) -> Operation[T]:
    """Download byte ranges of one version of an object, and return ``finish(target)``.

    Raises
    ------
    TransferError
        If the ranges could not be downloaded; `ObjectChangedError` if the object was replaced.
    """
    started = context.clock()
    context.emit(DownloadStarted(bucket, key))
    transfer = _Transfer(context, bucket, key, target, version)
    try:
        value = yield from transfer.run_ranges(finish)
    except BaseException as error:
        reason = str(getattr(error, "reason", type(error).__name__))
        if not isinstance(error, Exception):
            reason = "cancelled"
        context.emit(BytesDiscarded(bucket, key, transfer.received_bytes))
        context.emit(DownloadFailed(bucket, key, reason, context.clock() - started))
        raise
    elapsed_s = context.clock() - started
    context.emit(DownloadFinished(bucket, key, transfer.received_bytes, elapsed_s))
    return value


class _Transfer:
    """One attempt to download all parts of an object."""

    def __init__(
        self,
        context: TransferContext,
        bucket: str,
        key: str,
        target: Target,
        known: ObjectVersion | None,
        earlier_attempts: int = 0,
    ) -> None:
        self.context = context
        self.bucket = bucket
        self.key = key
        self.target = target
        self.size = known.size_bytes if known else None
        self.etag = known.etag if known else None
        # In one request: the service does not support ranges, or sends no ETag.
        self.in_one_piece = False
        self.in_parts = False  # the requests for the other parts have been decided on
        self.request_id: str | None = None
        # From earlier objects: the first part of this one is too small a sample.
        self._part_bytes = context.throughput.part_bytes(PART_BYTES)
        self._etag_is_opaque = False
        self._earlier_attempts = earlier_attempts
        self._parts: list[_Part] = []
        self._first_response = context.new_latch()

    @property
    def received_bytes(self) -> int:
        return sum(part.position - part.start for part in self._parts)

    def run(self, finish: Callable[[Target, ObjectVersion | None], T]) -> Operation[T]:
        """Download all parts, verify them, and process the bytes."""
        try:
            yield from self._fetch()
            value: T = yield RunInThread(partial(self._finish, finish))
        except TransferError as error:
            error.attempts += self._earlier_attempts
            raise
        return value

    def run_ranges(self, finish: Callable[[RangesTarget], T]) -> Operation[T]:
        """Download the ranges of the target, and process them."""
        target = self.target
        assert isinstance(target, RangesTarget)
        self.in_parts = True  # each response must be a part of the known version
        self.context.emit(SizeKnown(self.bucket, self.key, target.size))
        step = self.context.throughput.part_bytes(RANGE_PART_BYTES)
        parts = [
            self._part(start, min(start + step, last))
            for first, last in target.ranges
            for start in range(first, last, step)
        ]
        yield Gather([part.fetch() for part in parts])
        value: T = yield RunInThread(partial(finish, target))
        return value

    def _fetch(self) -> Operation[None]:
        try:
            yield Gather((self._fetch_first(), self._fetch_others()))
        except ObjectChangedError:
            if self.in_parts or self.etag is not None:
                raise
            # A range of an empty object is an error (416; RFC 9110, 14.1.2), and without an ETag
            # nothing shows that two ranges belong to the same version.
            self.in_one_piece = True
            self._parts.clear()
            yield from self._fetch_first()

    def _fetch_first(self) -> Operation[None]:
        try:
            stop = PART_BYTES if self.size is None else min(PART_BYTES, self.size)
            yield from self._part(0, None if self.in_one_piece else stop).fetch()
        finally:
            self._first_response.set()

    def _fetch_others(self) -> Operation[None]:
        yield Wait(self._first_response)
        if self.in_parts and self.size is not None:
            step = max(self._part_bytes, -(-self.size // MAX_PARTS))
            starts = range(PART_BYTES, self.size, step)
            parts = [self._part(start, min(start + step, self.size)) for start in starts]
            yield Gather([part.fetch() for part in parts])

    def _part(self, start: int, stop: int | None) -> _Part:
        part = _Part(self, start, stop)
        self._parts.append(part)
        return part

    def set_object(self, head: ResponseHead, size: int | None, *, in_parts: bool) -> None:
        """Set size and version from the first part's headers; let the other parts start."""
        self.size = size
        self.etag = head.etag
        self._etag_is_opaque = head.etag_is_opaque
        self.target.allocate(size)
        if size is not None:
            self.context.emit(SizeKnown(self.bucket, self.key, size))
        self.in_parts = in_parts
        self.in_one_piece = not in_parts and head.status != 206
        self._first_response.set()

    def _finish(self, finish: Callable[[Target, ObjectVersion | None], T]) -> T:
        version = ObjectVersion(self.target.size, self.etag) if self.etag else None
        try:
            self._check_md5()
            return finish(self.target, version)
        except GzipError as error:
            raise IntegrityError(
                str(error), bucket=self.bucket, key=self.key, request_id=self.request_id
            ) from error

    def _check_md5(self) -> None:
        # Only ETags of objects uploaded in one piece are an MD5 of the content. Those of multipart
        # uploads ("…-3"), which most of the vendor's large files have, are not.
        etag = (self.etag or "").strip('"').lower()
        if self._etag_is_opaque or not re.fullmatch(r"[0-9a-f]{32}", etag):
            return
        digest = hashlib.md5(usedforsecurity=False)
        for chunk in self.target.chunks():
            digest.update(chunk)
        if digest.hexdigest() != etag:
            raise GzipError("the MD5 of the received bytes is not the object's ETag")


class _Part:
    """One range of an object, and the receiver of the responses to its requests."""

    def __init__(self, transfer: _Transfer, start: int, stop: int | None) -> None:
        self.start = start
        self.stop = stop
        self.position = start
        self._transfer = transfer
        self._attempt_start = 0, 0.0  # position in bytes, time of the clock in seconds
        self._give_up_at = 0.0

    def fetch(self) -> Operation[None]:
        """Download the part, with retries."""
        transfer = self._transfer
        yield from with_retries(transfer.context, transfer.bucket, transfer.key, self._request)

    def _request(self) -> Get:
        transfer = self._transfer
        parameters: dict[str, object] = {"Bucket": transfer.bucket, "Key": transfer.key}
        if transfer.etag is None or transfer.size is None:
            self._restart()
        else:
            parameters["IfMatch"] = transfer.etag
        if self.stop and (self.position or not transfer.in_one_piece):
            parameters["Range"] = f"bytes={self.position}-{self.stop - 1}"
        return Get(parameters, self)

    def _restart(self) -> None:
        if self.position > self.start:
            transfer = self._transfer
            discarded = self.position - self.start
            transfer.context.emit(BytesDiscarded(transfer.bucket, transfer.key, discarded))
            self.position = self.start

    def begin(self, head: ResponseHead) -> None:
        transfer = self._transfer
        transfer.request_id = head.request_id
        if transfer.etag is not None and head.etag != transfer.etag:
            changed = f"the object was replaced (ETag {transfer.etag} became {head.etag})"
            raise ResponseRejected(
                Failure.of(ObjectChangedError, changed, request_id=head.request_id)
            )
        if head.status == 206:
            self._begin_range(head)
        else:
            self._begin_whole(head)
        expected = (self.stop or self.position) - self.position
        if self.stop is not None and head.content_length not in (None, expected):
            raise self._rejected(
                f"Content-Length is {head.content_length} for {expected} bytes", head
            )
        allowed_s = transfer.context.timeout_s + expected / SLOWEST_BYTES_PER_S
        now = transfer.context.clock()
        self._attempt_start = self.position, now
        self._give_up_at = now + allowed_s if self.stop else float("inf")

    def _begin_range(self, head: ResponseHead) -> None:
        transfer = self._transfer
        received = head.range()
        if received is None:
            raise self._rejected(f"Content-Range is {head.content_range!r}", head)
        start, stop, total = received
        is_first_response = self.start == self.position == 0 and not transfer.in_parts
        if is_first_response:
            self.stop = min(PART_BYTES, total)
        if (start, stop, total) != (self.position, self.stop, transfer.size or total):
            requested = f"bytes {self.position}-{(self.stop or 0) - 1}"
            raise self._rejected(f"Content-Range is {head.content_range!r} for {requested}", head)
        if is_first_response:
            if head.etag is None and total > PART_BYTES:
                raise ResponseRejected(Failure.of(ObjectChangedError, "the service sends no ETag"))
            transfer.set_object(head, total, in_parts=total > PART_BYTES)

    def _begin_whole(self, head: ResponseHead) -> None:
        """A 200: the service does not support ranges, or none was requested."""
        transfer = self._transfer
        if self.start or transfer.in_parts:
            raise self._rejected("the service ignored the Range header", head)
        resumed = self.position > self.start
        self._restart()
        start, stop, total = head.range() or (0, 0, 0)
        if stop - start < total:
            # `rclone serve s3` sends parts with status 200 (seen with rclone 1.75). It must be
            # asked for the whole object, without Range.
            if resumed:
                raise self._rejected("a part was sent with status 200", head)
            raise ResponseRejected(
                Failure.of(ObjectChangedError, "the service sends parts with status 200")
            )
        self.stop = head.content_length
        transfer.set_object(head, head.content_length, in_parts=False)

    def feed(self, chunk: bytes) -> None:
        transfer = self._transfer
        if self.stop is not None and self.position + len(chunk) > self.stop:
            raise self._rejected("the body is longer than its Content-Length")
        if self.position == 0 and _is_page(transfer.key, chunk):
            raise self._rejected("the body is an HTML or XML page, not the object")
        if transfer.context.clock() > self._give_up_at:
            raise ResponseRejected(
                Failure.of(
                    TransferTimeoutError,
                    f"the connection is slower than {SLOWEST_BYTES_PER_S} bytes/s",
                )
            )
        transfer.target.write(self.position, chunk)
        self.position += len(chunk)
        transfer.context.emit(BytesReceived(transfer.bucket, transfer.key, len(chunk)))

    def end(self) -> None:
        if self.stop is None:
            self.stop = self._transfer.size = self.position
        elif self.position != self.stop:
            missing = f"the body ended {self.stop - self.position} bytes early"
            raise ResponseRejected(Failure.of(ConnectionFailedError, missing))
        position, started = self._attempt_start
        if self.position - position >= PART_BYTES:
            context = self._transfer.context
            context.throughput.update(self.position - position, context.clock() - started)

    def _rejected(self, reason: str, head: ResponseHead | None = None) -> ResponseRejected:
        request_id = head.request_id if head else self._transfer.request_id
        return ResponseRejected(
            Failure(IntegrityError, reason, retryable=True, request_id=request_id)
        )


def _is_page(key: str, chunk: bytes) -> bool:
    """Whether the body of a data file is a proxy's or the service's page, with status 200."""
    return key.endswith((".gz", ".csv")) and chunk[:1] == b"<"
