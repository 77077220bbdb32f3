"""A local S3 server with the demo market: moto's, on 127.0.0.1, in a thread of its own.

``python -m flatnb.demo.server --stocks 12000`` serves from a process of its own, which is what a
benchmark needs: it prints the endpoint and waits for an interrupt.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import socket
import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import date
from types import TracebackType
from typing import Any, Self

from moto.iam.models import iam_backends
from moto.moto_server.werkzeug_app import create_backend_app
from moto.s3.models import s3_backends
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

from ..market.data_types import LIVE_OPTIONS_ROOT
from .bucket import DemoBucket, last_published_day, published_keys
from .market import DemoMarket

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]

_ACCOUNTS = itertools.count(100_000_000_000)
_ACCESS_DENIED = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
)


class DemoServer:
    """An S3 server that holds the files of a synthetic market, laid out as the vendor's bucket.

    Use it as a context manager, or call `start` and `stop`. Files are made when first asked for.
    Several servers in one process do not see each other's objects.

    Parameters
    ----------
    market
        What to serve; by default ``DemoMarket()``.
    start, end
        The first and the last day with files, both inclusive. By default all days that the
        vendor's bucket holds of each data type, up to the latest published one.
    bucket
        The bucket's name, of at least three characters.
    options_root
        The folder of the options files.
    absent
        Trading days without files.
    forbidden
        Prefixes of keys (or one) that are listed but not to be read: GET and HEAD of them answer
        403, as the vendor does for what is outside a plan.
    port
        The TCP port; 0 takes a free one.

    Attributes
    ----------
    market, bucket, options_root
        As given.
    credentials
        Keys that anyone may know, as the downloaders take them; the server does not check them.
    """

    def __init__(
        self,
        market: DemoMarket | None = None,
        *,
        start: date | None = None,
        end: date | None = None,
        bucket: str = "flatfiles",
        options_root: str = LIVE_OPTIONS_ROOT,
        absent: Collection[date] = (),
        forbidden: str | Collection[str] = (),
        port: int = 0,
    ) -> None:
        if len(bucket) < 3:
            raise ValueError(f"bucket={bucket!r}: a bucket's name has at least 3 characters")
        self.market = market or DemoMarket()
        self.bucket = bucket
        self.credentials = {
            "access_key_id": "demo-access-key-not-real",
            "secret_access_key": "demo-secret-key-not-real",
        }
        self._range = (start, end)
        self.options_root = options_root
        self._absent = frozenset(absent)
        self._forbidden = (forbidden,) if isinstance(forbidden, str) else tuple(forbidden)
        self._port = port
        self._running: _Running | None = None
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        where = self._running.endpoint_url if self._running else "stopped"
        return f"<DemoServer {where} with synthetic data: {self.market!r}>"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def endpoint_url(self) -> str:
        """Where the server listens, for example ``http://127.0.0.1:40123``.

        Raises
        ------
        RuntimeError
            If the server is not running.
        """
        if self._running is None:
            raise RuntimeError("the demo server is not running: call start()")
        return self._running.endpoint_url

    def start(self) -> Self:
        """Listen; does nothing if the server already does.

        Raises
        ------
        OSError
            If the port is taken.
        """
        with self._lock:
            if self._running is None:
                self._running = _Running(self._make_bucket, self._forbidden, self._port)
        return self

    def stop(self) -> None:
        """Free the port and end all threads; does nothing if the server is stopped."""
        with self._lock:
            if self._running is not None:
                self._running.stop()
                self._running = None

    def prepare(self, *data_types: str) -> None:
        """Make all files of some data types now, so that no request waits for them.

        Raises
        ------
        RuntimeError
            If the server is not running.
        """
        if self._running is None:
            raise RuntimeError("the demo server is not running: call start()")
        self._running.bucket.prepare(data_types)

    def _make_bucket(self, account: str) -> DemoBucket:
        start, end = self._range
        keys = published_keys(start, end or last_published_day(), self.options_root, self._absent)
        return DemoBucket(self.market, account, self.bucket, list(keys))


class _Running:
    """A bucket being served."""

    def __init__(
        self, make_bucket: Callable[[str], DemoBucket], forbidden: tuple[str, ...], port: int
    ) -> None:
        # moto keeps everything by account: one for each server keeps them apart.
        self._own_account = "MOTO_ACCOUNT_ID" not in os.environ
        self._account = os.environ.get("MOTO_ACCOUNT_ID") or str(next(_ACCOUNTS))
        self.bucket = make_bucket(self._account)
        application = _S3Application(self.bucket, self._account, forbidden)
        try:
            self._server = _Server("127.0.0.1", port, application, _Handler)
        except SystemExit:
            # werkzeug's way to say that it cannot listen; in a notebook it would end the kernel.
            raise OSError(f"cannot listen on 127.0.0.1:{port}: is the port taken?") from None
        self.endpoint_url = f"http://127.0.0.1:{self._server.port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.05},
            name="flatnb-demo-server",
            daemon=True,
        )
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.end_connections()
        self.bucket.close()
        if self._own_account:
            s3_backends.pop(self._account, None)
            iam_backends.pop(self._account, None)


class _S3Application:
    """moto's S3, restricted to one account and without the keys that are forbidden."""

    def __init__(self, bucket: DemoBucket, account: str, forbidden: tuple[str, ...]) -> None:
        self._moto: Application = create_backend_app("s3")
        self._bucket = bucket
        self._account = account
        self._forbidden = forbidden

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if self._is_forbidden(environ):
            body = b"" if environ["REQUEST_METHOD"] == "HEAD" else _ACCESS_DENIED
            length = str(len(body))
            headers = [("Content-Type", "application/xml"), ("Content-Length", length)]
            start_response("403 Forbidden", headers)
            return [body]
        self._bucket.install()
        environ["HTTP_X_MOTO_ACCOUNT_ID"] = self._account
        return self._moto(environ, start_response)

    def _is_forbidden(self, environ: dict[str, Any]) -> bool:
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return False
        _, _, key = environ["PATH_INFO"].lstrip("/").partition("/")
        return bool(key) and key.startswith(self._forbidden)


