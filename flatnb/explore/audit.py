"""Errors in days whose CSV is valid: too few rows, rows that end early or are of another day."""

from __future__ import annotations

import math
import zoneinfo
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING, Literal

from ..formatting import format_days
from ..frames.misdated import misdated_rows
from ..html import good, table
from ..market.calendar import (
    EXCHANGE_TIME_ZONE,
    is_early_close,
    is_trading_day,
    session_close,
)
from ..market.data_types import DataType
from ..market.known_issues import known_issue
from ..market.option_symbols import TAIL
from ..report import LOADED_STATUSES, DayOutcome

if TYPE_CHECKING:
    import polars as pl

Check = Literal[
    "missing",
    "unreadable",
    "empty",
    "misdated",
    "early end",
    "closing bars",
    "row count",
    "duplicates",
    "zero volume",
]

_TIMES = ("window_start", "sip_timestamp", "participant_timestamp", "timestamp")
_VOLUMES = ("volume",)
# What distinguishes ticks; without one of these columns equal rows may be two trades.
_IDENTITIES = ("sequence_number", "id")
_BARS = ("daily", "minute", "session")

_BUSY_ROWS = 100
_BUSIEST = 10
_EARLY = timedelta(minutes=15)
# With trades at random times a pause of ten times the mean occurs once in e**10 pauses.
_PAUSES = 10
_NEIGHBOURS = 4
_FEW, _FEW_ON_A_SHORT_DAY, _MANY = 0.5, 0.25, 3.0

# On each day about 40 of some 10,000 names lack the closing minute (polygon-io issue 329), and
# illiquid ones do not trade in it: only a share that differs from the neighbours' is a sign.
_CLOSING_NAMES = 20
_CLOSING_LOSS = 0.1
_CLOSING_DEVIATIONS = 4.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One error in a day.

    Attributes
    ----------
    check
        Which check found it.
    what
        What it found, with numbers; and what users have publicly reported of this day.
    """

    date: date
    check: Check
    what: str


@dataclass(frozen=True, slots=True)
class DayFacts:
    """What an audit records of a day.

    Attributes
    ----------
    ends
        Of the tickers with most rows: ticker, time of the last row, mean time between rows.
    closing
        Of minute bars: the number of busy tickers, and how many of them have a bar of the last
        minute of the session or of the auction after it.
    """

    outcome: DayOutcome
    rows: int = 0
    misdated: str = ""
    duplicates: int = 0
    zero_volumes: int = 0
    ends: tuple[tuple[str, datetime, timedelta], ...] = ()
    closing: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Audit:
    """What `FlatSession.audit` found; true if it found nothing.

    Attributes
    ----------
    days
        The days that were checked.
    findings
        In the order of the days.
    """

    data_type: str
    days: tuple[date, ...]
    findings: tuple[Finding, ...]

    def __bool__(self) -> bool:
        return not self.findings

    def __repr__(self) -> str:
        if self.is_clean:
            return f"✓ {self._clean()}"
        lines = [f"{self.data_type}: {len(self.days)} days, {self._count}"]
        lines += [f"  {found.date} {found.check}: {found.what}" for found in self.findings]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        if self.is_clean:
            return good(self._clean())
        rows = [(found.date, found.check, found.what) for found in self.findings]
        title = f"Audit: {self.data_type}"
        return table(title, rows, ("day", "check", "what"), f"{len(self.days)} days, {self._count}")

    @property
    def is_clean(self) -> bool:
        """Whether days were checked and nothing was found."""
        return bool(self.days) and not self.findings

    def _clean(self) -> str:
        span = format_days(min(self.days), max(self.days))
        count = len(self.days)
        days = "1 day" if count == 1 else f"{count:,} days"
        return f"audit of {self.data_type}: nothing found in {days}, {span}"

    @property
    def _count(self) -> str:
        return f"{len(self.findings)} findings" if self.findings else "nothing found"


def wanted_columns(data_type: DataType) -> list[str]:
    """The columns that the checks need, of those that all files have; empty: all."""
    some = ("ticker", *_TIMES, *_VOLUMES, *_IDENTITIES)
    return [name for name in some if name in data_type.required]


def inspect_day(data_type: DataType, outcome: DayOutcome, frame: pl.DataFrame) -> DayFacts:
    """Count the irregularities in one day's rows."""
    if outcome.status not in LOADED_STATUSES:
        return DayFacts(outcome)
    time = next((name for name in _TIMES if name in frame.columns), None)
    return DayFacts(
        outcome,
        rows=frame.height,
        misdated=_misdated(data_type, outcome, frame, time),
        duplicates=_duplicates(data_type, frame, time),
        zero_volumes=_zero_volumes(frame),
        ends=_ends_of_busiest(data_type, frame, time),
        closing=_closing_bars(data_type, outcome.date, frame),
    )


