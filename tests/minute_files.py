"""Minute and daily files of an invented market, made independently of `flatnb.demo`.

The tickers have the shapes of real ones (13,192 of 27 real day files of 2026: two thirds of four
letters, a fifth of three, and suffixes for preferred shares, rights, warrants, units and classes).
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

COLUMNS = ("ticker", "volume", "open", "close", "high", "low", "window_start", "transactions")
_EXCHANGE_TIME = ZoneInfo("America/New_York")
_REGULAR = range(9 * 60 + 30, 16 * 60)

Row = dict[str, str]


@dataclass(frozen=True)
class Style:
    """How a market's files are written.

    Attributes
    ----------
    day
        The day; its offset from UTC and its digits matter.
    volume_decimals, price_decimals
        How many decimals are written; None: as few as needed, up to four.
    all_hours
        Whether the daily bars are of all hours, or of the regular ones.
    columns
        The order of the columns.
    """

    day: date = date(2024, 6, 3)
    volume_decimals: int = 0
    price_decimals: int | None = None
    all_hours: bool = True
    columns: tuple[str, ...] = COLUMNS

    @property
    def midnight_s(self) -> int:
        """The day's first second, exchange time."""
        return int(datetime.combine(self.day, datetime.min.time(), _EXCHANGE_TIME).timestamp())


@dataclass
class Market:
    """A day of a market.

    Attributes
    ----------
    style
        How it is written.
    blocks
        Ticker and rows, in the file's order.
    daily
        Ticker → the line of the daily file.
    """

    style: Style
    blocks: list[tuple[str, list[Row]]]
    daily: dict[str, Row] = field(default_factory=dict)

    def rows(self, ticker: str) -> bytes:
        """All rows of a ticker as the file has them, wherever they are."""
        return self.all_rows().get(ticker, b"")

    def all_rows(self) -> dict[str, bytes]:
        """Ticker → all of its rows as the file has them."""
        found: dict[str, list[Row]] = {}
        for _, block in self.blocks:
            for row in block:
                found.setdefault(row["ticker"], []).append(row)
        return {ticker: self._text(rows) for ticker, rows in found.items()}

    def minute_text(self) -> bytes:
        """The text of the minute file."""
        header = ",".join(self.style.columns).encode() + b"\n"
        return header + b"".join(self._text(rows) for _, rows in self.blocks)

    def daily_text(self) -> bytes:
        """The text of the daily file."""
        lines = [",".join(self.daily[ticker].values()) + "\n" for ticker in sorted(self.daily)]
        return (",".join(COLUMNS) + "\n" + "".join(lines)).encode()

    def _text(self, rows: list[Row]) -> bytes:
        columns = self.style.columns
        return "".join(",".join([row[c] for c in columns]) + "\n" for row in rows).encode()


def tickers_of_real_shape(rng: random.Random, count: int) -> list[str]:
    """Sorted tickers, with the shares of lengths and of suffixes that real ones have."""
    found: set[str] = set()
    while len(found) < count:
        length = rng.choices([1, 2, 3, 4, 5], [0.2, 2, 21, 66, 10])[0]
        ticker = "".join(rng.choices(string.ascii_uppercase, k=length))
        kind = rng.random()
        if kind < 0.04:
            ticker = ticker[:4] + "p" + rng.choice("ABCDEF")
        elif kind < 0.08:
            ticker = ticker[:4] + rng.choice([".WS", ".U", ".A", ".B", "r", "w"])
        found.add(ticker)
    return sorted(found)


def make_market(seed: int, *, tickers: int, style: Style) -> Market:
    """A market in order: every rule holds, and daily bars are what the minutes add up to."""
    rng = random.Random(seed)
    names = tickers_of_real_shape(rng, tickers)
    blocks = [(ticker, _rows(rng, ticker, style)) for ticker in names]
    market = Market(style, blocks)
    for ticker, rows in list(market.blocks):
        bar = daily_bar(rows, style)
        if bar is not None:
            market.daily[ticker] = bar
    return market


def _minutes(rng: random.Random) -> list[int]:
    busy = min(1.0, rng.lognormvariate(-1.6, 1.3))
    regular = [minute for minute in _REGULAR if rng.random() < busy]
    outside = [m for m in range(240, 1200) if m not in _REGULAR and rng.random() < busy**3 / 2]
    return sorted({*regular, *outside, rng.choice(_REGULAR)})


