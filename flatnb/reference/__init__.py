"""The vendor's reference data: splits, dividends and changes of tickers, kept on disk.

They come from its REST service through its own client, ``pip install 'flatnb[reference]'``; what
was fetched once is usable offline.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..errors import ReferenceServiceError
    from .service import ReferenceService
    from .stand_in import ReferenceStandIn

__all__ = ["ReferenceService", "ReferenceServiceError", "ReferenceStandIn"]

_HOMES = {
    "ReferenceService": ".service",
    "ReferenceServiceError": "..errors",
    "ReferenceStandIn": ".stand_in",
}


def __getattr__(name: str) -> Any:
    # Names are loaded when first used, as in flatnb itself.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name], __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
