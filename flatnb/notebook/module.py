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
def widget_module(name: str, *before: str) -> WidgetModule:
    """The module ``{name}.js`` after those that it uses, and ``{name}.css`` if there is one.

    The module finds the class of its style sheet in the constant ``SCOPE``.

    Parameters
    ----------
    before
        Files of this folder that are put before it.
    """
    own = [_FOLDER / f"{name}.css"]
    if "chart_view.js" in before and name != "chart":
        own.insert(0, _FOLDER / "chart.css")
    sheet = style() + "".join(each.read_text(encoding="utf-8") for each in own if each.exists())
    scope, css = scoped(sheet)
    files = [*before, "connection.js", f"{name}.js"]
    parts = [(_FOLDER / file).read_text(encoding="utf-8") for file in files]
    return WidgetModule("\n".join([f'const SCOPE = "{scope}";', *parts]), css)
