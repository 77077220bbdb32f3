"""The exceptions of flatnb, and the one table from S3's answers to them.

::

    FlatnbError
    ├── CredentialsError                 no credentials, or half of a pair      (ValueError)
    ├── TransferError                    one object could not be had; carries bucket, key, …
    │   ├── ObjectNotFoundError          404                                    (FileNotFoundError)
    │   ├── AccessDeniedError            403                                    (PermissionError)
    │   │   └── AuthenticationError      401, wrong or expired keys or signature
    │   │       └── ClockSkewError       this machine's clock is wrong
    │   ├── ThrottledError               429, 503                               (ConnectionError)
    │   ├── ServiceError                 other 5xx                              (ConnectionError)
    │   ├── ConnectionFailedError        refused, reset, cut                    (ConnectionError)
    │   ├── TransferTimeoutError         no byte for too long                   (TimeoutError)
    │   ├── ObjectChangedError           replaced while it was read             (OSError)
    │   ├── IntegrityError               the bytes are not those of the object  (ValueError)
    │   └── UnexpectedResponseError      anything else                          (OSError)
    ├── SchemaError                      bytes are right, the CSV is not        (ValueError)
    ├── LoadCancelledError               a job was cancelled
    └── LoadError                        some days of a load could not be had   (LookupError)
        └── MissingDaysError             … as there is no file for them

Every exception pickles, and none holds a secret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from .market.data_types import DOCUMENTED_OPTIONS_ROOT, LIVE_OPTIONS_ROOT

if TYPE_CHECKING:
    from .load.report import LoadReport


class FlatnbError(Exception):
    """The base of every exception that flatnb raises on purpose, but for wrong arguments.

    A wrong argument raises the builtin ``ValueError``.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        # Keyword-only attributes would be lost by the default, which calls cls(*args).
        return _rebuild, (type(self), self.args, self.__dict__.copy())


def _rebuild(
    cls: type[FlatnbError], args: tuple[Any, ...], attributes: dict[str, Any]
) -> FlatnbError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(attributes)
    return error


class FlatnbWarning(UserWarning):
    """Something that a user should know of, though the result is right."""


class CredentialsError(FlatnbError, ValueError):
    """No credentials were found, or only one half of a pair."""


class TransferError(FlatnbError):
    """One object could not be had.

    Attributes
    ----------
    bucket, key : str
        The object.
    attempts : int
        How many requests were made for the part that failed.
    request_id : str or None
        The service's id of the last request, for its support.
    reason : str
        What happened, in one line.
    """

    remedy: ClassVar[str] = "Try again; if it stays, report the request id to the service."

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
        tried = f"{attempts} attempt{'s' if attempts != 1 else ''}"
        request = f", request id {request_id}" if request_id else ""
        super().__init__(f"s3://{bucket}/{key}: {reason} ({tried}{request}). {self.remedy}")


class ObjectNotFoundError(TransferError, FileNotFoundError):
    """There is no such object (404)."""

    remedy = (
        "Is it a trading day, and published? A day's files are complete by about 11:00 ET "
        "on the next day."
    )

    def __init__(self, reason: str, *, bucket: str, key: str, **details: Any) -> None:
        super().__init__(reason, bucket=bucket, key=key, **details)
        if key.startswith(f"{DOCUMENTED_OPTIONS_ROOT}/"):
            hint = f" The live bucket keeps options under {LIVE_OPTIONS_ROOT}/: pass options_root."
            self.args = (self.args[0] + hint,)


class AccessDeniedError(TransferError, PermissionError):
    """The service forbids this object (403)."""

    remedy = (
        "The keys are known but do not reach this object: look at which data types and which "
        "years your plan covers."
    )


class AuthenticationError(AccessDeniedError):
    """The keys or the signature were refused."""

    remedy = "Check the access key id and the secret (these are the S3 keys, not the API key)."


class ClockSkewError(AuthenticationError):
    """The signature's time is too far from the service's."""

    remedy = "Your clock is wrong: set this machine's time, then try again."


class ThrottledError(TransferError, ConnectionError):
    """The service asked to slow down (429 or 503) more often than retries were allowed."""

    remedy = "Lower max_pool_connections or max_concurrent, or raise max_retries."


class ServiceError(TransferError, ConnectionError):
    """The service failed (5xx) more often than retries were allowed."""


class ConnectionFailedError(TransferError, ConnectionError):
    """The connection was refused, reset or cut."""

    remedy = "Check the network and endpoint_url, or raise max_retries."


class TransferTimeoutError(TransferError, TimeoutError):
    """No byte came for too long."""

    remedy = "Check the network, or raise timeout (seconds)."


class ObjectChangedError(TransferError, OSError):
    """The object was replaced while it was read, twice in a row."""

    remedy = "It is being published right now: try again in a few minutes."


class IntegrityError(TransferError, ValueError):
    """The bytes are not those of the object: wrong length, checksum, or no gzip at all."""

    remedy = "If a second try gives the same, the file is damaged at the source: report its key."


class UnexpectedResponseError(TransferError, OSError):
    """An answer that fits nothing else, for example a redirect."""

    remedy = "Check endpoint_url and bucket."


class SchemaError(FlatnbError, ValueError):
    """The CSV of a day is not what its data type says.

    Attributes
    ----------
    key : str
        The file.
    line : int or None
        The line, counted from 1 (the header), where it can be told.
    """

    def __init__(self, reason: str, *, key: str, line: int | None = None) -> None:
        self.reason = f"line {line}: {reason}" if line is not None else reason
        self.key = key
        self.line = line
        super().__init__(f"{key}: {self.reason}")


class LoadError(FlatnbError, LookupError):
    """Some days of a load could not be had.

    Attributes
    ----------
    report : LoadReport
        What became of every day.
    frame : polars.DataFrame or pandas.DataFrame or None
        The days that did load.
    """

    def __init__(self, message: str, *, report: LoadReport, frame: Any = None) -> None:
        self.report = report
        self.frame = frame
        super().__init__(message)


class LoadCancelledError(FlatnbError):
    """A job was cancelled before it was done."""

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows: who pressed Cancel needs no traceback."""
        return [f"{type(self).__name__}: {self}"]


class MissingDaysError(LoadError):
    """Some days have no file, and ``missing="raise"`` was asked for."""


# HEAD has no body, so its faults are known by status alone: the status table is the fallback.
_BY_CODE: dict[str, type[TransferError]] = {
    "NoSuchKey": ObjectNotFoundError,
    "NoSuchBucket": ObjectNotFoundError,
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
    """The exception for an S3 error answer: by its code, else by its HTTP status."""
    if code in _BY_CODE:
        return _BY_CODE[code]
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status is not None and status >= 500:
        return ServiceError
    return UnexpectedResponseError
