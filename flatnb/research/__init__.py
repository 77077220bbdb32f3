"""From the vendor's rows to what a study needs: pure functions on frames.

Each takes a frame as `FlatSession.load` returns it, polars or pandas, and gives back a new one of
the same kind (a pandas frame with a fresh index). None reads a file of the bucket or asks a
service, but for paths that are handed in.

Greeks are not in the files and are not made up: see docs/research.md, "Not here".
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .actions import read_actions
    from .adjustment import adjust
    from .bar_making import bars
    from .conditions import trade_conditions, trade_corrections
    from .contracts import FuturesSymbol
    from .futures import continuous
    from .quotes import quote_sizes_in_shares, with_quotes
    from .renames import follow_renames, renames_of
    from .trading_hours import hours, hours_expression, regular_hours
    from .trading_names import universe

_HOMES = {
    "FuturesSymbol": "contracts",
    "adjust": "adjustment",
    "bars": "bar_making",
    "continuous": "futures",
    "follow_renames": "renames",
    "hours": "trading_hours",
    "hours_expression": "trading_hours",
    "quote_sizes_in_shares": "quotes",
    "read_actions": "actions",
    "regular_hours": "trading_hours",
    "renames_of": "renames",
    "trade_conditions": "conditions",
    "trade_corrections": "conditions",
    "universe": "trading_names",
    "with_quotes": "quotes",
}

__all__ = [
    "FuturesSymbol",
    "adjust",
    "bars",
    "continuous",
    "follow_renames",
    "hours",
    "hours_expression",
    "quote_sizes_in_shares",
    "read_actions",
    "regular_hours",
    "renames_of",
    "trade_conditions",
    "trade_corrections",
    "universe",
    "with_quotes",
]


def __getattr__(name: str) -> Any:
    # Names are loaded when first used, as in flatnb itself: polars takes long to import.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # No module is named as a function is: importing it would take the function's place here.
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
