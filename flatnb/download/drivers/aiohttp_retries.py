"""Turning off aiohttp's own retries, by way of a private attribute.

aiohttp repeats an idempotent request once if a reused connection turns out to be closed
(``ClientSession._request``). That retry neither waits nor emits an event, and there is no public
option against it: aiohttp's own tests clear ``ClientSession._retry_connection`` (seen in 3.14).
"""

from __future__ import annotations

import aiohttp


def disable_retries(session: aiohttp.ClientSession) -> None:
    """Let a request fail where aiohttp would repeat it, so that the transfer core retries.

    Without the attribute nothing is changed: aiohttp's retries then are not counted in the
    statistics, and downloads work as before.
    """
    # A new attribute would make aiohttp warn (ClientSession.__setattr__ in its debug mode).
    if hasattr(session, "_retry_connection"):
        session._retry_connection = False
