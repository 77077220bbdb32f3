"""The rows of securities over changes of their tickers, on the share basis of one day."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Self

from ..research.adjustment import adjust
from ..research.renames import Tenure, follow_renames, renames_of
from .reference_data import ReferenceData
from .request import Request

if TYPE_CHECKING:
    import polars as pl

_EVER = (date(1900, 1, 1), date(2200, 1, 1))


@dataclass(frozen=True)
class Securities:
    """What a request with ``adjust`` or ``follow_renames`` means, with the data that it takes.

    Attributes
    ----------
    request
        As the user made it.
    tenures
        Symbol → its tickers, each with its days; empty if tickers are taken as they are.
    events
        The changes of tickers; None without ``follow_renames``.
    actions
        Splits and dividends; None without ``adjust``.
    """

    request: Request
    tenures: dict[str, list[Tenure]]
    events: pl.DataFrame | None
    actions: pl.DataFrame | None

    @classmethod
    def of(cls, request: Request, reference: ReferenceData) -> Self:
        """Look up all that is needed, before any day is loaded.

        Raises
        ------
        CredentialsError, ReferenceServiceError, ValueError, OSError
            As `ReferenceData` and `flatnb.research.renames_of` do.
        """
        symbols = request.selection.symbols if request.selection is not None else None
        tenures: dict[str, list[Tenure]] = {}
        events = actions = None
        if request.follow_renames and symbols is not None:
            events = reference.events_of(symbols)
            tenures = {
                symbol: renames_of(symbol, events, *_EVER, as_of=request.as_of)
                for symbol in symbols
            }
        if request.adjust is not None:
            tickers = _tickers(tenures) or symbols
            actions = reference.actions_of(tickers, request.adjust)
            if tenures:
                actions = _by_symbol(actions, tenures)
        return cls(request, tenures, events, actions)

    @property
    def to_load(self) -> Request:
        """The request with all tickers that the securities had in its days, and their column."""
        request, selection = self.request, self.request.selection
        if request.columns is not None:
            columns = tuple(dict.fromkeys((*request.columns, "ticker")))
            request = replace(request, columns=columns)
        if selection is None or not self.tenures:
            return request
        had = {
            symbol: [
                each for each in spans if each.start <= request.end and each.end >= request.start
            ]
            for symbol, spans in self.tenures.items()
        }
        tickers = _tickers(had) or selection.symbols
        return replace(request, selection=replace(selection, symbols=tickers))

    def apply(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The securities' rows, with ``symbol`` if tickers were followed, adjusted if asked for.

        Raises
        ------
        ValueError
            If an action cannot be applied: see `flatnb.research.adjust`.
        """
        request = self.request
        if self.events is not None:
            frame = follow_renames(frame, self.tenures, self.events, as_of=request.as_of)
        if self.actions is None or request.adjust is None:
            return frame
        if self.events is None:
            return adjust(frame, self.actions, how=request.adjust, as_of=request.as_of)
        # A split of META counts for the rows of FB, so the actions are named by symbol too.
        by_symbol = frame.rename({"ticker": "_ticker", "symbol": "ticker"})
        adjusted = adjust(by_symbol, self.actions, how=request.adjust, as_of=request.as_of)
        return adjusted.rename({"ticker": "symbol", "_ticker": "ticker"})


def _tickers(tenures: dict[str, list[Tenure]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each.ticker for spans in tenures.values() for each in spans))


def _by_symbol(actions: pl.DataFrame, tenures: dict[str, list[Tenure]]) -> pl.DataFrame:
    """The actions of each security while it had the ticker, under its symbol.

    Those of another security that had the ticker before or after are left out.
    """
    import polars as pl

    parts = [
        actions.filter(
            pl.col("ticker") == each.ticker, pl.col("date").is_between(each.start, each.end)
        ).with_columns(pl.lit(symbol).alias("ticker"))
        for symbol, spans in tenures.items()
        for each in spans
    ]
    return pl.concat(parts) if parts else actions.clear()
