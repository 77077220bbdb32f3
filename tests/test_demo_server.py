"""The demo server answers as a bucket of S3 does, and makes no file that nobody asked for."""

from __future__ import annotations

import logging
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, date, datetime
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from flatnb.demo import bucket as bucket_module
from flatnb.demo.demo_market import DemoMarket
from flatnb.demo.server import DemoServer
from flatnb.demo.session_minutes import EXCHANGE_TIME

START, END = date(2024, 1, 2), date(2024, 4, 30)
DAY = date(2024, 1, 2)
DAILY_KEY = "us_stocks_sip/day_aggs_v1/2024/01/2024-01-02.csv.gz"
MINUTE_KEY = "us_stocks_sip/minute_aggs_v1/2024/01/2024-01-02.csv.gz"
JANUARY = "us_stocks_sip/day_aggs_v1/2024/01/"


class CountingMarket(DemoMarket):
    """A small market that counts how often it made each file."""

    def __init__(self) -> None:
        super().__init__(stocks=20, option_underlyings=2)
        self.made: Counter[tuple[str, date]] = Counter()

    def file(self, data_type: str, day: date) -> bytes:
        """Make a file."""
        self.made[data_type, day] += 1
        return super().file(data_type, day)


def connect(server: DemoServer, **config: Any) -> Any:
    """A plain boto3 client of a server, without retries."""
    return boto3.client(
        "s3",
        endpoint_url=server.endpoint_url,
        aws_access_key_id=server.credentials["access_key_id"],
        aws_secret_access_key=server.credentials["secret_access_key"],
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 0}, **config),
    )


def read(s3: Any, key: str, **arguments: Any) -> bytes:
    """The body of an object."""
    body: bytes = s3.get_object(Bucket="flatfiles", Key=key, **arguments)["Body"].read()
    return body


def error_of(call: Any, **arguments: Any) -> tuple[str, int]:
    """The S3 code and HTTP status that a call fails with."""
    with pytest.raises(ClientError) as caught:
        call(Bucket="flatfiles", **arguments)
    response: Any = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


@pytest.fixture(scope="module")
def market() -> CountingMarket:
    """The market of the shared server."""
    return CountingMarket()


@pytest.fixture(scope="module")
def server(market: CountingMarket) -> Iterator[DemoServer]:
    """A server of four months."""
    with DemoServer(market, start=START, end=END) as running:
        yield running


@pytest.fixture(scope="module")
def s3(server: DemoServer) -> Iterator[Any]:
    """A client of the shared server."""
    with closing(connect(server)) as client:
        yield client


@pytest.mark.parametrize(
    ("data_type", "folder"),
    [
        ("stocks_daily", "us_stocks_sip/day_aggs_v1"),
        ("stocks_minute", "us_stocks_sip/minute_aggs_v1"),
        ("options_daily", "us_options_opra/day_aggs_v1"),
        ("options_minute", "us_options_opra/minute_aggs_v1"),
    ],
)
def test_an_object_is_the_markets_file(s3: Any, data_type: str, folder: str) -> None:
    """Each data type lies under its live root and folder, with the file's bytes and facts."""
    key = f"{folder}/2024/01/2024-01-02.csv.gz"
    expected = DemoMarket(stocks=20, option_underlyings=2).file(data_type, DAY)
    head = s3.head_object(Bucket="flatfiles", Key=key)
    assert read(s3, key) == expected
    assert head["ContentLength"] == len(expected)
    assert head["LastModified"] == datetime(2024, 1, 3, 16, tzinfo=UTC)


def test_etags_are_those_of_multipart_uploads(s3: Any) -> None:
    """As in the real bucket an ETag is not an MD5, and the same for HEAD, GET and listing."""
    etag = s3.head_object(Bucket="flatfiles", Key=DAILY_KEY)["ETag"]
    assert etag.endswith('-1"')
    listed = s3.list_objects_v2(Bucket="flatfiles", Prefix=DAILY_KEY)["Contents"][0]["ETag"]
    got = s3.get_object(Bucket="flatfiles", Key=DAILY_KEY)
    got["Body"].close()
    assert etag == listed == got["ETag"]


