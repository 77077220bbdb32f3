"""A loaded frame seen by its tickers, column summaries and filtered rows; and the code for that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from math import ceil, floor, log, log10
from typing import TYPE_CHECKING, TypedDict

from ..market.calendar import EXCHANGE_ZONE
from ..research.frame import as_polars

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

BINS = 24
"""Bars of a column's histogram."""

SPARK_POINTS = 32
_LOG_FROM = 1000.0
_NS = 10**9
_TIMES = ("window_start", "sip_timestamp", "participant_timestamp", "timestamp")
_MIDNIGHT = " 00:00"
_PRICES = ("close", "price", "value", "ask_price", "settlement_price")


class ColumnSummary(TypedDict):
    """A column as the page draws it; ``counts`` are of equal bins between ``low`` and ``high``.

    With ``is_log`` the bins are equal by the logarithm. ``low`` and ``high`` are numbers, of times
    nanoseconds and of dates days since 1970; None for text. ``range`` and ``note`` are for people.
    """

    name: str
    kind: str
    nulls: int
    low: float | None
    high: float | None
    counts: list[int]
    is_log: bool
    range: str
    note: str


class TickerRow(TypedDict):
    """A ticker in the list; ``gaps`` are days of the frame between first and last without it."""

    ticker: str
    rows: int
    first: str
    last: str
    gaps: int
    spark: list[float]


