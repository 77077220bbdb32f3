"""Names that the Tab key offers within the strings of a call: the data types."""

from __future__ import annotations

import re
import sys
from typing import Protocol

from ..market.data_types import DATA_TYPES

_METHODS = "load|load_async|start|plan|available|audit|scan|to_lake|tickers|entitlements"
_CALL = rf".*\.({_METHODS})\(\s*(data_type\s*=\s*|data_types\s*=\s*)?['\"][\w/]*$"


class Shell(Protocol):
    """The part of IPython's shell that takes completers."""

    def set_hook(self, name: str, hook: object, *, re_key: str) -> None:
        """Add a hook for lines that match (IPython.core.hooks)."""


class CompletionEvent(Protocol):
    """What IPython passes to a completer."""

    text_until_cursor: str


_SHELLS: set[int] = set()


def offer_data_types() -> None:
    """Have the Tab key offer data types in a session's methods, where this is IPython.

    Jedi, which IPython asks for names, offers no values of a `typing.Literal`.
    """
    ipython = sys.modules.get("IPython")
    shell: Shell | None = ipython.get_ipython() if ipython is not None else None
    if shell is None or id(shell) in _SHELLS:
        return
    _SHELLS.add(id(shell))
    shell.set_hook("complete_command", _complete, re_key=_CALL)


def _complete(_shell: object, event: CompletionEvent) -> list[str]:
    typed = re.search(r"[\w/]*$", event.text_until_cursor)
    prefix = typed[0] if typed else ""
    return [name for name in DATA_TYPES if name.startswith(prefix)]
