"""Work in the background of which only the latest submission runs, after a pause."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

QUIET_S = 0.25
"""Work starts when nothing was submitted for so long: no request is made between two keystrokes."""

Work: TypeAlias = Callable[[Callable[[], bool]], object]
"""Called with a function that says whether nothing was submitted since."""


class Debouncer:
    """Runs the work that was submitted last, after a pause.

    Its daemon thread ends when nothing is left to run.

    Parameters
    ----------
    quiet_s
        Seconds without a submission after which the work starts.
    """

    def __init__(self, quiet_s: float = QUIET_S) -> None:
        self._quiet_s = quiet_s
        self._changed = threading.Condition()
        self._pending: Work | None = None
        self._version = 0
        self._thread: threading.Thread | None = None

    def submit(self, work: Work) -> None:
        """Run this work, in place of any that has not started yet.

        Work that has started goes on; it can ask whether its result is still wanted.
        """
        with self._changed:
            self._pending = work
            self._version += 1
            self._changed.notify_all()
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="flatnb-debounce", daemon=True
                )
                self._thread.start()

    @property
    def is_idle(self) -> bool:
        """Whether nothing runs or is about to."""
        return self._thread is None

    def _run(self) -> None:
        while True:
            with self._changed:
                # Each submission ends the wait, which then starts again.
                version = -1
                while version != self._version:
                    version = self._version
                    self._changed.wait(self._quiet_s)
                work, self._pending = self._pending, None
                # Under the lock, so that `submit` finds this thread running or starts another one.
                if work is None:
                    self._thread = None
                    return
            work(partial(self._is_current, version))

    def _is_current(self, version: int) -> bool:
        return version == self._version
