"""The assignment of faults to requests."""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from .faults import Fault, healthy
from .healthy_s3 import UnsatisfiableRangeError, requested_span
from .wire import HttpRequest

When = Literal["any", "get", "head", "list"]


@dataclass(slots=True)
class _Script:
    faults: deque[Fault]
    when: When
    offset: int | None
    forever: bool

    def take(self, request: HttpRequest, size: int) -> Fault | None:
        if not self.faults or self.when not in ("any", request.kind):
            return None
        if self.offset is not None and not _covers(request, self.offset, size):
            return None
        fault = self.faults[0]
        if not fault.fits(request):
            return None
        if not self.forever:
            self.faults.popleft()
        return fault


def _covers(request: HttpRequest, offset: int, size: int) -> bool:
    if request.kind != "get":
        return False
    try:
        start, stop = requested_span(request.headers.get("range"), size) or (0, size)
    except UnsatisfiableRangeError:
        return False
    return start <= offset < stop


class FaultPlan:
    """The planned faults; written by the test's thread, read by the server's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._scripts: dict[str, list[_Script]] = {}
        self._chaos: tuple[random.Random, float, Sequence[Fault]] | None = None

    def script(
        self,
        key: str,
        faults: Iterable[Fault | None],
        *,
        when: When,
        offset: int | None,
        forever: bool = False,
    ) -> None:
        """Plan faults for a key, one per request (None: no fault), or the first for all."""
        queue = deque(healthy() if fault is None else fault for fault in faults)
        with self._lock:
            scripts = self._scripts.setdefault(key, [])
            scripts.append(_Script(queue, when, offset, forever))
            # Scripts have priority over permanent faults.
            scripts.sort(key=lambda script: script.forever)

    def set_random(self, rng: random.Random, rate: float, faults: Sequence[Fault]) -> None:
        """Apply random faults with a probability to requests without a planned one."""
        with self._lock:
            self._chaos = (rng, rate, tuple(faults))

    def clear(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._scripts.clear()
            self._chaos = None

    def pending(self, key: str) -> int:
        """Number of scripted faults that have not been applied yet."""
        with self._lock:
            scripts = self._scripts.get(key, ())
            return sum(len(script.faults) for script in scripts if not script.forever)

    def take(self, request: HttpRequest, size: int) -> Fault | None:
        """The fault for this request to an object of ``size`` bytes."""
        with self._lock:
            for script in self._scripts.get(request.key, ()):
                if fault := script.take(request, size):
                    return fault
            if self._chaos is None:
                return None
            rng, rate, faults = self._chaos
            fitting = [fault for fault in faults if fault.fits(request)]
            return rng.choice(fitting) if fitting and rng.random() < rate else None
