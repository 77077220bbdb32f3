"""``%load_ext flatnb``: the ``%flat`` magic, and ``asyncio.run(…)`` in a notebook's cell."""

from __future__ import annotations

from typing import Any

import nest_asyncio2
from IPython.core.magic import Magics, line_magic, magics_class
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring

from ..market.data_types import DATA_TYPES
from ..session import FlatSession


def load(shell: Any) -> None:
    """Add the magic to a shell, and let the shell's event loop nest.

    A research script that ends in ``asyncio.run(main())`` then runs when it is pasted in a cell.
    `FlatSession` itself needs no nested loop.
    """
    nest_asyncio2.apply()
    shell.register_magics(FlatMagics)
    # Also behind an assignment, `frame = %flat …`.
    shell.set_hook("complete_command", _complete, re_key=r"(.*=\s*)?%?flat\s")


@magics_class
class FlatMagics(Magics):
    """``%flat DATA_TYPE START END [SYMBOL …]``."""

    @magic_arguments("%flat")
    @argument("data_type", help="for example stocks_daily; the Tab key completes it")
    @argument("start", help="the first day, YYYY-MM-DD")
    @argument("end", help="the last day, inclusive")
    @argument("symbols", nargs="*", help="only these tickers")
    @argument("--pandas", action="store_true", help="a pandas frame instead of a polars one")
    @argument("--columns", nargs="+", metavar="NAME", help="only these columns")
    @argument("--tz", default="UTC", help="time zone of the times (default: UTC)")
    @line_magic
    def flat(self, line: str) -> Any:
        """Load days into a frame: %flat stocks_daily 2024-01-02 2024-01-31 AAPL MSFT

        Uses the notebook's FlatSession; without one a new one is made and called ``session``.
        """
        wanted = parse_argstring(self.flat, line)
        return self._session().load(
            wanted.data_type,
            wanted.start,
            wanted.end,
            symbols=wanted.symbols or None,
            columns=wanted.columns,
            tz=wanted.tz,
            frame="pandas" if wanted.pandas else "polars",
        )

    def _session(self) -> FlatSession:
        assert self.shell is not None
        names = self.shell.user_ns
        named = names.get("session")
        if isinstance(named, FlatSession):
            return named
        found = {id(v): v for v in names.values() if isinstance(v, FlatSession)}
        if len(found) > 1:
            raise ValueError(f"there are {len(found)} sessions; call the one to use `session`")
        session = next(iter(found.values()), None) or FlatSession()
        if "session" not in names and not found:
            names["session"] = session
        return session


def _complete(_: Any, event: Any) -> list[str]:
    """The data types, as the magic's first argument."""
    before = event.text_until_cursor.partition("flat")[2]
    words = before.split()
    typing_first = len(words) == (0 if before.endswith(" ") else 1)
    return list(DATA_TYPES) if typing_first else []
