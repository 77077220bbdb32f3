"""Responses of the reference service, on disk, with the time of each."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

Record = dict[str, object]
"""One row of a response, as the service's JSON has it."""

_VERSION = 1


@dataclass(frozen=True, slots=True)
class CachedResponse:
    """The rows about one ticker, and when they were fetched."""

    rows: list[Record]
    retrieved_at: datetime

    @property
    def age_s(self) -> float:
        """Seconds since they were fetched."""
        return (datetime.now(UTC) - self.retrieved_at).total_seconds()


class ResponseCache:
    """A folder with a file for each kind of data and each ticker."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self._url = url

    def get(self, kind: str, ticker: str) -> CachedResponse | None:
        """What is stored; None if nothing is, or it cannot be read."""
        try:
            stored = json.loads(self._path(kind, ticker).read_text(encoding="utf-8"))
            if (stored["version"], stored["kind"], stored["ticker"]) != (_VERSION, kind, ticker):
                return None
            return CachedResponse(stored["rows"], datetime.fromisoformat(stored["retrieved_at"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def put(self, kind: str, ticker: str, rows: list[Record]) -> CachedResponse:
        """Store a response of just now."""
        response = CachedResponse(rows, datetime.now(UTC))
        path = self._path(kind, ticker)
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(
            {
                "version": _VERSION,
                "url": self._url,
                "kind": kind,
                "ticker": ticker,
                "retrieved_at": response.retrieved_at.isoformat(),
                "rows": rows,
            }
        )
        # Whole or not at all, also if two processes write the same file.
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        return response

    def _path(self, kind: str, ticker: str) -> Path:
        # Some file systems take BCPC and BCpC for one name, and CON for none.
        name = hashlib.sha256(f"{self._url}\n{ticker}".encode()).hexdigest()[:32]
        return self.folder / kind / f"{name}.json"