def summarise(data_type: DataType, facts: Sequence[DayFacts]) -> Audit:
    """Compare what was counted with the calendar and with the neighbouring days."""
    findings = [
        Finding(each.outcome.date, check, _with_report(data_type, each.outcome.date, what))
        for each in facts
        for check, what in _findings(each, facts)
    ]
    days = tuple(each.outcome.date for each in facts)
    return Audit(data_type.name, days, tuple(findings))


def _with_report(data_type: DataType, day: date, what: str) -> str:
    known = known_issue(data_type, day)
    return f"{what}; publicly reported: {known}" if known else what


def _findings(facts: DayFacts, all_facts: Sequence[DayFacts]) -> Iterator[tuple[Check, str]]:
    outcome = facts.outcome
    if outcome.status == "missing":
        yield "missing", outcome.reason or "there is no file"
    elif outcome.status not in LOADED_STATUSES:
        yield "unreadable", f"{outcome.status}: {outcome.reason}"
    elif facts.rows == 0:
        yield "empty", "the file has a header and no rows"
    else:
        if facts.misdated:
            yield "misdated", facts.misdated
        if early := _early_end(facts):
            yield "early end", early
        if lacking := _lacking_closing_bars(facts, all_facts):
            yield "closing bars", lacking
        if unusual := _unusual_count(facts, all_facts):
            yield "row count", unusual
        if facts.duplicates:
            yield (
                "duplicates",
                f"{facts.duplicates:,} rows repeat the ticker and time of another row",
            )
        if facts.zero_volumes:
            yield "zero volume", f"{facts.zero_volumes:,} of {facts.rows:,} rows"


def _misdated(
    data_type: DataType, outcome: DayOutcome, frame: pl.DataFrame, time: str | None
) -> str:
    if time is None:
        return ""
    # Only the stock exchanges' days begin and end in exchange time; a future's begins the evening
    # before, and other markets count in UTC.
    slack_days = 0 if data_type.days == "calendar" else 1
    return misdated_rows(frame, outcome.date, time, slack_days)


def _duplicates(data_type: DataType, frame: pl.DataFrame, time: str | None) -> int:
    identity = [name for name in _IDENTITIES if name in frame.columns]
    is_bars = data_type.kind in _BARS
    if time is None or "ticker" not in frame.columns or not (identity or is_bars):
        return 0
    return frame.height - frame.select("ticker", time, *identity).unique().height


def _zero_volumes(frame: pl.DataFrame) -> int:
    return sum(int((frame[name] == 0).sum()) for name in _VOLUMES if name in frame.columns)


def _name_of(data_type: DataType) -> pl.Expr:
    """The ticker; of options the underlying's, as one contract may have its last trade early."""
    import polars as pl

    ticker = pl.col("ticker")
    return ticker.str.head(-TAIL) if data_type.is_options else ticker


def _exchange_time(column: str) -> pl.Expr:
    import polars as pl

    return pl.col(column).dt.cast_time_unit("us").dt.convert_time_zone(EXCHANGE_TIME_ZONE)


