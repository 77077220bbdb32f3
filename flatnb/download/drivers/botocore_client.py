"""What boto3 and aioboto3 have in common: the client's settings, and exceptions → faults."""

from __future__ import annotations

import contextlib
import ipaddress
import ssl
import warnings
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import urllib3.exceptions
from botocore import exceptions as botocore
from botocore.parsers import ResponseParserError

from ...errors import ConnectionFailedError, ServiceError, TransferTimeoutError, error_for
from ..core.commands import Failure, ResponseRejected

READ_BYTES = 256 * 1024

# The service is not AWS: this machine's AWS files and profile (a missing one is an error in
# botocore) must not change how it is reached. A variable without sources is never looked up.
SESSION_VARIABLES: Mapping[str, tuple[None, None, None, None]] = {
    "profile": (None, None, None, None),
    "config_file": (None, None, None, None),
    "credentials_file": (None, None, None, None),
}


def client_arguments(credentials: Mapping[str, str], endpoint_url: str) -> dict[str, Any]:
    """The arguments of ``session.client`` but for ``config``."""
    return {
        "service_name": "s3",
        "aws_access_key_id": credentials["access_key_id"],
        "aws_secret_access_key": credentials["secret_access_key"],
        "endpoint_url": endpoint_url,
        "region_name": "us-east-1",  # a constant of the signature, whatever the endpoint
    }


def config_arguments(timeout: float, max_pool_connections: int) -> dict[str, Any]:
    """The arguments of botocore's and aiobotocore's ``Config``.

    botocore must not retry by itself: its attempts would multiply with ours, and it does not
    retry what fails in the body. The service has path-style addresses only and sends no checksums.
    """
    return {
        "connect_timeout": timeout,
        "read_timeout": timeout,
        "max_pool_connections": max_pool_connections,
        "retries": {"total_max_attempts": 1, "mode": "standard"},
        "s3": {"addressing_style": "path"},
        "signature_version": "s3v4",
        "request_checksum_calculation": "when_required",
        "response_checksum_validation": "when_required",
    }


def never_redirect(client: Any) -> None:
    """Keep botocore from answering a redirect with requests of its own to other regions."""

    def redirected(context: dict[str, Any], **_: Any) -> None:
        context.setdefault("s3_redirect", {})["redirected"] = True

    client.meta.events.register("before-call.s3", redirected)


def check_endpoint(endpoint_url: str) -> None:
    """Refuse what is no URL; warn where the signature and the data would travel in the open."""
    parts = urlsplit(endpoint_url) if isinstance(endpoint_url, str) else urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(
            f"endpoint_url={endpoint_url!r} is no URL; give one such as 'https://files.massive.com'"
        )
    if parts.username or parts.password:
        raise ValueError("endpoint_url must not carry a user name or password")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        warnings.warn(
            f"endpoint_url={endpoint_url!r} is not encrypted; use https", UserWarning, stacklevel=4
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
def parsing_the_answer() -> Iterator[None]:
    """Around a client's call: a head that was cut in mid-line comes out of botocore so."""
    try:
        yield
    except ValueError as error:
        reason = f"the answer's head is damaged ({error})"
        raise ResponseRejected(Failure.of(ServiceError, reason, cause=error)) from error


def fault_of(error: Exception) -> Failure | None:
    """The fault that a library's exception tells of; None if it is none of the wire."""
    if isinstance(error, ResponseRejected):
        return error.failure
    if isinstance(error, botocore.ClientError):
        return _service_fault(error)
    if isinstance(error, _TIMEOUTS):
        return Failure.of(TransferTimeoutError, _innermost(error), cause=error)
    if isinstance(error, ResponseParserError):
        return Failure.of(ServiceError, "the answer is no XML that S3 would send", cause=error)
    if isinstance(error, _CONNECTION_FAILURES):
        certain = any(isinstance(e, ssl.SSLCertVerificationError) for e in _chain(error))
        return Failure(ConnectionFailedError, _innermost(error), retryable=not certain, cause=error)
    return None


def _service_fault(error: botocore.ClientError) -> Failure:
    response: Mapping[str, Any] = error.response
    meta = response.get("ResponseMetadata", {})
    headers = meta.get("HTTPHeaders", {})
    status = meta.get("HTTPStatusCode")
    code = str(response.get("Error", {}).get("Code", ""))
    message = response.get("Error", {}).get("Message") or ""
    # HEAD has no body: botocore gives the status as the code and the reason phrase as message.
    reason = f"{status} {message}" if code in ("", str(status)) else f"{status} {code}: {message}"
    return Failure.of(
        error_for(code, status),
        reason.rstrip(": ").strip(),
        retry_after_s=_seconds(headers.get("retry-after")),
        request_id=meta.get("RequestId") or headers.get("x-amz-request-id"),
        cause=error,
    )


def _seconds(retry_after: str | None) -> float | None:
    """The header's seconds; its other form, a date, is not worth trusting two clocks for."""
    return float(retry_after) if retry_after and retry_after.isdecimal() else None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        nested = getattr(error, "kwargs", {}).get("error")
        error = (
            nested if isinstance(nested, BaseException) else error.__cause__ or error.__context__
        )


def _innermost(error: Exception) -> str:
    """The deepest cause in one line: botocore says 'could not connect' to too many open files."""
    causes = list(_chain(error))
    for cause in reversed(causes):
        if text := str(cause).strip():
            return f"{type(cause).__name__}: {text.splitlines()[0]}"
    return type(causes[-1]).__name__
