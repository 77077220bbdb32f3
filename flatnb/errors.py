"""The exceptions of flatnb, and the table from S3's error responses to them.

::

    FlatnbError
    ├── CredentialsError                 no credentials, or only one of the two (ValueError)
    ├── TransferError                    a transfer failed; has bucket, key, …
    │   ├── ObjectNotFoundError          404                                    (FileNotFoundError)
    │   ├── BucketNotFoundError          404 for the whole bucket               (FileNotFoundError)
    │   ├── AccessDeniedError            403                                    (PermissionError)
    │   │   └── AuthenticationError      401, wrong or expired keys or signature
    │   │       └── ClockSkewError       this machine's clock is wrong
    │   ├── ThrottledError               429, 503                               (ConnectionError)
    │   ├── ServiceError                 other 5xx                              (ConnectionError)
    │   ├── ConnectionFailedError        refused, reset or closed               (ConnectionError)
    │   ├── TransferTimeoutError         no byte within the time-out            (TimeoutError)
    │   ├── ObjectChangedError           replaced during the download           (OSError)
    │   ├── IntegrityError               the bytes are not those of the object  (ValueError)
    │   └── UnexpectedResponseError      anything else                          (OSError)
    ├── SchemaError                      the CSV does not match its data type   (ValueError)
    ├── ReferenceServiceError            the reference service failed           (ConnectionError)
    ├── TransformError                   a transform of to_lake() failed on a day
    ├── LoadCancelledError               a job was cancelled
    └── LoadError                        some days could not be loaded          (LookupError)
        └── MissingDaysError             … as they have no file

Every exception can be pickled, and none contains a secret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypedDict, Unpack

from .error_display import short_traceback
from .market.data_types import DOCUMENTED_OPTIONS_ROOT, LIVE_BUCKET, LIVE_OPTIONS_ROOT

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

    from .report import LoadReport


class FlatnbError(Exception):
    """The base of all exceptions of flatnb, except for invalid arguments.

    An invalid argument raises the builtin ``ValueError``.
    """

    def _render_traceback_(self) -> list[str]:
        """The lines that IPython shows in place of the traceback."""
        return short_traceback(self, str(self))

    def __reduce__(self) -> tuple[object, ...]:
        # BaseException.__reduce__ calls cls(*args), which lacks the keyword-only arguments.
        return _rebuild, (type(self), self.args, self.__dict__.copy())


def _rebuild(
    cls: type[FlatnbError], args: tuple[object, ...], attributes: dict[str, object]
) -> FlatnbError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(attributes)
    return error


class FlatnbWarning(UserWarning):
    """A condition that a user should know, although the result is correct."""


class CredentialsError(FlatnbError, ValueError):
    """No credentials were found, or only one of the two keys."""


class _TransferDetails(TypedDict, total=False):
    attempts: int
    request_id: str | None


class TransferError(FlatnbError):
    """An object or a listing could not be downloaded.

    Attributes
    ----------
    bucket, key : str
        The object; for a listing, ``key`` is its prefix.
    attempts : int
        Number of requests for the part that failed.
    request_id : str or None
        The service's id of the last request, for reports to its support.
    reason : str
        The cause, in one line.
    """

    remedy: ClassVar[str] = (
        "Try again; if the error persists, report the request id to the service."
    )

    def __init__(
        self,
        reason: str,
        *,
        bucket: str,
        key: str,
        attempts: int = 1,
        request_id: str | None = None,
    ) -> None:
        self.reason = reason
        self.bucket = bucket
        self.key = key
        self.attempts = attempts
        self.request_id = request_id
        count = f"{attempts} attempt{'s' if attempts != 1 else ''}"
        request = f", request id {request_id}" if request_id else ""
        self._what = f"s3://{bucket}/{key}: {reason} ({count}{request})."
        super().__init__(f"{self._what} {self.remedy}")

    def _render_traceback_(self) -> list[str]:
        return short_traceback(self, self._what, str(self).removeprefix(self._what).strip())


class ObjectNotFoundError(TransferError, FileNotFoundError):
    """The object does not exist (404)."""

    # The time is the vendor's documentation.
    remedy = (
        "Check that the date is a trading day and its file is published: files are complete by "
        "about 11:00 ET on the next day."
    )

    def __init__(
        self, reason: str, *, bucket: str, key: str, **details: Unpack[_TransferDetails]
    ) -> None:
        super().__init__(reason, bucket=bucket, key=key, **details)
        if key.startswith(f"{DOCUMENTED_OPTIONS_ROOT}/"):
            hint = (
                f" In the live bucket, options are in {LIVE_OPTIONS_ROOT}/: pass "
                f"options_root={LIVE_OPTIONS_ROOT!r}."
            )
            self.args = (f"{self.args[0]}{hint}",)


class BucketNotFoundError(TransferError, FileNotFoundError):
    """The endpoint has no such bucket (404 NoSuchBucket, or 404 for a listing of the bucket)."""

    remedy = (
        f"Check bucket (the live one is {LIVE_BUCKET!r}) and endpoint_url (the service's address "
        "alone, without the bucket's name)."
    )


class AccessDeniedError(TransferError, PermissionError):
    """The service denies access to this object (403)."""

    remedy = (
        "The keys are valid but have no access to this object: check which data types and years "
        "your plan includes."
    )


class AuthenticationError(AccessDeniedError):
    """The service rejected the keys or the signature."""

    remedy = "Check the access key id and the secret (these are the S3 keys, not the API key)."


class ClockSkewError(AuthenticationError):
    """The time of the signature differs too much from the service's time."""

    remedy = "This machine's clock is wrong: set it, then try again."


