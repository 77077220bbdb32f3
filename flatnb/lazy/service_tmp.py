"""Which service a query or a task is of; any process finds its own keys for it."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..session import FlatSession


@dataclass(frozen=True, slots=True)
class Service:
    """Where the files are, and how many connections a process may have; no keys."""

    endpoint_url: str
    bucket: str
    options_root: str
    max_pool_connections: int

    @classmethod
    def of(cls, session: FlatSession) -> Service:
        """The service of a session."""
        return cls(
            session.downloader.endpoint_url,
            session.catalog.bucket,
            session.catalog.options_root,
            session.downloader.max_pool_connections,
        )

    def session(self) -> FlatSession:
        """The session of this process, with keys that are found here; there is one of each.

        Raises
        ------
        CredentialsError
            If none are found: a worker needs them in its environment or an AWS profile.
        """
        # A worker uses the package as a user does.
        import flatnb

        with _LOCK:
            if self not in _SESSIONS:
                _SESSIONS[self] = flatnb.FlatSession(
                    endpoint_url=self.endpoint_url,
                    bucket=self.bucket,
                    options_root=self.options_root,
                    max_pool_connections=self.max_pool_connections,
                )
            return _SESSIONS[self]


_LOCK = threading.Lock()
_SESSIONS: dict[Service, FlatSession] = {}
