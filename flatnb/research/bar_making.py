"""Bars of any length from minutes or from trades, none of which spans a session or a day."""

from __future__ import annotations

import re
import warnings
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import date, time, timedelta
from typing import TYPE_CHECKING, Literal

from ..errors import FlatnbWarning
from ..market.calendar import session_close, session_open
from .frame import (
    Frame,
    as_polars,
    instant,
    like,
    map_days,
    market_of,
    moment_ns,
    require_columns,
    time_column,
    with_date,
)
from .tape import standing_trades, with_updates
from .trading_hours import (
    PRE_MARKET_OPEN,
    Hours,
    check_intraday,
    has_hours,
    hours_expression,
)

if TYPE_CHECKING:
    import polars as pl

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_NS = 1_000_000_000
_MINUTE_NS = 60 * _NS
_DAY_S = 86400
_FUTURES_OPEN = time(18)


def bars(
    frame: Frame,
    every: str,
    *,
    hours: Hours | None = None,
    conditions: pl.DataFrame | None = None,
    without_price: Literal["drop", "keep"] = "drop",
) -> Frame:
    """Bars of ``every`` length, from minutes or trades.

    The sessions of stocks are apart: the pre-market begins at 04:00, the regular session at 09:30,
    the post-market at the close, an early one included; bars are counted from the beginning of
    their session and end with it, so that ``"1h"`` makes a regular bar of 09:30 and a last one of
    15:30. Bars of crypto and forex are counted from midnight in UTC, those of futures from 18:00
    in New York of the evening before, when their session begins on most venues.

    From trades, bars follow the consolidated tape (`trade_conditions`): odd lots, average-price
    trades and the like count in volume and make no price; records of corrected, erroneous and
    cancelled trades are left out (`trade_corrections`), with options the trades that OPRA's
    cancellations name. A trade belongs to the bar that its ``sip_timestamp`` is in.

    Parameters
    ----------
    frame : polars.DataFrame or pandas.DataFrame
        Minutes or trades of one market, in any order. Each day is made on its own, so that memory
        is bounded by the largest.
    every
        A number and ``s``, ``m``, ``h`` or ``d``: ``"10s"``, ``"5m"``, ``"1h"``, ``"1d"`` (one bar
        a session). From minutes, whole minutes.
    hours
        As in `flatnb.research.hours`. None: ``"regular"`` for stocks, options and indices, and
        ``"all"`` for markets without such hours.
    conditions
        Other rules for trades, as a table like that of `trade_conditions`.
    without_price
        Bars whose trades all count in volume only: ``"drop"``, as the vendor does (so the volumes
        of its minutes do not add up to that of its day), or ``"keep"`` with null prices.

    Returns
    -------
    polars.DataFrame or pandas.DataFrame
        ``date``, ``ticker``, ``volume``, ``open``, ``close``, ``high``, ``low``, ``window_start``
        (the beginning, in the zone of the frame's time, else UTC), ``transactions`` (those that
        count in volume), a volume-weighted average price, and ``session``: ``"pre"``,
        ``"regular"``, ``"post"``, or ``"all"`` where a market has none. Futures have their
        ``session_end_date`` besides. Ordered by day, ticker and time; index bars lack what the
        index files lack.

        From trades the average is ``vwap``, over all trades that count in volume, as in the
        vendor's bars; odd lots can move it out of the range from low to high. Minute files do not
        have the sum of price times size, so from minutes it is ``vwap_approx``: the average of
        (high + low + close) / 3, weighted by each minute's volume.

    Raises
    ------
    ValueError
        If ``every`` is not such a length, the frame is neither minutes nor trades, a day is no
        trading day, or a trade has a condition or correction without a rule.

    Examples
    --------
    >>> import polars as pl
    >>> minutes = pl.DataFrame({"ticker": ["A", "A"], "volume": [10.0, 30.0], "open": [5.0, 6.0],
    ...     "close": [6.0, 7.0], "high": [6.0, 7.5], "low": [5.0, 6.0], "transactions": [2, 3],
    ...     "window_start": [1704205800_000000000, 1704205860_000000000]})  # 09:30 and 09:31
    >>> bars(minutes, "5m").select("open", "high", "low", "close", "volume").row(0)
    (5.0, 7.5, 5.0, 7.0, 40.0)
    """
    every_ns = _length_ns(every)
    if without_price not in ("drop", "keep"):
        raise ValueError(f"without_price={without_price!r} is unknown; choose 'drop' or 'keep'")
    given = as_polars(frame)
    market = market_of(given)
    which: Hours = hours or ("regular" if has_hours(market) else "all")
    rows = with_date(given, market)
    maker = _maker(rows, market, every, every_ns, which, conditions, without_price == "drop")
    return like(frame, map_days(rows, maker.of_day))


