"""Market data flat files straight into polars or pandas frames, in a notebook.

>>> from flatnb import FlatSession
>>> session = FlatSession.demo()                                        # doctest: +SKIP
>>> session.load("stocks_daily", "2024-01-02", "2024-01-31", symbols=["AAPL", "MSFT"])
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from .download.async_downloader import AsyncS3Downloader
    from .download.s3_catalog import S3Catalog
    from .download.sync_downloader import SyncS3Downloader
    from .errors import (
        AccessDeniedError,
        CredentialsError,
        FlatnbError,
        FlatnbWarning,
        IntegrityError,
        LoadError,
        MissingDaysError,
        ObjectNotFoundError,
        SchemaError,
        TransferError,
    )
    from .frames.option_columns import with_option_fields
    from .jobs.job import Job
    from .market.data_types import DATA_TYPES
    from .report import LoadReport
    from .session import FlatSession

__version__ = "0.1.0"

__all__ = [
    "DATA_TYPES",
    "AccessDeniedError",
    "AsyncS3Downloader",
    "CredentialsError",
    "FlatSession",
    "FlatnbError",
    "FlatnbWarning",
    "IntegrityError",
    "Job",
    "LoadError",
    "LoadReport",
    "MissingDaysError",
    "ObjectNotFoundError",
    "S3Catalog",
    "SchemaError",
    "SyncS3Downloader",
    "TransferError",
    "with_option_fields",
]

EXPORTS = {
    "DATA_TYPES": "market.data_types",
    "AsyncS3Downloader": "download.async_downloader",
    "FlatSession": "session",
    "Job": "jobs.job",
    "LoadReport": "report",
    "S3Catalog": "download.s3_catalog",
    "SyncS3Downloader": "download.sync_downloader",
    "with_option_fields": "frames.option_columns",
}


def __getattr__(name: str) -> Any:
    # Names are loaded when first used: boto, polars and pandas take most of a second to import.
    if name not in __all__:
        raise AttributeError(f"module 'flatnb' has no attribute {name!r}")
    home = importlib.import_module(f".{EXPORTS.get(name, 'errors')}", __name__)
    return getattr(home, name)


def load_ipython_extension(shell: InteractiveShell) -> None:
    """``%load_ext flatnb``: the ``%flat`` magic, and ``asyncio.run`` in cells."""
    from .notebook.magics import load
    from .session import FlatSession

    load(shell, FlatSession)


def __dir__() -> list[str]:
    return sorted(__all__)
