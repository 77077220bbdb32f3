"""Something that changes, shown in a notebook: a widget while it does, plain HTML otherwise.

A widget view that is saved in a notebook opens again as "Loading widget…", so the view is only
there while something runs; then the output is replaced by HTML, which every viewer shows.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import anywidget
import traitlets

from ..html import page
from ..load.progress import in_kernel

INTERVAL_S = 0.1
"""The front end is told at most so often: more often ends in ``IOPub message rate exceeded``."""

DISPLAYS = 16
"""So many places show the same."""

PATIENCE_S = 0.2
"""What is over sooner is shown when it is over: the output does not flicker."""

_HERE = Path(__file__).parent


class Source(Protocol):
    """What is shown."""

    def is_active(self) -> bool:
        """Whether it is changing."""

    def html(self, live: bool) -> str:
        """How it looks now; ``live``: with what can be clicked."""

    def text(self) -> str:
        """The same where there is no HTML."""

    def click(self, action: str, identity: str) -> None:
        """A button was pressed."""


class LiveWidget(anywidget.AnyWidget):
    """The view of some HTML that the kernel makes anew, and of its buttons."""

    _esm = _HERE / "live.js"
    _css = _HERE.parent / "html.css"
    html = traitlets.Unicode().tag(sync=True)


class LiveView:
    """Shows a `Source` in any number of places that always agree.

    Parameters
    ----------
    source
        What is shown.

    Attributes
    ----------
    pushes
        How often the front end was told of a change.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.pushes = 0
        # A cell that is run again leaves its former display behind: only the last ones are kept.
        self._handles: deque[Any] = deque(maxlen=DISPLAYS)
        self._widget: LiveWidget | None = None
        self._is_embedded = False
        self._is_live = _widgets_never_change_places()
        self._shown = ""
        self._lock = threading.RLock()
        self._thread: threading.Thread | None = None

    @property
    def widget(self) -> LiveWidget:
        """The widget, to put beside others; it is kept up to date."""
        self._is_embedded = True
        return self._live_widget()

    def _live_widget(self) -> LiveWidget:
        with self._lock:
            if self._widget is None:
                self._widget = LiveWidget(html=self.source.html(True))
                answer_on_any_subshell(self._widget)
                self._widget.on_msg(_listener(self))
            return self._widget

    @property
    def is_shown(self) -> bool:
        """Whether it is displayed, or its widget is in use."""
        return bool(self._handles) or self._widget is not None

    @property
    def is_live(self) -> bool:
        """Whether displays show the widget just now, not plain HTML."""
        return self._is_live

    def show(self) -> None:
        """Display it here as well."""
        from IPython.display import display

        with self._lock:
            handle = display(self._bundle(), raw=True, display_id=True)  # type: ignore[no-untyped-call]
            if handle is not None and in_kernel():
                self._handles.append(handle)
        self.wake()

    def wake(self) -> None:
        """Something has begun: show its progress until it is over."""
        with self._lock:
            if self.is_shown and (self._thread is None or not self._thread.is_alive()):
                # A daemon: what runs is stopped when the interpreter ends.
                self._thread = threading.Thread(target=self._run, name="flatnb-view", daemon=True)
                self._thread.start()

    def flush(self) -> None:
        """Show the present state now."""
        with self._lock:
            self._push(self.source.is_active())

    def _run(self) -> None:
        time.sleep(PATIENCE_S)
        while True:
            # Under the lock, so that `wake` starts another thread or finds this one going on.
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
            self._is_live = active or _widgets_never_change_places()
            for handle in self._handles:
                handle.update(self._bundle(), raw=True)
            self._forget_widget()

    def _forget_widget(self) -> None:
        """Close the widget if it is seen nowhere: kernel and page would keep it for ever."""
        if self._widget is not None and not self._is_live and not self._is_embedded:
            self._widget.close()
            self._widget = None

    def _bundle(self) -> dict[str, Any]:
        if self._is_live:
            view = {
                "version_major": 2,
                "version_minor": 0,
                "model_id": self._live_widget().model_id,
            }
            return {
                "application/vnd.jupyter.widget-view+json": view,
                "text/plain": self.source.text(),
            }
        return {"text/html": page(self.source.html(False)), "text/plain": self.source.text()}


def _listener(view: LiveView) -> Callable[[Any, Any, Any], None]:
    # The widget registry holds widgets for ever: it must not hold what they show.
    reference = weakref.ref(view)

    def listen(_: Any, content: Any, __: Any) -> None:
        view = reference()
        if view is not None and isinstance(content, dict):
            view.source.click(str(content.get("action")), str(content.get("id")))
            view.flush()

    return listen


def answer_on_any_subshell(widget: Any) -> None:
    """Let a click be heard while a cell runs.

    JupyterLab sends widgets' messages over a subshell, which is free then. ipykernel 7.4 routes
    those of a comm that was used from the main shell back to that, where they wait for the end of
    the cell. Without the private route (7.3 has none) they go where the front end sent them.
    """
    if hasattr(widget.comm, "_reply_subshell_for"):
        widget.comm._reply_subshell_for = None


def _widgets_never_change_places() -> bool:
    """Voilà renders outputs once: what is a widget later must be one from the beginning."""
    return os.environ.get("SERVER_SOFTWARE", "").startswith("voila")
