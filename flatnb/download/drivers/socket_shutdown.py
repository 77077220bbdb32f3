"""Breaking off what a boto3 client is doing in other threads.

boto3 has no way to cancel: a thread that waits for a stalled service wakes only after the
time-out. Shutting its socket down wakes it at once. The sockets are reached by way of botocore's
connection pools, which are no public interface: where it has changed, a cancel merely takes as
long as the time-out (a test holds that it does not).
"""

from __future__ import annotations

import contextlib
import socket
import threading
import weakref
from collections.abc import Collection
from typing import Any


class ConnectionRegistry:
    """The connections of one boto3 client, each with the thread that last sent a request on it."""

    def __init__(self, client: Any) -> None:
        self._owners: weakref.WeakKeyDictionary[Any, int] = weakref.WeakKeyDictionary()
        self._lock = threading.Lock()
        with contextlib.suppress(AttributeError):
            pools = client._endpoint.http_session._pool_classes_by_scheme
            for scheme, pool in list(pools.items()):
                pools[scheme] = type(
                    pool.__name__, (pool,), {"ConnectionCls": self._watched(pool.ConnectionCls)}
                )

    def _watched(self, connection_class: Any) -> Any:
        def request(connection: Any, *args: Any, **kwargs: Any) -> Any:
            with self._lock:
                self._owners[connection] = threading.get_ident()
            return connection_class.request(connection, *args, **kwargs)

        return type(connection_class.__name__, (connection_class,), {"request": request})

    def shut_down(self, threads: Collection[int]) -> None:
        """Shut down the sockets on which these threads wait."""
        with self._lock:
            connections = [c for c, owner in self._owners.items() if owner in threads]
        for connection in connections:
            if connection.sock is not None:
                with contextlib.suppress(OSError):
                    connection.sock.shutdown(socket.SHUT_RDWR)