def _closing_bars(data_type: DataType, day: date, frame: pl.DataFrame) -> tuple[int, int]:
    """How many tickers are busy, and how many of these have one of the closing bars."""
    import polars as pl

    if data_type.days != "calendar" or data_type.kind != "minute" or not is_trading_day(day):
        return 0, 0
    # A bar is named by its first minute: the session's last is 15:59, the auction's 16:00.
    close = datetime.combine(day, session_close(day), _ZONE)
    is_closing = _exchange_time("window_start").is_between(close - _MINUTE, close)
    busy = (
        frame.group_by(_name_of(data_type).alias("name"))
        .agg(pl.len().alias("rows"), is_closing.any().alias("closes"))
        .filter(pl.col("rows") >= _BUSY_ROWS)
    )
    return busy.height, int(busy["closes"].sum())


def _ends_of_busiest(
    data_type: DataType, frame: pl.DataFrame, time: str | None
) -> tuple[tuple[str, datetime, timedelta], ...]:
    import polars as pl

    if data_type.days != "calendar" or data_type.kind == "daily" or time is None:
        return ()
    name, when = _name_of(data_type), _exchange_time(time)
    busiest = (
        frame.group_by(name.alias("name"))
        .agg(pl.len().alias("rows"), when.max().alias("last"), when.min().alias("first"))
        .filter(pl.col("rows") >= _BUSY_ROWS)
        .sort("rows", "name", descending=True)
        .head(_BUSIEST)
        .select("name", "last", pause=(pl.col("last") - pl.col("first")) / pl.col("rows"))
    )
    return tuple(busiest.iter_rows())


_ZONE = zoneinfo.ZoneInfo(EXCHANGE_TIME_ZONE)
_MINUTE = timedelta(minutes=1)


def _early_end(facts: DayFacts) -> str:
    if not facts.ends:
        return ""
    day = facts.outcome.date
    close = datetime.combine(day, session_close(day), _ZONE)
    early = [
        (name, last)
        for name, last, pause in facts.ends
        if last < close - max(_EARLY, _PAUSES * pause)
    ]
    if not early:
        return ""
    examples = ", ".join(f"{name} at {last:%H:%M}" for name, last in early[:3])
    return f"{len(early)} of the {len(facts.ends)} busiest end before the close: {examples}"


def _neighbours(facts: DayFacts, all_facts: Sequence[DayFacts]) -> list[DayFacts]:
    """The nearest days with rows; empty if there are too few to compare with."""
    others = [each for each in all_facts if each.rows and each is not facts]
    others.sort(key=lambda each: abs(each.outcome.date - facts.outcome.date))
    return others[:_NEIGHBOURS] if len(others) >= 2 else []


def _lacking_closing_bars(facts: DayFacts, all_facts: Sequence[DayFacts]) -> str:
    busy, closing = facts.closing
    shares = [
        each.closing[1] / each.closing[0]
        for each in _neighbours(facts, all_facts)
        if each.closing[0] >= _CLOSING_NAMES
    ]
    if busy < _CLOSING_NAMES or not shares:
        return ""
    usual = median(shares)
    chance = _CLOSING_DEVIATIONS * math.sqrt(usual * (1 - usual) / busy)
    if closing / busy >= usual - max(_CLOSING_LOSS, chance):
        return ""
    return (
        f"{busy - closing:,} of {busy:,} busy names lack the closing minute's bars: "
        f"{closing / busy:.0%} have them, where on the days around it about {usual:.0%} have"
    )


def _unusual_count(facts: DayFacts, all_facts: Sequence[DayFacts]) -> str:
    day = facts.outcome.date
    others = _neighbours(facts, all_facts)
    if not others:
        return ""
    usual = median(each.rows for each in others)
    few = _FEW_ON_A_SHORT_DAY if is_early_close(day) else _FEW
    if few * usual <= facts.rows <= _MANY * usual:
        return ""
    return f"{facts.rows:,} rows, where the days around it have about {usual:,.0f}"
