"""Work in the background of which only the latest wish counts."""

from __future__ import annotations

import threading
from collections.abc import Callable

QUIET_S = 0.25
"""So long nothing must have changed: while someone types, nothing is asked of the service."""


class Debouncer:
    """Does what was wished last, after a pause; a daemon thread while there is something to do."""

    def __init__(self, quiet_s: float = QUIET_S) -> None:
        self._quiet_s = quiet_s
        self._changed = threading.Condition()
        self._wish: Callable[[], object] | None = None
        self._version = 0
        self._thread: threading.Thread | None = None

    def submit(self, work: Callable[[], object]) -> None:
        """Do this, in place of what has not begun."""
        with self._changed:
            self._wish = work
            self._version += 1
            self._changed.notify_all()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="flatnb-latest", daemon=True)
                self._thread.start()

    def is_current(self, version: int) -> bool:
        """Whether nothing was wished since."""
        return version == self._version

    @property
    def version(self) -> int:
        """Changes with each wish."""
        return self._version

    @property
    def is_idle(self) -> bool:
        """Whether nothing is done or waits."""
        return self._thread is None

    def _run(self) -> None:
        while True:
            with self._changed:
                before = -1
                while before != self._version:
                    before = self._version
                    self._changed.wait(self._quiet_s)
                work, self._wish = self._wish, None
                if work is None:
                    self._thread = None
                    return
            work()
