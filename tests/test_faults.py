"""Under every fault, both downloaders give the right bytes or the right error."""

from __future__ import annotations

import gzip
import random
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flatnb import errors
from flatnb.download.core.transfer import PART_BYTES
from tests.servers import faults
from tests.servers.fault_s3 import FaultServer
from tests.servers.faults import Fault
from tests.servers.payloads import DAMAGED_GZIP, DAY_KEY, SOUND_GZIP, day_csv
from tests.twins import CREDENTIALS, TWINS, MakeTwin, Twin

# botocore does not close the socket of a response whose headers it cannot parse.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

BUCKET = "flatfiles"
CSV = day_csv()
# Random bytes cannot be compressed: four parts.
LARGE = random.Random(3).randbytes(3 * PART_BYTES + 1000)
LARGE_GZ = gzip.compress(LARGE, 1, mtime=0)
TRANSIENT = (*faults.CUTS, *faults.STATUSES, *faults.LIES)


def by_name(fault: Fault) -> str:
    """A fault's name as a test's id."""
    return str(fault)


@pytest.mark.parametrize("fault", TRANSIENT, ids=by_name)
def test_transient_faults_are_retried_and_counted(
    fault: Fault, twin: Twin, fault_server: FaultServer
) -> None:
    """Two faults in a row need two retries, and the bytes are complete."""
    fault_server.put(DAY_KEY, gzip.compress(CSV))
    fault_server.script(DAY_KEY, [fault, fault])
    assert twin.download(BUCKET, DAY_KEY).getvalue() == CSV
    assert fault_server.pending_faults(DAY_KEY) == 0
    assert len(fault_server.requests_for(DAY_KEY)) == 3
    assert twin.get_statistics() == {
        "total_downloads": 1,
        "successful_downloads": 1,
        "failed_downloads": 0,
        "total_retries": 2,
        "success_rate": 1.0,
    }


@pytest.mark.parametrize("fault", TRANSIENT, ids=by_name)
def test_each_part_is_retried_on_its_own(
    fault: Fault, twin: Twin, fault_server: FaultServer
) -> None:
    """With faults in the first, a middle and the last part the object is complete."""
    fault_server.put(DAY_KEY, LARGE_GZ)
    for offset in (0, PART_BYTES, 3 * PART_BYTES):
        fault_server.script(DAY_KEY, [fault], when="get", offset=offset)
    assert twin.download(BUCKET, DAY_KEY).getvalue() == LARGE
    assert fault_server.pending_faults(DAY_KEY) == 0
    assert twin.get_statistics()["total_retries"] >= 1


def test_a_failed_part_does_not_wait_for_a_stalled_one(
    make_twin: MakeTwin, fault_server: FaultServer
) -> None:
    """A part that can never succeed ends the download at once, whatever the others wait for."""
    fault_server.put(DAY_KEY, LARGE_GZ)
    fault_server.always(DAY_KEY, faults.stall_after(1000), when="get", offset=0)
    fault_server.always(DAY_KEY, faults.s3_error("AccessDenied"), when="get", offset=PART_BYTES)
    twin = make_twin(fault_server.endpoint_url, timeout=30)
    began = time.monotonic()
    with pytest.raises(errors.AccessDeniedError):
        twin.download(BUCKET, DAY_KEY)
    assert time.monotonic() - began < 10


def test_a_cut_part_resumes_where_it_stopped(twin: Twin, fault_server: FaultServer) -> None:
    """The second request asks for the missing bytes of the same version only."""
    fault_server.put(DAY_KEY, LARGE_GZ, etag='"version-3"')
    fault_server.script(DAY_KEY, [faults.close_after(600_000)], when="get", offset=PART_BYTES)
    assert twin.download(BUCKET, DAY_KEY).getvalue() == LARGE
    rest = f"bytes={PART_BYTES + 600_000}-{2 * PART_BYTES - 1}"
    resumed = [request for request in fault_server.requests_for(DAY_KEY) if request.range == rest]
    assert [r.if_match for r in resumed] == ['"version-3"']