class _Handler(WSGIRequestHandler):
    # Headers and body are two writes; without this a small answer waits 40 ms for the client's
    # delayed acknowledgement of the first.
    disable_nagle_algorithm = True

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Requests are of no interest; errors are still logged."""


class _Server(ThreadedWSGIServer):
    """A threaded server that can end its connections."""

    def __init__(self, *args: Any) -> None:
        self._connections: dict[threading.Thread, socket.socket] = {}
        super().__init__(*args)

    def process_request(self, request: Any, client_address: Any) -> None:
        thread = threading.Thread(
            target=self.process_request_thread, args=(request, client_address), daemon=True
        )
        self._connections[thread] = request
        thread.start()

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._connections.pop(threading.current_thread(), None)

    def end_connections(self, timeout_s: float = 30.0) -> None:
        """Cut what is being sent, and wait until the threads have ended."""
        deadline = time.monotonic() + timeout_s
        open_connections = dict(self._connections)
        for connection in open_connections.values():
            # An error means that it has ended by itself.
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in open_connections:
            thread.join(max(deadline - time.monotonic(), 0.0))


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until an interrupt; the first line of output is the endpoint."""
    parser = argparse.ArgumentParser("python -m flatnb.demo.server", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--stocks", type=int, default=250)
    parser.add_argument("--option-underlyings", type=int, default=8)
    parser.add_argument("--start", type=date.fromisoformat, help="first day with files")
    parser.add_argument("--end", type=date.fromisoformat, help="last day with files")
    parser.add_argument(
        "--prepare", nargs="*", default=[], metavar="DATA_TYPE", help="make these files first"
    )
    chosen = parser.parse_args(arguments)
    market = DemoMarket(
        seed=chosen.seed, stocks=chosen.stocks, option_underlyings=chosen.option_underlyings
    )
    with DemoServer(market, start=chosen.start, end=chosen.end, port=chosen.port) as server:
        server.prepare(*chosen.prepare)
        print(server.endpoint_url, flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
