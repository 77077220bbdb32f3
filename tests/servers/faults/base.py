"""What a fault is, and what the makers of faults share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from ..healthy_s3 import StoredObject
from ..wire import Answer, Asked

Need = Literal["nothing", "body", "range", "listing"]


@dataclass(frozen=True, slots=True)
class Exchange:
    """What a fault may look at: the request, the object (if there is one), the healthy answer."""

    asked: Asked
    stored: StoredObject | None
    healthy: Answer


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault; make one with the functions of this module."""

    name: str
    change: Callable[[Exchange], Answer]
    need: Need = "nothing"

    def fits(self, asked: Asked) -> bool:
        """Whether a request can meet this fault."""
        if self.need == "range":
            return asked.kind == "get" and "range" in asked.headers
        if self.need == "listing":
            return asked.kind == "list"
        return self.need == "nothing" or asked.kind != "head"

    def __str__(self) -> str:
        return self.name


def healthy() -> Fault:
    """No fault: a place in a script where the answer is healthy."""
    return Fault("healthy", lambda exchange: exchange.healthy)


def healthy_but(name: str, change: Callable[[Answer], Answer], need: Need = "nothing") -> Fault:
    return Fault(name, lambda exchange: change(exchange.healthy), need)


def without(answer: Answer, name: str) -> dict[str, str]:
    return {header: value for header, value in answer.headers.items() if header != name}


def with_body(answer: Answer, body: bytes) -> Answer:
    return replace(answer, headers={**answer.headers, "Content-Length": str(len(body))}, body=body)