def _rows(rng: random.Random, ticker: str, style: Style) -> list[Row]:
    price = rng.lognormvariate(3, 1.2)
    tick = rng.choice([0.01, 0.01, 0.01, 0.005, 0.0001])
    activity = rng.lognormvariate(1.5, 1.2)
    rows = []
    for minute in _minutes(rng):
        price = max(price * (1 + rng.gauss(0, 0.0008)), 0.02)
        count = max(1, round(rng.expovariate(1 / activity)))
        moves = [price * (1 + rng.gauss(0, 0.0004)) for _ in range(min(count, 4))]
        steps = [max(round(move / tick), 1) * tick for move in moves]
        volume = count * rng.choice([1, 10, 50, 100]) + rng.randrange(count + 1)
        extra = rng.random() if style.volume_decimals else 0.0
        rows.append(
            {
                "ticker": ticker,
                "volume": f"{volume + extra:.{style.volume_decimals}f}",
                "open": _price(steps[0], style),
                "close": _price(steps[-1], style),
                "high": _price(max(steps), style),
                "low": _price(min(steps), style),
                "window_start": f"{style.midnight_s + 60 * minute}000000000",
                "transactions": str(count),
            }
        )
    return rows


def _price(value: float, style: Style) -> str:
    if style.price_decimals is not None:
        return f"{value:.{style.price_decimals}f}"
    text = f"{value:.4f}".rstrip("0").rstrip(".")
    return text or "0"


def daily_bar(rows: list[Row], style: Style) -> Row | None:
    """The bar that a ticker's rows add up to."""
    first, last = (style.midnight_s + 60 * m for m in (_REGULAR[0], _REGULAR[-1]))
    if not style.all_hours:
        rows = [row for row in rows if first <= int(row["window_start"][:10]) <= last]
    if not rows:
        return None
    return {
        "ticker": rows[0]["ticker"],
        "volume": str(sum(Decimal(row["volume"]) for row in rows)),
        "open": rows[0]["open"],
        "close": rows[-1]["close"],
        "high": max((row["high"] for row in rows), key=Decimal),
        "low": min((row["low"] for row in rows), key=Decimal),
        "window_start": f"{style.midnight_s}000000000",
        "transactions": str(sum(int(row["transactions"]) for row in rows)),
    }


Disorder = Callable[[random.Random, Market, int], Market]
"""Makes something wrong at a block, given by its number."""


def _with(market: Market, blocks: list[tuple[str, list[Row]]]) -> Market:
    return replace(market, blocks=blocks, daily=dict(market.daily))


def _changed(market: Market, at: int, rows: list[Row]) -> Market:
    blocks = list(market.blocks)
    blocks[at] = (blocks[at][0], rows)
    return _with(market, blocks)


def not_in_the_list(rng: random.Random, market: Market, at: int) -> Market:
    """A ticker has minutes and no daily bar."""
    found = _with(market, list(market.blocks))
    found.daily.pop(market.blocks[at][0], None)
    return found


def swapped_blocks(rng: random.Random, market: Market, at: int) -> Market:
    """Two neighbours stand in the wrong order."""
    blocks = list(market.blocks)
    other = min(at + rng.choice([1, 2, 5]), len(blocks) - 1)
    blocks[at], blocks[other] = blocks[other], blocks[at]
    return _with(market, blocks)


def moved_block(rng: random.Random, market: Market, at: int) -> Market:
    """A ticker stands among others, far from its place."""
    blocks = list(market.blocks)
    far = rng.randrange(len(blocks))
    blocks.insert(at, blocks.pop(far))
    return _with(market, blocks)


def two_runs(rng: random.Random, market: Market, at: int) -> Market:
    """A ticker's regular minutes stand in two places, as two tickers a day do in real files."""
    ticker, rows = market.blocks[at]
    style = market.style
    first, last = (style.midnight_s + 60 * m for m in (_REGULAR[0], _REGULAR[-1]))
    regular = [i for i, row in enumerate(rows) if first <= int(row["window_start"][:10]) <= last]
    cut = rng.choice(regular)
    blocks = list(market.blocks)
    blocks[at] = (ticker, rows[:cut])
    far = rng.choice([rng.randrange(len(blocks)), min(at + 2, len(blocks) - 1), max(at - 1, 0)])
    blocks.insert(far, (ticker, rows[cut:]))
    return _with(market, blocks)


