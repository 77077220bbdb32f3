"""What the widgets and the magic need of a session, which `flatnb.FlatSession` has.

The session imports this package, so this package describes what it needs and imports no session.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias, Unpack

from ..frames.to_pandas import FrameKind
from ..load.request import LoadOptions
from ..market.calendar import DateLike

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

    from ..explore.plan import Plan
    from ..jobs.job import Job
    from .panel import Panel

Frame: TypeAlias = "pl.DataFrame | pd.DataFrame"


class LoadService(Protocol):
    """Starts loads, and knows the tickers of a day."""

    def tickers(self, data_type: str, day: DateLike) -> list[str]:
        """The tickers of a market; see `flatnb.FlatSession.tickers`. It may block."""

    def start(
        self,
        data_type: str,
        start: DateLike,
        end: DateLike,
        *,
        frame: FrameKind = ...,
        progress: bool | None = ...,
        **options: Unpack[LoadOptions],
    ) -> Job[Frame]:
        """Start a load of a range of days; see `flatnb.FlatSession.start`."""


class PickerServices(LoadService, Protocol):
    """Plans and starts loads, and knows the current rate."""

    def plan(
        self,
        data_type: str,
        start: DateLike,
        end: DateLike,
        *,
        frame: FrameKind = ...,
        **options: Unpack[LoadOptions],
    ) -> Plan:
        """What a load would mean; see `flatnb.FlatSession.plan`. It may block."""

    def panel(self) -> Panel:
        """The panel of all loads."""
