"""The class of faults, and helpers to create them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from ..healthy_s3 import StoredObject
from ..wire import HttpRequest, Response

Need = Literal["nothing", "body", "range", "listing"]


@dataclass(frozen=True, slots=True)
class Exchange:
    """The input of a fault: the request, the object (if it exists), the healthy response."""

    request: HttpRequest
    stored: StoredObject | None
    healthy: Response


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault; the functions of this package create them."""

    name: str
    change: Callable[[Exchange], Response]
    need: Need = "nothing"

    def fits(self, request: HttpRequest) -> bool:
        """Whether this fault is applicable to a request."""
        if self.need == "range":
            return request.kind == "get" and "range" in request.headers
        if self.need == "listing":
            return request.kind == "list"
        return self.need == "nothing" or request.kind != "head"

    def __str__(self) -> str:
        return self.name


def healthy() -> Fault:
    """No fault: the healthy response, as an entry of a script."""
    return Fault("healthy", lambda exchange: exchange.healthy)


def healthy_but(name: str, change: Callable[[Response], Response], need: Need = "nothing") -> Fault:
    return Fault(name, lambda exchange: change(exchange.healthy), need)


def without(response: Response, name: str) -> dict[str, str]:
    return {header: value for header, value in response.headers.items() if header != name}


def with_body(response: Response, body: bytes) -> Response:
    return replace(
        response, headers={**response.headers, "Content-Length": str(len(body))}, body=body
    )
