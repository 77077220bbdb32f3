"""The rows of some tickers of a day out of a plain minute file: exactly these, or a refusal.

Nothing here does I/O: `RangedSearch.steps` is a generator that says which byte ranges it wants,
and is sent the bytes. So a blocking driver, and one of an event loop, can both run it.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from .daily_bars import DailyBars
from .file_header import HEADER_BYTES, FileHeader
from .grammar import Grammar
from .position_estimates import PositionEstimates
from .proof import Proof, ProvedHours
from .stretch import Elsewhere, Found, NoBlockStartError, Stretch, Unclear
from .ticker_list import TickerList

MOST_REQUESTS = 3
"""How many requests a ticker may take, besides that for the file's first 16 KB."""

# So many bytes behind a block start most of the text does not depend on the history any more.
_BEFORE_BYTES = 500_000
_MORE_BEFORE_BYTES = (400_000, 800_000)
_BEHIND_BYTES = 25_000
_MORE_BEHIND_BYTES = 120_000
# What lies between the ranges of two tickers is fetched, if it is less than a range's run-up.
_MERGE_GAP_BYTES = 200_000
_LONGEST_RANGE_BYTES = 3_000_000


class Request(NamedTuple):
    """Bytes to fetch: from ``start`` to before ``stop``."""

    start: int
    stop: int


@dataclass(frozen=True)
class TickerAnswer:
    """What came of one ticker.

    Attributes
    ----------
    ticker
        The ticker.
    rows
        All of its rows, byte for byte, without the header; proved by the day's bar. None: refused.
    refusal
        Why there are none. Read the whole file then.
    is_absent
        Whether the daily file does not have the ticker, so that there is nothing to prove it by.
    proved_hours
        The hours for which the bar proves that the rows are complete. Where only the regular
        hours add up, rows of other hours may be missing if they stand in a second place.
    """

    ticker: str
    rows: bytes | None
    refusal: str | None = None
    is_absent: bool = False
    proved_hours: ProvedHours = "all"


@dataclass(frozen=True)
class SearchResult:
    """What came of a search.

    Attributes
    ----------
    header
        The file's first line, with its newline; empty if it was not readable.
    answers
        One for each wanted ticker.
    requests, total_bytes
        What was asked for.
    """

    header: bytes
    answers: dict[str, TickerAnswer]
    requests: int
    total_bytes: int

    @property
    def refused(self) -> list[TickerAnswer]:
        """The answers without rows."""
        return [answer for answer in self.answers.values() if answer.rows is None]


@dataclass
class _Wanted:
    """A ticker that is looked for.

    Attributes
    ----------
    ticker, number
        Itself, and its place in the list.
    need
        The bytes that it wants to be looked at.
    requests
        How many were made for it.
    held
        The stretch that it was last looked for in.
    reason
        Why it has not been found.
    """

    ticker: str
    number: int
    need: Request
    requests: int = 0
    held: Stretch | None = None
    reason: str = "not looked for"


@dataclass
class _Group:
    """Tickers whose bytes are fetched together."""

    need: Request
    members: list[_Wanted] = field(default_factory=list)


