"""Aborting the requests that a boto3 client makes in other threads.

boto3 cannot cancel a request: a thread that waits for a stalled service returns only after the
time-out. Shutting down its socket makes it return at once. The sockets are found by way of the
client's private attribute ``_endpoint`` and the session's ``_pool_classes_by_scheme`` (seen in
botocore 1.40). Without them, a cancellation takes up to the time-out; nothing else changes.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import weakref
from collections.abc import Collection
from typing import Any, Protocol

from .botocore_client import HasMeta


class _Connection(Protocol):
    """A connection of http.client, as urllib3 and botocore subclass it."""

    sock: socket.socket | None


class ConnectionRegistry:
    """The connections of one boto3 client, each with the thread that last sent a request on it.

    Attributes
    ----------
    is_complete
        Whether botocore has the private attributes; otherwise `shut_down` has no effect.
    """

    def __init__(self, client: HasMeta) -> None:
        self._owners: weakref.WeakKeyDictionary[_Connection, int] = weakref.WeakKeyDictionary()
        self._lock = threading.Lock()
        self.is_complete = False
        with contextlib.suppress(AttributeError):
            pools = client._endpoint.http_session._pool_classes_by_scheme  # type: ignore[attr-defined]
            # The client has sent no request, so its pools will be created from these classes.
            for scheme, pool in list(pools.items()):
                connection_class = self._registering(pool.ConnectionCls)
                pools[scheme] = type(pool.__name__, (pool,), {"ConnectionCls": connection_class})
            self.is_complete = True

    def _registering(self, connection_class: type) -> type:
        """A subclass whose requests record the connection and its thread."""

        def request(connection: _Connection, *arguments: object, **options: object) -> object:
            with self._lock:
                self._owners[connection] = threading.get_ident()
            original: Any = connection_class
            return original.request(connection, *arguments, **options)

        return type(connection_class.__name__, (connection_class,), {"request": request})

    def shut_down(self, threads: Collection[int]) -> None:
        """Shut down the sockets that these threads wait for."""
        with self._lock:
            connections = [c for c, owner in self._owners.items() if owner in threads]
        for connection in connections:
            if connection.sock is not None:
                # Not close(): it does not wake a thread that is waiting in recv (close(2), Linux).
                with contextlib.suppress(OSError):
                    connection.sock.shutdown(socket.SHUT_RDWR)
