"""Credentials come from one source, and are shown nowhere."""

from __future__ import annotations

import logging
import pickle
import traceback
from pathlib import Path
from typing import Any

import pytest

from flatnb import AsyncS3Downloader, FlatSession, LoadError, SyncS3Downloader, errors
from flatnb.credentials import Credentials, find_credentials
from tests.servers import faults
from tests.servers.fault_s3 import FaultServer
from tests.servers.payloads import DAY_KEY, day_csv, gz


@pytest.fixture
def days(fault_server: FaultServer) -> FaultServer:
    """The fault server with a day of daily bars."""
    fault_server.put(DAY_KEY, gz(day_csv()))
    return fault_server


def locals_of_flatnb(error: BaseException) -> list[str]:
    """The local variables of flatnb's own frames, as rich tracebacks show them."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    ours = [f for f in frames if f.f_globals["__name__"].startswith("flatnb.")]
    assert ours
    return [repr(value) for frame in ours for value in frame.f_locals.values()]


SECRET = "s3cr3t-s3cr3t-s3cr3t-s3cr3t-s3cr"


def test_secrets_are_nowhere(
    days: FaultServer, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not in reprs, logs at any level, exceptions, their tracebacks, events or pickles."""
    pair = {"access_key_id": "AKIA-visible", "secret_access_key": SECRET}
    events: list[Any] = []
    days.always(DAY_KEY, faults.s3_error("SignatureDoesNotMatch"))
    texts = []
    with caplog.at_level(logging.DEBUG):
        with FlatSession("AKIA-visible", SECRET, endpoint_url=days.endpoint_url) as session:
            with pytest.raises(LoadError) as caught:
                session.load("stocks_daily", "2024-01-02", "2024-01-02")
            texts += [repr(session), repr(session.last_report), str(caught.value)]
            texts += locals_of_flatnb(caught.value)
            texts += [repr(session.stats), str(pickle.dumps(caught.value))]
            with pytest.raises(TypeError, match="credentials"):
                pickle.dumps(session)
        with SyncS3Downloader(pair, days.endpoint_url, listener=events.append) as downloader:
            with pytest.raises(errors.AuthenticationError) as denied:
                downloader.download("flatfiles", DAY_KEY)
            texts += locals_of_flatnb(denied.value)
            texts += [repr(downloader), repr(events), repr(denied.value), repr(vars(denied.value))]
            with pytest.raises(TypeError, match="credentials"):
                pickle.dumps(downloader)
        texts += [repr(AsyncS3Downloader(pair)), repr(Credentials("a", SECRET, "test"))]
    texts += [caplog.text, *capsys.readouterr()]
    assert [text for text in texts if SECRET in text] == []
    assert events


ENVIRONMENT = {
    "MASSIVE_S3_ACCESS_KEY": "m",
    "MASSIVE_S3_SECRET_KEY": "ms",
    "POLYGON_S3_ACCESS_KEY": "p",
    "POLYGON_S3_SECRET_KEY": "ps",
    "AWS_ACCESS_KEY_ID": "plain",
    "AWS_SECRET_ACCESS_KEY": "plain",
}


def without(*names: str) -> dict[str, str]:
    """The environment without some variables."""
    return {name: value for name, value in ENVIRONMENT.items() if name not in names}


@pytest.fixture
def aws_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No AWS files but those that the test writes."""
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    return tmp_path / "credentials"


def test_credentials_in_their_order(aws_files: Path) -> None:
    """Arguments, then MASSIVE_…, then POLYGON_…, then a profile; a named profile before those."""
    aws_files.write_text(
        "[default]\naws_access_key_id=no\naws_secret_access_key=no\n"
        "[polygon]\naws_access_key_id=f\naws_secret_access_key=fs\n"
        "[mine]\naws_access_key_id=g\naws_secret_access_key=gs\n"
    )
    massive = ("MASSIVE_S3_ACCESS_KEY", "MASSIVE_S3_SECRET_KEY")
    polygon = ("POLYGON_S3_ACCESS_KEY", "POLYGON_S3_SECRET_KEY")
    found = [
        find_credentials("a", "as", environ=ENVIRONMENT),
        find_credentials(profile="mine", environ=ENVIRONMENT),
        find_credentials(environ=ENVIRONMENT),
        find_credentials(environ=without(*massive)),
        find_credentials(environ=without(*massive, *polygon)),
    ]
    pairs = [(c.access_key_id, c.secret_access_key) for c in found]
    assert pairs == [("a", "as"), ("g", "gs"), ("m", "ms"), ("p", "ps"), ("f", "fs")]
    assert [c.source for c in found] == [
        "arguments",
        "AWS profile 'mine'",
        "environment (MASSIVE_S3_ACCESS_KEY)",
        "environment (POLYGON_S3_ACCESS_KEY)",
        "AWS profile 'polygon'",
    ]


def test_credentials_are_never_mixed(aws_files: Path) -> None:
    """Half a pair is an error that names its other half and shows no value."""
    with pytest.raises(errors.CredentialsError, match="MASSIVE_S3_SECRET_KEY is not"):
        find_credentials(environ=without("MASSIVE_S3_SECRET_KEY"))
    with pytest.raises(errors.CredentialsError, match="secret_access_key is not"):
        find_credentials("a", environ=ENVIRONMENT)
    with pytest.raises(errors.CredentialsError, match="profile='mine'"):
        find_credentials(profile="mine", environ=ENVIRONMENT)


def test_no_credentials(aws_files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's plain AWS keys are not used; the error lists what was looked for."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
        if not name.startswith("AWS"):
            monkeypatch.delenv(name)
    with pytest.raises(errors.CredentialsError) as caught:
        FlatSession()
    for hint in ("MASSIVE_S3_ACCESS_KEY", "POLYGON_S3_SECRET_KEY", "massive", "demo()"):
        assert hint in str(caught.value)


def test_a_stray_aws_profile_does_no_harm(
    days: FaultServer, aws_files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AWS_PROFILE may name a profile that is not there: botocore alone would raise."""
    monkeypatch.setenv("AWS_PROFILE", "not-there")
    with FlatSession("a", "b", endpoint_url=days.endpoint_url) as session:
        assert session.load("stocks_daily", "2024-01-02", "2024-01-02").height == 8
