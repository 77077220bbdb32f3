"""What is shown of a session and of each job; where it is shown is `flatnb.notebook.live_view`."""

from __future__ import annotations

import importlib.util
import threading
from collections import deque
from typing import TYPE_CHECKING, Any

from ..download.statistics import Statistics
from ..html import page
from ..jobs.activity import Activity, ActivitySnapshot
from ..jobs.rendering import job_html, job_text, panel_html, panel_text
from ..load.progress import Bar, JobStatus, in_kernel

if TYPE_CHECKING:
    from ..jobs.job import Job
    from .live_view import LiveView

BAR_AFTER_S = 0.5
"""A load that takes longer shows how far it is."""

SHOW_S = 5.0
"""A view takes no longer to turn up."""

REMEMBERED = 32
"""Jobs whose status is kept, running or ended."""


class JobPart:
    """One job, as a live view shows it."""

    def __init__(self, job: JobStatus, activity: Activity) -> None:
        self._job = job
        self._activity = activity

    def is_active(self) -> bool:
        """Whether the job is running."""
        return not self._job.is_done

    def html(self, live: bool) -> str:
        """Name, bar, figures and Cancel."""
        return job_html(self._job, self._activity.snapshot.bytes_per_s, live)

    def text(self) -> str:
        """The same in a line."""
        return job_text(self._job, self._activity.snapshot.bytes_per_s)

    def click(self, action: str, identity: str) -> None:
        """Cancel this job; a late click on another job's button does nothing."""
        if action == "cancel" and identity == str(self._job.number):
            self._job.cancel()


class Panel:
    """The panel of a session: its jobs, files, rates and failures, live while anything runs.

    Displayed in several places it is the same everywhere. Where there are no widgets it is a
    table or text, which is also what a saved notebook keeps.

    Attributes
    ----------
    title
        Where the session gets its files.
    """

    def __init__(self, title: str, statistics: Statistics, activity: Activity) -> None:
        self.title = title
        self._statistics = statistics
        self._activity = activity
        self._statuses: deque[JobStatus] = deque(maxlen=REMEMBERED)
        self._view: LiveView | None = None
        activity.on_start = self._wake
        statistics._on_display = self.show

    @property
    def snapshot(self) -> ActivitySnapshot:
        """Running files, the rate and the last failures just now."""
        return self._activity.snapshot

    @property
    def jobs(self) -> list[JobStatus]:
        """The running jobs; if none is running, the one that ended last."""
        running = [job for job in self._statuses if not job.is_done]
        return running or list(self._statuses)[-1:]

    @property
    def view(self) -> LiveView:
        """What displays it; ``view.widget`` is a widget to put beside others.

        Raises
        ------
        ImportError
            If the ``notebook`` extra is not installed.
        """
        if self._view is None:
            from .live_view import LiveView

            self._view = LiveView(self)
        return self._view

    def is_active(self) -> bool:
        """Whether a job or a download is running."""
        return any(not job.is_done for job in self._statuses) or bool(self.snapshot.running)

    def html(self, live: bool = False) -> str:
        """How the panel looks now; ``live``: with what can be clicked."""
        return panel_html(self.title, self._statistics.totals, self.snapshot, self.jobs, live)

    def text(self) -> str:
        """The same where there is no HTML."""
        return panel_text(self.title, self._statistics.totals, self.snapshot, self.jobs)

    def click(self, action: str, identity: str) -> None:
        """A button was pressed: cancel the job that it belongs to, and no other."""
        for job in list(self._statuses):
            if action == "cancel" and identity == str(job.number):
                job.cancel()

    def show(self) -> None:
        """Display the panel here; where there are no widgets, as it is now."""
        from IPython.display import display

        if widgets_work():
            self.view.show()
        else:
            bundle = {"text/html": page(self.html()), "text/plain": self.text()}
            display(bundle, raw=True)  # type: ignore[no-untyped-call]

    def follow(self, job: Job[Any], progress: bool | None) -> None:
        """Show a new job: in the panel where that is displayed, else in a bar of its own."""
        self._statuses.append(job.status)
        display = JobDisplay(JobPart(job.status, self._activity), self, job.status, progress)
        job.watch(display.update, display.show if widgets_work() else None)
        self._wake()

    def settle(self) -> None:
        """Show the present state now, wherever the panel is displayed."""
        if self._view is not None:
            self._view.flush()

    @property
    def is_shown(self) -> bool:
        """Whether the panel is displayed somewhere."""
        return self._view is not None and self._view.is_shown

    def _wake(self) -> None:
        if self._view is not None:
            self._view.wake()

    def __repr__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        return page(self.html())

    def _ipython_display_(self) -> None:
        self.show()


class JobDisplay:
    """Where one job is shown: in a terminal's bar, or in a view that turns up if it takes long.

    Parameters
    ----------
    progress
        Whether to show a bar while someone waits; None: where someone watches, and the panel is
        not displayed already.
    """

    def __init__(
        self, part: JobPart, panel: Panel, status: JobStatus, progress: bool | None
    ) -> None:
        self._part = part
        self._panel = panel
        self._status = status
        self._progress = progress
        self._view: LiveView | None = None
        self._shower: threading.Thread | None = None
        self._lock = threading.Lock()
        self._bar = None
        if not widgets_work():
            self._bar = Bar(status.progress, status.name.partition(" ")[0], progress)

    def update(self, done: bool) -> None:
        """Someone waits for the job: show how far it is; when it is done, at once."""
        if self._bar is not None:
            self._bar.update(done)
        elif self._shower is None and not done and self._wants_view():
            # Not here: an interrupt that comes while the widget is made (imports, messages) can
            # get lost in there, and the load would go on.
            self._shower = threading.Thread(target=self.show, name="flatnb-show", daemon=True)
            self._shower.start()
        if done:
            if self._shower is not None:
                self._shower.join(SHOW_S)
            self._panel.settle()
            if self._view is not None:
                self._view.flush()

    def show(self) -> None:
        """Display the job here."""
        from .live_view import LiveView

        with self._lock:
            if self._view is None:
                self._view = LiveView(self._part)
        self._view.show()

    def _wants_view(self) -> bool:
        if self._progress is None:
            return self._status.elapsed_s > BAR_AFTER_S and not self._panel.is_shown
        return self._progress


def widgets_work() -> bool:
    """Whether there may be a front end for widgets, and the extra for them is installed."""
    return in_kernel() and importlib.util.find_spec("anywidget") is not None
