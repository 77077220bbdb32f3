"""`Picker`: choose data type, days and symbols, see what that means, load in the background."""

from __future__ import annotations

import contextlib
import threading
import time
import traceback
import warnings
import zoneinfo
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from ..download.statistics import format_bytes
from ..errors import FlatnbError, LoadCancelledError, LoadError
from ..explore.plan import Plan, format_duration
from ..html import style
from ..jobs.rendering import job_html
from ..market.calendar import EXCHANGE_TIME_ZONE, as_date
from .debounce import Debouncer
from .live_view import INTERVAL_S
from .picker_calendar import Statuses, month_of, preset
from .picker_form import PickerForm, groups
from .subshell import handle_while_cells_run

if TYPE_CHECKING:
    from ..jobs.job import Job
    from ..session import FlatSession

LARGE_BYTES = 5 * 10**9
"""A download or a frame above this is warned of."""

_HERE = Path(__file__).parent
_KNOWN_FOR_S = 300.0


class PickerWidget(anywidget.AnyWidget):
    """What is on the page. It sends messages; all that it shows are these traits."""

    _esm = _HERE / "picker.js"
    _css = style() + (_HERE / "picker.css").read_text(encoding="utf-8")
    groups: traitlets.List[Any] = traitlets.List().tag(sync=True)
    form = traitlets.Dict().tag(sync=True)
    months: traitlets.List[Any] = traitlets.List().tag(sync=True)
    estimate = traitlets.Dict().tag(sync=True)
    job = traitlets.Dict().tag(sync=True)
    message = traitlets.Dict().tag(sync=True)
    code = traitlets.Unicode().tag(sync=True)