def test_ranges_and_conditions_work(s3: Any) -> None:
    """206 for a range with the right ETag, 412 with a wrong one, 416 behind the end."""
    whole = read(s3, MINUTE_KEY)
    etag = s3.head_object(Bucket="flatfiles", Key=MINUTE_KEY)["ETag"]
    answer = s3.get_object(
        Bucket="flatfiles", Key=MINUTE_KEY, Range="bytes=1000-1999", IfMatch=etag
    )
    assert answer["ContentRange"] == f"bytes 1000-1999/{len(whole)}"
    assert answer["Body"].read() == whole[1000:2000]
    wrong = {"Key": MINUTE_KEY, "IfMatch": '"other-1"'}
    assert error_of(s3.get_object, **wrong) == ("PreconditionFailed", 412)
    behind = {"Key": MINUTE_KEY, "Range": f"bytes={len(whole)}-"}
    assert error_of(s3.get_object, **behind) == ("InvalidRange", 416)


def test_a_month_is_listed_with_the_sizes_of_its_files(s3: Any) -> None:
    """The 21 trading days of January 2024, in order, each as HEAD and GET describe it."""
    contents = s3.list_objects_v2(Bucket="flatfiles", Prefix=JANUARY)["Contents"]
    assert len(contents) == 21
    assert contents[0]["Key"] == DAILY_KEY
    assert contents[-1]["Key"] == f"{JANUARY}2024-01-31.csv.gz"
    for entry in contents:
        head = s3.head_object(Bucket="flatfiles", Key=entry["Key"])
        assert (head["ContentLength"], head["ETag"]) == (entry["Size"], entry["ETag"])
        assert len(read(s3, entry["Key"])) == entry["Size"]


def test_pages_of_a_listing_join_to_the_whole(s3: Any) -> None:
    """Continuation tokens, start-after and the first version's markers skip nothing."""
    whole = [e["Key"] for e in s3.list_objects_v2(Bucket="flatfiles", Prefix=JANUARY)["Contents"]]
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket="flatfiles", Prefix=JANUARY, PaginationConfig={"PageSize": 4}
    )
    assert [entry["Key"] for page in pages for entry in page["Contents"]] == whole
    after = s3.list_objects_v2(Bucket="flatfiles", Prefix=JANUARY, StartAfter=whole[14], MaxKeys=3)
    assert [entry["Key"] for entry in after["Contents"]] == whole[15:18]
    assert after["IsTruncated"]
    marked = s3.list_objects(Bucket="flatfiles", Prefix=JANUARY, Marker=whole[18])
    assert [entry["Key"] for entry in marked["Contents"]] == whole[19:]


def test_folders_are_listed_by_delimiter(s3: Any) -> None:
    """A listing with a delimiter shows roots, data types and months."""

    def folders(prefix: str) -> list[str]:
        answer = s3.list_objects_v2(Bucket="flatfiles", Prefix=prefix, Delimiter="/")
        assert "Contents" not in answer
        return [folder["Prefix"] for folder in answer["CommonPrefixes"]]

    assert folders("") == [
        "global_crypto/",
        "global_forex/",
        *[f"us_futures_{venue}/" for venue in ("cbot", "cme", "comex", "nymex")],
        "us_indices/",
        "us_options_opra/",
        "us_stocks_sip/",
    ]
    year = "us_stocks_sip/minute_aggs_v1/2024/"
    assert folders(year) == [f"{year}{month:02}/" for month in (1, 2, 3, 4)]


