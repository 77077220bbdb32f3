"""Checks of what names an object, and how it is wanted, before a request is made of it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")

# botocore refuses others with an error of its own (its VALID_BUCKET).
_BUCKET = re.compile(r"[A-Za-z0-9._-]{1,255}", re.ASCII)


def check_bucket_name(bucket: str) -> None:
    """Raise an error for what is not the name of a bucket.

    Raises
    ------
    ValueError
        If it is not a name alone, as an address ``s3://…`` is not.
    """
    if not isinstance(bucket, str) or not _BUCKET.fullmatch(bucket):
        raise ValueError(
            f"bucket={bucket!r} is not the name of a bucket; give the name alone, without 's3://' "
            "and folders, such as 'flatfiles'"
        )


def check_text(parameter: str, value: str) -> None:
    """Raise an error for a key or prefix that is not a string, or not one of Unicode's.

    Raises
    ------
    ValueError
        The message names the parameter.
    """
    if not isinstance(value, str):
        raise ValueError(f"{parameter}={value!r} must be a string")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{parameter}={value!r} has lone surrogates, as no key has") from None


def validate_name(bucket: str, key: str) -> tuple[str, str]:
    """Return both, or raise ValueError if they are not a bucket's name and a non-empty key."""
    check_bucket_name(bucket)
    check_text("key", key)
    if not key:
        raise ValueError("key='' is empty; give the whole key of an object")
    return bucket, key


def list_of(parameter: str, values: Iterable[T]) -> list[T]:
    """The values; a single string is an error, as its characters would be taken for values.

    Raises
    ------
    ValueError
        If it is a single string, or not iterable.
    """
    if not isinstance(values, (str, bytes)):
        with contextlib.suppress(TypeError):
            return list(values)
    raise ValueError(f"{parameter}={values!r} must be a list, also for a single element")


def check_flag(parameter: str, value: bool) -> None:
    """Raise an error for what is neither true nor false, such as an array.

    Raises
    ------
    ValueError
        The message names the parameter.
    """
    if not isinstance(value, int):
        raise ValueError(f"{parameter}={value!r} is neither True nor False; give one of them")
