"""The common part of both drivers: the client's interface, its settings, exceptions → failures."""

from __future__ import annotations

import contextlib
import functools
import ipaddress
import os
import re
import ssl
import warnings
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

import aiohttp
import urllib3.exceptions
from botocore import exceptions as botocore
from botocore.loaders import Loader, create_loader
from botocore.parsers import DEFAULT_TIMESTAMP_PARSER, ResponseParserError

from ... import __version__
from ...errors import ConnectionFailedError, ServiceError, TransferTimeoutError, error_for
from ..core.commands import Failure, ResponseRejected

READ_BYTES = 256 * 1024
"""Bytes to read from a body at once."""

# The service is not AWS: this machine's AWS configuration must not change the connection, and a
# missing profile would be an error (botocore's ProfileNotFound). The tuples are botocore's
# (configuration name, environment variable, default, conversion); without sources, none is read.
SESSION_VARIABLES: Mapping[str, tuple[None, None, None, None]] = {
    "profile": (None, None, None, None),
    "config_file": (None, None, None, None),
    "credentials_file": (None, None, None, None),
}


class _Session(Protocol):
    def __init__(self, session_vars: dict[str, tuple[None, None, None, None]]) -> None: ...

    def register_component(self, name: str, component: object) -> None: ...

    def get_component(self, name: str) -> Any: ...


AnySession = TypeVar("AnySession", bound=_Session)


@functools.cache
def _loader() -> Loader:
    return create_loader()


def make_session(kind: type[AnySession]) -> AnySession:
    """A session of botocore or aiobotocore that ignores this machine's AWS configuration.

    All sessions of the process share botocore's description of S3. Read for each of them, it took
    50 of the 60 ms of making a client, and left 30,000 objects to the garbage collector (measured
    with botocore 1.40).
    """
    session = kind(dict(SESSION_VARIABLES))
    session.register_component("data_loader", _loader())
    parsers = session.get_component("response_parser_factory")
    parsers.set_parser_defaults(timestamp_parser=parse_timestamp)
    return session


def parse_timestamp(value: object) -> datetime:
    """A time of a response: of a listing as in ISO 8601, of a header as in RFC 9110.

    botocore guesses the format, which took a seventh of a request's processor time, and a third of
    a millisecond for each object of a listing (measured with botocore 1.40).
    """
    if isinstance(value, str):
        for parse in (datetime.fromisoformat, parsedate_to_datetime):
            with contextlib.suppress(ValueError):
                found = parse(value)
                if found.tzinfo is not None:
                    return found
    guessed: datetime = DEFAULT_TIMESTAMP_PARSER(value)
    return guessed


class _Events(Protocol):
    def register(self, event_name: str, handler: Callable[..., None]) -> None: ...


class _Meta(Protocol):
    @property
    def events(self) -> _Events: ...


class HasMeta(Protocol):
    """A client of boto3 or aioboto3."""

    @property
    def meta(self) -> _Meta:
        """The client's event system, among others."""


class S3Client(HasMeta, Protocol):
    """The methods of boto3's S3 client that are called by name; see also `Call`."""

    def get_object(self, **parameters: object) -> Mapping[str, Any]:
        """GET; ``"Body"`` of the response is a stream."""

    def close(self) -> None:
        """Close all connections."""


class AsyncS3Client(HasMeta, Protocol):
    """The methods of aioboto3's S3 client that are called by name; see also `Call`."""

    def get_object(self, **parameters: object) -> Awaitable[Mapping[str, Any]]:
        """GET; ``"Body"`` of the response is a stream."""


def client_arguments(credentials: Mapping[str, str], endpoint_url: str) -> dict[str, str]:
    """The arguments of ``session.client`` except ``config``."""
    return {
        "service_name": "s3",
        "aws_access_key_id": credentials["access_key_id"],
        "aws_secret_access_key": credentials["secret_access_key"],
        "endpoint_url": endpoint_url,
        # A required part of the signature (SigV4), whatever the endpoint.
        "region_name": "us-east-1",
    }


def config_arguments(timeout: float, max_pool_connections: int) -> dict[str, object]:
    """The arguments of botocore's and aiobotocore's ``Config``; ``timeout`` is in seconds.

    botocore must not retry: its attempts would multiply those of the core, and it does not retry
    failures in a body. The service supports only path-style addresses and sends no checksums.
    """
    return {
        "connect_timeout": timeout,
        "read_timeout": timeout,
        "max_pool_connections": max_pool_connections,
        "retries": {"total_max_attempts": 1, "mode": "standard"},
        "s3": {"addressing_style": "path"},
        "signature_version": "s3v4",
        # Otherwise botocore composes its own, of 16 parts, for each request.
        "user_agent": f"flatnb/{__version__}",
        "request_checksum_calculation": "when_required",
        "response_checksum_validation": "when_required",
    }


def disable_redirects(client: HasMeta) -> None:
    """Keep botocore from following a redirect with requests of its own to other regions.

    botocore's S3RegionRedirectorv2 ignores requests whose context says that they are redirected.
    """

    def redirected(context: dict[str, dict[str, bool]], **_: object) -> None:
        context.setdefault("s3_redirect", {})["redirected"] = True

    client.meta.events.register("before-call.s3", redirected)