def test_only_what_is_asked_for_is_made() -> None:
    """Starting makes nothing, a listing the files of its page, a second request nothing."""
    market = CountingMarket()
    with DemoServer(market) as server, closing(connect(server)) as s3:
        assert not market.made
        s3.list_objects_v2(Bucket="flatfiles", Delimiter="/")
        assert error_of(s3.head_object, Key=DAILY_KEY.replace("01-02", "01-01"))[1] == 404
        assert not market.made
        s3.list_objects_v2(Bucket="flatfiles", Prefix="us_stocks_sip/minute_aggs_v1/", MaxKeys=3)
        first_days = [date(2003, 9, 10), date(2003, 9, 11), date(2003, 9, 12)]
        expected = Counter({("stocks_minute", day): 1 for day in first_days})
        assert market.made == expected
        read(s3, DAILY_KEY)
        s3.head_object(Bucket="flatfiles", Key=DAILY_KEY)
        assert market.made == expected + Counter({("stocks_daily", DAY): 1})


def test_a_file_is_made_once_for_many_at_once() -> None:
    """16 threads that ask for the same two new keys get the same bytes, made once each."""
    market = CountingMarket()
    with (
        DemoServer(market, start=START, end=END) as server,
        closing(connect(server, max_pool_connections=16)) as s3,
        ThreadPoolExecutor(16) as pool,
    ):
        bodies = list(pool.map(lambda key: read(s3, key), [DAILY_KEY, MINUTE_KEY] * 16))
    assert len(set(bodies)) == 2
    assert set(market.made.values()) == {1}


@pytest.mark.parametrize(
    "key",
    [
        f"{JANUARY}2024-01-01.csv.gz",
        f"{JANUARY}2024-01-06.csv.gz",
        "us_stocks_sip/day_aggs_v1/2023/12/2023-12-29.csv.gz",
        "us_stocks_sip/day_aggs_v1/2024/05/2024-05-01.csv.gz",
        "us_stocks_sip/day_aggs_v1/2024/02/2024-01-02.csv.gz",
        DAILY_KEY.removesuffix(".gz"),
        "us_options/day_aggs_v1/2024/01/2024-01-02.csv.gz",
    ],
)
def test_other_keys_are_not_found(s3: Any, key: str) -> None:
    """Holidays, weekends, days outside the range and misspelt keys are NoSuchKey."""
    assert error_of(s3.get_object, Key=key) == ("NoSuchKey", 404)
    assert error_of(s3.head_object, Key=key) == ("404", 404)


def test_absent_days_have_no_files_and_forbidden_ones_no_access() -> None:
    """An absent day is not even listed; a forbidden one is, but HEAD and GET answer 403."""
    forbidden = ["us_options_opra/", f"{JANUARY}2024-01-04"]
    with (
        DemoServer(
            CountingMarket(), start=START, end=END, absent={date(2024, 1, 3)}, forbidden=forbidden
        ) as server,
        closing(connect(server)) as s3,
    ):
        absent, denied = (f"{JANUARY}2024-01-0{day}.csv.gz" for day in (3, 4))
        listed = s3.list_objects_v2(Bucket="flatfiles", Prefix=JANUARY)["Contents"]
        keys = [entry["Key"] for entry in listed]
        assert absent not in keys
        assert denied in keys
        assert error_of(s3.get_object, Key=absent) == ("NoSuchKey", 404)
        assert error_of(s3.get_object, Key=denied) == ("AccessDenied", 403)
        assert error_of(s3.head_object, Key=denied) == ("403", 403)
        options = "us_options_opra/day_aggs_v1/2024/01/2024-01-02.csv.gz"
        assert error_of(s3.get_object, Key=options) == ("AccessDenied", 403)
        assert read(s3, DAILY_KEY)


def test_bucket_and_options_root_can_be_named() -> None:
    """Another bucket name and the documented root of options are served instead."""
    with (
        DemoServer(
            CountingMarket(), start=START, end=END, bucket="other", options_root="us_options"
        ) as server,
        closing(connect(server)) as s3,
    ):
        folders = s3.list_objects_v2(Bucket="other", Delimiter="/")["CommonPrefixes"]
        assert [folder["Prefix"] for folder in folders][-2:] == ["us_options/", "us_stocks_sip/"]
        assert error_of(s3.list_objects_v2) == ("NoSuchBucket", 404)
    with pytest.raises(ValueError, match="3 characters"):
        DemoServer(bucket="b")


