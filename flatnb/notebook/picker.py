"""`Picker`: select data type, days and symbols, see what that means, load in the background."""

from __future__ import annotations

import contextlib
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Literal, TypeAlias

import ipywidgets

from ..errors import FlatnbError, LoadCancelledError, LoadError
from ..jobs.progress_bar import in_kernel
from ..jobs.rendering import job_html
from ..load.result import collect_warnings
from ..market.calendar import as_date
from .debounce import Debouncer
from .explorer import Explorer
from .live_view import INTERVAL_S, MAX_DISPLAYS, confirm, widget_bundle
from .picker_calendar import Month, PickerCalendar, exchange_now, preset
from .picker_estimate import PENDING, Estimate, estimate_of
from .picker_form import CHOICES, SHOWN_CHOICES, PickerForm, data_type_groups, split_names
from .picker_help import DATE_FIELDS, complete_ticker, form_errors, saved_line
from .picker_widget import JobState, Message, PickerWidget, UnknownSymbols
from .services import Frame, PickerServices
from .subshell import handle_while_cells_run
from .typed_date import parse_typed_date

if TYPE_CHECKING:
    from IPython.display import DisplayHandle

    from ..explore.plan import Plan
    from ..jobs.job import Job


TickerSource: TypeAlias = Callable[[str, date], "tuple[date, Sequence[str]] | None"]
"""Data type, day → the last day up to it with known tickers, and these."""

_COMPLETE_AFTER_S = 0.05