@dataclass
class FrameView:
    """What is seen of a frame: a ticker or all, and ranges of columns.

    Attributes
    ----------
    frame
        All rows.
    ticker
        The chosen one; empty: all.
    ranges
        Column → lowest and highest value, both inclusive, as in `ColumnSummary`.
    """

    frame: pl.DataFrame
    ticker: str = ""
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    _tickers: pl.DataFrame | None = None
    _chosen: pl.Series | None = None

    @classmethod
    def of(cls, frame: pl.DataFrame | pd.DataFrame) -> FrameView:
        """See a frame of either kind.

        Raises
        ------
        ValueError
            If it is neither, or has no columns.
        """
        rows = as_polars(frame)
        if not rows.columns:
            raise ValueError("frame has no columns; give one that load returned")
        return cls(rows)

    @property
    def time(self) -> str | None:
        """The column of time; None if there is none."""
        found = (name for name in _TIMES if name in self.frame.columns)
        return next((name for name in found if self.frame.schema[name].is_temporal()), None)

    @property
    def price(self) -> str | None:
        """The column that a sparkline shows; None if there is none."""
        return next((name for name in _PRICES if name in self.frame.columns), None)

    def tickers(self, search: str = "") -> pl.DataFrame:
        """Ticker, rows, first and last time of each, those that contain the text of a search."""
        import polars as pl

        if self._tickers is None:
            self._tickers = self._count_tickers()
        if not search:
            return self._tickers
        found = pl.col("ticker").str.to_lowercase().str.contains(search.lower(), literal=True)
        begins = pl.col("ticker").str.to_lowercase().str.starts_with(search.lower())
        return self._tickers.filter(found).sort(~begins, maintain_order=True)

    def _count_tickers(self) -> pl.DataFrame:
        import polars as pl

        if "ticker" not in self.frame.columns:
            return pl.DataFrame(schema={"ticker": pl.String, "rows": pl.UInt32})
        times: list[pl.Expr] = []
        if self.time is not None:
            when = pl.col(self.time)
            times = [when.min().alias("first"), when.max().alias("last")]
        return (
            self.frame.lazy()
            .group_by("ticker")
            .agg(pl.len().alias("rows"), *times)
            .sort("ticker")
            .collect()
        )

    def ticker_rows(self, search: str, start: int, count: int) -> list[TickerRow]:
        """A part of the list of tickers, with sparklines and gaps."""
        import polars as pl

        part = self.tickers(search).slice(start, count)
        names = part["ticker"].to_list()
        wanted = [name for name in ("ticker", "date", self.price) if name in self.frame.columns]
        seen = self.frame.lazy().filter(pl.col("ticker").is_in(names)).select(wanted).collect()
        days = seen["date"].unique().sort() if "date" in wanted else None
        groups = seen.partition_by("ticker", as_dict=True)
        rows: list[TickerRow] = []
        for row in part.iter_rows(named=True):
            own = groups.get((row["ticker"],), seen.clear())
            rows.append(
                {
                    "ticker": row["ticker"] or "",
                    "rows": row["rows"],
                    "first": _time_text(row.get("first")),
                    "last": _time_text(row.get("last")),
                    "gaps": _gaps(own["date"], days) if days is not None else 0,
                    "spark": _spark(own[self.price]) if self.price else [],
                }
            )
        ends = [text for each in rows for text in (each["first"], each["last"])]
        if all(text.endswith(_MIDNIGHT) for text in ends):  # daily bars
            for each in rows:
                each["first"] = each["first"].removesuffix(_MIDNIGHT)
                each["last"] = each["last"].removesuffix(_MIDNIGHT)
        return rows

    def summary(self, name: str) -> ColumnSummary:
        """A column of all rows: range, nulls and histogram, or the commonest texts."""
        column = self.frame[name]
        nulls = column.null_count()
        summary = ColumnSummary(
            name=name,
            kind=str(column.dtype),
            nulls=nulls,
            low=None,
            high=None,
            counts=[],
            is_log=False,
            range="",
            note=f"{nulls:,} null" if nulls else "",
        )
        if not (column.dtype.is_numeric() or column.dtype.is_temporal()):
            return summary | {"range": self._text_range(name)}
        low, high = column.min(), column.max()
        if low is None or high is None:
            return summary | {"range": "no values"}
        numbers = _as_number(column)
        first, last = float(numbers.min()), float(numbers.max())  # type: ignore[arg-type]
        return summary | {
            "low": first,
            "high": last,
            "counts": _histogram(numbers, first, last),
            "is_log": _is_log(first, last),
            "range": f"{_value_text(low)} … {_value_text(high)}",
        }

    def _text_range(self, name: str) -> str:
        if name == "ticker":
            return f"{self.tickers().height:,} different"
        if str(self.frame.schema[name]) != "String":
            return ""
        return f"{self.frame[name].n_unique():,} different"

    def choose(self, ticker: str) -> None:
        """See the rows of a ticker; empty: of all."""
        self.ticker, self._chosen = ticker, None

    def restrict(self, column: str, low: float | None, high: float | None) -> None:
        """See the rows in which a column is between two values; None: in any.

        Raises
        ------
        ValueError
            If there is no such column.
        """
        if column not in self.frame.columns:
            raise ValueError(f"column={column!r} is not in the frame; give one of its columns")
        self.ranges.pop(column, None)
        if low is not None and high is not None:
            ends = min(low, high), max(low, high)
            self.ranges[column] = _readable(self.frame.schema[column], *ends)
        self._chosen = None

    @property
    def is_restricted(self) -> bool:
        """Whether there is a filter."""
        return bool(self.ticker or self.ranges)

    def code(self, name: str = "df") -> str:
        """The polars expression that gives the same rows.

        Parameters
        ----------
        name
            The variable that has the frame.
        """
        conditions = []
        if self.ticker:
            conditions.append(f'pl.col("ticker") == "{self.ticker}"')
        for column, (low, high) in self.ranges.items():
            ends = [_literal_code(self.frame.schema[column], value) for value in (low, high)]
            conditions.append(f'pl.col("{column}").is_between({", ".join(ends)})')
        return f"{name}.filter({', '.join(conditions)})" if conditions else name

    def _condition(self) -> pl.Expr:
        import polars as pl

        conditions = []
        if self.ticker:
            conditions.append(pl.col("ticker") == self.ticker)
        for column, ends in self.ranges.items():
            low, high = (_literal(self.frame.schema[column], value) for value in ends)
            conditions.append(pl.col(column).is_between(low, high))
        return pl.all_horizontal(conditions)

    def _places(self) -> pl.Series:
        """The places of the seen rows in the frame."""
        if self._chosen is None:
            self._chosen = self.frame.select(self._condition().arg_true()).to_series()
        return self._chosen

    @property
    def count(self) -> int:
        """How many rows are seen."""
        return len(self._places()) if self.is_restricted else self.frame.height

    def rows(self, start: int, count: int) -> list[list[str]]:
        """A part of the seen rows as texts; times are the exchange's."""
        part = self.part(start, count)
        texts = [[_value_text(value) for value in part[name].to_list()] for name in part.columns]
        return [list(row) for row in zip(*texts, strict=True)]

    def part(self, start: int, count: int) -> pl.DataFrame:
        """A part of the seen rows."""
        if not self.is_restricted:
            return self.frame.slice(start, count)
        return self.frame[self._places().slice(start, count)]

    def all_rows(self) -> pl.DataFrame:
        """All seen rows."""
        return self.part(0, self.count)


