"""A process that runs searches for another one, which fetches the bytes that they ask for.

It reads messages from its standard input and answers each on its standard output, pickled, until
the input ends.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import sys
from collections.abc import Generator
from dataclasses import dataclass
from datetime import date
from typing import BinaryIO, TypeAlias

from ..ranges import DailyBars, RangedSearch, Request, SearchResult


@dataclass(frozen=True)
class Begin:
    """Begin a search, to which later messages refer by its number; see `RangedSearch`."""

    number: int
    day: date
    daily_text: bytes
    size_bytes: int
    tickers: tuple[str, ...]


@dataclass(frozen=True)
class Continue:
    """Go on with a search, given the bytes of the ranges that it asked for."""

    number: int
    replies: list[bytes]


@dataclass(frozen=True)
class Abandon:
    """Forget a search; there is no answer."""

    number: int


Message: TypeAlias = Begin | Continue | Abandon
Answer: TypeAlias = list[Request] | SearchResult | ValueError
"""The ranges that a search asks for, its result, or why the daily file cannot be used."""


class Searches:
    """The searches that are not done yet."""

    def __init__(self) -> None:
        self._steps: dict[int, Generator[list[Request], list[bytes], SearchResult]] = {}

    def begin(self, message: Begin) -> Answer:
        """The first answer of a search."""
        try:
            daily = DailyBars(message.daily_text)
        except ValueError as error:
            return error
        search = RangedSearch(message.day, daily, message.size_bytes, message.tickers)
        self._steps[message.number] = search.steps()
        return self._advance(message.number, None)

    def go_on(self, message: Continue) -> Answer:
        """The next answer of a search."""
        return self._advance(message.number, message.replies)

    def abandon(self, message: Abandon) -> None:
        """Forget a search."""
        self._steps.pop(message.number, None)

    def _advance(self, number: int, replies: list[bytes] | None) -> Answer:
        steps = self._steps.pop(number)
        try:
            answer = next(steps) if replies is None else steps.send(replies)
        except StopIteration as done:
            result: SearchResult = done.value
            return result
        except Exception as error:  # one day's failure must not end the others
            return ValueError(f"{type(error).__name__}: {error}")
        self._steps[number] = steps
        return answer


def serve(messages: BinaryIO, answers: BinaryIO) -> None:
    """Answer messages until they end."""
    searches = Searches()
    while True:
        try:
            message: Message = pickle.load(messages)
        except EOFError:
            return
        match message:
            case Begin():
                answer = searches.begin(message)
            case Continue():
                answer = searches.go_on(message)
            case Abandon():
                searches.abandon(message)
                continue
        pickle.dump(answer, answers, pickle.HIGHEST_PROTOCOL)
        answers.flush()


READY = b"\0flatnb searches\0\n"
"""Comes before the answers: what Python's start or an import has printed comes before it."""

_INPUT, _OUTPUT, _ERRORS = 0, 1, 2


def main() -> None:
    """Serve standard input and output; what is printed from now on goes to standard error."""
    answers = os.fdopen(os.dup(_OUTPUT), "wb")
    is_open = sys.stderr is not None  # None: the descriptor is closed
    os.dup2(_ERRORS if is_open else os.open(os.devnull, os.O_WRONLY), _OUTPUT)
    answers.write(READY)
    answers.flush()
    with contextlib.suppress(BrokenPipeError):  # nobody waits for the answer any more
        serve(os.fdopen(_INPUT, "rb"), answers)
