"""A small table for notebooks, in the colours of JupyterLab's theme; without any frame library."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

__all__ = ["CSS", "escape", "table"]

CSS = """
.flatnb{color-scheme:light dark;color:var(--jp-content-font-color1,CanvasText);
font:13px/1.4 var(--jp-content-font-family,system-ui,sans-serif)}
.flatnb table{border-collapse:collapse;margin:.4em 0}
.flatnb caption{text-align:left;font-weight:600;padding:.2em 0}
.flatnb th,.flatnb td{padding:.15em .7em;text-align:left;white-space:nowrap;
border-bottom:1px solid var(--jp-border-color2,#8884)}
.flatnb td.n{text-align:right;font-variant-numeric:tabular-nums}
.flatnb p{margin:.2em 0;color:var(--jp-content-font-color2,GrayText)}
"""
"""For everything within an element of class ``flatnb``."""


def table(
    title: str, rows: Iterable[Sequence[object]], columns: Sequence[str], note: str = ""
) -> str:
    """An HTML table; all text is escaped.

    Parameters
    ----------
    title
        What stands above it.
    rows
        Cells in the order of ``columns``; numbers are written with thousands separators and stand
        to the right, None is an empty cell.
    columns
        The heads of the columns.
    note
        What stands below it.
    """
    head = "".join(f"<th scope='col'>{escape(name)}</th>" for name in columns)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    below = f"<p>{escape(note)}</p>" if note else ""
    return (
        f"<div class='flatnb'><style>{CSS}</style><table><caption>{escape(title)}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{below}</div>"
    )


def _cell(value: object) -> str:
    if value is None:
        return "<td></td>"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return f"<td class='n'>{value:,}</td>"
    return f"<td>{escape(str(value))}</td>"
