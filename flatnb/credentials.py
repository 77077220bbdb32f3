"""The credentials: where they are looked for and stored."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from .errors import CredentialsError

# The vendor was called Polygon until 2025-10-30: machines that were set up before have the second
# names.
ENVIRONMENT_PAIRS = (
    ("MASSIVE_S3_ACCESS_KEY", "MASSIVE_S3_SECRET_KEY"),
    ("POLYGON_S3_ACCESS_KEY", "POLYGON_S3_SECRET_KEY"),
)
PROFILES = ("massive", "polygon")
KEYRING_SERVICE = "flatnb"
KEYRING_ENTRY = "s3-keys"

_logged_in: list[Credentials] = []


@dataclass(frozen=True, slots=True)
class Credentials:
    """One pair of S3 keys; the repr shows where they were found and no part of them.

    Attributes
    ----------
    access_key_id, secret_access_key
        The S3 keys from the vendor's dashboard (not the API key).
    source
        Where the keys were found, for people.
    """

    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)
    source: str

    def as_dict(self) -> dict[str, str]:
        """The keys in the form that the downloaders take."""
        return {
            "access_key_id": self.access_key_id,
            "secret_access_key": self.secret_access_key,
        }

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError(
            "Credentials are not pickled; call find_credentials() in the process that needs them"
        )


def find_credentials(
    access_key_id: str | None = None,
    secret_access_key: str | None = None,
    *,
    profile: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> Credentials:
    """Find one pair of keys, both from the same source.

    In this order: the arguments; the AWS profile named by ``profile``; the keys that were entered
    into `FlatSession.login` in this process; the environment variables ``MASSIVE_S3_ACCESS_KEY``
    and ``MASSIVE_S3_SECRET_KEY``; ``POLYGON_S3_ACCESS_KEY`` and ``POLYGON_S3_SECRET_KEY``; an AWS
    profile called ``massive`` or ``polygon``; the system's keyring, if ``login`` stored them
    there. The default AWS keys of the machine are never used: they are those of another service.

    Parameters
    ----------
    access_key_id, secret_access_key
        The S3 keys; give both or neither.
    profile
        The name of an AWS profile; None: look in the other sources.
    environ
        The environment variables; None: those of this process.

    Raises
    ------
    CredentialsError
        If none are found, or only one half of a pair; the message names no value.
    """
    environ = os.environ if environ is None else environ
    # Not their truth, which an array does not have.
    given = [key for key in (access_key_id, secret_access_key) if key is not None]
    if any(not isinstance(key, str) or key for key in given):
        names = ("access_key_id", "secret_access_key")
        return _pair((access_key_id, secret_access_key), names, "arguments")
    # A profile that is named is meant: what is wrong with it is an error, not a reason to look on.
    if profile is not None:
        found = _from_profile(profile) if isinstance(profile, str) else None
        if found is None:
            raise CredentialsError(
                f"profile={profile!r} is not in this machine's AWS files or has no "
                "aws_access_key_id; add it, or omit profile"
            )
        return found
    if _logged_in:
        return _logged_in[-1]
    for names in ENVIRONMENT_PAIRS:
        values = environ.get(names[0]), environ.get(names[1])
        if any(values):
            return _pair(values, names, f"environment ({names[0]})")
    for name in PROFILES:
        if found := _from_profile(name):
            return found
    if found := _from_keyring():
        return found
    variables = [f"{first} and {second}" for first, second in ENVIRONMENT_PAIRS]
    raise CredentialsError(
        "no credentials found. Looked for: the arguments access_key_id and secret_access_key; "
        f"the environment variables {', or '.join(variables)}; an AWS profile called "
        f"{' or '.join(PROFILES)}; the keyring. The S3 keys are on the vendor's dashboard. "
        "In a notebook, FlatSession.login() asks for them. "
        "To try flatnb without any: FlatSession.demo()"
    )


def log_in(access_key_id: str, secret_access_key: str, *, store: bool = False) -> None:
    """Store a pair of keys in this process's memory, for sessions created from now on.

    Parameters
    ----------
    store
        Also store them in the system's keyring, for later processes.

    Raises
    ------
    CredentialsError
        If one of the keys is empty, or the keyring refuses them; then nothing is stored.
    """
    names = ("access_key_id", "secret_access_key")
    found = _pair((access_key_id, secret_access_key), names, "login")
    # The keyring first: if it refuses, nothing has changed.
    if store:
        _to_keyring(found)
    _logged_in[:] = [found]


def log_out() -> None:
    """Remove the keys of `log_in` from this process's memory and from the keyring."""
    _logged_in.clear()
    if has_keyring():
        import keyring

        with contextlib.suppress(keyring.errors.KeyringError):
            keyring.delete_password(KEYRING_SERVICE, KEYRING_ENTRY)


def has_keyring() -> bool:
    """Whether the system has a keyring, and the ``keyring`` extra is installed."""
    if importlib.util.find_spec("keyring") is None:
        return False
    import keyring

    # keyring's backends `fail` and `null`, which store nothing, have priorities of 0 and -1.
    return bool(keyring.get_keyring().priority > 0)


def _from_keyring() -> Credentials | None:
    if not has_keyring():
        return None
    import keyring

    try:
        # One entry for both keys, so that keys of two pairs are never combined.
        stored = keyring.get_password(KEYRING_SERVICE, KEYRING_ENTRY)
        access, secret = json.loads(stored) if stored else ("", "")
    except (keyring.errors.KeyringError, ValueError):
        return None
    return Credentials(access, secret, "keyring") if access and secret else None


def _to_keyring(credentials: Credentials) -> None:
    if not has_keyring():
        raise CredentialsError(
            "this system has no keyring to store the keys in: pip install 'flatnb[keyring]', or "
            "log in without storing them"
        )
    import keyring

    pair = json.dumps([credentials.access_key_id, credentials.secret_access_key])
    try:
        keyring.set_password(KEYRING_SERVICE, KEYRING_ENTRY, pair)
    except keyring.errors.KeyringError as error:
        # Without the cause: its traceback has the keys in its local variables.
        raise CredentialsError(f"the keyring refused the keys ({type(error).__name__})") from None


def _pair(
    values: tuple[str | None, str | None], names: tuple[str, str], source: str
) -> Credentials:
    for value, name in zip(values, names, strict=True):
        if value is not None and not isinstance(value, str):
            raise CredentialsError(
                f"{name} is of type {type(value).__name__}, and must be a string"
            )
    access, secret = (value.strip() if value else "" for value in values)
    if not access or not secret:
        absent, present = (names[0], names[1]) if not access else (names[1], names[0])
        raise CredentialsError(
            f"{present} is given, but {absent} is not: both must come from the same source"
        )
    return Credentials(access, secret, source)


def _from_profile(name: str) -> Credentials | None:
    # Only the two keys are read: where a profile has none, botocore's own credential chain
    # continues with the machine's default keys (environment, instance metadata).
    import botocore.session

    keys = botocore.session.Session().full_config["profiles"].get(name, {})
    values = keys.get("aws_access_key_id"), keys.get("aws_secret_access_key")
    if not any(values):
        return None
    names = ("aws_access_key_id", "aws_secret_access_key")
    return _pair(values, names, f"AWS profile {name!r}")