class ThrottledError(TransferError, ConnectionError):
    """The service throttled the requests (429 or 503) until the retries were exhausted."""

    remedy = "Lower max_pool_connections or max_concurrent, or raise max_retries."


class ServiceError(TransferError, ConnectionError):
    """The service failed (5xx) until the retries were exhausted."""


class ConnectionFailedError(TransferError, ConnectionError):
    """The connection was refused, reset or closed early."""

    remedy = "Check the network and endpoint_url, or raise max_retries."


class TransferTimeoutError(TransferError, TimeoutError):
    """No byte was received within the time-out."""

    remedy = "Check the network, or raise timeout (seconds)."


class ObjectChangedError(TransferError, OSError):
    """The object was replaced during the download, twice in a row."""

    remedy = "It is probably being published now: try again in a few minutes."


class IntegrityError(TransferError, ValueError):
    """The received bytes are not the object's: wrong length or checksum, or not gzip."""

    remedy = "If the error persists, the file is damaged at the source: report its key."


class UnexpectedResponseError(TransferError, OSError):
    """A response that no other exception describes, for example a redirect."""

    remedy = "Check endpoint_url and bucket."


class SchemaError(FlatnbError, ValueError):
    """The CSV of a day does not match its data type.

    Attributes
    ----------
    key : str
        The file.
    line : int or None
        The line, counted from 1 (the header), if it is known.
    """

    def __init__(self, reason: str, *, key: str, line: int | None = None) -> None:
        self.reason = f"line {line}: {reason}" if line is not None else reason
        self.key = key
        self.line = line
        super().__init__(f"{key}: {self.reason}")


class ReferenceServiceError(FlatnbError, ConnectionError):
    """The reference service did not answer, or not as it is documented to."""


class TransformError(FlatnbError):
    """The ``transform`` of `FlatSession.to_lake` raised an exception, or gave no such frame.

    Attributes
    ----------
    key : str
        The file whose rows it was given.
    reason : str
        What happened, in one line.
    """

    def __init__(self, reason: str, *, key: str) -> None:
        self.reason = reason
        self.key = key
        super().__init__(f"{key}: {reason}")


class LoadError(FlatnbError, LookupError):
    """Some days could not be loaded.

    Attributes
    ----------
    report : LoadReport
        The outcome of every day.
    frame : polars.DataFrame or pandas.DataFrame or None
        The days that were loaded.
    """

    def __init__(
        self,
        message: str,
        *,
        report: LoadReport,
        frame: pl.DataFrame | pd.DataFrame | None = None,
    ) -> None:
        self.report = report
        self.frame = frame
        super().__init__(message)

    def _render_traceback_(self) -> list[str]:
        # IPython keeps the exception of a cell as sys.last_value, as Python's own prompt does.
        remedy = "After an uncaught error: import sys; sys.last_value.frame, .report"
        return short_traceback(self, str(self), remedy)


class LoadCancelledError(FlatnbError):
    """A job was cancelled before it was finished."""

    def _render_traceback_(self) -> list[str]:
        """The text that IPython shows: after a cancellation a traceback has no use."""
        return [f"{type(self).__name__}: {self}"]


class MissingDaysError(LoadError):
    """Some days have no file, and ``missing="raise"`` was passed."""


# The codes are those of the S3 API reference, "Error responses", and of implementations that are
# not Amazon's (TooManyRequests). The response to a HEAD has no body and so no code: then the status
# decides.
_BY_CODE: dict[str, type[TransferError]] = {
    "NoSuchKey": ObjectNotFoundError,
    "NoSuchBucket": BucketNotFoundError,
    "AccessDenied": AccessDeniedError,
    "InvalidAccessKeyId": AuthenticationError,
    "SignatureDoesNotMatch": AuthenticationError,
    "ExpiredToken": AuthenticationError,
    "InvalidToken": AuthenticationError,
    "RequestTimeTooSkewed": ClockSkewError,
    "SlowDown": ThrottledError,
    "TooManyRequests": ThrottledError,
    "RequestLimitExceeded": ThrottledError,
    "RequestTimeout": TransferTimeoutError,
    "PreconditionFailed": ObjectChangedError,
    "InvalidRange": ObjectChangedError,
}
_BY_STATUS: dict[int, type[TransferError]] = {
    401: AuthenticationError,
    403: AccessDeniedError,
    404: ObjectNotFoundError,
    408: TransferTimeoutError,
    412: ObjectChangedError,
    416: ObjectChangedError,
    429: ThrottledError,
    503: ThrottledError,
}

RETRYABLE: tuple[type[TransferError], ...] = (
    ThrottledError,
    ServiceError,
    ConnectionFailedError,
    TransferTimeoutError,
)


def error_for(code: str | None, status: int | None) -> type[TransferError]:
    """The exception for an S3 error response: by its code, else by its HTTP status."""
    if code in _BY_CODE:
        return _BY_CODE[code]
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status is not None and status >= 500:
        return ServiceError
    return UnexpectedResponseError
