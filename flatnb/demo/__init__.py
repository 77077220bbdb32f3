"""A synthetic market, and the local S3 server that serves it: nothing here is market data.

`DemoMarket` makes the files' rows and `DemoServer` lays them out as the vendor's bucket does, so
that flatnb can be tried and tested without credentials. Both need the ``demo`` extra.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .market import DemoMarket
    from .server import DemoServer

__all__ = ["DemoMarket", "DemoServer"]


def __getattr__(name: str) -> Any:
    # Importing the package must not load numpy, polars and moto.
    if name == "DemoMarket":
        from .market import DemoMarket

        return DemoMarket
    if name == "DemoServer":
        from .server import DemoServer

        return DemoServer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
