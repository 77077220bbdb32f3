"""A display that changes while something runs: a widget meanwhile, plain HTML before and after.

A notebook that was saved with a widget view opens with "Loading widget…" instead of it, as its
kernel is gone. So the view is a widget only while something runs; then the output is replaced by
HTML, which every viewer shows.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

import anywidget
import ipywidgets
import traitlets

from ..html import page
from ..jobs.progress_bar import in_kernel
from .module import widget_module
from .subshell import handle_while_cells_run

if TYPE_CHECKING:
    from IPython.display import DisplayHandle

INTERVAL_S = 0.1
"""Time between two updates of the front end.

Jupyter Server drops a kernel's messages above ``iopub_msg_rate_limit`` ("IOPub message rate
exceeded"), and several views may share one kernel.
"""

MAX_DISPLAYS = 16
"""The number of displays that one view updates; the oldest are given up first."""

FIRST_UPDATE_AFTER_S = 0.2
"""What ends sooner is shown once, at its end, so that the output does not flicker."""

WIDGET_MIME_TYPE = "application/vnd.jupyter.widget-view+json"


class Source(Protocol):
    """What a view shows."""

    def is_active(self) -> bool:
        """Whether it is changing."""

    def html(self, live: bool) -> str:
        """Its present state as HTML; ``live``: with the buttons that need a kernel."""

    def text(self) -> str:
        """Its present state as plain text, for front ends without HTML."""

    def click(self, action: str, job_id: str) -> None:
        """Handle a click on a button."""


class LiveWidget(anywidget.AnyWidget):
    """The widget of a view: HTML that the kernel replaces, and its buttons."""

    _esm, _css = widget_module("live")
    key = traitlets.Unicode().tag(sync=True)
    html = traitlets.Unicode().tag(sync=True)


class LiveView:
    """Shows a `Source` in any number of displays, all in the same state.

    Parameters
    ----------
    source
        What is shown.

    Attributes
    ----------
    pushes
        How often a change was sent to the front end.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.pushes = 0
        # A cell that is run again leaves the handle of its former output behind, for which
        # IPython has no event: only the last ones are updated.
        self._handles: deque[DisplayHandle] = deque(maxlen=MAX_DISPLAYS)
        self._widget: LiveWidget | None = None
        self._is_embedded = False
        self._is_live = _outputs_are_rendered_once()
        self._shown = ""
        self._lock = threading.RLock()
        self._thread: threading.Thread | None = None

    @property
    def widget(self) -> LiveWidget:
        """The widget, to place beside others; it is updated as the displays are."""
        self._is_embedded = True
        return self._live_widget()

    def _live_widget(self) -> LiveWidget:
        with self._lock:
            if self._widget is None:
                self._widget = LiveWidget(html=self.source.html(True))
                self._widget.key = self._widget.model_id
                handle_while_cells_run(self._widget)
                self._widget.on_msg(_click_handler(self))
            return self._widget

    @property
    def is_shown(self) -> bool:
        """Whether it is displayed, or its widget is in use."""
        return bool(self._handles) or self._widget is not None

    @property
    def is_live(self) -> bool:
        """Whether displays show the widget now, not plain HTML."""
        return self._is_live

    def show(self) -> None:
        """Add a display in the output of the current cell."""
        from IPython.display import display

        with self._lock:
            handle = display(self._bundle(), raw=True, display_id=True)  # type: ignore[no-untyped-call]
            if handle is not None and in_kernel():
                self._handles.append(handle)
        self.start_updates()

    def start_updates(self) -> None:
        """Update the displays until the source is no longer active."""
        with self._lock:
            if self.is_shown and (self._thread is None or not self._thread.is_alive()):
                # A daemon: the downloads are stopped when the interpreter exits, so nothing
                # needs this thread to finish.
                self._thread = threading.Thread(target=self._run, name="flatnb-view", daemon=True)
                self._thread.start()

    def flush(self) -> None:
        """Show the present state now."""
        with self._lock:
            self._push(self.source.is_active())

    def _run(self) -> None:
        time.sleep(FIRST_UPDATE_AFTER_S)
        while True:
            # Under the lock, so that `start_updates` either finds this thread still updating or
            # starts another one.
            with self._lock:
                active = self.source.is_active()
                self._push(active)
                if not active:
                    self._thread = None
                    return
            time.sleep(INTERVAL_S)

    def _push(self, active: bool) -> None:
        if not self.is_shown:
            return
        html = self.source.html(active)
        if html != self._shown:
            self._shown = html
            self.pushes += 1
            if active or self._widget is not None:
                self._live_widget().html = html
        elif active == self._is_live:
            return
        if active != self._is_live or not active:
            self._is_live = active or _outputs_are_rendered_once()
            for handle in self._handles:
                handle.update(self._bundle(), raw=True)  # type: ignore[no-untyped-call]
            self._close_unused_widget()

    def _close_unused_widget(self) -> None:
        # ipywidgets keeps every open widget for the life of the kernel, and so does the page.
        if self._widget is not None and not self._is_live and not self._is_embedded:
            self._widget.close()
            self._widget = None

    def _bundle(self) -> dict[str, object]:
        if self._is_live:
            return widget_bundle(self._live_widget(), self.source.text())
        return {"text/html": page(self.source.html(False)), "text/plain": self.source.text()}


def widget_bundle(widget: ipywidgets.Widget, text: str) -> dict[str, object]:
    """The MIME bundle that displays a widget, or the text where there are no widgets.

    The format is that of ``ipywidgets.Widget._repr_mimebundle_``.
    """
    view = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    return {WIDGET_MIME_TYPE: view, "text/plain": text}


def _click_handler(view: LiveView) -> Callable[[anywidget.AnyWidget, object, object], None]:
    # ipywidgets' registry keeps widgets and their handlers: a weak reference lets the view, and
    # what it shows, be collected.
    reference = weakref.ref(view)

    def handle(widget: anywidget.AnyWidget, content: object, _buffers: object) -> None:
        view = reference()
        if view is not None and isinstance(content, dict):
            view.source.click(str(content.get("action")), str(content.get("id")))
            confirm(widget, content)
            view.flush()

    return handle


def confirm(widget: anywidget.AnyWidget, content: Mapping[str, object]) -> None:
    """Tell the view that sent a message that it was heard: the kernel is neither busy nor gone."""
    if "token" in content:
        widget.send({"heard": content["token"]})


def _outputs_are_rendered_once() -> bool:
    """Whether this kernel runs for Voilà, which renders each output only once.

    An output that is to be a widget later has to be one from the beginning there.
    """
    return os.environ.get("SERVER_SOFTWARE", "").startswith("voila")