@dataclass(frozen=True)
class _BarMaker(ABC):
    """Makes the bars of one day after the other."""

    market: str
    every_ns: int
    hours: Hours
    time: str
    zone: str | None
    conditions: pl.DataFrame | None
    drop: bool

    def of_day(self, day: date, rows: pl.DataFrame) -> pl.DataFrame:
        import polars as pl

        # First, as a trade may be cancelled after the hours that are asked for.
        rows = self.standing(rows)
        if self.hours != "all":
            wanted = hours_expression(day, self.hours, time=self.time, market=self.market)
            rows = rows.filter(wanted)
        made = self.aggregated(self.ordered(self.prepared(day, rows)))
        volume = pl.col("volume")
        # Until here the average is the sum of price times size.
        averages = [
            pl.when(volume > 0).then(pl.col(name) / volume).alias(name)
            for name in ("vwap", "vwap_approx")
            if name in made.columns
        ]
        # The time a bar begins determines its session, as none spans two.
        parts = made.with_columns(self.session(day).alias("session"), *averages)
        return parts.with_columns(self.as_time(pl.col("window_start"))).select(
            self.columns(parts.columns)
        )

    @abstractmethod
    def standing(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows without those that were taken back."""

    @abstractmethod
    def prepared(self, day: date, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows that count, with their time as ``_time`` and their bar as ``window_start``."""

    @abstractmethod
    def aggregations(self, columns: list[str]) -> list[pl.Expr]:
        """What a bar is made of, from its rows in their order."""

    def started(self, day: date) -> pl.Expr:
        """When the bar of each row begins, from the row's time ``_time``."""
        import polars as pl

        at = pl.col("_time")

        def from_(anchor_ns: int) -> pl.Expr:
            return anchor_ns + (at - anchor_ns) // self.every_ns * self.every_ns

        if not has_hours(self.market):
            return from_(self.anchor_ns(day))
        opening, closing = _regular_ns(day)
        first = pl.max_horizontal(from_(moment_ns(day, PRE_MARKET_OPEN)), moment_ns(day, time()))
        before, after = at < opening, at >= closing
        return (
            pl.when(before).then(first).when(after).then(from_(closing)).otherwise(from_(opening))
        )

    def anchor_ns(self, day: date) -> int:
        if self.market == "futures":
            return moment_ns(day - timedelta(1), _FUTURES_OPEN)
        return (day - date(1970, 1, 1)).days * _DAY_S * _NS

    def session(self, day: date) -> pl.Expr:
        import polars as pl

        if not has_hours(self.market):
            return pl.lit("all")
        opening, closing = _regular_ns(day)
        started = pl.col("window_start")
        before, after = started < opening, started >= closing
        return (
            pl.when(before)
            .then(pl.lit("pre"))
            .when(after)
            .then(pl.lit("post"))
            .otherwise(pl.lit("regular"))
        )

    def keys(self, columns: list[str]) -> list[str]:
        return ["date", "ticker", *(["session_end_date"] if "session_end_date" in columns else [])]

    def ordered(self, rows: pl.DataFrame) -> pl.DataFrame:
        """By ticker and time, as files nearly always are: then nothing is moved."""
        import polars as pl

        numbers = ("sequence_number", "report_sequence")
        by = ["ticker", "_time", *(name for name in numbers if name in rows.columns)]
        less: pl.Expr = pl.lit(False)
        for name in reversed(by):
            now, before = pl.col(name), pl.col(name).shift()
            less = (now < before) | ((now == before) & less)
        return rows.sort(by, maintain_order=True) if rows.select(less.any()).item() else rows

    def aggregated(self, rows: pl.DataFrame) -> pl.DataFrame:
        """One row for each run of rows with the same keys and the same beginning."""
        import polars as pl

        keys = [*self.keys(rows.columns), "window_start"]
        new = pl.any_horizontal(pl.col(key).ne_missing(pl.col(key).shift()) for key in keys)
        runs = rows.with_columns(new.cum_sum().alias("_run")).with_columns(
            pl.col("_run").set_sorted()
        )
        firsts = [pl.col(key).first() for key in keys]
        made = runs.group_by("_run", maintain_order=True).agg(
            *firsts, *self.aggregations(rows.columns)
        )
        has_price = pl.col("open").is_not_null()
        counts = pl.col("transactions") > 0 if "transactions" in made.columns else has_price
        return made.filter(has_price if self.drop else has_price | counts)

    def as_time(self, started: pl.Expr) -> pl.Expr:
        import polars as pl

        utc = started.cast(pl.Datetime("ns", "UTC"))
        return utc.dt.convert_time_zone(self.zone) if self.zone else utc

    def columns(self, made: list[str]) -> list[str]:
        order = "volume open close high low window_start transactions vwap vwap_approx session"
        return [*self.keys(made), *(name for name in order.split() if name in made)]


class _FromMinutes(_BarMaker):
    def standing(self, rows: pl.DataFrame) -> pl.DataFrame:
        return rows

    def ordered(self, rows: pl.DataFrame) -> pl.DataFrame:
        import polars as pl

        ordered = super().ordered(rows)
        same = [pl.col(name).eq(pl.col(name).shift()) for name in ("ticker", "_time")]
        if twice := ordered.select(pl.all_horizontal(same).sum()).item():
            warnings.warn(
                f"{twice} minute(s) of {ordered['date'][0]} are in the frame twice, and count "
                "twice; leave them out with unique(['date', 'ticker', 'window_start'])",
                FlatnbWarning,
                stacklevel=5,
            )
        return ordered

    def prepared(self, day: date, rows: pl.DataFrame) -> pl.DataFrame:
        import polars as pl

        if has_hours(self.market):
            check_intraday(rows, day, self.time)
        timed = rows.with_columns(instant(self.time).alias("_time"))
        begun = [self.started(day).alias("window_start")]
        # Products are made before grouping, which is several times as fast as in each group.
        if "volume" in rows.columns:
            typical = (pl.col("high") + pl.col("low") + pl.col("close")) / 3
            begun.append((typical * pl.col("volume")).alias("_turnover"))
        return timed.with_columns(begun)

    def aggregations(self, columns: list[str]) -> list[pl.Expr]:
        import polars as pl

        sums = {"volume": "volume", "transactions": "transactions", "_turnover": "vwap_approx"}
        return [
            pl.col("open").first(),
            pl.col("close").last(),
            pl.col("high").max(),
            pl.col("low").min(),
            *(pl.col(name).sum().alias(to) for name, to in sums.items() if name in columns),
        ]


class _FromTrades(_BarMaker):
    def standing(self, rows: pl.DataFrame) -> pl.DataFrame:
        return standing_trades(rows, self.market)

    def prepared(self, day: date, rows: pl.DataFrame) -> pl.DataFrame:
        import polars as pl

        timed = rows.with_columns(instant(self.time).alias("_time"))
        regular: pl.Expr = pl.lit(True)
        if has_hours(self.market):
            regular = pl.col("_time").is_between(*_regular_ns(day), closed="left")
        judged = with_updates(timed, self.market, regular, self.conditions)
        price, size = pl.col("price"), pl.col("size")
        return judged.with_columns(
            self.started(day).alias("window_start"),
            pl.when("updates_open_close").then(price).alias("_last"),
            pl.when("updates_high_low").then(price).alias("_extreme"),
            pl.when("updates_volume").then(size).alias("_counted"),
            pl.when("updates_volume").then(price * size).alias("_turnover"),
        )

    def aggregations(self, columns: list[str]) -> list[pl.Expr]:
        import polars as pl

        return [
            pl.col("_last").first(ignore_nulls=True).alias("open"),
            pl.col("_last").last(ignore_nulls=True).alias("close"),
            pl.col("_extreme").max().alias("high"),
            pl.col("_extreme").min().alias("low"),
            pl.col("_counted").sum().alias("volume"),
            pl.col("updates_volume").sum().cast(pl.Int64).alias("transactions"),
            pl.col("_turnover").sum().alias("vwap"),
        ]


def _maker(
    rows: pl.DataFrame,
    market: str,
    every: str,
    every_ns: int,
    which: Hours,
    conditions: pl.DataFrame | None,
    drop: bool,
) -> _BarMaker:
    import polars as pl

    name = time_column(rows)
    dtype = rows.schema[name]
    zone = dtype.time_zone if isinstance(dtype, pl.Datetime) else None
    kind: type[_BarMaker]
    if "open" in rows.columns:
        require_columns(rows, ["open", "high", "low", "close"], "frame", "which bars are made from")
        if every_ns % _MINUTE_NS:
            raise ValueError(
                f"every={every!r} is not a whole number of minutes; make such bars from trades"
            )
        kind = _FromMinutes
    elif "price" in rows.columns:
        require_columns(rows, ["price", "size"], "frame", "which bars are made from")
        kind = _FromTrades
    else:
        raise ValueError(
            "frame holds neither bars (open, high, low, close) nor trades (price, size); its "
            f"columns are {', '.join(rows.columns)}"
        )
    return kind(market, every_ns, which, name, zone, conditions, drop)


def check_length(every: str) -> None:
    """Refuse what is not a length of bars.

    Raises
    ------
    ValueError
        The message names ``every``, its value and the remedy.
    """
    _length_ns(every)


def _length_ns(every: str) -> int:
    parts = re.fullmatch(r"([1-9]\d*)([smhd])", every) if isinstance(every, str) else None
    if parts is None:
        raise ValueError(
            f"every={every!r} is not a length; write a number and s, m, h or d, for example '5m'"
        )
    seconds = int(parts[1]) * _UNITS_S[parts[2]]
    if seconds > _DAY_S:
        raise ValueError(f"every={every!r} is longer than a day, which no bar spans")
    return seconds * _NS


def _regular_ns(day: date) -> tuple[int, int]:
    return moment_ns(day, session_open(day)), moment_ns(day, session_close(day))