class RangedSearch:
    """Looks for the rows of some tickers in one stock minute file.

    Parameters
    ----------
    day
        The file's day.
    daily
        The bars of the same day.
    size_bytes
        The size of the compressed minute file.
    tickers
        The wanted tickers.

    Examples
    --------
    A blocking driver::

        steps = RangedSearch(day, daily, size_bytes, ["AAPL"]).steps()
        replies = None
        try:
            while True:
                wanted = next(steps) if replies is None else steps.send(replies)
                replies = [fetch(part.start, part.stop) for part in wanted]
        except StopIteration as done:
            result = done.value
    """

    def __init__(
        self, day: date, daily: DailyBars, size_bytes: int, tickers: Iterable[str]
    ) -> None:
        self._day = day
        self._daily = daily
        self._size = size_bytes
        self._asked = [tickers] if isinstance(tickers, str) else list(dict.fromkeys(tickers))
        self._answers: dict[str, TickerAnswer] = {}
        self._requests = self._bytes = 0
        self._header = b""

    def steps(self) -> Generator[list[Request], list[bytes], SearchResult]:
        """Run the search.

        Yields
        ------
        list of Request
            Ranges to fetch, all at once if possible. Send back the bytes of each of them, in the
            same order. All must be of one version of the file: give ``If-Match`` its ETag.

        Returns
        -------
        SearchResult
            Rows or a refusal for each ticker.
        """
        yield from self._search()
        answers = {ticker: self._answers[ticker] for ticker in self._asked}
        return SearchResult(self._header, answers, self._requests, self._bytes)

    def _search(self) -> Generator[list[Request], list[bytes], None]:
        try:
            self._tickers = TickerList(self._daily.tickers)
        except ValueError as error:
            self._refuse_all(str(error))
            return
        self._positions = PositionEstimates(
            self._daily.counts_of(self._tickers.tickers), self._size
        )
        pending = self._wanted()
        if not pending:
            return
        first = Request(0, min(HEADER_BYTES, self._size))
        groups = _grouped(pending)
        replies = yield self._ask([first, *self._missing(groups)])
        try:
            self._read_header(replies[0])
        except ValueError as error:
            self._refuse_all(str(error))
            return
        replies = replies[1:]
        while pending := self._look_at(groups, replies):
            groups = _grouped(pending)
            replies = yield self._ask(self._missing(groups))

    def _read_header(self, data: bytes) -> None:
        header = FileHeader(data)
        self._header = header.line
        self._grammar = Grammar(header.columns, self._day, self._tickers.alphabet, header.decimals)
        self._proof = Proof(header.columns, self._day)

    def _wanted(self) -> list[_Wanted]:
        found = []
        for ticker in self._asked:
            number = self._tickers.number(ticker.encode("utf-8"))
            if number is None:
                self._refuse(ticker, "the day's daily file does not have it", is_absent=True)
            else:
                found.append(_Wanted(ticker, number, self._around(number)))
        return found

    def _around(self, number: int, margin: float | None = None) -> Request:
        """The bytes in which a ticker's rows should be, with the run-up that they need."""
        off = self._positions.uncertainty(number) if margin is None else margin
        start = self._positions.begin(number) - off - _BEFORE_BYTES
        stop = self._positions.end(number) + off + _BEHIND_BYTES
        # A start near the file's beginning is the beginning, where nothing is unknown.
        return self._within(start if start > _BEFORE_BYTES / 2 else 0, stop)

    def _within(self, start: float, stop: float) -> Request:
        return Request(max(0, int(start)), min(self._size, int(stop)))

    def _ask(self, requests: list[Request]) -> list[Request]:
        self._requests += len(requests)
        self._bytes += sum(part.stop - part.start for part in requests)
        return requests

    def _missing(self, groups: list[_Group]) -> list[Request]:
        """What is not held yet of what the groups need."""
        missing = []
        for group in groups:
            parts = _not_held(group)
            missing += parts
            for wanted in group.members:
                wanted.requests += len(parts)
        return missing

    def _look_at(self, groups: list[_Group], replies: list[bytes]) -> list[_Wanted]:
        """Look for each group's tickers; which of them need more."""
        rest = iter(replies)
        pending = []
        for group in groups:
            parts = {part.start: next(rest) for part in _not_held(group)}
            held = group.members[0].held
            if held is not None and parts and _touches(held, group.need):
                parts[held.start] = held.data
            data = b"".join(parts[start] for start in sorted(parts))
            try:
                stretch = Stretch(group.need.start, data, self._size, self._grammar, self._tickers)
            except NoBlockStartError as error:
                for wanted in group.members:
                    self._refuse(wanted.ticker, str(error))
                continue
            pending += [one for one in group.members if not self._answered(one, stretch)]
        return pending

    def _answered(self, wanted: _Wanted, stretch: Stretch) -> bool:
        """Look for a ticker in a stretch; False if another request may help."""
        wanted.held = stretch
        found = stretch.find(wanted.number, self._positions.begin(wanted.number))
        if isinstance(found, Found):
            self._positions.observe(wanted.number, found.offset)
            self._accept(wanted.ticker, found.rows)
            return True
        if isinstance(found, Elsewhere):
            need = self._follow(wanted, found, stretch)
            wanted.reason = "its rows are not where they should be"
        else:
            need = self._widened(wanted, stretch, found)
            wanted.reason = found.reason
        left = MOST_REQUESTS - wanted.requests
        same = need.start >= stretch.start and need.stop <= stretch.stop
        if same or left < 1 or (left < 2 and len(_sides(stretch, need)) > 1):
            self._refuse(wanted.ticker, wanted.reason)
            return True
        wanted.need = need
        return False

    def _follow(self, wanted: _Wanted, found: Elsewhere, stretch: Stretch) -> Request:
        """Where to look next, as it is known now where another ticker is."""
        self._positions.observe(found.seen, found.offset)
        need = self._around(wanted.number)
        if need.start <= stretch.stop and need.stop >= stretch.start:
            # It is near: what is held serves as run-up, or as the rows behind.
            start = min(need.start, stretch.start)
            return Request(start, max(need.stop, stretch.stop))
        return need

    def _widened(self, wanted: _Wanted, stretch: Stretch, found: Unclear) -> Request:
        start: float = stretch.start
        stop: float = stretch.stop
        if found.before:
            # Where a little more text has not sufficed, much more may.
            start -= _MORE_BEFORE_BYTES[min(wanted.requests, len(_MORE_BEFORE_BYTES)) - 1]
            start = start if start > _BEFORE_BYTES / 2 else 0
        if found.behind:
            stop += _MORE_BEHIND_BYTES
        return self._within(start, stop)

    def _accept(self, ticker: str, rows: bytes) -> None:
        """Take the rows if the day's bar proves them."""
        try:
            bar = self._daily.bar(ticker)
            if bar is None:
                self._refuse(ticker, "it has no daily bar")
                return
            hours = self._proof.hours(rows, bar)
        except ValueError as error:
            self._refuse(ticker, str(error))
        else:
            self._answers[ticker] = TickerAnswer(ticker, rows, proved_hours=hours)

    def _refuse_all(self, reason: str) -> None:
        for ticker in self._asked:
            self._refuse(ticker, reason)

    def _refuse(self, ticker: str, reason: str, *, is_absent: bool = False) -> None:
        self._answers.setdefault(ticker, TickerAnswer(ticker, None, reason, is_absent))


