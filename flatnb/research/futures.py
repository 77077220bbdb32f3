"""Futures contracts chained into one series for each product."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Literal, TypeAlias

from .contracts import FuturesSymbol, is_combination
from .frame import Frame, as_polars, instant, like, market_of, require_columns, with_date

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

PRICES = ("open", "high", "low", "close", "settlement_price", "vwap", "vwap_approx")

_NO_OPEN_INTEREST = (
    "roll='open_interest' needs open_interest, a table of ticker, date and open_interest: the "
    "files do not have it. The exchanges publish it (CME Group's daily bulletin); or roll by "
    "'volume'"
)
_NO_EXPIRIES = (
    "rolling days before expiry needs expiries, a table of ticker and expiry (the last trading "
    "day): the files do not have it. The vendor's REST service has (/futures/v1/contracts, "
    "last_trade_date); or roll by 'volume'"
)


@dataclass(frozen=True, slots=True)
class _Figure:
    """A contract in one session."""

    ticker: str
    close: float
    volume: float
    open_interest: float | None


_Session: TypeAlias = "Mapping[FuturesSymbol, _Figure]"
_Sessions: TypeAlias = "Mapping[date, _Session]"


def continuous(
    frame: Frame,
    roll: Literal["volume", "open_interest"] | int = "volume",
    adjust: Literal["difference", "ratio"] | None = None,
    *,
    open_interest: pl.DataFrame | pd.DataFrame | None = None,
    expiries: pl.DataFrame | pd.DataFrame | None = None,
) -> Frame:
    """One contract of each product for each session, and the prices made to fit where it changes.

    The series begins with the contract that the rule prefers in the first session, and goes on to
    contracts of later delivery, never back. What a session's figures say takes effect in the next
    one, as they are known only at its end.

    Parameters
    ----------
    frame : polars.DataFrame or pandas.DataFrame
        Session bars or minutes of futures, of one product or several; sessions are recognised by
        ``session_end_date``. Spreads and other combinations, whose symbols name several contracts,
        are left out.
    roll
        ``"volume"``: to the contract of later delivery whose volume in a session is above that of
        the one held; of several, the one with the highest volume, then the nearest.
        ``"open_interest"``: the same by open interest. A whole number: the contract is held to so
        many weekdays before its last trading day (0: to that day itself), and then the next one.
    adjust
        None: prices as they are, with a jump at each roll. ``"difference"``: earlier prices are
        moved by the difference of the two contracts' closes in the session before the roll, so
        that moves in points are those that were traded. ``"ratio"``: they are multiplied with the
        quotient, so that returns are. The prices of the last contract are never changed.
    open_interest
        ``ticker``, ``date`` (the session) and ``open_interest``.
    expiries
        ``ticker`` and ``expiry`` (a date).

    Returns
    -------
    polars.DataFrame or pandas.DataFrame
        The rows of the contracts that are held, in the frame's order, with ``ticker`` as it was
        and two columns besides: ``root``, and ``adjustment``, which was added to (or, of
        ``"ratio"``, multiplied with) ``open``, ``high``, ``low``, ``close`` and
        ``settlement_price``: 0 (or 1) without.

    Raises
    ------
    ValueError
        If a table that the rule needs is missing or incomplete, a symbol is none, or two closes
        that an adjustment needs are not there or, for ``"ratio"``, not above zero.

    Examples
    --------
    >>> import polars as pl
    >>> bars = pl.DataFrame({
    ...     "ticker": ["ESH4", "ESM4", "ESH4", "ESM4"],
    ...     "session_end_date": ["2024-03-11", "2024-03-11", "2024-03-12", "2024-03-12"],
    ...     "window_start": [1, 1, 2, 2], "close": [100.0, 101.5, 102.0, 103.0],
    ...     "volume": [5.0, 6.0, 3.0, 9.0]})
    >>> continuous(bars, "volume", "difference").select("ticker", "close").rows()
    [('ESM4', 101.5), ('ESM4', 103.0)]
    """
    import polars as pl

    _check(roll, adjust, open_interest, expiries)
    given = as_polars(frame)
    market = market_of(given)
    if market != "futures" and not given.is_empty():
        raise ValueError(f"frame holds {market} (it has no session_end_date); give futures bars")
    require_columns(given, ["ticker", "close", "volume"], "frame", "which contracts are chained by")
    sessions = with_date(given.drop("date", strict=False), "futures")["date"]
    rows = given.with_columns(sessions.alias("_session"))
    products = _products(rows, open_interest)
    lasts = {} if expiries is None else _last_days(expiries)
    held = [
        (root, session, of_root[session][symbol].ticker, change)
        for root, of_root in products.items()
        for session, symbol, change in _with_adjustment(
            _chain(root, of_root, roll, lasts), of_root, adjust
        )
    ]
    schema = {"root": pl.String, "_session": pl.Date, "ticker": pl.String, "adjustment": pl.Float64}
    selected = pl.DataFrame(held, schema=schema, orient="row")
    kept = rows.join(selected, on=["_session", "ticker"], how="inner", maintain_order="left")
    change = pl.col("adjustment")
    prices = [
        (pl.col(name) * change if adjust == "ratio" else pl.col(name) + change).alias(name)
        for name in PRICES
        if name in given.columns and adjust is not None
    ]
    return like(frame, kept.with_columns(prices).select(*given.columns, "root", "adjustment"))


def _check(
    roll: object, adjust: object, open_interest: object | None, expiries: object | None
) -> None:
    days = isinstance(roll, int) and not isinstance(roll, bool)
    if roll not in ("volume", "open_interest") and not (days and int(str(roll)) >= 0):
        raise ValueError(
            f"roll={roll!r} is unknown; choose 'volume', 'open_interest' or a number of days"
        )
    if adjust not in (None, "difference", "ratio"):
        raise ValueError(f"adjust={adjust!r} is unknown; choose None, 'difference' or 'ratio'")
    if roll == "open_interest" and open_interest is None:
        raise ValueError(_NO_OPEN_INTEREST)
    if days and expiries is None:
        raise ValueError(_NO_EXPIRIES)


def _products(
    rows: pl.DataFrame, open_interest: pl.DataFrame | pd.DataFrame | None
) -> dict[str, dict[date, dict[FuturesSymbol, _Figure]]]:
    """Root → session → contract → figures, in order of time."""
    import polars as pl

    time = instant("window_start") if "window_start" in rows.columns else pl.int_range(pl.len())
    table = (
        rows.sort(time, maintain_order=True)
        .group_by("_session", "ticker")
        .agg(pl.col("close").last(), pl.col("volume").sum())
    )
    if open_interest is None:
        table = table.with_columns(pl.lit(None, pl.Float64).alias("open_interest"))
    else:
        interest = as_polars(open_interest, "open_interest")
        names = ["ticker", "date", "open_interest"]
        require_columns(interest, names, "open_interest", "which contracts are chained by")
        of_session = interest.select(
            "ticker", pl.col("date").alias("_session"), pl.col("open_interest").cast(pl.Float64)
        )
        table = table.join(of_session, on=["_session", "ticker"], how="left")
    found: dict[str, dict[date, dict[FuturesSymbol, _Figure]]] = {}
    order = ["_session", "ticker", "close", "volume", "open_interest"]
    for session, ticker, *figures in table.select(order).sort("_session", "ticker").iter_rows():
        if is_combination(ticker):
            continue
        symbol = FuturesSymbol.parse(ticker, session)
        of_root = found.setdefault(symbol.root, {}).setdefault(session, {})
        of_root[symbol] = _Figure(ticker, *figures)
    return found


def _last_days(expiries: pl.DataFrame | pd.DataFrame) -> dict[FuturesSymbol, date]:
    import polars as pl

    table = as_polars(expiries, "expiries")
    require_columns(table, ["ticker", "expiry"], "expiries", "which contracts are chained by")
    day = pl.col("expiry")
    is_text = table.schema["expiry"] == pl.String
    dated = table.select("ticker", day.str.to_date("%Y-%m-%d") if is_text else day.cast(pl.Date))
    return {FuturesSymbol.parse(ticker, day): day for ticker, day in dated.iter_rows()}


def _chain(
    root: str,
    sessions: _Sessions,
    roll: str | int,
    lasts: Mapping[FuturesSymbol, date],
) -> list[tuple[date, FuturesSymbol]]:
    """The contract that is held in each session which has it."""
    choose = _by_days(root, roll, lasts) if isinstance(roll, int) else _by_figure(root, roll)
    chain: list[tuple[date, FuturesSymbol]] = []
    held: FuturesSymbol | None = None
    before: date | None = None
    for session, contracts in sessions.items():
        held = choose(session, contracts, held, {} if before is None else sessions[before])
        if held is not None and held in contracts:
            chain.append((session, held))
        before = session
    return chain


_Choose: TypeAlias = (
    "Callable[[date, _Session, FuturesSymbol | None, _Session], FuturesSymbol | None]"
)


def _by_figure(root: str, figure: str) -> _Choose:
    """Hold what had more volume, or open interest, in the session before."""

    def value(session: _Session, symbol: FuturesSymbol) -> float:
        if symbol not in session:
            return 0.0
        found: float | None = getattr(session[symbol], figure)
        if found is None:
            raise ValueError(
                f"open_interest has none for {session[symbol].ticker}, a contract of {root}; give "
                "it for every contract and session of the frame, or leave the contract out"
            )
        return found

    def choose(
        _: date, today: _Session, held: FuturesSymbol | None, yesterday: _Session
    ) -> FuturesSymbol | None:
        known = today if held is None else yesterday

        def rank(symbol: FuturesSymbol) -> tuple[float, int, int]:
            return value(known, symbol), -symbol.year, -symbol.month

        if held is None:
            return max(today, key=rank, default=None)
        # A contract that is gone is left, whatever its last figure was, for one that is there.
        gone = held not in today
        later = [symbol for symbol in (today if gone else known) if symbol > held]
        best = max(later, key=rank, default=held)
        return best if gone or value(known, best) > value(known, held) else held

    return choose


def _by_days(root: str, days: int, lasts: Mapping[FuturesSymbol, date]) -> _Choose:
    """Hold the next contract whose last trading day is far enough ahead."""

    def until(symbol: FuturesSymbol, session: _Session) -> date:
        if symbol not in lasts:
            ticker = session[symbol].ticker if symbol in session else str(symbol)
            raise ValueError(
                f"expiries has none for {ticker}, a contract of {root}; give it for every contract "
                "of the frame, or leave the contract out"
            )
        return _weekdays_before(lasts[symbol], days)

    def choose(
        session: date, today: _Session, held: FuturesSymbol | None, _: _Session
    ) -> FuturesSymbol | None:
        if held is not None and session <= until(held, today):
            return held
        later = sorted(symbol for symbol in today if held is None or symbol > held)
        return next((symbol for symbol in later if session <= until(symbol, today)), held)

    return choose


def _weekdays_before(day: date, count: int) -> date:
    while count > 0:
        day -= timedelta(days=1)
        count -= day.weekday() < 5
    return day


def _with_adjustment(
    chain: Sequence[tuple[date, FuturesSymbol]],
    sessions: _Sessions,
    adjust: Literal["difference", "ratio"] | None,
) -> list[tuple[date, FuturesSymbol, float]]:
    """The chain with what its prices are moved by, worked out from its end."""
    neutral = 1.0 if adjust == "ratio" else 0.0
    change = neutral
    made: list[tuple[date, FuturesSymbol, float]] = []
    days = list(sessions)
    place = {day: number for number, day in enumerate(days)}
    for number in range(len(chain) - 1, -1, -1):
        session, symbol = chain[number]
        made.append((session, symbol, change))
        if adjust is None or number == 0 or chain[number - 1][1] == symbol:
            continue
        before = days[place[session] - 1]
        old, new = _closes(sessions[before], before, chain[number - 1][1], symbol, adjust)
        change = change * new / old if adjust == "ratio" else change + new - old
    return made[::-1]


def _closes(
    session: _Session, day: date, old: FuturesSymbol, new: FuturesSymbol, adjust: str
) -> tuple[float, float]:
    for symbol in (old, new):
        if symbol not in session:
            raise ValueError(
                f"adjust={adjust!r} needs closes of {old} and {new} in the session of {day}, "
                f"before the roll, and there is none of {symbol}; use adjust=None, or another roll"
            )
    closes = session[old].close, session[new].close
    if adjust == "ratio" and min(closes) <= 0:
        raise ValueError(
            f"adjust='ratio' needs closes above zero, and on {day} they are {closes[0]:g} and "
            f"{closes[1]:g}; use 'difference'"
        )
    return closes
