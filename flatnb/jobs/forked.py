"""Refusing to work in a process that was forked after polars was used: it would wait for ever."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from pathlib import Path

# Threads do not survive a fork (fork(2)), and polars waits for those of its pool: its user guide,
# "Multiprocessing", says to use spawn.
_POOL_THREAD = re.compile(r"polars-\d+")


class _State:
    """Whether this process has used polars, and whether it inherited a pool without threads."""

    is_used = False
    is_inherited = False


def note_use() -> None:
    """Remember that work has begun in this process, which uses polars."""
    _State.is_used = True


def check_fork() -> None:
    """Refuse to work in a process that was forked after polars was used.

    Raises
    ------
    RuntimeError
        The message names what to use in place of a fork.
    """
    if _State.is_inherited:
        raise RuntimeError(
            "this process was forked after polars had been used, and polars would wait for threads "
            "that a fork does not copy; use multiprocessing.get_context('spawn') or, for "
            "concurrent.futures, mp_context=get_context('spawn')"
        )


def _before_fork() -> None:
    _State.is_used = _State.is_used or _polars_has_threads()


def _after_fork_in_child() -> None:
    _State.is_inherited = _State.is_inherited or _State.is_used
    _State.is_used = False


def _polars_has_threads() -> bool:
    """Whether polars was used by other code than flatnb, as far as Linux reports it."""
    if "polars" not in sys.modules:
        return False
    for path in Path("/proc/self/task").glob("*/comm"):
        with contextlib.suppress(OSError):  # a thread that has just ended
            if _POOL_THREAD.match(path.read_text()):
                return True
    return False


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(before=_before_fork, after_in_child=_after_fork_in_child)
