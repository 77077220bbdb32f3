"""A LazyFrame over all days of a data type: polars' IO plugin on a session."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING

from ..context import Context, ContextSpec
from ..errors import FlatnbWarning, LoadError
from ..explore.planner import Planner
from ..formatting import format_bytes
from ..frames.interrupts import raise_if_interrupted
from ..frames.reader import empty_day
from ..frames.selection import Selection
from ..load.day_loader import DAYS_AT_ONCE
from ..load.first_day import first_day_from, is_first_day_known
from ..load.progress import Progress
from ..load.request import Request
from ..load.result import mixed_sizes, unknown_symbols_warning
from ..loader import Loader
from ..market.calendar import exchange_today, trading_days
from ..market.data_types import DataType, get_data_type
from ..report import LOADED_STATUSES, DayOutcome, LoadReport, list_days
from .predicate import days_of, tickers_of, tree_of

if TYPE_CHECKING:
    import polars as pl

_MOST_SYMBOLS = 2000
_FEW_DAYS = 300
_MOST_DAYS = 20


@dataclass(frozen=True)
class Source:
    """What polars calls for the rows. Pickled, it has the context's settings and no credentials."""

    data_type: str
    spec: ContextSpec
    context: Context | None = field(default=None, repr=False, compare=False)

    def __reduce__(self) -> tuple[object, ...]:
        return Source, (self.data_type, self.spec)

    def __call__(
        self,
        with_columns: list[str] | None,
        predicate: pl.Expr | None,
        n_rows: int | None,
        batch_size: int | None,
    ) -> Iterator[pl.DataFrame]:
        """Yield the rows of the days that the filter can match, a few days at a time."""
        context = self.context or self.spec.shared()
        loader = Loader(context)
        data_type = get_data_type(self.data_type)
        query = _query(context, data_type, with_columns, predicate)
        days_with_files = _days_with_files(context, loader, data_type, query)
        outcomes: list[DayOutcome] = []
        wanted = list(with_columns if with_columns is not None else schema_of(data_type))
        left = n_rows
        unknown: set[str] | None = None
        tickers: frozenset[str] = frozenset()
        for days in _groups(days_with_files, 1 if n_rows is not None else DAYS_AT_ONCE):
            if left == 0:
                break
            work = loader.load(query.request, Progress(), frozenset(days))
            name = f"scan of {data_type.name}"
            result = context.runner.wait(work, name, raise_if_interrupted)
            outcomes += result.report.days
            frame = result.frame
            if result.report.with_status(*LOADED_STATUSES):
                found = set(result.unknown_symbols)
                unknown = found if unknown is None else unknown & found
                tickers = result.tickers or tickers
            _check(result.report, frame)
            _warn_of_new_columns(frame, query)
            if predicate is not None:
                frame = frame.filter(predicate)
            frame = frame.select(wanted)
            if left is not None:
                frame = frame.head(left)
                left -= frame.height
            yield frame
        report = LoadReport(data_type.name, tuple(outcomes))
        context.journal.record(data_type, report)
        _warn_of_missing(report)
        # A query that ended after its first rows has not looked at all days.
        if unknown and left is None:
            _warn(unknown_symbols_warning(query.request, sorted(unknown), tickers))
        if sizes := mixed_sizes(query.request, report, wanted):
            _warn(sizes)


@dataclass(frozen=True)
class _Query:
    """What to load; ``is_bounded``: whether the filter excludes some days."""

    request: Request
    days: list[date]
    is_bounded: bool