def test_two_servers_share_nothing() -> None:
    """What is put into and deleted from one is not seen by the other, nor does its stop matter."""
    with DemoServer(CountingMarket(), start=START, end=END) as one:
        two = DemoServer(DemoMarket(seed=8, stocks=20), start=START, end=END).start()
        with closing(connect(one)) as s3_one, closing(connect(two)) as s3_two:
            assert read(s3_one, DAILY_KEY) != read(s3_two, DAILY_KEY)
            s3_two.put_object(Bucket="flatfiles", Key="mine", Body=b"two")
            s3_two.delete_object(Bucket="flatfiles", Key=DAILY_KEY)
            assert error_of(s3_one.get_object, Key="mine")[1] == 404
            assert error_of(s3_two.get_object, Key=DAILY_KEY)[1] == 404
            two.stop()
            assert read(s3_one, DAILY_KEY)


def test_a_published_file_can_be_replaced(server: DemoServer, s3: Any) -> None:
    """Putting an object over a file gives it new bytes and a new ETag, as the vendor does."""
    key = f"{JANUARY}2024-01-10.csv.gz"
    before = s3.head_object(Bucket="flatfiles", Key=key)["ETag"]
    s3.put_object(Bucket="flatfiles", Key=key, Body=b"new")
    assert read(s3, key) == b"new"
    assert s3.head_object(Bucket="flatfiles", Key=key)["ETag"] != before


def test_mocks_of_moto_in_the_same_process_do_no_harm(s3: Any) -> None:
    """Neither takes the other's bucket away, though moto keeps its state for the process."""
    from moto import mock_aws

    with mock_aws():
        mocked = boto3.client("s3", "us-east-1")
        mocked.create_bucket(Bucket="flatfiles")
        assert "Contents" not in mocked.list_objects_v2(Bucket="flatfiles")
        mocked.close()
    assert read(s3, DAILY_KEY)


def test_by_default_all_days_up_to_the_last_published_one_are_there() -> None:
    """Stocks begin on 2003-09-10 and options on 2014-06-02; today is not published yet."""
    with DemoServer(CountingMarket()) as server, closing(connect(server)) as s3:

        def exists(key: str) -> bool:
            return bool(s3.list_objects_v2(Bucket="flatfiles", Prefix=key, MaxKeys=1)["KeyCount"])

        assert exists("us_stocks_sip/day_aggs_v1/2003/09/2003-09-10.csv.gz")
        assert exists("us_options_opra/minute_aggs_v1/2014/06/2014-06-02.csv.gz")
        assert not exists("us_options_opra/day_aggs_v1/2014/05/")
        last = bucket_module.last_published_day()
        assert exists(f"us_stocks_sip/day_aggs_v1/{last:%Y/%m}/{last}.csv.gz")
        today = datetime.now(EXCHANGE_TIME).date()
        assert not exists(f"us_stocks_sip/day_aggs_v1/{today:%Y/%m}/{today}.csv.gz")


@pytest.mark.parametrize(
    ("now", "last"),
    [
        ("2024-01-03T10:59", "2023-12-29"),
        ("2024-01-03T11:00", "2024-01-02"),
        ("2024-01-06T12:00", "2024-01-05"),
        ("2024-01-08T12:00", "2024-01-05"),
    ],
)
def test_files_are_published_on_the_next_morning(
    monkeypatch: pytest.MonkeyPatch, now: str, last: str
) -> None:
    """A day's files are there from 11:00 in New York on the day after."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return datetime.fromisoformat(now).replace(tzinfo=tz)

    monkeypatch.setattr(bucket_module, "datetime", Clock)
    assert bucket_module.last_published_day() == date.fromisoformat(last)


def test_files_that_no_longer_fit_into_memory_are_made_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Memory is bounded, and a file that was forgotten comes back with the same bytes."""
    monkeypatch.setattr(bucket_module, "_MEMORY_LIMIT_BYTES", 1)
    market = CountingMarket()
    with DemoServer(market, start=START, end=END) as server, closing(connect(server)) as s3:
        first = read(s3, DAILY_KEY)
        read(s3, MINUTE_KEY)
        assert read(s3, DAILY_KEY) == first
        assert market.made["stocks_daily", DAY] == 2


