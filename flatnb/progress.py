"""How far one load has come, counted from its events; and the bar that shows it."""

from __future__ import annotations

import importlib.util
import sys
import threading
from typing import Any

from .download.events import (
    BytesDiscarded,
    BytesReceived,
    DownloadFailed,
    DownloadFinished,
    Event,
    SizeKnown,
)


class Progress:
    """Counts the events of one load; safe to feed from several threads.

    Attributes
    ----------
    files
        Files to download, as far as known.
    ended
        Files that have come or failed.
    known_bytes
        Their sizes, as far as the service has told them.
    received_bytes
        Bytes that have come and were kept.
    """

    def __init__(self, files: int = 0) -> None:
        self.files = files
        self.ended = 0
        self.known_bytes = 0
        self.received_bytes = 0
        self._sizes: dict[str, int] = {}
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        """Count one event."""
        with self._lock:
            match event:
                case SizeKnown():
                    # An object that starts again tells its size again.
                    self.known_bytes += event.size_bytes - self._sizes.get(event.key, 0)
                    self._sizes[event.key] = event.size_bytes
                case BytesReceived():
                    self.received_bytes += event.size_bytes
                case BytesDiscarded():
                    self.received_bytes -= event.size_bytes
                case DownloadFinished() | DownloadFailed():
                    self.ended += 1


class Bar:
    """A tqdm bar of bytes and files; it appears when a load takes longer than half a second.

    Parameters
    ----------
    progress
        What it shows.
    name
        What is loaded, for its label.
    show
        None: in a notebook, and where the standard error output is a terminal.
    """

    def __init__(self, progress: Progress, name: str, show: bool | None) -> None:
        self._progress = progress
        self._name = name
        self._show = _is_watched() if show is None else show
        self._bar: Any = None

    def update(self, done: bool) -> None:
        """Draw what has come; at the end, leave the last state standing."""
        if not self._show:
            return
        if self._bar is None:
            if done:
                return
            self._bar = _tqdm()(
                unit="B",
                unit_scale=True,
                desc=self._name,
                delay=0.5,
                file=sys.stderr,
                dynamic_ncols=True,
            )
        progress, bar = self._progress, self._bar
        bar.total = progress.known_bytes
        bar.set_postfix_str(f"{progress.ended}/{progress.files} files", refresh=False)
        bar.update(progress.received_bytes - bar.n)
        bar.refresh()
        if done:
            bar.close()
            self._bar, self._show = None, False


def _is_watched() -> bool:
    return _in_notebook() or sys.stderr.isatty()


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return hasattr(shell, "kernel")


def _tqdm() -> Any:
    if _in_notebook() and importlib.util.find_spec("ipywidgets") is not None:
        from tqdm.notebook import tqdm
    else:
        from tqdm.std import tqdm
    return tqdm
