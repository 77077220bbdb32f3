"""Parts of a gzip file without the whole: what to fetch, and what the bytes say.

Nothing here does I/O: callers fetch the byte ranges named here, and hand the bytes in.
``docs/ranges.md`` explains how it works.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .daily_bars import DailyBars
    from .encoder import EncoderMarks, encoder_marks
    from .object_version import ObjectVersion
    from .search import RangedSearch, Request, SearchResult, TickerAnswer
    from .seek_index import ByteRange, RangePlan, SeekIndex, SeekIndexError
    from .seek_index_builder import SeekIndexBuilder

__all__ = [
    "ByteRange",
    "DailyBars",
    "EncoderMarks",
    "ObjectVersion",
    "RangePlan",
    "RangedSearch",
    "Request",
    "SearchResult",
    "SeekIndex",
    "SeekIndexBuilder",
    "SeekIndexError",
    "TickerAnswer",
    "encoder_marks",
]

_HOMES = {
    "ByteRange": "seek_index",
    "DailyBars": "daily_bars",
    "EncoderMarks": "encoder",
    "ObjectVersion": "object_version",
    "RangePlan": "seek_index",
    "RangedSearch": "search",
    "Request": "search",
    "SearchResult": "search",
    "SeekIndex": "seek_index",
    "SeekIndexBuilder": "seek_index_builder",
    "SeekIndexError": "seek_index",
    "TickerAnswer": "search",
    "encoder_marks": "encoder",
}


def __getattr__(name: str) -> Any:
    # Importing the package must not load numpy and isal.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
