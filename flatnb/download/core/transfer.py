"""One object's download, decided without I/O: ranges, retries, resume, verification.

The first request asks for the first part and thereby learns the size and the ETag. The other
parts follow side by side as soon as its head is here, each bound by ``If-Match`` to the same
version. A part that is cut goes on at the byte where it stopped. If the object is replaced
meanwhile, or what came is not whole, all of it is fetched once more; then it is an error.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from ...errors import (
    ConnectionFailedError,
    IntegrityError,
    ObjectChangedError,
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
from ..targets import Target
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
from .retry import TransferContext, with_retries

T = TypeVar("T")

PART_BYTES = 1 << 20
"""Objects above this are fetched in parts: small enough that a 25 MB file uses many of the
service's throttled connections; parts are larger where connections turn out to be quick."""

MAX_PARTS = 1024
"""An object of more parts gets larger ones: signing costs about a millisecond a request."""

SLOWEST_BYTES_PER_S = 16 * 1024
"""A connection that drips more slowly is given up, and its part resumed on another."""


@dataclass(frozen=True, slots=True)
class ObjectVersion:
    """One version of an object, as a listing tells it."""

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

    ``finish`` runs as `RunInThread` and processes the bytes: decompresses, parses, commits. It is
    given their version, or None where the service gives no ETag. If it finds them damaged
    (`GzipError`), the object is fetched once more. ``known`` saves finding out the size; where
    the object is a newer version by now, the newer one is fetched.

    Raises
    ------
    TransferError
        The object could not be had. Then, and after any other exception, ``target`` is aborted.
    """
    began = context.clock()
    context.emit(DownloadStarted(bucket, key))
    try:
        transfer = _Transfer(context, bucket, key, target, known)
        try:
            value = yield from transfer.run(finish)
        except (ObjectChangedError, IntegrityError) as error:
            context.emit(BytesDiscarded(bucket, key, transfer.received_bytes))
            context.emit(Retried(bucket, key, error.attempts, 0.0, error.reason))
            transfer = _Transfer(context, bucket, key, target, None, earlier=error.attempts)
            value = yield from transfer.run(finish)
    except BaseException as error:
        target.abort()
        if isinstance(error, Exception):
            reason = str(getattr(error, "reason", type(error).__name__))
        else:
            reason = "cancelled"
        context.emit(DownloadFailed(bucket, key, reason, context.clock() - began))
        raise
    elapsed_s = context.clock() - began
    context.emit(DownloadFinished(bucket, key, transfer.received_bytes, elapsed_s))
    return value


class _Transfer:
    """One run through all parts of an object."""

    def __init__(
        self,
        context: TransferContext,
        bucket: str,
        key: str,
        target: Target,
        known: ObjectVersion | None,
        earlier: int = 0,
    ) -> None:
        self.context = context
        self.bucket = bucket
        self.key = key
        self.target = target
        self.size = known.size_bytes if known else None
        self.etag = known.etag if known else None
        self.whole = False  # fetch in one piece: the service does no ranges, or gives no ETag
        self.in_parts = False  # the other parts are under way
        self.request_id: str | None = None
        # Of the objects before: this one's first part alone tells too little.
        self._part_bytes = context.throughput.part_bytes(PART_BYTES)
        self._etag_is_opaque = False
        self._earlier = earlier
        self._parts: list[_Part] = []
        self._first_head = context.new_latch()

    @property
    def received_bytes(self) -> int:
        return sum(part.position - part.start for part in self._parts)

    def run(self, finish: Callable[[Target, ObjectVersion | None], T]) -> Operation[T]:
        """Fetch all parts, verify, and take the bytes further."""
        try:
            yield from self._fetch()
            value: T = yield RunInThread(partial(self._finish, finish))
        except TransferError as error:
            error.attempts += self._earlier
            raise
        return value

    def _fetch(self) -> Operation[None]:
        try:
            yield Gather((self._fetch_first(), self._fetch_others()))
        except ObjectChangedError:
            if self.in_parts or self.etag is not None:
                raise
            # No range of an empty object can be had (416), and without an ETag nothing says
            # that two ranges are of the same version.
            self.whole = True
            self._parts.clear()
            yield from self._fetch_first()

    def _fetch_first(self) -> Operation[None]:
        try:
            stop = PART_BYTES if self.size is None else min(PART_BYTES, self.size)
            yield from self._part(0, None if self.whole else stop).fetch()
        finally:
            self._first_head.set()

    def _fetch_others(self) -> Operation[None]:
        yield Wait(self._first_head)
        if self.in_parts and self.size is not None:
            step = max(self._part_bytes, -(-self.size // MAX_PARTS))
            starts = range(PART_BYTES, self.size, step)
            parts = [self._part(start, min(start + step, self.size)) for start in starts]
            yield Gather([part.fetch() for part in parts])

    def _part(self, start: int, stop: int | None) -> _Part:
        part = _Part(self, start, stop)
        self._parts.append(part)
        return part

    def learn(self, head: ResponseHead, size: int | None, *, in_parts: bool) -> None:
        """Take what the first part's head tells of the object; let the other parts begin."""
        self.size = size
        self.etag = head.etag
        self._etag_is_opaque = head.etag_is_opaque
        self.target.allocate(size)
        if size is not None:
            self.context.emit(SizeKnown(self.bucket, self.key, size))
        self.in_parts = in_parts
        self.whole = not in_parts and head.status != 206
        self._first_head.set()

    def _finish(self, finish: Callable[[Target, ObjectVersion | None], T]) -> T:
        version = ObjectVersion(self.target.size, self.etag) if self.etag else None
        try:
            self._check_md5()
            return finish(self.target, version)
        except GzipError as failure:
            raise IntegrityError(
                str(failure), bucket=self.bucket, key=self.key, request_id=self.request_id
            ) from failure

    def _check_md5(self) -> None:
        # The real bucket's ETags are of multipart uploads ("…-3") and say nothing of the content.
        etag = (self.etag or "").strip('"').lower()
        if self._etag_is_opaque or not re.fullmatch(r"[0-9a-f]{32}", etag):
            return
        digest = hashlib.md5(usedforsecurity=False)
        for chunk in self.target.chunks():
            digest.update(chunk)
        if digest.hexdigest() != etag:
            raise GzipError("the MD5 of what came is not the object's ETag")


