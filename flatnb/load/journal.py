"""What a session remembers of its loads: the last report, the files used, the entitlements."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..market.data_types import DataType
from ..report import LoadReport
from .entitlements import Entitlement


@dataclass(frozen=True, slots=True)
class UsedFile:
    """One file that was used: its key, version, size, and the fingerprint of its columns."""

    key: str
    etag: str
    size_bytes: int
    columns: str


@dataclass
class Journal:
    """The record of a session's loads.

    Attributes
    ----------
    last_report
        The outcome of every day of the load that ended last.
    files
        Key → the version that was used last.
    entitlements
        Data type → what the keys give access to, as far as it was probed.
    """

    last_report: LoadReport | None = None
    files: dict[str, UsedFile] = field(default_factory=dict)
    entitlements: dict[str, Entitlement] = field(default_factory=dict)

    def record(self, data_type: DataType, report: LoadReport) -> None:
        """Remember a report and the files it names."""
        for day in report:
            if day.etag:
                self.files[day.key] = UsedFile(
                    day.key, day.etag, day.size_bytes, data_type.fingerprint
                )
        self.last_report = report
