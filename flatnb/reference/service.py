"""The vendor's REST service of reference data, through its own client."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote, urlsplit

from ..errors import CredentialsError, FlatnbError, FlatnbWarning, ReferenceServiceError
from .api_key import ApiKey, find_api_key
from .response_cache import CachedResponse, Record, ResponseCache
from .tables import actions_table, events_table, tickers_table

if TYPE_CHECKING:
    import polars as pl

URL = "https://api.massive.com"
"""The live service's."""
EVERY_TICKER = "*"
"""The name under which responses about the whole market are stored; no ticker has the character."""

_LOCAL = ("127.0.0.1", "localhost", "::1")
_TICKERS_A_REQUEST = 100
_ROWS_A_PAGE = 5000  # the most that the splits and dividends endpoints give
_TICKERS_A_PAGE = 1000


class ReferenceService:
    """Splits, dividends, changes of tickers and kinds of stocks, from the vendor's REST service.

    What is fetched is stored on disk with its time, so that the same question is asked once a day
    at most, and not at all offline.

    Parameters
    ----------
    api_key
        The REST API key (none of the S3 keys). None: MASSIVE_API_KEY or POLYGON_API_KEY of the
        environment, looked up when it is first needed. It is in no repr, message, log or pickle
        of flatnb's; a copy in another process looks in its own environment.
    url
        The service's address. Anything but the machine itself is asked over https alone.
    folder
        Where responses are stored. None: ``reference`` in the user's cache folder of flatnb.
    max_age_days
        Older responses are fetched again. If that fails, they are used, with a warning that gives
        their date.
    offline
        Ask nothing: use what is stored, however old.

    Examples
    --------
    >>> service = ReferenceService()
    >>> actions = service.actions(["AAPL", "NVDA"])                          # doctest: +SKIP
    >>> flatnb.research.adjust(bars, actions, how="all")                     # doctest: +SKIP
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        url: str = URL,
        folder: str | Path | None = None,
        max_age_days: float = 1.0,
        offline: bool = False,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOCAL):
            raise ValueError(f"url={url!r} would send the API key in the open; use https://")
        if not max_age_days >= 0:
            raise ValueError(f"max_age_days={max_age_days!r} must be 0 or more")
        self.url = url.rstrip("/")
        self.max_age_days = max_age_days
        self.offline = offline
        self._key: ApiKey | None = find_api_key(api_key) if api_key else None
        self._cache = ResponseCache(_folder(folder), self.url)

    def __repr__(self) -> str:
        key = self._key.source if self._key else "not looked up yet"
        return f"ReferenceService(url={self.url!r}, API key: {key}, folder={self.folder})"

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_key": None}

    @property
    def folder(self) -> Path:
        """Where responses are stored."""
        return self._cache.folder

    def actions(
        self, symbols: str | Iterable[str] | None = None, *, dividends: bool = True
    ) -> pl.DataFrame:
        """All splits and dividends of some tickers, as `flatnb.research.adjust` takes them.

        From ``/stocks/v1/splits`` and ``/stocks/v1/dividends``.

        Parameters
        ----------
        symbols
            Tickers, case-sensitive. None: of the whole market.
        dividends
            Whether to ask for dividends too, of which the market has far more than splits.

        Returns
        -------
        polars.DataFrame
            ``ticker``, ``date`` (execution or ex-date), ``kind``, ``from``, ``to``, ``amount``,
            ``currency``, ``factor`` (of each dividend alone, from the service's cumulative
            ``historical_adjustment_factor``, which is rounded to six digits) and
            ``retrieved_on``; ordered by ticker and date, announced ones included.

        Raises
        ------
        CredentialsError
            If something must be fetched, and there is no key or it is refused.
        ReferenceServiceError
            If the service does not respond and nothing is stored, or ``offline`` and nothing is.
        ImportError
            If the client is not installed.
        """
        names = _names(symbols)
        splits = self._responses("splits", names, self._fetch_splits)
        paid = self._responses("dividends", names, self._fetch_dividends) if dividends else {}
        return actions_table(splits, paid)

    def ticker_events(self, symbols: str | Iterable[str]) -> pl.DataFrame:
        """The changes of the tickers that some securities have or had.

        From ``/vX/reference/tickers/{ticker}/events``, an endpoint that the vendor calls
        experimental.

        Parameters
        ----------
        symbols
            Tickers, as the service knows the securities by today.

        Returns
        -------
        polars.DataFrame
            ``symbol`` (that asked for), ``date`` (the first day of the new ticker), ``from`` (null
            for the first ticker that is known) and ``to``, and ``retrieved_on``, as
            `flatnb.research.follow_renames` takes them.

        Raises
        ------
        CredentialsError, ReferenceServiceError, ImportError
            As `actions` does; the service also refuses tickers that it does not know.
        """
        names = _names(symbols)
        if names is None:
            raise ValueError("symbols=None: events are asked for ticker by ticker; name some")
        return events_table(self._responses("events", names, self._fetch_events))

    def tickers(self) -> pl.DataFrame:
        """All stocks that the service knows as active today, for `flatnb.research.universe`.

        From ``/v3/reference/tickers``.

        Returns
        -------
        polars.DataFrame
            ``ticker``, ``name``, ``type`` (the vendor's: CS, ETF, ADRC, WARRANT, …),
            ``primary_exchange`` and ``retrieved_on``.

        Raises
        ------
        CredentialsError, ReferenceServiceError, ImportError
            As `actions` does.
        """
        return tickers_table(self._responses("tickers", None, self._fetch_tickers))

    def _responses(
        self,
        kind: str,
        names: Sequence[str] | None,
        fetch: Callable[[Sequence[str] | None], dict[str, list[Record]]],
    ) -> dict[str, CachedResponse]:
        """What is known of each ticker: from the cache if it is fresh, else fetched."""
        wanted = [EVERY_TICKER] if names is None else list(names)
        stored = {name: self._cache.get(kind, name) for name in wanted}
        responses = {name: response for name, response in stored.items() if response is not None}
        max_age_s = self.max_age_days * 86400
        stale = [
            name for name in wanted if name not in responses or responses[name].age_s > max_age_s
        ]
        if self.offline:
            if missing := [name for name in wanted if name not in responses]:
                raise ReferenceServiceError(
                    f"offline=True, and no {kind} are stored of {', '.join(missing[:5])} in "
                    f"{self.folder}; fetch them once with offline=False"
                )
            return responses
        try:
            fetched = fetch(None if names is None else stale) if stale else {}
        except ReferenceServiceError as error:
            if any(name not in responses for name in stale):
                raise
            oldest = min(responses[name].retrieved_at for name in stale)
            warnings.warn(
                f"{kind} of {oldest:%Y-%m-%d} are used, as newer ones could not be loaded: {error}",
                FlatnbWarning,
                stacklevel=3,
            )
            return responses
        for name, rows in fetched.items():
            responses[name] = self._cache.put(kind, name, rows)
        return responses

    def _fetch_splits(self, names: Sequence[str] | None) -> dict[str, list[Record]]:
        with self._client() as client:
            return self._by_ticker(
                names,
                partial(client.list_stocks_splits, limit=_ROWS_A_PAGE, sort="execution_date.asc"),
            )

    def _fetch_dividends(self, names: Sequence[str] | None) -> dict[str, list[Record]]:
        with self._client() as client:
            return self._by_ticker(
                names,
                partial(
                    client.list_stocks_dividends, limit=_ROWS_A_PAGE, sort="ex_dividend_date.asc"
                ),
            )

    def _fetch_events(self, names: Sequence[str] | None) -> dict[str, list[Record]]:
        with self._client() as client:
            return {name: self._asked(partial(_events, client, name)) for name in names or ()}

    def _fetch_tickers(self, _: Sequence[str] | None) -> dict[str, list[Record]]:
        with self._client() as client:
            every = partial(client.list_tickers, market="stocks", active=True)
            return {EVERY_TICKER: self._asked(partial(_records, every, limit=_TICKERS_A_PAGE))}

    def _by_ticker(
        self, names: Sequence[str] | None, list_rows: Callable[..., Iterator[Any]]
    ) -> dict[str, list[Record]]:
        if names is None:
            return {EVERY_TICKER: self._asked(partial(_records, list_rows))}
        found: dict[str, list[Record]] = {name: [] for name in names}
        for start in range(0, len(names), _TICKERS_A_REQUEST):
            some = ",".join(names[start : start + _TICKERS_A_REQUEST])
            for row in self._asked(partial(_records, list_rows, ticker_any_of=some)):
                ticker = str(row.get("ticker"))
                if ticker not in found:
                    raise ReferenceServiceError(
                        f"the service responded about {ticker!r}, which was not asked for"
                    )
                found[ticker].append(row)
        return found

    def _asked(self, ask: Callable[[], list[Record]]) -> list[Record]:
        """What the client returns; its errors as ours, and without the key."""
        from massive.exceptions import BadResponse
        from urllib3.exceptions import HTTPError

        assert self._key is not None
        try:
            return ask()
        except BadResponse as error:
            # The response may repeat the key, so neither it nor its traceback goes on.
            raise _refusal(self._key.hide(str(error))) from None
        except (HTTPError, _NotJsonError) as error:
            raise ReferenceServiceError(
                f"{self.url} did not respond as it should: {self._key.hide(str(error))}. Check the "
                "network, or use offline=True"
            ) from None

    @contextmanager
    def _client(self) -> Iterator[Any]:
        try:
            from massive import RESTClient
        except ImportError as error:
            raise ImportError(
                "the vendor's client is not installed: pip install 'flatnb[reference]'"
            ) from error
        if self._key is None:
            self._key = find_api_key()
        client = RESTClient(self._key.value, base=self.url, custom_json=_Json)
        try:
            yield client
        finally:
            # It has no close(): its connections would stay open until they are collected.
            client.client.clear()
            client.vx.client.clear()


def _records(list_rows: Callable[..., Iterator[Any]], **query: object) -> list[Record]:
    """All pages of a list, what is not given left out."""
    return [
        {name: value for name, value in vars(row).items() if value is not None}
        for row in list_rows(**query)
    ]


def _events(client: Any, ticker: str) -> list[Record]:
    # The client's own classes fail where a response lacks a field, so it is read here.
    response = client.get_ticker_events(quote(ticker, safe=""), raw=True)
    results = _loads(response.data.decode()).get("results") or {}
    return cast("list[Record]", results.get("events") or [])


class _NotJsonError(Exception):
    """A response that is not a JSON object. The client takes a ValueError for an empty page."""


class _Json:
    loads = staticmethod(lambda text: _loads(text))


def _loads(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        raise _NotJsonError(f"no JSON: {text[:80]!r}") from None
    if not isinstance(found, dict):
        raise _NotJsonError(f"no JSON object: {text[:80]!r}")
    return found


def _refusal(text: str) -> FlatnbError:
    try:
        response = _loads(text)
    except _NotJsonError:
        response = {}
    message = str(response.get("error") or response.get("message") or text)[:300]
    status = response.get("status")
    if status == "NOT_AUTHORIZED":
        return CredentialsError(f"the plan of this API key does not cover it: {message}")
    if "api key" in message.lower():
        return CredentialsError(f"the API key was refused: {message}")
    return ReferenceServiceError(f"the service refused: {message}")


def _names(symbols: str | Iterable[str] | None) -> list[str] | None:
    if symbols is None:
        return None
    names = list(dict.fromkeys([symbols] if isinstance(symbols, str) else symbols))
    for name in names:
        if not isinstance(name, str) or not name or set(name) & set(",*/ "):
            raise ValueError(f"symbols holds {name!r}, which is not a ticker")
    if not names:
        raise ValueError("symbols is empty; name some tickers, or pass None for the whole market")
    return names


def _folder(folder: str | Path | None) -> Path:
    if folder is not None:
        return Path(folder).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("flatnb") / "reference"
