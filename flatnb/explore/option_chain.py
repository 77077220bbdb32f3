"""The options of one underlying on one day, with the underlying's bar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Unpack

from ..context import Context
from ..errors import MissingDaysError
from ..frames.option_columns import FIELDS, option_fields
from ..frames.to_pandas import FrameKind, check_frame_kind, to_pandas
from ..load.progress import Progress
from ..load.request import LoadOptions, Request, names_of
from ..load.result import finish, raise_failures
from ..loader import Loader
from ..market.calendar import DateLike, as_date, closure_name
from ..report import DayOutcome, LoadReport

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

# Cboe's index options that expire in the afternoon trade under a root of their own.
_MORE_ROOTS = {"SPX": ("SPXW",), "NDX": ("NDXP",), "RUT": ("RUTW",), "VIX": ("VIXW",)}
_BAR = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True)
class OptionChains:
    """Joins options with their underlyings."""

    context: Context
    loader: Loader

    def chain(
        self,
        underlying: str,
        day: DateLike,
        *,
        roots: Sequence[str] | str | None,
        frame: FrameKind,
        **options: Unpack[LoadOptions],
    ) -> pl.DataFrame | pd.DataFrame:
        """See `FlatSession.chain`."""
        import polars as pl

        check_frame_kind(frame)
        if not isinstance(underlying, str) or not underlying:
            raise ValueError(f"underlying={underlying!r} must be a ticker, such as 'SPY'")
        date_ = as_date(day, "day")
        # Roots are written without the dot of class shares: BRKB.
        own = (underlying.replace(".", ""), *_MORE_ROOTS.get(underlying, ()))
        options["underlyings"] = names_of("roots", roots) or own
        options["missing"] = "raise"
        request = Request.validate("options_daily", date_, date_, **options)
        self._refuse_closed_day(date_)
        contracts = self.context.runner.start(
            self.loader.load(request, Progress()),
            f"chain of {underlying} {date_}",
            finish=partial(finish, request),
            progress=Progress(),
            show=False,
        ).result()
        assert isinstance(contracts, pl.DataFrame)
        bar = self._underlying_bar(underlying, date_)
        chain = contracts.with_columns(option_fields()).with_columns(
            pl.lit(bar.get(name), pl.Float64).alias(f"underlying_{name}") for name in _BAR
        )
        first = ["date", "ticker", *FIELDS]
        chain = chain.select(*first, pl.exclude(first)).sort("expiry", "strike", "option_type")
        return chain if frame == "polars" else to_pandas(chain)

    def _refuse_closed_day(self, day: date) -> None:
        if name := closure_name(day):
            reason = f"the exchange is closed on this day ({name})"
            key = self.context.catalog.get_key("options_daily", day)
            report = LoadReport("options_daily", (DayOutcome(day, key, "missing", reason),))
            raise MissingDaysError(f"day={day} has no options: {reason}", report=report)

    def _underlying_bar(self, underlying: str, day: date) -> dict[str, float]:
        """The bar of the stock, or else of the index, of this name; empty if there is none."""
        for data_type, ticker in (
            ("stocks_daily", underlying),
            ("indices_daily", f"I:{underlying}"),
        ):
            request = Request.validate(data_type, day, day, symbols=ticker, missing="ignore")
            work = self.loader.load(request, Progress())
            result = self.context.runner.wait(work, f"{ticker} {day}")
            # Not `finish`: a stock without a bar does not need a warning.
            raise_failures(request, result)
            if (found := result.frame).height:
                return {name: found[name][0] for name in _BAR if name in found.columns}
        return {}
