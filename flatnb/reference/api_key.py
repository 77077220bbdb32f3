"""The key of the vendor's REST service, which is not one of the S3 keys: found, and never shown."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from ..errors import CredentialsError

ENVIRONMENT = ("MASSIVE_API_KEY", "POLYGON_API_KEY")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One REST API key; the repr shows where it is from and no part of it.

    Attributes
    ----------
    value
        The key.
    source
        Where it was found, for people.
    """

    value: str = field(repr=False)
    source: str

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("an ApiKey is not pickled: find it anew where it is needed")

    def hide(self, text: str) -> str:
        """A text without the key, for messages."""
        return text.replace(self.value, "***")


def find_api_key(api_key: str | None = None) -> ApiKey:
    """The key that was given, else that of MASSIVE_API_KEY, else that of POLYGON_API_KEY.

    Raises
    ------
    CredentialsError
        If there is none, or it holds what no key can; the message does not show it.
    """
    found = [(api_key, "argument"), *((os.environ.get(name), name) for name in ENVIRONMENT)]
    for value, source in found:
        if not value or not value.strip():
            continue
        key = value.strip()
        if not key.isascii() or not key.isprintable() or " " in key:
            raise CredentialsError(f"the API key of {source} has characters that no key has")
        return ApiKey(key, source)
    raise CredentialsError(
        f"no REST API key found. Looked for: the argument api_key; {' and '.join(ENVIRONMENT)} in "
        "the environment. It is on the vendor's dashboard, beside the S3 keys, and is none of them"
    )