def _grouped(pending: list[_Wanted]) -> list[_Group]:
    """Tickers whose ranges are close together, as groups."""
    groups: list[_Group] = []
    for wanted in sorted(pending, key=lambda one: one.need):
        last = groups[-1] if groups else None
        if last is not None and _fits(last, wanted):
            stop = max(last.need.stop, wanted.need.stop)
            last.need = Request(last.need.start, stop)
            last.members.append(wanted)
        else:
            groups.append(_Group(wanted.need, [wanted]))
    return groups


def _fits(group: _Group, wanted: _Wanted) -> bool:
    if group.members[0].held is not wanted.held:
        return False
    close = wanted.need.start <= group.need.stop + _MERGE_GAP_BYTES
    return close and wanted.need.stop - group.need.start <= _LONGEST_RANGE_BYTES


def _touches(held: Stretch, need: Request) -> bool:
    return need.start <= held.start and held.stop <= need.stop


def _sides(held: Stretch, need: Request) -> list[Request]:
    """What is needed and not held, where the need covers what is held."""
    sides = [Request(need.start, held.start), Request(held.stop, need.stop)]
    return [side for side in sides if side.stop > side.start]


def _not_held(group: _Group) -> list[Request]:
    held = group.members[0].held
    if held is None or not _touches(held, group.need):
        return [group.need]
    return _sides(held, group.need)
