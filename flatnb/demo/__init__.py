"""A synthetic market, and a local S3 server that serves it: nothing here is market data.

`DemoMarket` generates the files' rows and `DemoServer` serves them under the vendor's keys, so
that flatnb can be tried and tested without credentials. Both need the ``demo`` extra.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .demo_market import DemoMarket
    from .server import DemoServer

__all__ = ["DemoMarket", "DemoServer"]


def __getattr__(name: str) -> type[DemoMarket] | type[DemoServer]:
    # Importing the package must not load numpy, polars and moto (0.5 s; moto is optional).
    if name == "DemoMarket":
        from .demo_market import DemoMarket

        return DemoMarket
    if name == "DemoServer":
        from .server import DemoServer

        return DemoServer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
