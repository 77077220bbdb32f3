"""Gzip members one after another, decoded from their start or from a block in the middle."""

from __future__ import annotations

from typing import Any

from isal import isal_zlib

from .inflate import InflateError, Inflater

MAGIC = b"\x1f\x8b"

_GZIP_ONLY = 31  # wbits: gzip headers and trailers, no zlib and no raw deflate
_TRAILER_BYTES = 8


class GzipStream:
    """Decodes a gzip file, which may have several members, piece by piece.

    Each member's CRC-32 and length are verified at its end, but for a member that was entered in
    its middle.

    Parameters
    ----------
    inside
        Where decoding starts in the middle of a member. None: at the start of one.
    """

    def __init__(self, inside: Inflater | None = None) -> None:
        self._inside = inside
        self._member: Any = None
        self._trailer_left = 0
        self._ended_members = 0
        self._padded = False

    @property
    def between_members(self) -> bool:
        """Whether the next byte is the first of a member, or padding."""
        return self._member is None and self._inside is None and not self._trailer_left

    def feed(self, data: memoryview | bytes) -> tuple[bytes, memoryview | bytes]:
        """Decode up to the end of the data or of a member.

        Returns
        -------
        tuple
            The text, and what follows the member's end.

        Raises
        ------
        InflateError
            If the data are not gzip, are damaged, or a member's CRC-32 or length is wrong.
        """
        if self._inside is not None:
            return self._feed_inside(self._inside, data)
        if self._trailer_left:
            skipped = min(self._trailer_left, len(data))
            self._trailer_left -= skipped
            return b"", data[skipped:]
        if self._member is None:
            data = self._skip_padding(data)
            if not data:
                return b"", b""
            self._member = isal_zlib.decompressobj(wbits=_GZIP_ONLY)
        return self._feed_member(data)

    def _feed_inside(
        self, inside: Inflater, data: memoryview | bytes
    ) -> tuple[bytes, memoryview | bytes]:
        text = inside.feed(data)
        if not inside.ended:
            return text, b""
        self._inside = None
        self._trailer_left = _TRAILER_BYTES
        self._ended_members += 1
        return text, inside.rest

    def _feed_member(self, data: memoryview | bytes) -> tuple[bytes, memoryview | bytes]:
        try:
            text = self._member.decompress(data)
        except isal_zlib.IsalError as error:  # type: ignore[misc]  # its stub is wrong
            raise InflateError(self._describe(error)) from error
        if not self._member.eof:
            return text, b""
        rest = self._member.unused_data
        self._member = None
        self._ended_members += 1
        return text, rest

    def _skip_padding(self, data: memoryview | bytes) -> memoryview | bytes:
        """Zeros after a member are allowed, as tape drives and block devices add them."""
        if not self._ended_members or data[0] == MAGIC[0]:
            if self._padded:
                raise InflateError(f"data follow the padding after member {self._ended_members}")
            return data
        self._padded = True
        if bytes(data).strip(b"\0"):
            raise InflateError(f"bytes that are not gzip follow after member {self._ended_members}")
        return b""

    def _describe(self, error: Exception) -> str:
        reason = str(error)
        if "checksum" in reason:
            return f"the gzip checksum or length is wrong in member {self._ended_members + 1}"
        if "header" in reason.lower() or "magic" in reason.lower():
            return "it is not gzip"
        return f"the gzip data are damaged in member {self._ended_members + 1} ({reason})"

    def end(self) -> None:
        """Make sure that no member is cut.

        Raises
        ------
        InflateError
            If one is, or if there was none.
        """
        if not self.between_members:
            raise InflateError("the gzip data are cut short")
        if not self._ended_members:
            raise InflateError("it has no bytes, so it is not gzip")
