"""A text progress bar for terminals and for kernels without widgets."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ..load.progress import Progress

if TYPE_CHECKING:
    from tqdm.std import tqdm


class ProgressBar:
    """A tqdm bar of bytes and files; it appears when a load takes longer than half a second.

    Parameters
    ----------
    progress
        What it shows.
    name
        What is loaded, for its label.
    show
        None: in a kernel, and where the standard error output is a terminal.
    """

    def __init__(self, progress: Progress, name: str, show: bool | None) -> None:
        self._progress = progress
        self._name = name
        self._show = (in_kernel() or sys.stderr.isatty()) if show is None else show
        self._bar: tqdm[None] | None = None

    def update(self, done: bool) -> None:
        """Draw the present state; at the end, leave the last state standing."""
        if not self._show:
            return
        if self._bar is None:
            if done:
                return
            self._bar = _new_bar(self._name)
        progress, bar = self._progress, self._bar
        bar.total = progress.known_bytes
        bar.set_postfix_str(_counts(progress), refresh=False)
        bar.update(progress.received_bytes - bar.n)
        bar.refresh()
        if done:
            bar.close()
            self._bar, self._show = None, False


def _counts(progress: Progress) -> str:
    counts = {
        "failed": progress.failed,
        "missing": progress.missing,
        "cancelled": progress.cancelled,
    }
    rest = "".join(f", {count} {name}" for name, count in counts.items() if count)
    return f"{progress.loaded}/{progress.files} files{rest}"


def _new_bar(name: str) -> tqdm[None]:
    from tqdm.std import tqdm

    return tqdm(
        unit="B", unit_scale=True, desc=name, delay=0.5, file=sys.stderr, dynamic_ncols=True
    )


def in_kernel() -> bool:
    """Whether this is a notebook's kernel: there is a front end that displays can be sent to."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return hasattr(shell, "kernel")
