"""How a session uses its cache."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal, Self

from .day_cache import DayCache, cache_folder

Revalidate = Literal["recent", "always", "never"]


@dataclass(frozen=True)
class CachePolicy:
    """A cache, and when it is trusted; the attributes are those of `FlatSession`."""

    cache: DayCache
    revalidate: Revalidate
    offline: bool

    @classmethod
    def checked(
        cls,
        cache: bool | str | os.PathLike[str],
        revalidate: Revalidate,
        offline: bool,
        endpoint_url: str,
        bucket: str,
    ) -> Self | None:
        """What a user asks for; None: no cache.

        Raises
        ------
        ValueError
            If an argument is wrong.
        """
        if revalidate not in ("recent", "always", "never"):
            raise ValueError(
                f"revalidate={revalidate!r} is unknown; choose 'recent', 'always' or 'never'"
            )
        if not isinstance(cache, (bool, str, os.PathLike)):
            raise ValueError(f"cache={cache!r} is unknown; give True, False or a path")
        if cache is False:
            if offline:
                raise ValueError("offline=True needs a cache; leave cache=False out")
            return None
        folder = cache_folder(cache, endpoint_url, bucket)
        return cls(DayCache(folder), revalidate, offline)
