"""A picture of bars as SVG, which a saved notebook shows in place of the interactive chart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..html import escape

if TYPE_CHECKING:
    import polars as pl

_WIDTH, _HEIGHT, _VOLUME_HEIGHT = 800, 260, 50
MOST_CANDLES = 200
"""The last bars of more are drawn: thinner candles cannot be told apart."""


def static_chart(bars: pl.DataFrame, title: str) -> str:
    """Candles and volume as an SVG element.

    Parameters
    ----------
    bars
        As `flatnb.notebook.chart_data.ChartSource.bars` gives them.
    """
    shown = bars.tail(MOST_CANDLES)
    if shown.is_empty():
        return f"<div>{escape(title)}: no bars</div>"
    low, high = float(shown["low"].min()), float(shown["high"].max())  # type: ignore[arg-type]
    most = float(shown["volume"].max() or 1)  # type: ignore[arg-type]
    span = (high - low) or 1.0
    step = _WIDTH / shown.height

    def y(price: float) -> float:
        return (high - price) / span * (_HEIGHT - _VOLUME_HEIGHT - 10) + 5

    parts = []
    rows = shown.select("open", "high", "low", "close", "volume").iter_rows()
    for index, (open_, top, bottom, close, volume) in enumerate(rows):
        middle, kind = (index + 0.5) * step, "up" if close >= open_ else "down"
        body = max(abs(y(open_) - y(close)), 1.0)
        tall = volume / most * _VOLUME_HEIGHT
        parts.append(
            f'<g class="flatnb-{kind}"><path d="M{middle:.1f} {y(top):.1f}V{y(bottom):.1f}"/>'
            f'<rect x="{middle - step * 0.35:.1f}" y="{min(y(open_), y(close)):.1f}"'
            f' width="{step * 0.7:.1f}" height="{body:.1f}"/>'
            f'<rect opacity=".45" x="{middle - step * 0.35:.1f}" y="{_HEIGHT - tall:.1f}"'
            f' width="{step * 0.7:.1f}" height="{tall:.1f}"/></g>'
        )
    first, last = shown["date"][0], shown["date"][-1]
    label = f"{title}, {first} to {last}, between {low:,.2f} and {high:,.2f}"
    return (
        f'<svg class="flatnb-candles" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img"'
        f' aria-label="{escape(label)}"><title>{escape(label)}</title>{"".join(parts)}</svg>'
    )
