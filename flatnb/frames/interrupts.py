"""Repeating polars' work in threads after an interrupt (Ctrl-C)."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_TRIES = 60

_PAUSE_S = 0.02
"""polars clears an interrupt only while none of its threads works (observed with polars 2), so each
thread pauses for a random time. It grows, as short pauses rarely coincide on a busy machine."""


def retry_on_interrupt(function: Callable[P, T]) -> Callable[P, T]:
    """Repeat a function that uses polars if it raises KeyboardInterrupt in a thread.

    On SIGINT polars raises KeyboardInterrupt in all threads that use it, while Python raises it
    only in the main thread (documentation of signal). The main thread is interrupted as well and
    decides what is cancelled; the work of the other threads is repeated.
    """

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        for attempt in range(1, _TRIES + 1):
            try:
                return function(*args, **kwargs)
            except KeyboardInterrupt:
                if threading.current_thread() is threading.main_thread():
                    raise
                time.sleep(_PAUSE_S * random.random() * 2 * min(attempt, 10))
        return function(*args, **kwargs)

    return run


async def in_thread(function: Callable[[], T]) -> T:
    """Run polars' work in one of the event loop's worker threads."""
    return await asyncio.get_running_loop().run_in_executor(None, retry_on_interrupt(function))


def raise_if_interrupted() -> None:
    """Raise KeyboardInterrupt in a thread that polars called, if the user pressed Ctrl-C.

    While the main thread waits in polars, Python cannot run its signal handler; polars' own
    handler makes the next operation fail, in any thread.
    """
    import polars as pl

    pl.select(pl.lit(0))