class Picker:
    """A form to load with, made by `FlatSession.picker`; display it in a notebook.

    Attributes
    ----------
    choice
        What is in the fields.
    result
        The frame of the last load that succeeded, or of the days that did; None before.
    job
        The last load; None before.
    error
        Why the last load failed; None if it did not.
    widget
        The widget itself, to put beside others.
    """

    def __init__(self, session: FlatSession) -> None:
        self._session = session
        self._estimates, self._calendars = Debouncer(), Debouncer()
        self._statuses: dict[tuple[str, int, int], tuple[float, Statuses]] = {}
        self.result: Any = None
        self.job: Job[Any] | None = None
        self._follower: threading.Thread | None = None
        self._is_loading = False
        self.error: BaseException | None = None
        first, last = preset("week", _now())
        self.form = PickerForm(start=str(first), end=str(last))
        self._shown = last.year, last.month
        self.widget = PickerWidget(groups=groups())
        handle_while_cells_run(self.widget)
        self.widget.on_msg(lambda _, content, __: self.receive(content))
        self._emit("", "")
        self._refresh()

    @property
    def code(self) -> str:
        """The line of Python that loads what is chosen."""
        return self.form.code()

    def receive(self, message: Mapping[str, Any]) -> None:
        """Do what the page asks for; what is wrong is said under the form."""
        try:
            match message.get("action"):
                case "set":
                    self._choose(self.form.changed(str(message["name"]), message["value"]))
                case "range":
                    self._choose_days(str(message["start"]), str(message["end"]))
                case "preset":
                    first, last = preset(str(message["name"]), _now())
                    self._choose_days(str(first), str(last))
                case "month":
                    self._show_month(int(message["year"]), int(message["month"]))
                case "load":
                    self.load()
                case "cancel":
                    self._cancel(int(message["job"]))
        except (ValueError, KeyError, TypeError) as error:
            self._emit("error", str(error))

    def choose(self, **fields: Any) -> None:
        """Fill in fields from code, by the names of `flatnb.notebook.picker_form.PickerForm`.

        Raises
        ------
        ValueError
            If there is no such field, or a value is not of its kind.

        Examples
        --------
        >>> picker.choose(data_type="stocks_minute", symbols="AAPL MSFT")  # doctest: +SKIP
        """
        form = self.form
        for name, value in fields.items():
            form = form.changed(name, value)
        self._choose(form)

    def wait(self) -> Any:
        """Wait until nothing loads, and return `result`."""
        if self._follower is not None:
            self._follower.join()
        return self.result

    def load(self) -> None:
        """Load what is chosen, in the background; nothing happens while a load runs."""
        if self._is_loading:
            return
        form = self.form
        try:
            self.job = self._session.start(
                form.data_type, form.start, form.end, progress=False, **form.arguments()
            )
        except (ValueError, ImportError, RuntimeError) as error:
            self._emit("error", str(error))
            return
        self.error = None
        self._is_loading = True
        self._emit("", "")
        self._follower = threading.Thread(
            target=self._follow, args=(self.job, form), name="flatnb-picker", daemon=True
        )
        self._follower.start()

    # The fields

    def _choose(self, form: PickerForm) -> None:
        before, self.form = self.form, form
        for typed, earlier in ((form.end, before.end), (form.start, before.start)):
            with contextlib.suppress(ValueError):
                if typed != earlier and not self._shows(day := as_date(typed, "date")):
                    self._shown = day.year, day.month
        self._refresh()

    def _choose_days(self, start: str, end: str) -> None:
        first, last = sorted((as_date(start, "start"), as_date(end, "end")))
        self._choose(self.form.changed("start", str(first)).changed("end", str(last)))

    def _refresh(self) -> None:
        form = self.form
        self.widget.form = {
            "values": {name: _plain(getattr(form, name)) for name in PickerForm.__annotations__},
            "columns": list(form.known_type.columns),
            "options": form.known_type.is_options,
        }
        self.widget.code = form.code()
        self.widget.estimate = {"text": "looking …", "kind": ""}
        self._show_month(*self._shown)
        version = self._estimates.version + 1
        self._estimates.submit(lambda: self._estimate(form, version))

    # The calendar

    def _show_month(self, year: int, month: int) -> None:
        if not 1 <= month <= 12 or not 1990 <= year <= 2100:
            raise ValueError(f"there is no month {year}-{month}")
        self._shown = year, month
        self._draw_months()
        name = self.form.data_type
        version = self._calendars.version + 1
        self._calendars.submit(lambda: self._look_up(name, version))

    def _visible(self) -> list[tuple[int, int]]:
        """The shown month and the one before it."""
        year, month = self._shown
        return [(year, month - 1) if month > 1 else (year - 1, 12), (year, month)]

    def _shows(self, day: date) -> bool:
        return (day.year, day.month) in self._visible()

    def _draw_months(self) -> None:
        form, now = self.form, _now()
        drawn = []
        for year, month in self._visible():
            _, statuses = self._statuses.get((form.data_type, year, month), (0.0, None))
            drawn.append(month_of(year, month, form.known_type, statuses, now))
        self.widget.months = drawn

    def _look_up(self, name: str, version: int) -> None:
        for year, month in self._visible():
            known_at, _ = self._statuses.get((name, year, month), (-_KNOWN_FOR_S, {}))
            first = date(year, month, 1)
            if time.monotonic() - known_at < _KNOWN_FOR_S or first > _now().date():
                continue
            known = self._statuses
            last = date(year + month // 12, month % 12 + 1, 1).toordinal() - 1
            try:
                plan = self._session.plan(name, first, date.fromordinal(last))
            except (FlatnbError, RuntimeError):
                continue  # the days stay as the calendar has them; the estimate says why
            found = {day.date: str(day.status) for day in plan.days}
            known[name, year, month] = time.monotonic(), found
            if self._calendars.is_current(version):
                self._draw_months()

    # What the choice means

    def _estimate(self, form: PickerForm, version: int) -> None:
        told: dict[str, Any]
        try:
            plan = self._session.plan(form.data_type, form.start, form.end, **form.arguments())
        except (ValueError, FlatnbError, RuntimeError, ImportError) as error:
            told = {"text": str(error), "kind": "error"}
        else:
            told = estimate_of(plan)
        if self._estimates.is_current(version):
            self.widget.estimate = told

    # Loading

    def _follow(self, job: Job[Any], form: PickerForm) -> None:
        while not job.done():
            self._show_job(job)
            time.sleep(INTERVAL_S)
        told = self._take(job)
        self._is_loading = False
        self._show_job(job)
        self._emit(*told)
        # What was loaded is in the cache now; what is being looked up goes into the old one.
        self._statuses = {}
        if form == self.form:
            self._refresh()

    def _take(self, job: Job[Any]) -> tuple[str, str, str]:
        """Take the result of a job that is done; what there is to tell of it."""
        try:
            # The warnings are shown here and not below whatever cell happens to run.
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                self.result = job.result()
        except LoadCancelledError:
            return "warning", "The load was cancelled; picker.result is what it was.", ""
        except Exception as error:
            self.error = error
            if isinstance(error, LoadError):
                self.result = error.frame
            details = "".join(traceback.format_exception(error))
            return "error", f"{type(error).__name__}: {error}", details
        odd = [str(each.message) for each in caught]
        rows = f"picker.result has {len(self.result):,} rows."
        return "warning" if odd else "done", "\n".join([rows, *odd]), ""

    def _show_job(self, job: Job[Any]) -> None:
        rate = self._session.panel().snapshot.bytes_per_s
        self.widget.job = {
            "number": job.status.number,
            "running": not job.done(),
            "html": job_html(job.status, rate, False),
        }

    def _cancel(self, number: int) -> None:
        # A late click must not cancel the next load.
        if self.job is not None and self.job.status.number == number:
            self.job.cancel()

    def _emit(self, kind: str, text: str, details: str = "") -> None:
        self.widget.message = {"kind": kind, "text": text, "details": details}

    def __repr__(self) -> str:
        return f"Picker: {self.code}"

    def _ipython_display_(self) -> None:
        from IPython.display import display

        view = {"version_major": 2, "version_minor": 0, "model_id": self.widget.model_id}
        bundle = {
            "application/vnd.jupyter.widget-view+json": view,
            "text/plain": repr(self),
        }
        display(bundle, raw=True)  # type: ignore[no-untyped-call]


def estimate_of(plan: Plan) -> dict[str, Any]:
    """What a plan means, in a line; ``kind`` is ``"warning"`` if it is a lot."""
    parts = [f"{plan.files:,} of {len(plan.days):,} days have a file"]
    if plan.bytes_to_download:
        size = format_bytes(plan.bytes_to_download)
        parts.append(f"{size} to download, {format_duration(plan.seconds_estimate)}")
    if plan.bytes_cached:
        parts.append(f"{format_bytes(plan.bytes_cached)} here already")
    if plan.rows_estimate and plan.memory_bytes_estimate is not None:
        memory = format_bytes(plan.memory_bytes_estimate)
        parts.append(f"about {plan.rows_estimate:,} rows, {memory} in memory")
    large = max(plan.bytes_to_download, plan.memory_bytes_estimate or 0) > LARGE_BYTES
    kind = "warning" if large or not plan.files else "ok"
    text = " · ".join(parts)
    return {"text": f"This is a lot: {text}" if large else text, "kind": kind}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _now() -> datetime:
    return datetime.now(zoneinfo.ZoneInfo(EXCHANGE_TIME_ZONE))
