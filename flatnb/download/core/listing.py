"""Listings and existence checks, without I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from ...errors import BucketNotFoundError, IntegrityError, ObjectNotFoundError, TransferError
from ..object_names import check_bucket_name, check_text
from .commands import Call, Operation
from .retry import TransferContext, with_retries

PAGE_KEYS = 1000
"""Most keys in one response (S3 API reference, ListObjectsV2, MaxKeys)."""


@dataclass(frozen=True, slots=True)
class ObjectSummary:
    """The entry of one object in a listing; ``last_modified`` is in UTC."""

    key: str
    size_bytes: int
    etag: str
    last_modified: datetime


class ObjectListing(list[ObjectSummary]):
    """Objects in byte order of their keys; ``is_cut``: ``max_keys`` left out further ones."""

    is_cut = False


def list_summaries(
    context: TransferContext, bucket: str, prefix: str, max_keys: int
) -> Operation[ObjectListing]:
    """The first ``max_keys`` objects below ``prefix`` in byte order, over as many pages as needed.

    Raises
    ------
    ValueError
        If ``max_keys`` is not a positive integer, or the bucket or the prefix not a name.
    IntegrityError
        If a page is marked as truncated but has no continuation token. boto3's own paginator
        would end there, without an error.
    BucketNotFoundError
        If the service has no such bucket.
    """
    if isinstance(max_keys, bool) or not isinstance(max_keys, int) or max_keys < 1:
        raise ValueError(f"max_keys={max_keys!r} must be a positive integer")
    check_bucket_name(bucket)
    check_text("prefix", prefix)
    summaries = ObjectListing()
    parameters: dict[str, object] = {"Bucket": bucket, "Prefix": prefix}
    while True:
        # The last page has only the missing keys.
        parameters["MaxKeys"] = min(PAGE_KEYS, max_keys - len(summaries))
        request = partial(Call, "list_objects_v2", dict(parameters))
        page = yield from _page(context, bucket, prefix, request)
        # Without any keys S3 omits the element, and boto3 the entry.
        summaries += [
            ObjectSummary(item["Key"], item["Size"], item["ETag"], item["LastModified"])
            for item in page.get("Contents", [])
        ]
        # S3 sorts by the UTF-8 bytes of the keys (API reference), so these are the first ones.
        if not page.get("IsTruncated") or len(summaries) >= max_keys:
            found = ObjectListing(summaries[:max_keys])
            found.is_cut = bool(page.get("IsTruncated")) or len(summaries) > max_keys
            return found
        token = page.get("NextContinuationToken")
        if not token:
            reason = (
                f"the listing is truncated after {len(summaries)} keys and has no token for the "
                "next page"
            )
            raise IntegrityError(reason, bucket=bucket, key=prefix)
        parameters["ContinuationToken"] = token


def list_folders(context: TransferContext, bucket: str, prefix: str) -> Operation[list[str]]:
    """The prefixes one level below ``prefix``, each with a trailing ``/``; at most 1000."""
    check_bucket_name(bucket)
    check_text("prefix", prefix)
    parameters = {"Bucket": bucket, "Prefix": prefix, "Delimiter": "/"}
    request = partial(Call, "list_objects_v2", parameters)
    page = yield from _page(context, bucket, prefix or "/", request)
    return sorted(item["Prefix"] for item in page.get("CommonPrefixes", []))


def _page(
    context: TransferContext, bucket: str, prefix: str, request: Callable[[], Call]
) -> Operation[dict[str, Any]]:
    try:
        page: dict[str, Any] = yield from with_retries(context, bucket, prefix, request)
    except ObjectNotFoundError as error:
        # A prefix without keys is an empty listing, so a 404 concerns the bucket. Where the path
        # of the endpoint already has the bucket's name, the service takes the listing for a GET of
        # an object of this name, and its code is NoSuchKey.
        raise BucketNotFoundError(
            f"{error.reason}: the endpoint has no bucket {bucket!r}",
            bucket=bucket,
            key=prefix,
            attempts=error.attempts,
            request_id=error.request_id,
        ) from error
    return page


def check_bucket(context: TransferContext, bucket: str) -> Operation[None]:
    """After a 404 for an object: find out by one listing whether there is the bucket at all.

    The response to a HEAD has no body, and so no code; and an endpoint with a wrong path responds
    NoSuchKey. A bucket of which a request has succeeded is not listed.

    Raises
    ------
    BucketNotFoundError
        If the service has no such bucket.
    """
    if bucket in context.known_buckets:
        return
    try:
        yield from list_summaries(context, bucket, "", 1)
    except BucketNotFoundError:
        raise
    except TransferError:
        # The keys may not allow listings: then the 404 is all that is known.
        return


def head(context: TransferContext, bucket: str, key: str) -> Operation[dict[str, Any]]:
    """The response to a HEAD."""
    call = Call("head_object", {"Bucket": bucket, "Key": key})
    response: dict[str, Any] = yield from with_retries(context, bucket, key, lambda: call)
    return response


def exists(context: TransferContext, bucket: str, key: str) -> Operation[bool]:
    """Whether the object exists; any error but a 404 raises, and a 404 of the whole bucket does."""
    try:
        yield from head(context, bucket, key)
    except ObjectNotFoundError:
        yield from check_bucket(context, bucket)
        return False
    return True