class _Part:
    """One range of an object, and the receiver of the answers that bring it."""

    def __init__(self, transfer: _Transfer, start: int, stop: int | None) -> None:
        self.start = start
        self.stop = stop
        self.position = start
        self._transfer = transfer
        self._began = 0, 0.0  # at which byte, and when
        self._give_up_at = 0.0

    def fetch(self) -> Operation[None]:
        """Fetch the part, with retries."""
        transfer = self._transfer
        yield from with_retries(transfer.context, transfer.bucket, transfer.key, self._request)

    def _request(self) -> Get:
        transfer = self._transfer
        parameters: dict[str, Any] = {"Bucket": transfer.bucket, "Key": transfer.key}
        if transfer.etag is None or transfer.size is None:
            self._start_again()
        else:
            parameters["IfMatch"] = transfer.etag
        if self.stop and (self.position or not transfer.whole):
            parameters["Range"] = f"bytes={self.position}-{self.stop - 1}"
        return Get(parameters, self)

    def _start_again(self) -> None:
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
            raise self._refused(
                f"Content-Length is {head.content_length} for {expected} bytes", head
            )
        allowed_s = transfer.context.timeout_s + expected / SLOWEST_BYTES_PER_S
        now = transfer.context.clock()
        self._began = self.position, now
        self._give_up_at = now + allowed_s if self.stop else float("inf")

    def _begin_range(self, head: ResponseHead) -> None:
        transfer = self._transfer
        answered = head.range()
        if answered is None:
            raise self._refused(f"Content-Range is {head.content_range!r}", head)
        start, stop, total = answered
        first_answer = self.start == self.position == 0 and not transfer.in_parts
        if first_answer:
            self.stop = min(PART_BYTES, total)
        if (start, stop, total) != (self.position, self.stop, transfer.size or total):
            asked = f"bytes {self.position}-{(self.stop or 0) - 1}"
            raise self._refused(f"Content-Range is {head.content_range!r} for {asked}", head)
        if first_answer:
            if head.etag is None and total > PART_BYTES:
                raise ResponseRejected(Failure.of(ObjectChangedError, "the service gives no ETag"))
            transfer.learn(head, total, in_parts=total > PART_BYTES)

    def _begin_whole(self, head: ResponseHead) -> None:
        """A 200: the service has no ranges, or the object was asked for in one piece."""
        transfer = self._transfer
        if self.start or transfer.in_parts:
            raise self._refused("the service ignored Range", head)
        resumed = self.position > self.start
        self._start_again()
        start, stop, total = head.range() or (0, 0, 0)
        if stop - start < total:
            # rclone's server calls a part so. Without Range, in one piece, it is right.
            if resumed:
                raise self._refused("a part came as the whole", head)
            raise ResponseRejected(Failure.of(ObjectChangedError, "the service has no 206"))
        self.stop = head.content_length
        transfer.learn(head, head.content_length, in_parts=False)

    def feed(self, chunk: bytes) -> None:
        transfer = self._transfer
        if self.stop is not None and self.position + len(chunk) > self.stop:
            raise self._refused("more bytes came than were promised")
        if self.position == 0 and _is_page(transfer.key, chunk):
            raise self._refused("an HTML or XML page came in place of the object")
        if transfer.context.clock() > self._give_up_at:
            raise ResponseRejected(
                Failure.of(TransferTimeoutError, "the connection is far too slow")
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
        position, began = self._began
        if self.position - position >= PART_BYTES:
            context = self._transfer.context
            context.throughput.note(self.position - position, context.clock() - began)

    def _refused(self, reason: str, head: ResponseHead | None = None) -> ResponseRejected:
        request_id = head.request_id if head else self._transfer.request_id
        return ResponseRejected(
            Failure(IntegrityError, reason, retryable=True, request_id=request_id)
        )


def _is_page(key: str, chunk: bytes) -> bool:
    """Whether a proxy's or the service's page came, with status 200, in place of a data file."""
    return key.endswith((".gz", ".csv")) and chunk[:1] == b"<"