@pytest.mark.parametrize("key", [DAY_KEY, "us_stocks_sip/day_aggs_v1/2024/01/2024-01-02.csv"])
def test_a_part_is_never_used_as_the_whole(key: str, twin: Twin, fault_server: FaultServer) -> None:
    """With status 200, in the first response and when a body is resumed."""
    content = LARGE_GZ if key.endswith(".gz") else LARGE
    fault_server.put(key, content)
    part = faults.part_as_200()
    fault_server.script(key, [part, faults.close_after(600_000), part])
    assert twin.download(BUCKET, key).getvalue() == LARGE
    assert fault_server.pending_faults(key) == 0


@pytest.mark.parametrize("fault", faults.SILENT, ids=by_name)
def test_silent_damage_is_downloaded_again(
    fault: Fault, twin: Twin, fault_server: FaultServer
) -> None:
    """The checksum shows a damaged body with right headers; it is downloaded once more."""
    fault_server.put(DAY_KEY, gzip.compress(CSV, mtime=0))
    fault_server.script(DAY_KEY, [fault])
    assert twin.download(BUCKET, DAY_KEY).getvalue() == CSV
    assert twin.get_statistics()["total_retries"] == 1


@pytest.mark.parametrize("fault", faults.HARMLESS, ids=by_name)
@pytest.mark.parametrize("body", [gzip.compress(CSV), LARGE_GZ], ids=["small", "large"])
def test_unusual_responses_are_accepted(
    fault: Fault, body: bytes, twin: Twin, fault_server: FaultServer
) -> None:
    """Also of servers without ranges, lengths or ETags."""
    fault_server.put(DAY_KEY, body)
    fault_server.always(DAY_KEY, fault)
    assert twin.download(BUCKET, DAY_KEY).getvalue() == gzip.decompress(body)


@pytest.mark.parametrize(
    ("fault", "error", "builtin"),
    [
        (faults.bare_status(403), errors.AccessDeniedError, PermissionError),
        (faults.s3_error("AccessDenied"), errors.AccessDeniedError, PermissionError),
        (faults.s3_error("SignatureDoesNotMatch"), errors.AuthenticationError, PermissionError),
        (faults.s3_error("InvalidAccessKeyId"), errors.AuthenticationError, PermissionError),
        (faults.s3_error("ExpiredToken"), errors.AuthenticationError, PermissionError),
        (faults.s3_error("RequestTimeTooSkewed"), errors.ClockSkewError, PermissionError),
        (faults.bare_status(401), errors.AuthenticationError, PermissionError),
        (faults.bare_status(404), errors.ObjectNotFoundError, FileNotFoundError),
        (faults.s3_error("NoSuchKey"), errors.ObjectNotFoundError, FileNotFoundError),
        (faults.permanent_redirect(), errors.UnexpectedResponseError, OSError),
    ],
    ids=str,
)
def test_permanent_errors_make_exactly_one_request(
    fault: Fault,
    error: type[errors.TransferError],
    builtin: type[Exception],
    twin: Twin,
    fault_server: FaultServer,
) -> None:
    """The exception is a TransferError and the matching builtin, with a remedy."""
    fault_server.put(DAY_KEY, gzip.compress(CSV))
    fault_server.always(DAY_KEY, fault)
    with pytest.raises(error) as caught:
        twin.download(BUCKET, DAY_KEY)
    assert type(caught.value) is error
    assert isinstance(caught.value, builtin)
    assert (caught.value.bucket, caught.value.key) == (BUCKET, DAY_KEY)
    assert caught.value.attempts == 1
    (request,) = [each for each in fault_server.requests if each.kind == "get"]
    assert caught.value.request_id == request.request_id
    assert error.remedy in str(caught.value)
    # After a 404 one listing finds out whether there is the bucket at all.
    others = [each.kind for each in fault_server.requests if each is not request]
    assert others == (["list"] if error is errors.ObjectNotFoundError else [])
    assert twin.get_statistics()["failed_downloads"] == 1


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (faults.bare_status(429), errors.ThrottledError),
        (faults.s3_error("SlowDown"), errors.ThrottledError),
        (faults.bare_status(500), errors.ServiceError),
        (faults.s3_error("RequestTimeout"), errors.TransferTimeoutError),
        (faults.reset_after(), errors.ConnectionFailedError),
        (faults.close_after(), errors.ConnectionFailedError),
        (faults.close_before_headers(), errors.ConnectionFailedError),
        (faults.html_page(), errors.IntegrityError),
    ],
    ids=str,
)
def test_retries_end(
    fault: Fault,
    error: type[errors.TransferError],
    make_twin: MakeTwin,
    fault_server: FaultServer,
) -> None:
    """After ``max_retries + 1`` attempts the error is raised, with their number."""
    twin = make_twin(fault_server.endpoint_url, max_retries=2)
    fault_server.put(DAY_KEY, gzip.compress(CSV))
    fault_server.always(DAY_KEY, fault)
    with pytest.raises(error) as caught:
        twin.download(BUCKET, DAY_KEY)
    # Damaged bytes are downloaded once more, as the damage may be of the transfer.
    rounds = 2 if error is errors.IntegrityError else 1
    assert caught.value.attempts == 3 * rounds == len(fault_server.requests)


