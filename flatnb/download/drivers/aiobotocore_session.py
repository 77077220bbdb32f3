"""aiobotocore's HTTP session with a hook for its aiohttp sessions, by way of a private method.

aiobotocore creates its aiohttp sessions in ``AIOHTTPSession._get_session`` (seen in 2.25). Its
public options configure only their connectors.
"""

from __future__ import annotations

import aiohttp
from aiobotocore.httpsession import AIOHTTPSession

from .aiohttp_retries import disable_retries


class SessionWithoutRetries(AIOHTTPSession):  # type: ignore[misc]
    """Sends requests without aiohttp's own retries; see `disable_retries`.

    Without the private method the override is never called: aiohttp's retries then are not counted
    in the statistics, and downloads work as before.
    """

    async def _get_session(self, *arguments: object, **options: object) -> aiohttp.ClientSession:
        session: aiohttp.ClientSession = await super()._get_session(*arguments, **options)
        disable_retries(session)
        return session
