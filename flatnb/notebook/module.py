"""The JavaScript module and the style sheet of each widget, made of the files beside this one."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

from ..html import style
from ..stylesheet import scoped

_FOLDER = Path(__file__).parent


class WidgetModule(NamedTuple):
    """What anywidget takes as ``_esm`` and ``_css``."""

    esm: str
    css: str


@cache
def widget_module(name: str, *vendored: str) -> WidgetModule:
    """The module ``{name}.js`` after those that it uses, and ``{name}.css`` if there is one.

    The module finds the class of its style sheet in the constant ``SCOPE``.

    Parameters
    ----------
    vendored
        Names of files in the folder ``vendor`` that are put before it.
    """
    own = _FOLDER / f"{name}.css"
    sheet = style() + (own.read_text(encoding="utf-8") if own.exists() else "")
    scope, css = scoped(sheet)
    files = [*(f"vendor/{each}" for each in vendored), "connection.js", f"{name}.js"]
    parts = [(_FOLDER / file).read_text(encoding="utf-8") for file in files]
    return WidgetModule("\n".join([f'const SCOPE = "{scope}";', *parts]), css)