def _query(
    context: Context, data_type: DataType, with_columns: list[str] | None, predicate: pl.Expr | None
) -> _Query:
    all_days = days = possible_days(data_type, _first_day(context, data_type))
    tickers = None
    columns = None if with_columns is None else [*with_columns]
    if predicate is not None:
        tree = tree_of(predicate)
        days, tickers = sorted(days_of(tree, all_days)), tickers_of(tree)
        if columns is not None:
            columns += predicate.meta.root_names()
    if columns is not None:
        columns = [name for name in dict.fromkeys(columns) if name != "date"] or ["ticker"]
    if tickers is not None and not tickers:
        days = []
    first, last = (all_days[0], all_days[-1]) if all_days else (exchange_today(),) * 2
    request = Request.validate(data_type.name, first, last, columns=columns)
    if tickers and len(tickers) <= _MOST_SYMBOLS:
        # Not parsed as a user's symbols: in a query "O:SPY*" is a ticker, which no file has.
        request = replace(request, selection=Selection(symbols=tuple(sorted(tickers))))
    return _Query(request, days, len(days) < len(all_days))


def _first_day(context: Context, data_type: DataType) -> date:
    """The first day that may have a file: by the registry, or else of what there is."""
    if is_first_day_known(data_type):
        return data_type.first_day
    policy = context.cache_policy
    if policy is not None and policy.offline:
        return min(policy.cache.days(data_type.name), default=exchange_today())
    found = first_day_from(context.downloader, context.catalog, data_type, date.min)
    return context.runner.wait(found, f"scan of {data_type.name}", raise_if_interrupted)


def possible_days(data_type: DataType, first: date) -> list[date]:
    """The days from ``first`` on that may have a file: by the calendar, or every day."""
    last = exchange_today()
    if data_type.days == "calendar":
        return trading_days(first, last)
    return [date.fromordinal(n) for n in range(first.toordinal(), last.toordinal() + 1)]


def _groups(days: Sequence[date], first: int) -> Iterator[list[date]]:
    """Groups of days: ``first`` days, then twice as many each time, as the first may suffice."""
    start, size = 0, first
    while start < len(days):
        yield list(days[start : start + size])
        start, size = start + size, min(2 * size, DAYS_AT_ONCE)


def schema_of(data_type: DataType) -> dict[str, pl.DataType]:
    """The columns of a scan: the date, and the known columns of the data type."""
    import polars as pl

    return {"date": pl.Date(), **empty_day(data_type).schema}


def _check(report: LoadReport, frame: pl.DataFrame) -> None:
    bad = report.with_status("forbidden", "failed")
    if bad:
        lines = [f"{len(bad)} days of the query could not be loaded", *list_days(bad)]
        raise LoadError("\n".join(lines), report=report, frame=frame)


def _days_with_files(
    context: Context, loader: Loader, data_type: DataType, query: _Query
) -> list[date]:
    """Of many days those that have a file, so that the others are not requested one by one."""
    if not query.days or (query.is_bounded and len(query.days) <= _FEW_DAYS):
        return query.days
    policy = context.cache_policy
    if policy is not None and policy.offline:
        cached = set(policy.cache.days(data_type.name))
        return [day for day in query.days if day in cached]
    listed = Planner(context, loader).available(data_type.name, query.days[0], query.days[-1])
    if not query.is_bounded:
        _warn(
            f"this query on {data_type.name} has no bound on date: it may load all "
            f"{len(listed.days):,} days, {format_bytes(listed.size_bytes)}; filter on date, "
            "for example pl.col('date').is_between(…), before filters that look at all rows"
        )
    wanted = set(query.days)
    if missing := [day for day in listed.missing if day in wanted]:
        some = ", ".join(map(str, missing[:_MOST_DAYS])) + (" …" if missing[_MOST_DAYS:] else "")
        _warn(f"{len(missing)} trading days missing: {some}")
    return [day for day in query.days if day in listed.days]


def _warn_of_missing(report: LoadReport) -> None:
    if missing := report.with_status("missing"):
        _warn("\n".join([f"{len(missing)} days missing", *list_days(missing)]))


def _warn_of_new_columns(frame: pl.DataFrame, query: _Query) -> None:
    known = schema_of(query.request.data_type)
    if query.request.columns is None and (new := [c for c in frame.columns if c not in known]):
        _warn(f"files have columns that a scan does not know: {new!r}; load() has them")


def _warn(message: str) -> None:
    # polars calls from a thread of its own, so no line of the user's code is on the stack.
    warnings.warn(message, FlatnbWarning, stacklevel=2)
