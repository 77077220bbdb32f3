"""Errors in a notebook: the user's line, what happened, and the remedy, without our own frames."""

from __future__ import annotations

import sys
import traceback
from functools import partial
from types import FrameType, TracebackType
from typing import Protocol, cast

MOST_LINES = 6
"""An error's own text is cut after so many lines; the exception has them all."""

_RED, _PLAIN = "\x1b[31m", "\x1b[0m"


class TracebackFormatter(Protocol):
    """IPython's formatter of whole tracebacks (IPython.core.ultratb)."""

    def structured_traceback(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> list[str]:
        """The lines of a traceback, coloured."""


class Shell(Protocol):
    """The part of IPython's shell that is used here."""

    InteractiveTB: TracebackFormatter


class Compiler(Protocol):
    """The part of IPython's compiler that names cells (IPython.core.compilerop)."""

    def format_code_name(self, name: str) -> tuple[str, str] | None:
        """``("Cell", "In[3]")`` for the file name of a cell."""


def short_traceback(error: BaseException, text: str, remedy: str = "") -> list[str]:
    """What IPython shows in place of the traceback.

    IPython asks an exception's ``_render_traceback_`` for the lines to print (IPython,
    ``InteractiveShell.showtraceback``).

    Parameters
    ----------
    error
        The exception, raised.
    text
        What happened.
    remedy
        What to do about it; empty if the text says so already.

    Returns
    -------
    list of str
        Without our own frames; IPython's whole traceback if the user chose ``%xmode Verbose``.
    """
    if _wants_everything():
        return _whole_traceback(error)
    lines = text.splitlines()
    shown = lines[:MOST_LINES]
    if len(lines) > MOST_LINES:
        shown.append(f"  … and {len(lines) - MOST_LINES} lines more in str(error)")
    head = f"{_RED}{type(error).__name__}{_PLAIN}{_where(error.__traceback__)}"
    return [head, *shown, *([remedy] if remedy else [])]


def _where(trace: TracebackType | None) -> str:
    found = _users_line(trace)
    if found is None:
        return ""
    frame, line = found
    name = _name_of(frame.f_code.co_filename)
    summary = traceback.FrameSummary(frame.f_code.co_filename, line, frame.f_code.co_name)
    source = f": {summary.line}" if summary.line else ""
    return f" in {name}, line {line}{source}"


def _users_line(trace: TracebackType | None) -> tuple[FrameType, int] | None:
    """The last frame before flatnb's own, with its line."""
    before = None
    for frame, line in traceback.walk_tb(trace):
        if frame.f_globals.get("__name__", "").split(".")[0] == "flatnb":
            return before
        before = frame, line
    return before


def _name_of(file_name: str) -> str:
    compiler = getattr(_shell(), "compile", None)
    if hasattr(compiler, "format_code_name"):
        named = cast("Compiler", compiler).format_code_name(file_name)
        if named:
            return " ".join(named)
    return file_name


def _wants_everything() -> bool:
    return getattr(getattr(_shell(), "InteractiveTB", None), "mode", "") == "Verbose"


def _whole_traceback(error: BaseException) -> list[str]:
    formatter = cast("Shell", _shell()).InteractiveTB
    return formatter.structured_traceback(type(error), error, error.__traceback__)


def _shell() -> object:
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython is not None else None


def shorten(error: Exception) -> None:
    """Have IPython, where this is a notebook, show a builtin exception as it shows flatnb's."""
    if _shell() is not None and not hasattr(error, "_render_traceback_"):
        # A partial and no closure, as exceptions are pickled with their attributes.
        error._render_traceback_ = partial(  # type: ignore[attr-defined]
            short_traceback, error, str(error)
        )
