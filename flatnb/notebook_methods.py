"""What a session offers in a notebook; the widgets are imported when first asked for."""

from __future__ import annotations


class NotebookMethods:
    """The part of `flatnb.FlatSession` that shows something."""
