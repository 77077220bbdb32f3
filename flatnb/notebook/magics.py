"""``%load_ext flatnb``: the ``%flat`` magic, and ``asyncio.run(…)`` in a notebook's cell."""

from __future__ import annotations

from typing import Protocol

import nest_asyncio2
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, line_magic, magics_class
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring

from ..market.data_types import DATA_TYPES
from .picker_help import complete_ticker
from .services import Frame, LoadService


class CompletionEvent(Protocol):
    """What IPython passes to a completer."""

    text_until_cursor: str


def load(shell: InteractiveShell, session_class: type[LoadService]) -> None:
    """Add the magic to a shell, and let the shell's event loop nest.

    A research script that ends in ``asyncio.run(main())`` then runs when it is pasted in a cell.
    `FlatSession` itself needs no nested loop.

    Parameters
    ----------
    session_class
        The class of the sessions that the magic looks for in the notebook, and of the one that it
        makes, without arguments, where there is none.
    """
    nest_asyncio2.apply()
    magics = FlatMagics(shell, session_class)
    shell.register_magics(magics)
    # IPython completes the arguments of magics only through this hook; the key also matches the
    # magic behind an assignment, `frame = %flat …`.
    shell.set_hook("complete_command", magics.complete, re_key=r"(.*=\s*)?%?flat\s")


@magics_class
class FlatMagics(Magics):
    """``%flat DATA_TYPE START END [SYMBOL …]``."""

    def __init__(self, shell: InteractiveShell, session_class: type[LoadService]) -> None:
        super().__init__(shell)
        self._session_class = session_class

    @magic_arguments("%flat")
    @argument("data_type", help="for example stocks_daily; the Tab key completes it")
    @argument("start", help="the first day, YYYY-MM-DD")
    @argument("end", help="the last day, inclusive")
    @argument("symbols", nargs="*", help="only these tickers")
    @argument("--pandas", action="store_true", help="a pandas frame instead of a polars one")
    @argument("--columns", nargs="+", metavar="NAME", help="only these columns")
    @argument("--tz", default="UTC", help="time zone of the times (default: UTC)")
    @line_magic
    def flat(self, line: str) -> Frame:
        """Load days into a frame: ``frame = %flat stocks_daily 2024-01-02 2024-01-31 AAPL MSFT``.

        Uses the notebook's FlatSession; without one a new one is made and called ``session``.
        The Tab key completes data types and symbols.
        """
        arguments = parse_argstring(self.flat, line)
        job = self._session().start(
            arguments.data_type,
            arguments.start,
            arguments.end,
            symbols=arguments.symbols or None,
            columns=arguments.columns,
            tz=arguments.tz,
            frame="pandas" if arguments.pandas else "polars",
        )
        return job.result()

    def _session(self) -> LoadService:
        found = self._present_session()
        if found is not None:
            return found
        assert self.shell is not None
        session = self._session_class()
        # A variable `session` of another kind is the user's own, and is not overwritten.
        self.shell.user_ns.setdefault("session", session)
        return session

    def _present_session(self) -> LoadService | None:
        assert self.shell is not None
        variables = self.shell.user_ns
        named = variables.get("session")
        if isinstance(named, self._session_class):
            return named
        # By identity: two variables may have the same session.
        sessions = {id(v): v for v in variables.values() if isinstance(v, self._session_class)}
        if len(sessions) > 1:
            raise ValueError(
                f"the notebook has {len(sessions)} sessions; assign the one to use to `session`"
            )
        return next(iter(sessions.values()), None)

    def complete(self, _shell: InteractiveShell, event: CompletionEvent) -> list[str]:
        """Data types as the first argument; from the fourth on the tickers of the last day."""
        before = event.text_until_cursor.partition("flat")[2]
        words = before.split()
        place = len(words) + before.endswith(" ")
        if place == 1:
            return list(DATA_TYPES)
        if place < 4 or words[-1].startswith("--"):
            return []
        prefix = "" if before.endswith(" ") else words[-1]
        session = self._present_session()
        if session is None:
            return []  # the Tab key makes no session
        try:
            return complete_ticker(prefix, session.tickers(words[0], words[2]))
        except ValueError:
            return []
