"""The live panel of a session, and the display of a single job.

This module says what is shown; `flatnb.notebook.live_view` updates the displays.
"""

from __future__ import annotations

import importlib.util
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from ..download.statistics import Statistics
from ..html import page
from ..jobs.activity import Activity, ActivitySnapshot
from ..jobs.progress_bar import ProgressBar, in_kernel
from ..jobs.rendering import job_html, job_text, panel_html, panel_text
from ..jobs.status import JobStatus

if TYPE_CHECKING:
    from ..jobs.job import Job
    from .live_view import LiveView, LiveWidget

T = TypeVar("T")

BAR_AFTER_S = 0.5
"""A load that takes longer shows its progress."""

SHOW_TIMEOUT_S = 5.0
"""How long the end of a job waits for its view to be displayed."""

MAX_JOBS = 32
"""The number of jobs, running or ended, whose status the panel keeps."""


class JobSource:
    """One job, as the source of a live view."""

    def __init__(self, job: JobStatus, activity: Activity) -> None:
        self._job = job
        self._activity = activity

    def is_active(self) -> bool:
        """Whether the job is running."""
        return not self._job.is_done

    def html(self, live: bool) -> str:
        """Name, progress bar and figures; ``live``: with a Cancel button."""
        return job_html(self._job, self._activity.snapshot.bytes_per_s, live)

    def text(self) -> str:
        """The same in one line of text."""
        return job_text(self._job, self._activity.snapshot.bytes_per_s)

    def click(self, action: str, job_id: str) -> None:
        """Cancel this job; a late click on another job's button does nothing."""
        if action == "cancel" and job_id == str(self._job.number):
            self._job.cancel()


class Panel:
    """The panel of a session: its jobs, files, rates and failures, live while anything runs.

    All displays of a panel show the same. Where there are no widgets it is a table or text, which
    is also what a saved notebook keeps.

    Parameters
    ----------
    title
        The source of the session's files, for people.
    clock
        Seconds that only go forward; given by tests.

    Attributes
    ----------
    title
        As given.
    activity
        The running files; give it to a downloader as its ``listener``.
    statistics
        The totals; give them to the same downloader as its ``statistics``.
    """

    def __init__(self, title: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.title = title
        self.activity = Activity(on_start=self._start_updates, clock=clock)
        self.statistics = Statistics(on_display=self.show, clock=clock)
        # Not the jobs themselves, which hold their frames.
        self._statuses: deque[JobStatus] = deque(maxlen=MAX_JOBS)
        self._view: LiveView | None = None

    @property
    def snapshot(self) -> ActivitySnapshot:
        """Running files, the current rate and the last failures."""
        return self.activity.snapshot

    @property
    def jobs(self) -> list[JobStatus]:
        """The running jobs; if none is running, the one that ended last."""
        running = [job for job in self._statuses if not job.is_done]
        return running or list(self._statuses)[-1:]

    @property
    def view(self) -> LiveView:
        """What displays the panel; ``view.widget`` is a widget to place beside others.

        Raises
        ------
        ImportError
            If the ``notebook`` extra is not installed.
        """
        if self._view is None:
            # Here, as anywidget is an optional dependency.
            from .live_view import LiveView

            self._view = LiveView(self)
        return self._view

    def is_active(self) -> bool:
        """Whether a job or a download is running."""
        return any(not job.is_done for job in self._statuses) or bool(self.snapshot.running)

    def html(self, live: bool = False) -> str:
        """The present state as HTML; ``live``: with the buttons that need a kernel."""
        return panel_html(self.title, self.statistics.totals, self.snapshot, self.jobs, live)

    def text(self) -> str:
        """The present state as plain text."""
        return panel_text(self.title, self.statistics.totals, self.snapshot, self.jobs)

    def click(self, action: str, job_id: str) -> None:
        """Cancel the job that a clicked button belongs to, and no other."""
        # A copy: another thread may start a job meanwhile.
        for job in list(self._statuses):
            if action == "cancel" and job_id == str(job.number):
                job.cancel()

    def show(self) -> None:
        """Add a display of the panel to the current output.

        It is live in a notebook with widgets; elsewhere it shows the present state.
        """
        from IPython.display import display

        if widgets_work():
            self.view.show()
        else:
            bundle = {"text/html": page(self.html()), "text/plain": self.text()}
            display(bundle, raw=True)  # type: ignore[no-untyped-call]

    def follow(self, job: Job[T], progress: bool | None) -> None:
        """Show a new job: in the panel where that is displayed, else in a progress bar.

        Parameters
        ----------
        job
            A job that has just started.
        progress
            Whether to show a progress bar while the job is waited for; None: as `JobDisplay`
            decides.
        """
        self._statuses.append(job.status)
        display = JobDisplay(JobSource(job.status, self.activity), self, job.status, progress)
        job.watch(display.update, display.show if widgets_work() else None)
        self._start_updates()

    def flush(self) -> None:
        """Show the present state now, wherever the panel is displayed."""
        if self._view is not None:
            self._view.flush()

    @property
    def is_shown(self) -> bool:
        """Whether the panel is displayed somewhere."""
        return self._view is not None and self._view.is_shown

    def _start_updates(self) -> None:
        if self._view is not None:
            self._view.start_updates()

    def __repr__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        return page(self.html())

    def _display_(self) -> LiveWidget | str:
        # How marimo asks for what it shows.
        if importlib.util.find_spec("anywidget") is None:
            return self.text()
        self._start_updates()
        return self.view.widget

    def _ipython_display_(self) -> None:
        self.show()


class JobDisplay:
    """The display of one job: a terminal's bar, or a live view that appears if it takes long.

    Parameters
    ----------
    progress
        Whether to show a bar while the job is waited for; None: in a notebook or a terminal,
        unless the panel is displayed already.
    """

    def __init__(
        self, source: JobSource, panel: Panel, status: JobStatus, progress: bool | None
    ) -> None:
        self._source = source
        self._panel = panel
        self._status = status
        self._progress = progress
        self._view: LiveView | None = None
        self._show_thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._bar: ProgressBar | None = None
        if not widgets_work():
            self._bar = ProgressBar(status.progress, status.name.partition(" ")[0], progress)

    def update(self, done: bool) -> None:
        """Show the progress of a job that is being waited for, and its end when ``done``."""
        if self._bar is not None:
            self._bar.update(done)
        elif self._show_thread is None and not done and self._wants_view():
            # In another thread: a KeyboardInterrupt that arrives here while the widget is made
            # (imports, messages to the front end) can be swallowed, and the load would go on.
            self._show_thread = threading.Thread(target=self.show, name="flatnb-show", daemon=True)
            self._show_thread.start()
        if done:
            if self._show_thread is not None:
                self._show_thread.join(SHOW_TIMEOUT_S)
            self._panel.flush()
            if self._view is not None:
                self._view.flush()

    def show(self) -> None:
        """Add a display of the job to the current output."""
        from .live_view import LiveView

        # `update` may do this in its thread while a cell displays the job.
        with self._lock:
            if self._view is None:
                self._view = LiveView(self._source)
        self._view.show()

    def _wants_view(self) -> bool:
        if self._progress is None:
            return self._status.elapsed_s > BAR_AFTER_S and not self._panel.is_shown
        return self._progress


def widgets_work() -> bool:
    """Whether this is a kernel, whose front end may have widgets, with the extra installed."""
    return in_kernel() and importlib.util.find_spec("anywidget") is not None
