"""How a session uses its cache: where it is, and when its entries are trusted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from ..download.base_downloader import check_at_least
from .day_cache import DayCache

Revalidate = Literal["recent", "always", "never"]


@dataclass(frozen=True)
class CachePolicy:
    """A cache, and when its entries are compared; the attributes are those of `FlatSession`."""

    cache: DayCache
    revalidate: Revalidate
    offline: bool

    @classmethod
    def at(
        cls,
        folder: Path | None,
        revalidate: Revalidate,
        offline: bool,
        max_bytes: int | None = None,
    ) -> Self | None:
        """The policy of a folder; None: no cache.

        Raises
        ------
        ValueError
            If an argument is wrong.
        """
        if not isinstance(offline, bool):
            raise ValueError(f"offline={offline!r} is neither True nor False; give one of them")
        if not isinstance(revalidate, str) or revalidate not in ("recent", "always", "never"):
            raise ValueError(
                f"revalidate={revalidate!r} is unknown; choose 'recent', 'always' or 'never'"
            )
        if max_bytes is not None:
            check_at_least("max_cache_bytes", max_bytes, 1)
        if folder is None:
            if offline:
                raise ValueError("offline=True needs a cache; omit cache=False")
            return None
        return cls(DayCache(folder, max_bytes), revalidate, offline)