class Picker:
    """A form to load with, made by `FlatSession.picker`; display it in a notebook.

    Parameters
    ----------
    services
        What plans and loads.
    estimate
        Makes the plan of the line under the form, as `PickerServices.plan`, but may sample; None:
        that itself.
    tickers
        Gives the tickers of the last day up to another one, with that day; None if they are not
        known. It may block.

    Attributes
    ----------
    form
        The fields of the form.
    result
        The frame of the last load that succeeded, or of the days that did; None before.
    job
        The last load; None before.
    error
        Why the last load failed; None if it did not.
    explorer
        Shows `result` below the form; None before, and of a result without rows.
    widget
        The form itself, to place beside others; without the explorer.
    """

    def __init__(
        self,
        services: PickerServices,
        estimate: Callable[..., Plan] | None = None,
        tickers: TickerSource = lambda data_type, day: None,
    ) -> None:
        self._services = services
        self._tickers = tickers
        self._completions = Debouncer(_COMPLETE_AFTER_S)
        self._handles: deque[DisplayHandle] = deque(maxlen=MAX_DISPLAYS)
        self._plan = estimate or services.plan
        self._estimates = Debouncer()
        self.result: Frame | None = None
        self.job: Job[Frame] | None = None
        self.error: BaseException | None = None
        self.explorer: Explorer | None = None
        self._job_thread: threading.Thread | None = None
        self._is_loading = False
        first, last = preset("week", exchange_now())
        self.form = PickerForm(start=str(first), end=str(last))
        shown = {name: [*map(list, CHOICES[name])] for name in SHOWN_CHOICES}
        self.widget = PickerWidget(groups=data_type_groups(), choices=shown)
        self.widget.key = self.widget.model_id
        # Voilà draws an output once: a form that is joined by an explorer must have been a box.
        self._box = ipywidgets.VBox([self.widget])
        handle_while_cells_run(self.widget)
        self.widget.on_msg(lambda _widget, content, _buffers: self.receive(content))
        self._calendar = PickerCalendar(services.plan, self._set_months)
        self._set_message("", "")
        self._refresh(last)

    @property
    def code(self) -> str:
        """The line of Python that loads what is selected."""
        return self.form.code()

    def receive(self, message: object) -> None:
        """Handle a message of the page; an error is shown below the form."""
        try:
            if not isinstance(message, Mapping):
                raise TypeError(f"{message!r} is not a message")
            self._handle(message)
        except KeyError as error:
            self._set_message("error", f"the message {message!r} of the page has no {error}")
        except (ValueError, TypeError) as error:
            self._set_message("error", str(error))
        finally:
            if isinstance(message, Mapping):
                confirm(self.widget, message)

    def _handle(self, message: Mapping[str, object]) -> None:
        match message.get("action"):
            case "set":
                self._set_form(self._changed(self.form, str(message["name"]), message["value"]))
            case "range":
                self._set_days(str(message["start"]), str(message["end"]))
            case "preset":
                begins = self.form.known_type.first_day
                first, last = preset(str(message["name"]), exchange_now(), begins)
                self._set_days(str(first), str(last))
            case "month":
                year, month = int(str(message["year"])), int(str(message["month"]))
                self._calendar.show(self.form.data_type, year, month)
            case "complete":
                self._complete(str(message["prefix"]))
            case "load":
                self.load()
            case "cancel":
                self._cancel(int(str(message["job"])))

    def choose(self, **fields: object) -> None:
        """Fill in fields from code, by the names of `flatnb.notebook.picker_form.PickerForm`.

        Raises
        ------
        ValueError
            If there is no such field, or a value has the wrong type.

        Examples
        --------
        >>> picker.choose(data_type="stocks_minute", symbols="AAPL MSFT")  # doctest: +SKIP
        """
        form = self.form
        for name, value in fields.items():
            form = self._changed(form, name, value)
        self._set_form(form)

    def wait(self) -> Frame | None:
        """Wait until no load is running, and return `result`."""
        if self._job_thread is not None:
            self._job_thread.join()
        return self.result

    def load(self) -> None:
        """Load what is selected, in the background; does nothing while a load is running."""
        if self._is_loading:
            return
        form = self.form
        try:
            self.job = self._services.start(
                form.data_type, form.start, form.end, progress=False, **form.arguments()
            )
        except (ValueError, ImportError, RuntimeError) as error:
            self._set_message("error", str(error))
            return
        # Set here and not by the thread: a second click may arrive before that starts.
        self.error = None
        self._is_loading = True
        self._set_message("", "")
        self._job_thread = threading.Thread(
            target=self._follow, args=(self.job, form), name="flatnb-picker", daemon=True
        )
        self._job_thread.start()

    def _changed(self, form: PickerForm, name: str, value: object) -> PickerForm:
        """The form with another value; a date that can be read is written YYYY-MM-DD."""
        if name in DATE_FIELDS and isinstance(value, str) and value.strip():
            # What cannot be read stays as it was typed, with an error at its field.
            with contextlib.suppress(ValueError):
                value = str(parse_typed_date(value, exchange_now().date(), DATE_FIELDS[name]))
        return form.changed(name, value)

    def _set_form(self, form: PickerForm) -> None:
        before, self.form = self.form, form
        shown: date | None = None
        for entered, earlier in ((form.end, before.end), (form.start, before.start)):
            # Not a valid date: the estimate shows the error.
            with contextlib.suppress(ValueError):
                if entered != earlier and not self._calendar.includes(as_date(entered, "date")):
                    shown = as_date(entered, "date")
        self._refresh(shown)

    def _set_days(self, start: str, end: str) -> None:
        first, last = sorted((as_date(start, "start"), as_date(end, "end")))
        self._set_form(self.form.changed("start", str(first)).changed("end", str(last)))

    def _refresh(self, shown: date | None = None) -> None:
        """Show what the form means; ``shown``: a day of the month that the calendar is to show."""
        form = self.form
        self.widget.form = dict(form.state())
        self.widget.code = form.code()
        self.widget.errors = form_errors(form, exchange_now().date())
        self._show_saved_line()
        self.widget.estimate = dict(PENDING)
        self._estimates.submit(lambda is_current: self._estimate(form, is_current))
        year, month = (shown.year, shown.month) if shown is not None else (None, None)
        self._calendar.show(form.data_type, year, month)

    def _estimate(self, form: PickerForm, is_current: Callable[[], bool]) -> None:
        try:
            plan = self._plan(form.data_type, form.start, form.end, **form.arguments())
        except (ValueError, FlatnbError, RuntimeError, ImportError) as error:
            estimate = Estimate(text=str(error), kind="error")
        else:
            estimate = estimate_of(plan)
        if is_current():
            self.widget.estimate = dict(estimate)
        unknown = self._unknown_symbols(form)
        if is_current() and unknown != self.widget.unknown:
            self.widget.unknown = unknown

    def _unknown_symbols(self, form: PickerForm) -> dict[str, object]:
        symbols = split_names(form.symbols)
        try:
            found = self._tickers(form.data_type, as_date(form.end, "end")) if symbols else None
        except ValueError:  # not a date: said at its field
            found = None
        if found is None:
            return {}
        day, tickers = found
        names = [name for name in symbols if name not in set(tickers)]
        if not names:
            return {}
        upper = {ticker.upper(): ticker for ticker in tickers}
        nearest = {name: upper[name.upper()] for name in names if name.upper() in upper}
        return dict(UnknownSymbols(names=names, day=str(day), nearest=nearest))

    def _complete(self, prefix: str) -> None:
        data_type, end = self.form.data_type, self.form.end
        self._completions.submit(lambda is_current: self._offer(data_type, end, prefix))

    def _offer(self, data_type: str, end: str, prefix: str) -> None:
        try:
            found = self._tickers(data_type, as_date(end, "end"))
        except ValueError:
            found = None
        names = complete_ticker(prefix, found[1]) if found else []
        self.widget.send({"prefix": prefix, "completions": names})

    def _follow(self, job: Job[Frame], form: PickerForm) -> None:
        while not job.done():
            self._show_job(job)
            time.sleep(INTERVAL_S)
        before = self.result
        outcome = self._outcome(job)
        self._is_loading = False
        self._show_job(job)
        self.widget.message = dict(outcome)
        # What was loaded may be cached now.
        self._calendar.forget_statuses()
        if form == self.form:  # else the form's own estimate is newer
            self._refresh()
        if self.result is not before:
            self._explore()

    def _outcome(self, job: Job[Frame]) -> Message:
        """Take the result of a job that has ended; the message about it."""
        try:
            # Shown in the form: printed from this thread, warnings would appear below whichever
            # cell is running.
            with collect_warnings() as caught:
                self.result = job.result()
        except LoadCancelledError:
            text = "The load was cancelled; picker.result is unchanged."
            return Message(kind="warning", text=text, details="")
        except Exception as error:
            self.error = error
            if isinstance(error, LoadError):
                self.result = error.frame
            details = "".join(traceback.format_exception(error))
            return Message(kind="error", text=f"{type(error).__name__}: {error}", details=details)
        lines = [f"picker.result has {len(self.result):,} rows."]
        lines += caught
        return Message(kind="warning" if caught else "done", text="\n".join(lines), details="")

    def _explore(self) -> None:
        before, rows = self.explorer, self.result
        self.explorer = Explorer(rows) if rows is not None and len(rows) else None
        shown = [] if self.explorer is None else [self.explorer.widget]
        self._box.children = (self.widget, *shown)
        if before is not None:
            before.widget.close()

    def _set_months(self, months: list[Month]) -> None:
        self.widget.months = months

    def _set_message(self, kind: Literal["", "error"], text: str) -> None:
        self.widget.message = dict(Message(kind=kind, text=text, details=""))

    def _show_job(self, job: Job[Frame]) -> None:
        rate = self._services.panel().snapshot.bytes_per_s
        html = job_html(job.status, rate, False)
        state = JobState(number=job.status.number, running=not job.done(), html=html)
        self.widget.job = dict(state)

    def _cancel(self, number: int) -> None:
        # A click that arrives late must not cancel the next load.
        if self.job is not None and self.job.status.number == number:
            self.job.cancel()

    def __repr__(self) -> str:
        return f"Picker: {self.code}"

    def _display_(self) -> PickerWidget:
        # How marimo asks for what it shows; it takes an anywidget, and no box of ipywidgets.
        return self.widget

    def _ipython_display_(self) -> None:
        from IPython.display import display

        # In a notebook this text is saved and does not change with the form; the line does.
        text = "flatnb picker" if in_kernel() else repr(self)
        display(widget_bundle(self._box, text), raw=True)  # type: ignore[no-untyped-call]
        if not in_kernel():
            return
        handle = display(self._saved_line(), raw=True, display_id=True)  # type: ignore[no-untyped-call]
        if handle is not None:
            self._handles.append(handle)

    def _show_saved_line(self) -> None:
        line = self._saved_line()
        for handle in self._handles:
            handle.update(line, raw=True)  # type: ignore[no-untyped-call]

    def _saved_line(self) -> dict[str, str]:
        return {"text/html": saved_line(self.widget.model_id, self.code), "text/plain": ""}
