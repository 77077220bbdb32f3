"""Runs loads on a context: each as a job, recorded in the session's journal."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from typing import Any, Unpack

from .context import Context
from .errors import TransferError
from .frames.interrupts import in_thread
from .frames.to_pandas import FrameKind
from .jobs.job import Job
from .load.day_loader import DayLoader
from .load.entitlements import EntitlementProber
from .load.object_versions import ObjectVersions
from .load.progress import Progress
from .load.request import LoadOptions, Request, check_progress
from .load.result import LoadResult, finish
from .load.securities import Securities
from .market.calendar import DateLike, exchange_today
from .market.data_types import DataType
from .report import LoadReport


@dataclass(frozen=True)
class Loader:
    """Loads the days of a request.

    Attributes
    ----------
    context
        The session's.
    """

    context: Context

    def start(
        self,
        data_type: str,
        start: DateLike,
        end: DateLike,
        *,
        frame: FrameKind,
        show: bool | None,
        **options: Unpack[LoadOptions],
    ) -> Job[Any]:
        """Validate the arguments and start the load; returns at once.

        Raises
        ------
        ValueError
            If an argument is wrong.
        RuntimeError
            If the session is closed.
        """
        check_progress(show)
        request = Request.validate(data_type, start, end, frame=frame, **options)
        progress = Progress()
        return self.context.runner.start(
            self.load(request, progress),
            ", ".join(filter(None, [f"{data_type} {start} … {end}", request.adjusted])),
            finish=partial(finish, request),
            progress=progress,
            show=show,
        )

    async def load(
        self, request: Request, progress: Progress, only: Collection[date] | None = None
    ) -> LoadResult:
        """Load a request's days, and record what was used.

        Parameters
        ----------
        only
            Restricts the request to these days; None: all of its range.

        Raises
        ------
        TransferError
            If a listing that is needed to find the days could not be loaded.
        CredentialsError, ReferenceServiceError
            If splits or changes of tickers are needed and could not be loaded.
        ValueError
            If a split or dividend cannot be applied.
        """
        result = await self.read(request, progress, only)
        self.context.journal.record(request.data_type, result.report)
        return result

    async def read(
        self, request: Request, progress: Progress, only: Collection[date] | None = None
    ) -> LoadResult:
        """As `load`, but without a record in the journal: for loads that are not the user's own."""
        context = self.context
        securities = None
        if request.as_of is not None:
            look_up = partial(Securities.of, request, context.reference)
            securities = await in_thread(look_up)
            request = securities.to_load
        loader = DayLoader(
            context.downloader,
            context.catalog,
            context.cache_policy,
            request,
            self.versions(request, only),
            progress,
            context.ranged_reads,
            context.spec.max_concurrent,
        )
        result = await loader.load()
        result = await in_thread(partial(_finished, request, result, securities))
        if result.report.with_status("forbidden"):
            report = await self._explain_forbidden(request.data_type, result.report)
            result = replace(result, report=report)
        return result

    def versions(self, request: Request, only: Collection[date] | None = None) -> ObjectVersions:
        """The files of a request, in the bucket and in the cache."""
        context = self.context
        return ObjectVersions(
            context.downloader,
            context.catalog,
            context.cache_policy,
            request,
            only,
            context.ranged_reads.accepts(request),
        )

    async def _explain_forbidden(self, data_type: DataType, report: LoadReport) -> LoadReport:
        """Add to forbidden days what of this data type the keys give access to."""
        entitlements = self.context.journal.entitlements
        if data_type.name not in entitlements:
            prober = EntitlementProber(self.context.downloader, self.context.catalog)
            try:
                found = await prober.entitlement(data_type, exchange_today().year)
            except TransferError:
                return report  # the days' own reasons say enough
            entitlements[data_type.name] = found
        entitlement = entitlements[data_type.name]
        first_day = entitlement.first_day
        hint = (
            f"your plan begins {first_day} ({data_type.name})"
            if first_day
            else f"your plan has no {data_type.name}"
        )
        days = tuple(
            # The error's own remedy, to check what the plan includes, is done by this.
            replace(day, reason=f"{day.reason.partition(' – ')[0]}: {hint}")
            if day.status == "forbidden" and entitlement.explains(day.date)
            else day
            for day in report
        )
        return replace(report, days=days)


def _finished(request: Request, result: LoadResult, securities: Securities | None) -> LoadResult:
    """The result with its securities' rows, and without columns that only choosing them took."""
    frame, unknown = result.frame, result.unknown_symbols
    if securities is not None:
        request = securities.request  # as the user made it
        frame = securities.apply(frame)
        selection = request.selection
        if securities.tenures and selection is not None:
            # The rows of a security may have other tickers than the symbol that was asked for.
            unknown = tuple(selection.not_in(set(frame["symbol"])))
    # Not `select`, which copies a frame whose columns have different chunks, as the dates have.
    frame = frame[request.wanted_columns(frame.columns)]
    report = replace(result.report, adjusted=request.adjusted)
    return replace(result, frame=frame, report=report, unknown_symbols=unknown)
