"""Processes that search for rows in ranges of compressed files.

The search is Python and numpy under Python's global lock, so that threads do not make it faster:
of a year of one symbol it took 26 s in threads, on two cores. The processes end with the load.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Self, TypeVar

if TYPE_CHECKING:
    from ..ranges import Request, SearchResult
    from .search_worker import Answer, Message

T = TypeVar("T")

_MAX_PROCESSES = 4
_START_S = 30.0
_WORKER = "flatnb.load.search_worker"


class SearchProcessError(RuntimeError):
    """A search process cannot be started, or has ended."""


class SearchProcesses:
    """The processes of one load; an asynchronous context manager.

    Parameters
    ----------
    searches
        How many searches there will be at most: no more processes are started.
    """

    def __init__(self, searches: int) -> None:
        self._count = max(1, min(searches, os.cpu_count() or 1, _MAX_PROCESSES))
        self._processes: list[_SearchProcess] = []
        self._numbers = itertools.count()

    def start(self) -> None:
        """Start them, if they are not; the first search would do it."""
        if not self._processes:
            self._processes = [_SearchProcess() for _ in range(self._count)]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for process in self._processes:
            process.end()

    @contextlib.asynccontextmanager
    async def search(self) -> AsyncIterator[Search]:
        """A search, in the process that has the fewest of them."""
        self.start()
        running = [process for process in self._processes if not process.has_ended]
        process = min(running or self._processes, key=lambda one: one.searches)
        search = Search(process, next(self._numbers))
        process.searches += 1
        try:
            yield search
        except Exception:
            await search.abandon()
            raise
        finally:
            process.searches -= 1


class Search:
    """One search in a process; see `flatnb.ranges.RangedSearch`.

    `begin` and `go_on` return the ranges to fetch, or the result. They raise `SearchProcessError`
    if the process could not be started, or has ended.
    """

    def __init__(self, process: _SearchProcess, number: int) -> None:
        self._process = process
        self._number = number

    async def begin(
        self, day: date, daily_text: bytes, size_bytes: int, tickers: Sequence[str]
    ) -> list[Request] | SearchResult:
        """Begin; ``daily_text`` is the day's daily file, decompressed.

        Raises
        ------
        ValueError
            If the daily file cannot be used.
        """
        from .search_worker import Begin

        return await self._ask(Begin(self._number, day, daily_text, size_bytes, tuple(tickers)))

    async def go_on(self, replies: list[bytes]) -> list[Request] | SearchResult:
        """Go on, given the bytes of the ranges that were asked for."""
        from .search_worker import Continue

        return await self._ask(Continue(self._number, replies))

    async def abandon(self) -> None:
        """Let the process forget the search."""
        from .search_worker import Abandon

        with contextlib.suppress(SearchProcessError):
            await self._process.run(lambda process: process.send(Abandon(self._number)))

    async def _ask(self, message: Message) -> list[Request] | SearchResult:
        answer = await self._process.run(lambda process: process.ask(message))
        if isinstance(answer, ValueError):
            raise answer
        return answer


class _SearchProcess:
    """One process.

    Attributes
    ----------
    searches
        How many searches it has that are not done.
    """

    def __init__(self) -> None:
        self.searches = 0
        self._exchange = asyncio.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._is_ready = False
        self._reason = "it has ended"
        if getattr(sys, "frozen", False):
            # The executable is an application, which would start itself.
            self._reason = "a frozen application cannot start it"
            return
        command = f"import sys; sys.path[:] = {_path()!r}; from {_WORKER} import main; main()"
        try:
            self._process = subprocess.Popen(
                # -P: no module of the current folder. None where Python is embedded elsewhere.
                [sys.executable or "", "-P", "-c", command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                # Ctrl-C is for this process, which ends that one.
                start_new_session=True,
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
        except OSError as error:
            self._reason = f"it cannot be started: {error}"
            return
        # What is not Python, or does not get to its main function, would never answer.
        self._overdue = threading.Timer(_START_S, self._process.kill)
        self._overdue.daemon = True
        self._overdue.start()

    @property
    def has_ended(self) -> bool:
        """Whether it was not started, or does not run any more."""
        return self._process is None or self._process.poll() is not None

    async def run(self, function: Callable[[_SearchProcess], T]) -> T:
        """Run a function of this process in a thread, one at a time."""
        async with self._exchange:
            work = asyncio.get_running_loop().run_in_executor(None, function, self)
            try:
                return await asyncio.shield(work)
            except asyncio.CancelledError:
                # Half of an exchange has happened, perhaps, which the next one would take for its.
                self.end()
                await asyncio.gather(work, return_exceptions=True)  # the thread's read has ended
                raise

    def ask(self, message: Message) -> Answer:
        """Send a message and wait for its answer."""
        self.send(message)
        assert self._process is not None and self._process.stdout is not None
        try:
            self._wait_until_ready(self._process.stdout)
            answer: Answer = pickle.load(self._process.stdout)
        except Exception as error:
            self._process.kill()  # what it sends cannot be read any more
            raise self._error() from error
        return answer

    def _wait_until_ready(self, output: IO[bytes]) -> None:
        from .search_worker import READY

        if self._is_ready:
            return
        if not any(line.endswith(READY) for line in output):
            raise EOFError
        self._overdue.cancel()
        self._is_ready = True

    def send(self, message: Message) -> None:
        """Send a message."""
        if self._process is None or self._process.stdin is None:
            raise self._error()
        try:
            pickle.dump(message, self._process.stdin, pickle.HIGHEST_PROTOCOL)
            self._process.stdin.flush()
        except (OSError, ValueError) as error:
            raise self._error() from error

    def _error(self) -> SearchProcessError:
        return SearchProcessError(f"it needs another process of Python: {self._reason}")

    def end(self) -> None:
        """End it, whatever it does."""
        if self._process is None:
            return
        self._overdue.cancel()
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):  # what was not sent yet cannot be sent any more
                    stream.close()


def _path() -> list[str]:
    """Where that process finds modules: as this one, but for the current folder.

    A notebook has it in its path, but has imported its libraries before.
    """
    entries = [entry for entry in sys.path if isinstance(entry, str) and entry]
    return [*entries, str(Path(__file__).parents[2])]
