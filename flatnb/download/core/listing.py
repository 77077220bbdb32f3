"""Listings and existence, decided without I/O."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from ...errors import IntegrityError, ObjectNotFoundError
from .commands import Call, Operation
from .retry import TransferContext, with_retries

PAGE_KEYS = 1000
"""S3 gives at most this many keys in one answer."""


@dataclass(frozen=True, slots=True)
class ObjectSummary:
    """What a listing says of one object; ``last_modified`` is in UTC."""

    key: str
    size_bytes: int
    etag: str
    last_modified: datetime


def list_summaries(
    context: TransferContext, bucket: str, prefix: str, max_keys: int
) -> Operation[list[ObjectSummary]]:
    """The first ``max_keys`` objects below ``prefix`` in byte order, over as many pages as needed.

    Raises
    ------
    ValueError
        If ``max_keys`` is not a positive integer.
    IntegrityError
        If a page says that there is more, but not how to get it: boto3's own paginator stops
        there without a word.
    """
    if isinstance(max_keys, bool) or not isinstance(max_keys, int) or max_keys < 1:
        raise ValueError(f"max_keys={max_keys!r} must be a positive integer")
    found: list[ObjectSummary] = []
    parameters: dict[str, Any] = {"Bucket": bucket, "Prefix": prefix}
    while True:
        parameters["MaxKeys"] = min(PAGE_KEYS, max_keys - len(found))
        request = partial(Call, "list_objects_v2", dict(parameters))
        page = yield from with_retries(context, bucket, prefix, request)
        found += [
            ObjectSummary(item["Key"], item["Size"], item["ETag"], item["LastModified"])
            for item in page.get("Contents", [])
        ]
        if not page.get("IsTruncated") or len(found) >= max_keys:
            return found[:max_keys]
        token = page.get("NextContinuationToken")
        if not token:
            reason = f"the listing is cut after {len(found)} keys and has no token to go on"
            raise IntegrityError(reason, bucket=bucket, key=prefix)
        parameters["ContinuationToken"] = token


def list_folders(context: TransferContext, bucket: str, prefix: str) -> Operation[list[str]]:
    """The prefixes one level below ``prefix``, each with its last ``/``; at most a thousand."""
    parameters = {"Bucket": bucket, "Prefix": prefix, "Delimiter": "/"}
    request = partial(Call, "list_objects_v2", parameters)
    page = yield from with_retries(context, bucket, prefix or "/", request)
    return sorted(item["Prefix"] for item in page.get("CommonPrefixes", []))


def head(context: TransferContext, bucket: str, key: str) -> Operation[dict[str, Any]]:
    """The answer to a HEAD."""
    call = Call("head_object", {"Bucket": bucket, "Key": key})
    response: dict[str, Any] = yield from with_retries(context, bucket, key, lambda: call)
    return response


def exists(context: TransferContext, bucket: str, key: str) -> Operation[bool]:
    """Whether there is such an object; anything but a yes or a 404 raises."""
    try:
        yield from head(context, bucket, key)
    except ObjectNotFoundError:
        return False
    return True