@pytest.mark.parametrize("fault", faults.STALLS, ids=by_name)
def test_a_stall_is_a_retryable_timeout(
    fault: Fault, make_twin: MakeTwin, fault_server: FaultServer
) -> None:
    """After ``timeout`` seconds without a byte the attempt ends; the next one succeeds."""
    twin = make_twin(fault_server.endpoint_url, timeout=0.3, max_retries=1)
    fault_server.put(DAY_KEY, gzip.compress(CSV))
    fault_server.script(DAY_KEY, [fault])
    assert twin.download(BUCKET, DAY_KEY).getvalue() == CSV
    fault_server.always(DAY_KEY, fault)
    with pytest.raises(errors.TransferTimeoutError):
        twin.download(BUCKET, DAY_KEY)


def test_a_refused_connection(make_twin: MakeTwin, fault_server: FaultServer) -> None:
    """A service that is down is retried, then an error is raised."""
    twin = make_twin(fault_server.endpoint_url, max_retries=2)
    fault_server.put(DAY_KEY, gzip.compress(CSV))
    fault_server.refuse(1)
    assert twin.download(BUCKET, DAY_KEY).getvalue() == CSV
    with fault_server.down(), pytest.raises(errors.ConnectionFailedError) as caught:
        twin.download(BUCKET, DAY_KEY)
    assert isinstance(caught.value, ConnectionError)
    assert caught.value.attempts == 3


def test_retry_after_beyond_the_deadline_is_not_waited_for(
    make_twin: MakeTwin, fault_server: FaultServer
) -> None:
    """With a Retry-After of an hour the error is raised at once."""
    twin = make_twin(fault_server.endpoint_url)
    fault_server.put(DAY_KEY, gzip.compress(CSV))
    fault_server.always(DAY_KEY, faults.bare_status(503, retry_after="3600"))
    with pytest.raises(errors.ThrottledError):
        twin.download(BUCKET, DAY_KEY)
    assert len(fault_server.requests) == 1


def test_a_replaced_object_is_downloaded_again(twin: Twin, fault_server: FaultServer) -> None:
    """Parts of two versions are never mixed: the result is the new version."""
    newer = bytes(reversed(LARGE))
    fault_server.put(DAY_KEY, LARGE_GZ)
    fault_server.replace(DAY_KEY, gzip.compress(newer, 1), from_request=2)
    assert twin.download(BUCKET, DAY_KEY).getvalue() == newer


def test_an_object_that_keeps_changing_is_an_error(twin: Twin, fault_server: FaultServer) -> None:
    """After the second change an error is raised, instead of a third download."""
    fault_server.put(DAY_KEY, LARGE_GZ)
    fault_server.always(DAY_KEY, faults.s3_error("PreconditionFailed"), offset=PART_BYTES)
    with pytest.raises(errors.ObjectChangedError):
        twin.download(BUCKET, DAY_KEY)