def run_in_another(rng: random.Random, market: Market, at: int) -> Market:
    """Rows of another ticker stand in the middle of one's rows."""
    ticker, rows = market.blocks[at]
    other, others = market.blocks[rng.randrange(len(market.blocks))]
    cut = rng.randrange(len(rows) + 1)
    blocks = list(market.blocks)
    blocks[at : at + 1] = [(ticker, rows[:cut]), (other, others[:2]), (ticker, rows[cut:])]
    return _with(market, blocks)


def times_out_of_order(rng: random.Random, market: Market, at: int) -> Market:
    """Rows of a ticker are shuffled."""
    rows = list(market.blocks[at][1])
    for _ in range(3):
        one, other = rng.randrange(len(rows)), rng.randrange(len(rows))
        rows[one], rows[other] = rows[other], rows[one]
    return _changed(market, at, rows)


def time_of_another_day(rng: random.Random, market: Market, at: int) -> Market:
    """Some rows are stamped a day later, as on 2019-08-12."""
    rows = [dict(row) for row in market.blocks[at][1]]
    for row in rows[len(rows) // 2 :]:
        row["window_start"] = str(int(row["window_start"]) + 86_400 * 10**9)
    return _changed(market, at, rows)


def half_minutes(rng: random.Random, market: Market, at: int) -> Market:
    """Some rows do not begin at whole minutes."""
    rows = [dict(row) for row in market.blocks[at][1]]
    for row in rng.sample(rows, min(3, len(rows))):
        row["window_start"] = str(int(row["window_start"]) + 10 * 10**9)
    return _changed(market, at, rows)


def odd_cells(rng: random.Random, market: Market, at: int) -> Market:
    """Cells that no rule knows."""
    rows = [dict(row) for row in market.blocks[at][1]]
    odd = ["", "NaN", "-1", "1e-05", '"5"', "5,5", "é", "0x1", ".5", "7.", "00012"]
    for row in rng.sample(rows, min(2, len(rows))):
        row[rng.choice(COLUMNS[1:])] = rng.choice(odd)
    return _changed(market, at, rows)


def low_above_high(rng: random.Random, market: Market, at: int) -> Market:
    """Highs and lows are exchanged in some rows."""
    rows = [dict(row) for row in market.blocks[at][1]]
    for row in rng.sample(rows, min(4, len(rows))):
        row["low"], row["high"] = row["high"], row["low"]
    return _changed(market, at, rows)


def other_decimals(rng: random.Random, market: Market, at: int) -> Market:
    """Some numbers have more or fewer decimals than the file's other ones."""
    rows = [dict(row) for row in market.blocks[at][1]]
    for row in rng.sample(rows, min(5, len(rows))):
        row["volume"] = row["volume"].rstrip("0").rstrip(".") or "0"
        row["close"] = f"{Decimal(row['close']):.7f}"
    found = _changed(market, at, rows)
    bar = daily_bar(rows, market.style)
    if bar is not None:
        found.daily[market.blocks[at][0]] = bar
    return found


def duplicates(rng: random.Random, market: Market, at: int) -> Market:
    """Rows stand twice, and the bar counts them twice."""
    rows = [copy for row in market.blocks[at][1] for copy in [row] * rng.choice([1, 1, 2])]
    found = _changed(market, at, rows)
    bar = daily_bar(rows, market.style)
    if bar is not None:
        found.daily[market.blocks[at][0]] = bar
    return found


def missing_rows(rng: random.Random, market: Market, at: int) -> Market:
    """A regular minute is missing, as reported of some closing minutes."""
    rows = list(market.blocks[at][1])
    rows.pop(rng.randrange(len(rows)))
    return _changed(market, at, rows)


DISORDERS: dict[str, Disorder] = {
    function.__name__: function
    for function in (
        not_in_the_list,
        swapped_blocks,
        moved_block,
        two_runs,
        run_in_another,
        times_out_of_order,
        time_of_another_day,
        half_minutes,
        odd_cells,
        low_above_high,
        other_decimals,
        duplicates,
        missing_rows,
    )
}

STYLES: dict[str, Style] = {
    "whole volumes": Style(),
    "six decimals": Style(
        day=date(2026, 5, 22), volume_decimals=6, price_decimals=6, all_hours=False
    ),
    "two decimals": Style(day=date(2021, 1, 4), volume_decimals=2, price_decimals=2),
    "other columns": Style(
        day=date(2009, 11, 25),
        all_hours=False,
        columns=(*COLUMNS[6:], *COLUMNS[:6]),
    ),
}
