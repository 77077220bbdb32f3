"""Where a session takes splits, dividends and changes of tickers from: a table, or the service."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from ..errors import CredentialsError
from ..reference.service import ReferenceService
from ..research.actions import read_actions

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

    Table: TypeAlias = "pl.DataFrame | pd.DataFrame | str | os.PathLike[str]"
else:
    Table: TypeAlias = object


@dataclass(frozen=True)
class ReferenceData:
    """The reference data of a session.

    Attributes
    ----------
    service
        Asked for what no table is given for.
    actions, ticker_events
        The user's tables, or the paths of them; None: the service's.
    """

    service: ReferenceService
    actions: Table | None = None
    ticker_events: Table | None = None

    def actions_of(self, tickers: Collection[str] | None, how: str) -> pl.DataFrame:
        """The splits of some tickers, with ``how="all"`` their dividends too; None: of all.

        Raises
        ------
        CredentialsError
            If the service must be asked, and there is no key for it or it is refused.
        ReferenceServiceError
            If it does not respond and none of its responses are stored.
        ValueError
            If the table has a wrong action.
        OSError
            If a table cannot be read.
        """
        import polars as pl

        if self.actions is not None:
            table = self.actions
            found = read_actions(Path(table) if isinstance(table, os.PathLike) else table, tickers)
        else:
            try:
                fetched = self.service.actions(tickers, dividends=how == "all")
            except CredentialsError as error:
                raise CredentialsError(
                    f"adjust={how!r} needs splits: {error}; or give the session a table of them, "
                    "FlatSession(actions=…)"
                ) from None
            found = read_actions(fetched)
        return found if how == "all" else found.filter(pl.col("kind") == "split")

    def events_of(self, symbols: Collection[str]) -> pl.DataFrame:
        """The changes of the tickers of some securities: ``date``, ``from`` and ``to``.

        Raises
        ------
        CredentialsError, ReferenceServiceError, OSError
            As `actions_of`.
        """
        if self.ticker_events is not None:
            return _read_events(self.ticker_events)
        try:
            return self.service.ticker_events(symbols)
        except CredentialsError as error:
            raise CredentialsError(
                f"follow_renames=True needs changes of tickers: {error}; or give the session a "
                "table of them, FlatSession(ticker_events=…)"
            ) from None


def _read_events(table: Table) -> pl.DataFrame:
    import polars as pl

    from ..research.frame import as_polars

    if not isinstance(table, (str, os.PathLike)):
        return as_polars(table, "ticker_events")
    path = Path(table)
    if path.suffix == ".parquet":
        return as_polars(pl.read_parquet(path), "ticker_events")
    if path.suffix == ".csv":
        # TRUE and NA are tickers, and an empty cell is none.
        text = dict.fromkeys(["date", "from", "to"], pl.String)
        return as_polars(pl.read_csv(path, schema_overrides=text), "ticker_events")
    raise ValueError(f"ticker_events={str(path)!r} is neither a .csv nor a .parquet file")
