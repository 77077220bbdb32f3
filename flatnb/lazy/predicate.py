"""Which dates and tickers a polars filter can match."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

_AND = ("And", "LogicalAnd")
_OR = ("Or", "LogicalOr")

Node = dict[str, Any]
"""A part of a serialised expression."""


def tree_of(predicate: pl.Expr) -> Node:
    """The expression as polars serialises it."""
    tree: Node = json.loads(predicate.meta.serialize(format="json"))
    return tree


def days_of(tree: Node, days: Iterable[date]) -> set[date]:
    """Those days that may have rows for which the filter holds.

    A condition on the date alone is evaluated for each day; other conditions exclude no day.
    """
    all_days = set(days)
    if sides := _sides(tree, _AND):
        return days_of(sides[0], all_days) & days_of(sides[1], all_days)
    if sides := _sides(tree, _OR):
        return days_of(sides[0], all_days) | days_of(sides[1], all_days)
    condition = _expression(tree)
    if set(condition.meta.root_names()) != {"date"}:
        return all_days
    import polars as pl

    frame = pl.DataFrame({"date": sorted(all_days)}, schema={"date": pl.Date})
    return set(frame.filter(condition)["date"])


def tickers_of(tree: Node) -> set[str] | None:
    """The only tickers for which the filter may hold; None: any."""
    if sides := _sides(tree, _AND):
        one, other = map(tickers_of, sides)
        return other if one is None else one if other is None else one & other
    if sides := _sides(tree, _OR):
        one, other = map(tickers_of, sides)
        return None if one is None or other is None else one | other
    if sides := _sides(tree, ("Eq",)):
        return _strings(sides[sides.index(_TICKER) - 1]) if _TICKER in sides else None
    match tree:
        case {"Function": {"input": [column, values], "function": {"Boolean": {"IsIn": _}}}}:
            return _strings(values) if column == _TICKER else None
    return None


_TICKER = {"Column": "ticker"}


def _sides(tree: Node, operators: tuple[str, ...]) -> tuple[Node, Node] | None:
    match tree:
        case {"BinaryExpr": {"left": left, "op": str(op), "right": right}} if op in operators:
            return left, right
    return None


def _expression(tree: Node) -> pl.Expr:
    import polars as pl

    return pl.Expr.deserialize(io.StringIO(json.dumps(tree)), format="json")


def _strings(node: Node) -> set[str] | None:
    """The strings that a node evaluates to; None if it is not a constant, or of another type."""
    import polars as pl

    constant = _expression(node)
    if constant.meta.root_names():
        return None
    values = pl.select(constant).to_series()
    if isinstance(values.dtype, pl.List):
        values = values.explode()
    # An empty list has the type Null.
    return set(values.drop_nulls()) if values.dtype in (pl.String, pl.Null) else None