def _gaps(days: pl.Series, all_days: pl.Series) -> int:
    own = days.unique()
    if own.is_empty():
        return 0
    within = all_days.is_between(own.min(), own.max()).sum()
    return int(within) - len(own)


def _spark(prices: pl.Series) -> list[float]:
    values = prices.drop_nulls()
    step = max(1, len(values) // SPARK_POINTS)
    return [float(value) for value in values.gather_every(step)]


def _as_number(column: pl.Series) -> pl.Series:
    import polars as pl

    if isinstance(column.dtype, pl.Datetime):
        return column.dt.timestamp("ns")
    return column.to_physical() if column.dtype.is_temporal() else column


def _is_log(low: float, high: float) -> bool:
    """Whether a column spans orders of magnitude, so that equal bins would have all in the first.

    Times do not: their numbers are large, and near each other.
    """
    return low > 0 and high / low > _LOG_FROM


def _histogram(numbers: pl.Series, low: float, high: float) -> list[int]:
    import polars as pl

    if high == low:
        return [len(numbers) - numbers.null_count()]
    value = pl.col("n")
    if _is_log(low, high):
        value, low, high = value.log(), log(low), log(high)
    place = ((value - low) * (BINS / (high - low))).cast(pl.UInt8, strict=False)
    counted = (
        numbers.alias("n")
        .to_frame()
        .lazy()
        .select(place.clip(0, BINS - 1).alias("n"))
        .group_by("n")
        .len()
        .collect()
    )
    found: Mapping[int, int] = dict(counted.drop_nulls().iter_rows())
    return [found.get(each, 0) for each in range(BINS)]


def _readable(dtype: pl.DataType, low: float, high: float) -> tuple[float, float]:
    """A range that is a little wider and has few digits, so that the code can be read."""
    import polars as pl

    if isinstance(dtype, pl.Datetime):
        return floor(low / _NS) * _NS, ceil(high / _NS) * _NS
    if dtype.is_temporal() or dtype.is_integer():
        return floor(low), ceil(high)
    digits = max(0, 3 - floor(log10(high - low))) if high > low else 12
    return floor(low * 10**digits) / 10**digits, ceil(high * 10**digits) / 10**digits


def _literal(dtype: pl.DataType, value: float) -> pl.Expr | float:
    import polars as pl

    if isinstance(dtype, pl.Datetime):
        return pl.lit(round(value)).cast(pl.Datetime("ns", dtype.time_zone)).cast(dtype)
    if dtype.is_temporal():
        return pl.lit(round(value)).cast(dtype)
    return value


def _literal_code(dtype: pl.DataType, value: float) -> str:
    import polars as pl

    if isinstance(dtype, pl.Datetime):
        if dtype.time_zone not in (None, "UTC"):
            # A clock's time may exist twice there.
            return f'pl.lit({round(value)}).cast(pl.Datetime("ns", "{dtype.time_zone}"))'
        when = datetime.fromtimestamp(value / _NS, UTC)
        zone = ', time_zone="UTC"' if dtype.time_zone else ""
        parts = (when.year, when.month, when.day, when.hour, when.minute, when.second)
        return f"pl.datetime({', '.join(map(str, parts))}{zone})"
    if isinstance(dtype, pl.Date):
        day = date.fromordinal(date(1970, 1, 1).toordinal() + round(value))
        return f"pl.date({day.year}, {day.month}, {day.day})"
    return str(int(value)) if float(value).is_integer() else repr(value)


def _time_text(value: object) -> str:
    return "" if value is None else _value_text(value)


def _value_text(value: object) -> str:
    """A cell for people: thousands separators, exchange time."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        local = value.astimezone(EXCHANGE_ZONE) if value.tzinfo else value
        return f"{local:%Y-%m-%d %H:%M:%S}".removesuffix(":00")
    if isinstance(value, float):
        return f"{value:,.0f}" if value.is_integer() and abs(value) >= 1000 else f"{value:,.6g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)
