"""polars in threads, under Ctrl-C."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_TRIES = 20

_PAUSE_S = 0.02
"""polars forgets an interrupt only when none of its threads works; so they pause, each its own."""


def uninterrupted(function: Callable[P, T]) -> Callable[P, T]:
    """Run polars' work in a thread as if the process had not been interrupted.

    On SIGINT polars raises KeyboardInterrupt wherever it works, also in threads that Python never
    interrupts. There it says nothing of the work, which is done again; the main thread, which
    is interrupted as well, cancels what is to be cancelled.
    """

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        for _ in range(_TRIES):
            try:
                return function(*args, **kwargs)
            except KeyboardInterrupt:
                if threading.current_thread() is threading.main_thread():
                    raise
                time.sleep(_PAUSE_S * random.random() * 2)
        return function(*args, **kwargs)

    return run
