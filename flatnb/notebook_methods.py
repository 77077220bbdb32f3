"""What a session offers in a notebook; the widgets are imported when first asked for."""

from __future__ import annotations

from .notebook.panel import Panel


class NotebookMethods:
    """The part of `flatnb.FlatSession` that shows something."""

    _panel: Panel

    def panel(self) -> Panel:
        """The live panel: files, rate, time left, retries, failures; a session has one.

        Display it in a notebook (as the last line of a cell, or by ``session.panel().show()``)
        and it moves while anything loads, also while a cell is busy with `load`.
        """
        return self._panel
