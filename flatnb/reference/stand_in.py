"""A stand-in of the vendor's REST service of reference data, on this machine, for tests and demos.

It serves the endpoints that `ReferenceService` asks, in the documented shape: bearer keys, pages
with ``next_url``, and errors as JSON.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import parse_qs, unquote, urlsplit

from .response_cache import Record

if TYPE_CHECKING:
    import polars as pl

DEMO_API_KEY = "demo-api-key"
_FACTOR_DIGITS = 6


class ReferenceStandIn:
    """A server on 127.0.0.1 with actions, ticker events and tickers of one's own.

    Parameters
    ----------
    actions
        ``ticker``, ``date``, ``kind``, ``from``, ``to``, ``amount`` and ``factor``, as
        `flatnb.research.read_actions` returns them; dividends are served with their cumulative
        factor, as the vendor does, if all of a ticker's have one.
    events
        Ticker → its security's (first day, ticker) pairs, for example ``{"META": [("2012-05-18",
        "FB"), ("2022-06-09", "META")]}``.
    tickers
        Ticker → type, for example ``{"AAPL": "CS"}``.
    api_key
        The one that is let in.
    page_rows
        The most rows that a response has, whatever is asked for.

    Attributes
    ----------
    requests : list of str
        The paths and queries that were asked for.
    failing : bool
        Whether to respond 503 to everything, as long as it is set.

    Examples
    --------
    >>> with ReferenceStandIn(events={"META": [("2022-06-09", "META")]}) as server:
    ...     server.url.startswith("http://127.0.0.1:")
    True
    """

    def __init__(
        self,
        actions: pl.DataFrame | None = None,
        *,
        events: Mapping[str, Sequence[tuple[str, str]]] | None = None,
        tickers: Mapping[str, str] | None = None,
        api_key: str = DEMO_API_KEY,
        page_rows: int = 5000,
    ) -> None:
        rows = [] if actions is None else actions.rows(named=True)
        self.api_key = api_key
        self.requests: list[str] = []
        self.failing = False
        self._events = dict(events or {})
        self._page_rows = page_rows
        self._lists: dict[str, list[Record]] = {
            "/stocks/v1/splits": _splits(rows),
            "/stocks/v1/dividends": _dividends(rows),
            "/v3/reference/tickers": [
                {"ticker": ticker, "type": kind, "name": f"{ticker} Inc.", "market": "stocks"}
                for ticker, kind in sorted((tickers or {}).items())
            ],
        }
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def respond(self, target: str, authorization: str) -> tuple[int, Record]:
        """The status and the JSON for a path with its query."""
        parts = urlsplit(target)
        self.requests.append(target)
        if self.failing:
            return 503, {"status": "ERROR", "error": "out of order"}
        if authorization != f"Bearer {self.api_key}":
            # As tactless as a service can be: it says the key that it refuses.
            shown = authorization.removeprefix("Bearer ")
            return 401, {"status": "ERROR", "error": f"Unknown API Key {shown}"}
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        if parts.path in self._lists:
            return 200, self._page(parts.path, query)
        if parts.path.startswith("/vX/reference/tickers/") and parts.path.endswith("/events"):
            return self._events_of(unquote(parts.path.split("/")[4]))
        return 404, {"status": "NOT_FOUND", "message": f"no such path: {parts.path}"}

    def _page(self, path: str, query: dict[str, str]) -> Record:
        rows = self._lists[path]
        if some := query.get("ticker.any_of"):
            rows = [row for row in rows if row["ticker"] in some.split(",")]
        elif one := query.get("ticker"):
            rows = [row for row in rows if row["ticker"] == one]
        sort, _, direction = query.get("sort", "ticker.asc").partition(".")
        rows = sorted(rows, key=lambda row: str(row.get(sort, "")), reverse=direction == "desc")
        start, limit = int(query.get("cursor", 0)), int(query.get("limit", 100))
        limit = min(limit, self._page_rows)
        response: Record = {
            "status": "OK",
            "request_id": "1",
            "results": rows[start : start + limit],
        }
        if start + limit < len(rows):
            rest = {**query, "cursor": str(start + limit)}
            asked = "&".join(f"{name}={value}" for name, value in rest.items())
            response["next_url"] = f"{self.url}{path}?{asked}"
        return response

    def _events_of(self, ticker: str) -> tuple[int, Record]:
        if ticker not in self._events:
            return 404, {"status": "NOT_FOUND", "message": f"Ticker {ticker} not found."}
        events = [
            {"type": "ticker_change", "date": day, "ticker_change": {"ticker": name}}
            for day, name in sorted(self._events[ticker], reverse=True)
        ]
        return 200, {"status": "OK", "results": {"name": f"{ticker} Inc.", "events": events}}


def _handler(stand_in: ReferenceStandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, response = stand_in.respond(self.path, self.headers.get("Authorization", ""))
            body = json.dumps(response, default=str).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing: a notebook is not the place for a server's log."""

    return Handler


def _splits(rows: Iterable[Mapping[str, object]]) -> list[Record]:
    found: list[Record] = []
    for row in rows:
        if row["kind"] == "dividend":
            continue
        kind = str(row["kind"])
        if kind == "split":
            more = float(str(row["to"])) > float(str(row["from"]))
            kind = "forward_split" if more else "reverse_split"
        found.append(
            {
                "id": f"S{len(found)}",
                "ticker": row["ticker"],
                "execution_date": str(row["date"]),
                "split_from": row["from"],
                "split_to": row["to"],
                "adjustment_type": kind,
            }
        )
    return found


def _dividends(rows: Iterable[Mapping[str, object]]) -> list[Record]:
    found: list[Record] = []
    cumulative: dict[object, float] = {}
    dividends = [row for row in rows if row["kind"] == "dividend"]
    for row in sorted(dividends, key=lambda row: str(row["date"]), reverse=True):
        record: Record = {
            "id": f"D{len(found)}",
            "ticker": row["ticker"],
            "ex_dividend_date": str(row["date"]),
            "cash_amount": row["amount"],
            "currency": "USD",
            "distribution_type": "recurring",
        }
        factor = row.get("factor")
        if isinstance(factor, float):
            product = cumulative.get(row["ticker"], 1.0) * factor
            cumulative[row["ticker"]] = product
            record["historical_adjustment_factor"] = round(product, _FACTOR_DIGITS)
        found.append(record)
    return found
