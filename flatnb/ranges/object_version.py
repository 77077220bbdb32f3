"""Which bytes an index or a result belongs to."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import IntegrityError


@dataclass(frozen=True, slots=True)
class ObjectVersion:
    """One version of one object of a bucket.

    Attributes
    ----------
    bucket, key
        The object.
    etag
        Its ETag: a file that is replaced under its key gets another one.
    size_bytes
        Its size, compressed.
    """

    bucket: str
    key: str
    etag: str
    size_bytes: int

    def integrity_error(self, reason: str) -> IntegrityError:
        """The error that says what is wrong with this object's bytes."""
        return IntegrityError(reason, bucket=self.bucket, key=self.key)
