"""Keys that were typed: where they go, and where they do not."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import keyring
import keyring.backend
import keyring.errors
import pytest

from flatnb import FlatSession
from flatnb.credentials import find_credentials, has_keyring, log_in, log_out
from flatnb.errors import CredentialsError
from flatnb.notebook.login import receive
from flatnb.notebook.login_form import LoginForm

SECRET = "s3cr3t-s3cr3t"


class MemoryKeyring(keyring.backend.KeyringBackend):
    """A keyring like those of other packages, in memory."""

    priority = 1  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        self.stored: dict[tuple[str, str], str] = {}
        self.is_locked = False

    def get_password(self, service: str, username: str) -> str | None:
        """What was stored."""
        if self.is_locked:
            raise keyring.errors.KeyringLocked
        return self.stored.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        """Store it."""
        if self.is_locked:
            raise keyring.errors.KeyringLocked
        self.stored[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        """Remove it."""
        if self.stored.pop((service, username), None) is None:
            raise keyring.errors.PasswordDeleteError


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> Iterator[None]:
    """No AWS files; what a test typed is forgotten after it."""
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    yield
    log_out()


@pytest.fixture
def ring() -> Iterator[MemoryKeyring]:
    """The system's keyring, empty."""
    before = keyring.get_keyring()
    ring = MemoryKeyring()
    keyring.set_keyring(ring)
    yield ring
    log_out()
    keyring.set_keyring(before)


def test_typed_keys_come_before_the_environment() -> None:
    """But after arguments and a named profile; they are not shown, and can be forgotten."""
    environment = {"MASSIVE_S3_ACCESS_KEY": "m", "MASSIVE_S3_SECRET_KEY": "ms"}
    log_in(" typed ", SECRET)
    found = find_credentials(environ=environment)
    assert (found.access_key_id, found.secret_access_key, found.source) == (
        "typed",
        SECRET,
        "login",
    )
    assert SECRET not in repr(found)
    assert find_credentials("a", "b", environ=environment).access_key_id == "a"
    FlatSession.logout()
    assert find_credentials(environ=environment).access_key_id == "m"


def test_half_a_pair_changes_nothing() -> None:
    """The keys from before stay."""
    log_in("one", SECRET)
    with pytest.raises(CredentialsError, match="secret_access_key is not"):
        log_in("two", "")
    assert find_credentials(environ={}).access_key_id == "one"


def test_keys_are_stored_on_request_only(ring: MemoryKeyring) -> None:
    """As one entry, which a later process finds after all other sources; logout removes it."""
    log_in("typed", SECRET)
    assert ring.stored == {}
    log_in("typed", SECRET, store=True)
    assert len(ring.stored) == 1
    with pytest.raises(CredentialsError, match="not"):
        log_in("x", "", store=True)
    stored = dict(ring.stored)
    log_out()
    assert ring.stored == {}
    ring.stored |= stored
    found = find_credentials(environ={})
    assert (found.access_key_id, found.secret_access_key, found.source) == (
        "typed",
        SECRET,
        "keyring",
    )
    environment = {"POLYGON_S3_ACCESS_KEY": "p", "POLYGON_S3_SECRET_KEY": "ps"}
    assert find_credentials(environ=environment).access_key_id == "p"


def test_a_keyring_that_refuses(ring: MemoryKeyring) -> None:
    """Is an error when asked to store, without the keys in it; when looked at it has none."""
    ring.is_locked = True
    with pytest.raises(CredentialsError, match="KeyringLocked") as caught:
        log_in("typed", SECRET, store=True)
    assert SECRET not in str(caught.value)
    with pytest.raises(CredentialsError, match=r"FlatSession\.login\(\)"):
        find_credentials(environ={})


def test_no_keyring() -> None:
    """A backend that always fails counts as none."""
    import keyring.backends.fail

    before = keyring.get_keyring()
    keyring.set_keyring(keyring.backends.fail.Keyring())
    try:
        assert not has_keyring()
        with pytest.raises(CredentialsError, match=r"flatnb\[keyring\]"):
            log_in("typed", SECRET, store=True)
    finally:
        keyring.set_keyring(before)


def test_the_form_keeps_nothing() -> None:
    """No trait has what was typed, whether it was taken or refused; nonsense does nothing."""
    form = LoginForm(receive)
    receive(form, "nonsense")
    assert form.state == "waiting"
    receive(form, {"access": "typed", "secret": ""})
    assert form.state == "refused"
    assert "secret_access_key is not" in form.message
    receive(form, {"access": "typed", "secret": SECRET, "store": False})
    assert form.state == "done"
    assert find_credentials(environ={}).secret_access_key == SECRET
    assert SECRET not in str(form.get_state()) + repr(form)
    assert "typed" not in str({name: form.get_state()[name] for name in ("state", "message")})


def test_asking_in_a_terminal() -> None:
    """Without a front end for widgets the keys are asked for, and not echoed."""
    script = """
from flatnb import FlatSession
FlatSession.login()
print(FlatSession(cache=False).credentials_source)
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        input=f"typed\n{SECRET}\n",
        capture_output=True,
        text=True,
        start_new_session=True,  # no terminal: it reads the standard input
        timeout=60,
    )
    assert done.stdout.splitlines()[-1] == "login", done.stderr
    assert SECRET not in done.stdout + done.stderr
