"""The demo market's splits, dividends and changes of tickers: all invented but for FB → META.

The prices of `universe` go on without a break; in the files, a price after a split or dividend is
that price times the action's factor. So the market without actions is what adjusted prices must
come to.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import polars as pl


@dataclass(frozen=True)
class DemoAction:
    """A split, or a dividend.

    Attributes
    ----------
    day
        The first day on the new basis: a trading day.
    shares_from, shares_to
        Of a split; equal for a dividend.
    yield_
        A dividend's amount as a part of the last close before it; 0 for a split.
    """

    ticker: str
    day: date
    shares_from: int = 1
    shares_to: int = 1
    yield_: float = 0.0

    @property
    def price_factor(self) -> float:
        """What later prices are multiplied with in the files."""
        return self.shares_from / self.shares_to * (1 - self.yield_)

    @property
    def size_factor(self) -> float:
        """What later volumes are multiplied with in the files."""
        return self.shares_to / self.shares_from


ACTIONS = (
    DemoAction("ACHR", date(2024, 7, 16), shares_from=5),
    *(
        DemoAction("KO", day, yield_=0.008)
        for day in (
            date(2024, 3, 14),
            date(2024, 6, 14),
            date(2024, 9, 13),
            date(2024, 11, 29),
            date(2025, 3, 14),
            date(2025, 6, 13),
        )
    ),
    DemoAction("MAR", date(2024, 5, 16), yield_=0.004),
    DemoAction("MAR", date(2024, 6, 20), shares_to=2),
    DemoAction("MAR", date(2024, 8, 15), yield_=0.004),
    DemoAction("NFLX", date(2025, 3, 4), shares_to=10),
    DemoAction("WMT", date(2024, 6, 11), shares_to=3),
)
"""By ticker and day. None has option contracts in a market of eight underlyings."""

RENAMES = {
    "BCAT": (("2021-06-30", "META"), ("2022-01-31", "BCAT")),
    "META": (("2012-05-18", "FB"), ("2022-06-09", "META")),
}
"""Today's ticker → the first days of the security's tickers: META was another one's before."""


def tickers_on(tickers: pl.Series, day: date) -> pl.Series:
    """The tickers of a day, of securities that are named by today's."""
    was: dict[str, str] = {}
    for ticker, changes in RENAMES.items():
        # The first of its tickers is taken for the time before as well.
        names = [name for since, name in changes if since <= day.isoformat()] or [changes[0][1]]
        if names[-1] != ticker:
            was[ticker] = names[-1]
    return tickers.replace(list(was), list(was.values())) if was else tickers


def actions_of(tickers: pl.Series) -> list[tuple[int, DemoAction]]:
    """The actions of some tickers, each with the ticker's place."""
    place = {ticker: at for at, ticker in enumerate(tickers)}
    return [(place[each.ticker], each) for each in ACTIONS if each.ticker in place]


def events_of(tickers: pl.Series) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Each ticker of today with the first days of its security's tickers."""
    for ticker in tickers:
        yield ticker, list(RENAMES.get(ticker, [("2003-09-10", ticker)]))
