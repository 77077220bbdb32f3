"""The newest published days, loaded into the cache or into a lake: for every morning."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Literal, Unpack

from .context import Context
from .errors import FlatnbError
from .formatting import format_bytes
from .html import table
from .lake.lake import Lake
from .lake.storage import storage_at
from .lake.transform import Transform
from .lake.writer import LakeWriter, check_lake_options
from .load.object_versions import REVALIDATION_WINDOW, ObjectVersions, VersionSurvey
from .load.progress import Progress
from .load.request import LoadOptions, Request
from .loader import Loader
from .market.calendar import DateLike, as_date, exchange_now, exchange_today, trading_days
from .market.data_types import DataType, get_data_type
from .market.known_issues import is_published
from .report import LOADED_STATUSES, DayOutcome

UpdateStatus = Literal["new", "here", "late", "missing", "failed"]

EXIT_CODES = {"new": 0, "nothing": 0, "late": 3, "failed": 4}
"""The outcome of an update → the exit status of ``flatnb update``."""

LATE_DAYS = 5
"""Of the trading days that should be published, so many of the newest are late, others missing."""

LOCK_WAIT_S = 6 * 3600.0
_LOCK_POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class UpdatedDay:
    """One day of an update.

    Attributes
    ----------
    status
        ``"new"``: it was loaded, or loaded again as the vendor has a newer file; ``"here"``: it
        was there; ``"late"``: it should be published and is not; ``"missing"``: likewise, of days
        that are past; ``"failed"``: forbidden, damaged, or anything else.
    reason
        Why it is not there; empty if it is.
    size_bytes, rows
        Of a new day: of the file, and in the cache or the lake.
    """

    data_type: str
    date: date
    status: UpdateStatus
    reason: str = ""
    size_bytes: int = 0
    rows: int = 0

    def line(self) -> str:
        """For a log."""
        size = f" {format_bytes(self.size_bytes)}, {self.rows:,} rows" if self.rows else ""
        reason = f": {self.reason}" if self.reason else ""
        return f"{self.data_type} {self.date} {self.status}{size}{reason}"


@dataclass(frozen=True)
class Update:
    """What an update did; made by `FlatSession.update`.

    Attributes
    ----------
    target
        The folder of the cache, or the lake.
    days
        Each day that was looked for, by data type and day.
    errors
        Data type → why none of its days could be looked for.
    """

    target: str
    days: tuple[UpdatedDay, ...]
    errors: dict[str, str] = field(default_factory=dict)
    ended_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def status(self) -> str:
        """``"failed"``, ``"late"``, ``"new"`` or ``"nothing"``: the first that applies."""
        found = {day.status for day in self.days}
        if self.errors or "failed" in found:
            return "failed"
        return "late" if "late" in found else "new" if "new" in found else "nothing"

    @property
    def exit_code(self) -> int:
        """0: new days or nothing to do; 3: days are late; 4: something failed."""
        return EXIT_CODES[self.status]

    def with_status(self, *statuses: UpdateStatus) -> list[UpdatedDay]:
        """The days with one of these statuses."""
        return [day for day in self.days if day.status in statuses]

    def lines(self) -> list[str]:
        """One line for each day that was not there already, and for each error."""
        return [
            *(day.line() for day in self.days if day.status not in ("here", "missing")),
            *(f"{name} failed: {reason}" for name, reason in self.errors.items()),
        ]

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            "status": self.status,
            "exit_code": self.exit_code,
            "target": self.target,
            "ended_at": self.ended_at.isoformat(timespec="seconds"),
            "errors": dict(self.errors),
            "days": [
                {
                    "data_type": day.data_type,
                    "date": day.date.isoformat(),
                    "status": day.status,
                    "reason": day.reason,
                    "size_bytes": day.size_bytes,
                    "rows": day.rows,
                }
                for day in self.days
            ],
        }

    def __repr__(self) -> str:
        return "\n".join([self._summary, *(f"  {line}" for line in self.lines())])

    def _repr_html_(self) -> str:
        rows: list[tuple[object, ...]] = [
            (day.data_type, day.date, day.status, day.reason)
            for day in self.days
            if day.status != "here"
        ]
        rows += [(name, "", "failed", reason) for name, reason in self.errors.items()]
        return table("Update", rows, ("data type", "day", "status", "reason"), self._summary)

    @property
    def _summary(self) -> str:
        counts = [
            f"{len(self.with_status(status))} {status}"
            for status in ("new", "late", "missing", "failed", "here")
            if self.with_status(status)
        ]
        return f"update of {self.target}: {', '.join(counts) or 'no days'}"


@dataclass(frozen=True)
class Updater:
    """Brings what was published since into the cache, or into a lake."""

    context: Context
    loader: Loader
    lake_writer: LakeWriter

    def update(
        self,
        data_types: Sequence[str] | str,
        *,
        lake: str | os.PathLike[str] | None,
        since: DateLike | None,
        transform: Transform | None,
        on_day: Callable[[UpdatedDay], object] | None,
        **options: Unpack[LoadOptions],
    ) -> Update:
        """See `FlatSession.update`."""
        names = [data_types] if isinstance(data_types, str) else data_types
        if not isinstance(names, Sequence) or not names:
            raise ValueError(
                f"data_types={data_types!r} names none; give some, for example ['stocks_daily']"
            )
        found = list({get_data_type(name).name: get_data_type(name) for name in names}.values())
        first = None if since is None else as_date(since, "since")
        if first is not None and first > exchange_today():
            raise ValueError(f"since={since!r} is in the future; give a past day, or omit it")
        if lake is None and (transform is not None or options):
            name = next(iter(options), "transform")
            raise ValueError(f"{name} is for lakes: the cache keeps whole days; omit it")
        check_lake_options(options)
        into = partial(self._into_lake, lake, transform) if lake is not None else self._into_cache
        target = self._target(lake)
        days: list[UpdatedDay] = []
        errors: dict[str, str] = {}
        with _alone(self._lock_file(lake), target):
            for data_type in found:
                try:
                    start = first or self._since(data_type, lake)
                    request = Request.validate(data_type.name, start, exchange_today(), **options)
                    survey = self._survey(request, cached=lake is None)
                    for day in chain(_not_there(data_type, survey), into(request, survey)):
                        days.append(day)
                        if on_day is not None:
                            on_day(day)
                except (FlatnbError, OSError, RuntimeError) as error:
                    errors[data_type.name] = f"{type(error).__name__}: {error}"
        return Update(target, tuple(days), errors)

    def _target(self, lake: str | os.PathLike[str] | None) -> str:
        if lake is not None:
            return storage_at(lake).address
        policy = self.context.cache_policy
        if policy is None:
            raise ValueError("lake=None needs a cache, and this session has none; name a lake")
        if policy.offline:
            raise ValueError("offline=True brings nothing; use a session that is online")
        return str(policy.cache.folder)

    def _lock_file(self, lake: str | os.PathLike[str] | None) -> Path | None:
        target = self._target(lake)
        return None if "://" in target else Path(target) / "_flatnb" / "update.lock"

    def _since(self, data_type: DataType, lake: str | os.PathLike[str] | None) -> date:
        """The newest day that is there or four weeks ago, whichever is earlier.

        In these weeks the vendor may replace files.
        """
        recent = exchange_today() - REVALIDATION_WINDOW
        if lake is not None:
            there = Lake(lake, data_type.name).days
        else:
            policy = self.context.cache_policy
            there = policy.cache.days(data_type.name) if policy is not None else []
        return min(recent, max(there)) if there else recent

    def _survey(self, request: Request, *, cached: bool) -> VersionSurvey:
        context = self.context
        policy = context.cache_policy if cached else None
        versions = ObjectVersions(context.downloader, context.catalog, policy, request)
        return context.runner.wait(versions.survey(), f"update of {request.data_type.name}")

    def _into_cache(self, request: Request, survey: VersionSurvey) -> Iterator[UpdatedDay]:
        """One day after the other, as each is in memory while it is read."""
        policy, name = self.context.cache_policy, request.data_type.name
        assert policy is not None
        for day, key in survey.keys.items():
            if key not in survey.listed:
                continue
            cached = survey.cached.get(key)
            if cached is not None and cached.version == survey.listed[key]:
                yield UpdatedDay(name, day, "here")
                continue
            work = self.loader.load(request, Progress(), frozenset([day]))
            result = self.context.runner.wait(work, f"update of {name} {day}")
            made = _updated(name, next(iter(result.report)))
            kept = policy.cache.find(key, request.data_type.fingerprint, None)
            if made.status == "new" and kept is None:
                reason = "; ".join(result.notes) or "the cache did not keep it: use a lake"
                made = UpdatedDay(name, day, "failed", reason)
            yield made

    def _into_lake(
        self,
        lake: str | os.PathLike[str],
        transform: Transform | None,
        request: Request,
        survey: VersionSurvey,
    ) -> Iterator[UpdatedDay]:
        """Several days at once; the lake looks the versions up itself."""
        build = self.lake_writer.build(request, storage_at(lake), None, Progress(), transform)
        report, _ = self.context.runner.wait(build, f"update of {request.data_type.name}")
        for outcome in report:
            if outcome.status != "missing":
                yield _updated(request.data_type.name, outcome)


def _updated(name: str, outcome: DayOutcome) -> UpdatedDay:
    if outcome.status == "cached":
        return UpdatedDay(name, outcome.date, "here")
    if outcome.status in LOADED_STATUSES:
        return UpdatedDay(
            name, outcome.date, "new", outcome.reason, outcome.size_bytes, outcome.rows
        )
    return UpdatedDay(name, outcome.date, "failed", outcome.reason)


def _not_there(data_type: DataType, survey: VersionSurvey) -> Iterator[UpdatedDay]:
    """The days that should be published and are not, where a calendar lists them."""
    now = exchange_now()
    due = [day for day in survey.keys if is_published(day, now) and day >= data_type.first_day]
    ago = trading_days(now.date() - timedelta(days=30), now.date())
    recent = [day for day in ago if is_published(day, now)][-LATE_DAYS:]
    for day in due:
        if survey.keys[day] not in survey.listed:
            status: UpdateStatus = "late" if day in recent else "missing"
            yield UpdatedDay(data_type.name, day, status, "the bucket has no file")


@contextlib.contextmanager
def _alone(path: Path | None, target: str) -> Iterator[None]:
    """Wait until no other update of this target runs; the system ends a killed one's lock.

    A lake in a bucket has no lock: there a second writer is refused by the manifest's version.

    Raises
    ------
    RuntimeError
        If it still runs after hours.
    """
    if path is None:
        yield
        return
    import filelock

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(path, thread_local=False)
    give_up_at = time.monotonic() + LOCK_WAIT_S
    while True:
        try:
            lock.acquire(blocking=False)
            break
        except filelock.Timeout:
            if time.monotonic() > give_up_at:
                raise RuntimeError(
                    f"another update of {target} has been running for {LOCK_WAIT_S / 3600:.0f} "
                    "hours; end it, then try again"
                ) from None
            time.sleep(_LOCK_POLL_S)
    try:
        yield
    finally:
        lock.release()