def test_prepare_makes_all_files_of_a_data_type() -> None:
    """What was prepared is not made again, and nothing else was."""
    market = CountingMarket()
    server = DemoServer(market, start=START, end=date(2024, 1, 31))
    with pytest.raises(RuntimeError, match="not running"):
        server.prepare("stocks_daily")
    with server, closing(connect(server)) as s3:
        server.prepare("stocks_daily")
        assert len(market.made) == 21
        read(s3, DAILY_KEY)
        assert set(market.made.values()) == {1}


def test_stopping_frees_port_and_threads_and_starting_again_works() -> None:
    """Both are idempotent; the endpoint is known only while the server runs."""
    threads = set(threading.enumerate())
    server = DemoServer(CountingMarket(), start=START, end=END)
    server.stop()
    for _ in range(2):
        assert server.start() is server.start()
        port = int(server.endpoint_url.rsplit(":", 1)[1])
        with closing(connect(server)) as s3:
            assert read(s3, DAILY_KEY)
            # A connection that is open and silent must not hold the stop up.
            with socket.create_connection(("127.0.0.1", port)):
                server.stop()
                server.stop()
        assert set(threading.enumerate()) <= threads
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0
        with pytest.raises(RuntimeError, match="not running"):
            _ = server.endpoint_url


def test_a_port_that_is_taken_is_an_os_error() -> None:
    """A server never ends the process that wants to start it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        server = DemoServer(CountingMarket(), start=START, end=END, port=taken.getsockname()[1])
        with pytest.raises(OSError, match="port is in use, choose another"):
            server.start()
        server.stop()


def test_requests_are_not_logged(
    s3: Any, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """A notebook shows no line for each request, while other werkzeug servers still log."""
    with caplog.at_level(logging.DEBUG, logger="werkzeug"):
        read(s3, DAILY_KEY)
        error_of(s3.get_object, Key="nothing")
    assert [record for record in caplog.records if record.name == "werkzeug"] == []
    assert capfd.readouterr() == ("", "")
    assert not logging.getLogger("werkzeug").disabled


def test_it_says_that_it_is_a_demo(server: DemoServer) -> None:
    """The repr calls the data synthetic, and nobody can take the keys for real ones."""
    assert "synthetic" in repr(server)
    assert server.endpoint_url in repr(server)
    assert set(server.credentials) == {"access_key_id", "secret_access_key"}
    assert all("not-real" in value for value in server.credentials.values())


def test_it_serves_from_a_process_of_its_own() -> None:
    """The module's command prints the endpoint, and ends with its process."""
    command = [sys.executable, "-m", "flatnb.demo.server", "--stocks", "20", "--port", "0"]
    command += ["--start", "2024-01-02", "--end", "2024-01-05", "--prepare", "stocks_daily"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            server = DemoServer(start=START)
            endpoint_url = process.stdout.readline().strip()
            with closing(
                boto3.client(
                    "s3",
                    endpoint_url=endpoint_url,
                    aws_access_key_id=server.credentials["access_key_id"],
                    aws_secret_access_key=server.credentials["secret_access_key"],
                    region_name="us-east-1",
                    config=Config(s3={"addressing_style": "path"}),
                )
            ) as s3:
                assert read(s3, DAILY_KEY) == DemoMarket(stocks=20).file("stocks_daily", DAY)
        finally:
            process.terminate()
