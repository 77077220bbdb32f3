"""`FlatSession.chain`: the options of one underlying on one day."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..frames.option_columns import FIELDS, option_fields
from ..frames.to_pandas import FrameKind, check_frame_kind, to_pandas
from ..load.request import Between
from ..market.calendar import DateLike, as_date
from ..market.option_symbols import OptionType

if TYPE_CHECKING:
    import polars as pl

# Cboe's index options that expire in the afternoon trade under a root of their own.
_MORE_ROOTS = {"SPX": ("SPXW",), "NDX": ("NDXP",), "RUT": ("RUTW",), "VIX": ("VIXW",)}
_BAR = ("open", "high", "low", "close", "volume")


class Chains:
    """The part of `FlatSession` that knows how options and their underlyings belong together."""

    load: Any

    def chain(
        self,
        underlying: str,
        day: DateLike,
        *,
        roots: Sequence[str] | str | None = None,
        expiry: Between[DateLike] | None = None,
        strike: Between[float] | None = None,
        option_type: OptionType | None = None,
        frame: FrameKind = "polars",
    ) -> Any:
        """The option chain of a day: each contract that traded, with its underlying's bar.

        Parameters
        ----------
        underlying
            The ticker of a stock, or the name of an index: ``"SPX"``.
        day
            A trading day.
        roots
            The OCC roots; None: the underlying's, and those of its weekly index options. Adjusted
            contracts (``T1``) deliver something else and are never there by themselves.
        expiry, strike, option_type
            As `FlatSession.load` takes them.
        frame
            ``"polars"`` or ``"pandas"``.

        Returns
        -------
        polars.DataFrame or pandas.DataFrame
            ``date``, ``ticker``, ``root``, ``expiry``, ``option_type``, ``strike``, the columns of
            daily bars, and ``underlying_open``, ``…_high``, ``…_low``, ``…_close`` and
            ``…_volume`` (null if the underlying has no bar on that day; an index has no volume).
            Ordered by expiry, strike and type.

        Raises
        ------
        ValueError
            If an argument is wrong.
        LoadError
            If the day could not be had; also if it has no file.
        """
        import polars as pl

        check_frame_kind(frame)
        if not isinstance(underlying, str) or not underlying:
            raise ValueError(f"underlying={underlying!r} must be a ticker, such as 'SPY'")
        day = as_date(day, "day")
        options = self.load(
            "options_daily",
            day,
            day,
            underlyings=roots or (underlying, *_MORE_ROOTS.get(underlying, ())),
            expiry=expiry,
            strike=strike,
            option_type=option_type,
            missing="raise",
            progress=False,
        )
        bar = self._underlying_bar(underlying, day)
        chain = options.with_columns(option_fields()).with_columns(
            pl.lit(bar.get(name), pl.Float64).alias(f"underlying_{name}") for name in _BAR
        )
        first = ["date", "ticker", *FIELDS]
        chain = chain.select(*first, pl.exclude(first)).sort("expiry", "strike", "option_type")
        return chain if frame == "polars" else to_pandas(chain)

    def _underlying_bar(self, underlying: str, day: Any) -> dict[str, float]:
        """The bar of the stock, or else of the index, of this name."""
        for data_type, ticker in (
            ("stocks_daily", underlying),
            ("indices_daily", f"I:{underlying}"),
        ):
            found = self._quietly(data_type, ticker, day)
            if found.height:
                return {name: found[name][0] for name in _BAR if name in found.columns}
        return {}

    def _quietly(self, data_type: str, ticker: str, day: Any) -> pl.DataFrame:
        import warnings

        from ..errors import FlatnbWarning

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FlatnbWarning)
            found: pl.DataFrame = self.load(
                data_type, day, day, symbols=ticker, missing="ignore", progress=False
            )
        return found