def check_endpoint(endpoint_url: str) -> None:
    """Raise ValueError for an invalid URL; warn if the connection would not be encrypted."""
    check_certificates_variable()
    host = None
    with contextlib.suppress(ValueError):  # a port or an IPv6 address that is none
        parts = urlsplit(endpoint_url if isinstance(endpoint_url, str) else "")
        if parts.scheme in ("http", "https") and parts.port != 0:
            host = parts.hostname
    if not host or re.search(r"[^!-~]", endpoint_url):  # as in RFC 3986
        raise ValueError(
            f"endpoint_url={endpoint_url!r} is not a valid URL; pass one such as "
            "'https://files.massive.com'"
        )
    if parts.username or parts.password:
        # The value is not in the message, as it holds a password.
        raise ValueError(
            "endpoint_url must not contain a user name or password; pass the keys as credentials"
        )
    if parts.scheme == "http" and not _is_loopback(host):
        warnings.warn(
            # The caller of the downloader, over its constructor and that of its base class.
            f"endpoint_url={endpoint_url!r} is not encrypted; use https",
            UserWarning,
            stacklevel=4,
        )


def check_certificates_variable() -> None:
    """Refuse ``AWS_CA_BUNDLE`` and ``REQUESTS_CA_BUNDLE``, which botocore obeys, of no file.

    Raises
    ------
    ValueError
        If one names a file that does not exist: the error of a connection would not tell.
    """
    for variable in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        path = os.environ.get(variable)
        if path and not os.path.exists(path):  # noqa: PTH110 - a path from the environment
            raise ValueError(
                f"the environment variable {variable}={path!r} names no file of certificates; "
                "correct it, or remove it"
            )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


_TIMEOUTS = (
    botocore.ReadTimeoutError,
    botocore.ConnectTimeoutError,
    urllib3.exceptions.TimeoutError,
    TimeoutError,
)
_CONNECTION_FAILURES = (
    botocore.ConnectionError,
    botocore.HTTPClientError,
    botocore.IncompleteReadError,
    aiohttp.ClientError,
    urllib3.exceptions.HTTPError,
    ConnectionError,
)


@contextlib.contextmanager
def parse_errors_rejected() -> Iterator[None]:
    """Turn a ValueError of a client's call into `ResponseRejected`.

    botocore raises it when it parses headers that were cut in the middle of a line.
    """
    try:
        yield
    except ValueError as error:
        reason = f"the headers of the response are damaged ({error})"
        raise ResponseRejected(Failure.of(ServiceError, reason, cause=error)) from error


def failure_of(error: Exception) -> Failure | None:
    """The failure that a library's exception stands for; None if it is not of the connection."""
    if isinstance(error, ResponseRejected):
        return error.failure
    if isinstance(error, botocore.ClientError):
        return _service_failure(error)
    # Checked first, as botocore's time-outs are subclasses of its connection errors.
    if isinstance(error, _TIMEOUTS):
        return Failure.of(TransferTimeoutError, _innermost(error), cause=error)
    if isinstance(error, ResponseParserError):
        return Failure.of(ServiceError, "the response is not XML as S3 sends it", cause=error)
    if isinstance(error, _CONNECTION_FAILURES):
        is_permanent = any(isinstance(e, ssl.SSLCertVerificationError) for e in _causes(error))
        return Failure(
            ConnectionFailedError, _innermost(error), retryable=not is_permanent, cause=error
        )
    return None


def _service_failure(error: botocore.ClientError) -> Failure:
    response: Mapping[str, Any] = error.response
    meta = response.get("ResponseMetadata", {})
    headers = meta.get("HTTPHeaders", {})
    status = meta.get("HTTPStatusCode")
    code = str(response.get("Error", {}).get("Code", ""))
    message = response.get("Error", {}).get("Message") or ""
    # The response to a HEAD has no body: botocore then sets the code to the status and the message
    # to the reason phrase (botocore.parsers.RestXMLParser).
    reason = f"{status} {message}" if code in ("", str(status)) else f"{status} {code}: {message}"
    return Failure.of(
        error_for(code, status),
        reason.rstrip(": ").strip(),
        retry_after_s=_seconds(headers.get("retry-after")),
        request_id=meta.get("RequestId") or headers.get("x-amz-request-id"),
        cause=error,
    )


def _seconds(retry_after: str | None) -> float | None:
    """The header's seconds. Its other form, a date, is ignored: clocks may differ."""
    return float(retry_after) if retry_after and retry_after.isdecimal() else None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        # botocore's exceptions keep the cause in ``kwargs``.
        nested = getattr(error, "kwargs", {}).get("error")
        error = (
            nested if isinstance(nested, BaseException) else error.__cause__ or error.__context__
        )


def _innermost(error: Exception) -> str:
    """The deepest cause in one line.

    The outer messages may mislead: for "too many open files" botocore's is "could not connect".
    """
    causes = list(_causes(error))
    for cause in reversed(causes):
        if text := str(cause).strip():
            return f"{type(cause).__name__}: {text.splitlines()[0]}"
    return type(causes[-1]).__name__