@pytest.mark.parametrize("decompress", [True, False])
@pytest.mark.parametrize("name", DAMAGED_GZIP)
def test_damaged_gzip_is_never_data(
    name: str, decompress: bool, twin: Twin, fault_server: FaultServer, tmp_path: Path
) -> None:
    """In memory and to a file, decompressed or not: an IntegrityError, and no file."""
    fault_server.put(DAY_KEY, DAMAGED_GZIP[name](CSV))
    with pytest.raises(errors.IntegrityError, match="2024-01-02") as caught:
        twin.download(BUCKET, DAY_KEY, decompress)
    assert isinstance(caught.value, ValueError)
    with pytest.raises(errors.IntegrityError):
        twin.download_to_file(BUCKET, DAY_KEY, tmp_path / "day.csv", decompress)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", SOUND_GZIP)
def test_sound_gzip_of_any_kind(
    name: str, twin: Twin, fault_server: FaultServer, tmp_path: Path
) -> None:
    """Several members and zero padding decompress to all data, or remain as stored."""
    stored = SOUND_GZIP[name](CSV)
    fault_server.put(DAY_KEY, stored)
    assert twin.download(BUCKET, DAY_KEY).getvalue() == CSV
    assert twin.download(BUCKET, DAY_KEY, decompress=False).getvalue() == stored
    twin.download_to_file(BUCKET, DAY_KEY, tmp_path / "day.csv")
    twin.download_to_file(BUCKET, DAY_KEY, tmp_path / "day.csv.gz", decompress=False)
    assert (tmp_path / "day.csv").read_bytes() == CSV
    assert (tmp_path / "day.csv.gz").read_bytes() == stored
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("fault", TRANSIENT, ids=by_name)
def test_files_are_complete_or_absent(
    fault: Fault, make_twin: MakeTwin, fault_server: FaultServer, tmp_path: Path
) -> None:
    """A failed download creates no file and changes no older one; a retried one is complete."""
    twin = make_twin(fault_server.endpoint_url, max_retries=1)
    path = tmp_path / "day.csv"
    path.write_text("older")
    fault_server.put(DAY_KEY, LARGE_GZ)
    fault_server.always(DAY_KEY, fault, when="get")
    with pytest.raises(errors.TransferError):
        twin.download_to_file(BUCKET, DAY_KEY, path)
    assert [p.name for p in tmp_path.iterdir()] == ["day.csv"]
    assert path.read_text() == "older"
    fault_server.heal()
    fault_server.script(DAY_KEY, [fault], when="get", offset=PART_BYTES)
    twin.download_to_file(BUCKET, DAY_KEY, path)
    assert path.read_bytes() == LARGE


ANY_FAULT = (*TRANSIENT, *faults.SILENT, *faults.HARMLESS, *faults.PERMANENT)


@pytest.mark.parametrize("kind", sorted(TWINS))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_fault_sequence_gives_the_bytes_or_an_error(kind: str, data: st.DataObject) -> None:
    """For faults in any order, the result is right, or an error is raised."""
    large = data.draw(st.booleans(), label="large")
    sequence = data.draw(st.lists(st.sampled_from(ANY_FAULT), max_size=8), label="faults")
    content, body = (LARGE, LARGE_GZ) if large else (CSV, gzip.compress(CSV, mtime=0))
    with FaultServer() as server:
        twin = TWINS[kind](
            credentials=CREDENTIALS,
            endpoint_url=server.endpoint_url,
            timeout=5,
            backoff_s=0.001,
            max_retries=3,
        )
        server.put(DAY_KEY, body)
        server.script(DAY_KEY, sequence)
        try:
            got = twin.download(BUCKET, DAY_KEY).getvalue()
        except errors.TransferError as error:
            assert sequence, "an error without a fault"
            assert error.key == DAY_KEY
        else:
            assert got == content
        finally:
            twin.close()
