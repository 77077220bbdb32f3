"""A local S3 server with the demo market: moto's, on 127.0.0.1, in its own thread.

``python -m flatnb.demo.server --stocks 12000`` serves from a separate process, as a benchmark
needs it: it prints the endpoint and waits for an interrupt.
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
from typing import Self, TypeAlias
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from moto.iam.models import iam_backends
from moto.moto_server.werkzeug_app import create_backend_app
from moto.s3.models import s3_backends
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler

from ..market.data_types import LIVE_BUCKET, LIVE_OPTIONS_ROOT
from ..reference.stand_in import ReferenceStandIn
from .bucket import DemoBucket, last_published_day, published_keys
from .demo_market import DemoMarket

Request: TypeAlias = "socket.socket | tuple[bytes, socket.socket]"
"""As `socketserver` passes it: the latter is for UDP."""

_ACCOUNTS = itertools.count(100_000_000_000)
_ACCESS_DENIED = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
)


class DemoServer:
    """An S3 server that holds the files of a synthetic market, laid out as the vendor's bucket.

    Use it as a context manager, or call `start` and `stop`. Files are generated when they are
    first requested. Several servers in one process do not share objects.

    Parameters
    ----------
    market
        The market whose files are served; by default ``DemoMarket()``.
    start, end
        The first and the last day with files, both inclusive. By default all days that the
        vendor's bucket has of each data type, up to the latest published one.
    bucket
        The bucket's name, of at least three characters.
    options_root
        The folder of the options files.
    absent
        Trading days without files.
    forbidden
        Prefixes of keys (or one prefix) that are listed but cannot be read: GET and HEAD respond
        with 403, as the vendor's service does for files outside the subscription.
    port
        The TCP port; 0: any free one.

    Attributes
    ----------
    market, bucket, options_root
        As given.
    credentials
        Public placeholder keys in the form that the downloaders take; the server does not check
        them.
    """

    def __init__(
        self,
        market: DemoMarket | None = None,
        *,
        start: date | None = None,
        end: date | None = None,
        bucket: str = LIVE_BUCKET,
        options_root: str = LIVE_OPTIONS_ROOT,
        absent: Collection[date] = (),
        forbidden: str | Collection[str] = (),
        port: int = 0,
    ) -> None:
        if len(bucket) < 3:
            raise ValueError(
                f"bucket={bucket!r} is too short; give at least 3 characters, as S3 requires"
            )
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
        self._reference: ReferenceStandIn | None = None
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
        """Start to listen; does nothing if the server is running.

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
        """Stop, free the port and end all threads; does nothing if the server is not running."""
        with self._lock:
            if self._running is not None:
                self._running.stop()
                self._running = None
            if self._reference is not None:
                self._reference.__exit__(None, None, None)
                self._reference = None

    @property
    def reference(self) -> ReferenceStandIn:
        """The stand-in of the reference service, with the market's actions and tickers.

        It starts when it is first asked for, and stops with the server.
        """
        with self._lock:
            if self._reference is None:
                market = self.market
                events = market.ticker_events()
                made = ReferenceStandIn(
                    market.actions(), events=events, tickers=dict.fromkeys(events, "CS")
                )
                self._reference = made.__enter__()
            return self._reference

    def prepare(self, *data_types: str) -> None:
        """Generate all files of some data types now, so that no request waits for them.

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
    """A running server and its bucket."""

    def __init__(
        self, make_bucket: Callable[[str], DemoBucket], forbidden: tuple[str, ...], port: int
    ) -> None:
        # moto stores everything by account; an account for each server separates them.
        self._own_account = "MOTO_ACCOUNT_ID" not in os.environ
        self._account = os.environ.get("MOTO_ACCOUNT_ID") or str(next(_ACCOUNTS))
        self.bucket = make_bucket(self._account)
        application = _S3Application(self.bucket, self._account, forbidden)
        try:
            self._server = _Server("127.0.0.1", port, application, _Handler)
        except SystemExit:
            # werkzeug exits when it cannot listen, which in a notebook would end the kernel.
            raise OSError(
                f"cannot listen on 127.0.0.1:{port}; if the port is in use, choose another one or 0"
            ) from None
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
    """moto's S3, restricted to one account, and with 403 for the forbidden keys."""

    def __init__(self, bucket: DemoBucket, account: str, forbidden: tuple[str, ...]) -> None:
        self._moto: WSGIApplication = create_backend_app("s3")
        self._bucket = bucket
        self._account = account
        self._forbidden = forbidden

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if self._is_forbidden(environ):
            body = b"" if environ["REQUEST_METHOD"] == "HEAD" else _ACCESS_DENIED
            length = str(len(body))
            headers = [("Content-Type", "application/xml"), ("Content-Length", length)]
            start_response("403 Forbidden", headers)
            return [body]
        self._bucket.install()
        environ["HTTP_X_MOTO_ACCOUNT_ID"] = self._account
        return self._moto(environ, start_response)

    def _is_forbidden(self, environ: WSGIEnvironment) -> bool:
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return False
        _, _, key = environ["PATH_INFO"].lstrip("/").partition("/")
        return bool(key) and key.startswith(self._forbidden)


class _Handler(WSGIRequestHandler):
    # Headers and body are two writes. With Nagle's algorithm (RFC 896) the second one of a small
    # response would wait for the client's delayed acknowledgement of the first, 40 ms on Linux.
    disable_nagle_algorithm = True

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Do not log requests; errors are still logged."""


class _Server(ThreadedWSGIServer):
    """A threaded server that can close its connections."""

    def __init__(
        self,
        host: str,
        port: int,
        application: WSGIApplication,
        handler: type[WSGIRequestHandler],
    ) -> None:
        self._connections: dict[threading.Thread, socket.socket] = {}
        super().__init__(host, port, application, handler)

    def process_request(self, request: Request, client_address: object) -> None:
        thread = threading.Thread(
            target=self.process_request_thread, args=(request, client_address), daemon=True
        )
        if isinstance(request, socket.socket):
            self._connections[thread] = request
        thread.start()

    def process_request_thread(self, request: Request, client_address: object) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._connections.pop(threading.current_thread(), None)

    def end_connections(self, timeout_s: float = 30.0) -> None:
        """Close all connections, also in mid-response, and wait until their threads have ended."""
        deadline = time.monotonic() + timeout_s
        open_connections = dict(self._connections)
        for connection in open_connections.values():
            # An error means that the client has closed it already.
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
        "--prepare", nargs="*", default=[], metavar="DATA_TYPE", help="generate these files first"
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
