"""Session bars → minute bars that add up to them exactly.

The session is generated first and then split, so that a day file needs no minute file and agrees
with it by construction: trades and volume are parts of an integer, and the price path is scaled to
the open, close, high and low of the session's bar.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from .bars import PRICE_UNITS, SHARE_UNITS, TRADES_FOR_RANGE, Bars
from .noise import Flags, Floats, Ints, Keys, chunks, derive, mix, normal, uniform
from .session_minutes import DayLayout

Scalar = TypeVar("Scalar", bound=np.generic)

CENT = PRICE_UNITS // 100
HALF_CENT = CENT // 2
# Owners per block: their arrays are a few MB, which fit into the CPU's cache.
_BLOCK = 1024
# Up to so many trades are placed one by one; more are distributed over the minutes.
_FEW_TRADES = 48

# A minute's part of the trades has a heavy-tailed distribution, as trades come in bursts:
# -log(u)**1.5 for each 16-bit u. The constant keeps liquid tickers from having empty minutes.
_BURSTS = 0.2 + (-np.log((np.arange(65536) + 0.5) / 65536)) ** 1.5

_ACTIVITY, _ROWS = range(2)


@dataclass(frozen=True)
class MinuteBars:
    """Minute bars, ordered by owner and then by time.

    Attributes
    ----------
    owner
        For each row the index of its session bars' row: its ticker or contract.
    minute
        Minutes since midnight in exchange time.
    bars
        The rows.
    """

    owner: NDArray[np.intp]
    minute: Ints
    bars: Bars


@dataclass(frozen=True)
class Precision:
    """The smallest steps of each owner's prices and volumes.

    Attributes
    ----------
    tick
        The price's usual step, in price units.
    fractional
        Whether fractions of a share are traded.
    sub_penny
        Whether some trades have prices between two ticks.
    """

    tick: Ints
    fractional: Flags
    sub_penny: bool


def split(sessions: Bars, layout: DayLayout, keys: Keys, precision: Precision) -> MinuteBars:
    """Minute bars of session bars.

    Parameters
    ----------
    sessions
        Arrays with a row for each owner and a column for each session of the layout.
    keys
        A random key for each owner.
    """
    parts = list(_split_blocks(sessions, layout, keys, precision))
    if len(parts) == 1:
        return parts[0]
    names = [field.name for field in fields(Bars)]
    columns = {n: np.concatenate([getattr(part.bars, n) for part in parts]) for n in names}
    return MinuteBars(
        np.concatenate([part.owner for part in parts]),
        np.concatenate([part.minute for part in parts]),
        Bars(**columns),
    )


def _split_blocks(
    sessions: Bars, layout: DayLayout, keys: Keys, precision: Precision
) -> Iterator[MinuteBars]:
    for start in range(0, max(len(keys), 1), _BLOCK):
        block = slice(start, start + _BLOCK)
        part = Precision(precision.tick[block], precision.fractional[block], precision.sub_penny)
        minutes = _split_block(sessions[block], layout, keys[block], part)
        yield MinuteBars(minutes.owner + start, minutes.minute, minutes.bars)


def _split_block(sessions: Bars, layout: DayLayout, keys: Keys, precision: Precision) -> MinuteBars:
    owner, column, count = _trades(sessions.transactions, layout, keys)
    runs = _Runs.of(owner * len(layout.lengths) + layout.session_of[column], sessions)
    row_keys = derive(derive(keys, _ROWS)[owner], column)
    noise = chunks(mix(row_keys)) / 65536.0
    step = _price_steps(precision.tick[owner], noise[:, 2], precision.sub_penny)
    path = _price_path(runs, normal(row_keys))
    open_, close, high, low = _prices(runs, count, path, step, noise)
    volume = _volumes(runs, count, noise[:, 3], precision.fractional[owner])
    bars = Bars(volume, open_, close, high, low, count)
    return MinuteBars(owner, layout.first_minute + column, bars)


def _trades(transactions: Ints, layout: DayLayout, keys: Keys) -> tuple[Ints, Ints, Ints]:
    """The minutes with trades, as owner, column and count.

    The counts of a session's minutes add up to its transactions.
    """
    columns = sum(layout.lengths)
    cells, counts = [], []
    start = 0
    for session, length in enumerate(layout.lengths):
        total = transactions[:, session]
        activity = layout.activity[start : start + length]
        session_keys = derive(keys, _ACTIVITY, session)
        for distribute in (_minutes_of_many_trades, _minutes_of_few_trades):
            owner, minute, count = distribute(total, activity, session_keys)
            cells.append(owner * columns + start + minute)
            counts.append(count)
        start += length
    cell = np.concatenate(cells)
    order = np.argsort(cell, kind="stable")
    owner, column = np.divmod(cell[order], columns)
    return owner, column, np.concatenate(counts)[order].astype(np.int64)


def _minutes_of_many_trades(total: Ints, activity: Floats, keys: Keys) -> tuple[Ints, Ints, Ints]:
    """Owners with many trades: each minute gets its part of them, rounded."""
    busy = np.flatnonzero(total > _FEW_TRADES)
    keys, total = keys[busy], total[busy, None]
    words = derive(keys[:, None], np.arange(-(-len(activity) // 4)))
    bursts = chunks(words).reshape(len(busy), 4 * words.shape[1])[:, : len(activity)]
    so_far = np.cumsum(_BURSTS[bursts] * activity, axis=1)
    so_far *= total / so_far[:, -1:]
    so_far += uniform(mix(keys))[:, None]
    whole = so_far.astype(np.int32)
    whole[:, -1:] = total
    counts = np.diff(whole, axis=1, prepend=np.int32(0))
    row, minute = np.nonzero(counts)
    return busy[row], minute, counts[row, minute]


def _minutes_of_few_trades(total: Ints, activity: Floats, keys: Keys) -> tuple[Ints, Ints, Ints]:
    """Owners with few trades: the minute of each trade is drawn on its own."""
    total = np.where(total > _FEW_TRADES, 0, total)
    owner = np.repeat(np.arange(len(total)), total)
    trade = np.arange(len(owner)) - np.repeat(np.cumsum(total) - total, total)
    chances = np.cumsum(activity) / activity.sum()
    chances[-1] = 1.0
    minute = np.searchsorted(chances, uniform(derive(keys[owner], trade)), side="right")
    cell, count = np.unique(owner * len(activity) + minute, return_counts=True)
    owner, minute = np.divmod(cell, len(activity))
    return owner, minute, count


@dataclass(frozen=True)
class _Runs:
    """The rows of each session of each owner: consecutive, and with the same session bar."""

    starts: NDArray[np.intp]
    lengths: NDArray[np.intp]
    bars: Bars

    @classmethod
    def of(cls, segment: Ints, sessions: Bars) -> _Runs:
        starts = np.flatnonzero(np.diff(segment, prepend=-1))
        lengths = np.diff(starts, append=len(segment))
        flat = {f.name: getattr(sessions, f.name).ravel()[segment[starts]] for f in fields(Bars)}
        return cls(starts, lengths, Bars(**flat))

    @property
    def ends(self) -> NDArray[np.intp]:
        return self.starts + self.lengths - 1

    def per_row(self, values: NDArray[Scalar]) -> NDArray[Scalar]:
        """One value for each run → one value for each row."""
        return np.repeat(values, self.lengths)


def _volumes(runs: _Runs, count: Ints, noise: Floats, fractional: Flags) -> Ints:
    """Every trade has at least one share; the other shares are distributed at random."""
    volume = runs.bars.volume
    free = volume // SHARE_UNITS - runs.bars.transactions
    weights = np.cumsum(count * (0.3 + noise))
    before = np.append(0.0, weights)[runs.starts]
    share = weights - runs.per_row(before)
    share /= runs.per_row(weights[runs.ends] - before)
    so_far = (share * runs.per_row(free)).astype(np.int64)
    so_far[runs.ends] = free
    so_far *= SHARE_UNITS
    so_far += _fractions(runs, volume % SHARE_UNITS, (count > 2) & fractional, share)
    extra = np.diff(so_far, prepend=0)
    extra[runs.starts] = so_far[runs.starts]
    return np.asarray(count * SHARE_UNITS + extra)


def _fractions(runs: _Runs, final: Ints, drawn: Flags, chance: Floats) -> Ints:
    """The fraction of a share in the cumulated volume: ``final`` at the end of each run.

    It changes in the rows that are ``drawn``: minutes of one or two trades rarely have fractions.
    """
    drawn[runs.ends[final > 0]] |= ~np.logical_or.reduceat(drawn, runs.starts)[final > 0]
    rows = np.where(drawn, np.arange(len(drawn)), -1)
    latest = np.maximum.accumulate(rows)
    fractions = np.where(drawn, (chance * 7919e6).astype(np.int64) % SHARE_UNITS, 0)
    own = latest >= runs.per_row(runs.starts)
    last = runs.ends[own[runs.ends]]
    fractions[latest[last]] = final[own[runs.ends]]
    return np.where(own, fractions[latest], 0)


def _price_steps(tick: Ints, noise: Floats, sub_penny: bool) -> Ints:
    if not sub_penny:
        return tick
    return np.where(noise < 0.05, 1, np.where(noise < 0.12, np.minimum(tick, HALF_CENT), tick))


def _price_path(runs: _Runs, moves: Floats) -> Floats:
    """Each row's close as a float: a Brownian bridge between the session bar's open and close.

    `_fit_to_range` then scales it to the bar's high and low.
    """
    bars = runs.bars
    place = np.arange(1, len(moves) + 1) - runs.per_row(runs.starts)
    elapsed = place / runs.per_row(runs.lengths)
    steps = np.cumsum(moves)
    before = np.append(0.0, steps)[runs.starts]
    bridge = steps - runs.per_row(before)
    bridge -= elapsed * runs.per_row(steps[runs.ends] - before)
    bridge *= runs.per_row(0.5 * (bars.high - bars.low) / np.sqrt(runs.lengths))
    bridge += elapsed * runs.per_row(bars.close - bars.open)
    bridge += runs.per_row(bars.open)
    return _fit_to_range(runs, bridge)


def _fit_to_range(runs: _Runs, path: Floats) -> Floats:
    """Scale the parts of a path above and below open and close, so that it has high and low."""
    bars = runs.bars
    upper, lower = np.maximum(bars.open, bars.close), np.minimum(bars.open, bars.close)
    reach_up = np.maximum.reduceat(path, runs.starts) - upper
    reach_down = lower - np.minimum.reduceat(path, runs.starts)
    stretch_up = (bars.high - upper) / np.where(reach_up > 0, reach_up, np.inf)
    stretch_down = (lower - bars.low) / np.where(reach_down > 0, reach_down, np.inf)
    above = np.maximum(path - runs.per_row(upper), 0.0)
    below = np.maximum(runs.per_row(lower) - path, 0.0)
    path += above * runs.per_row(stretch_up - 1)
    path -= below * runs.per_row(stretch_down - 1)
    return path


def _prices(
    runs: _Runs, count: Ints, path: Floats, step: Ints, noise: Floats
) -> tuple[Ints, Ints, Ints, Ints]:
    """Open, close, high and low of each row; one trade has one price, two have two."""
    bars = runs.bars
    top, bottom = runs.per_row(bars.high), runs.per_row(bars.low)
    few, single = count < 4, count == 1
    peaks, troughs = _turning_rows(runs, path, count)

    close = np.rint(path / step).astype(np.int64) * step
    np.clip(close, bottom, top, out=close)
    opening = runs.starts[single[runs.starts]]
    close[opening] = runs.per_row(bars.open)[opening]
    close[runs.ends] = bars.close
    for rows, limit in ((peaks, top), (troughs, bottom)):
        few_rows = rows[few[rows]]
        close[few_rows] = limit[few_rows]

    # A random walk of n steps has a range of about sqrt(n) times that of one step.
    minute_range = runs.per_row((bars.high - bars.low) / np.sqrt(runs.lengths)) / step
    open_ = np.roll(close, 1)
    open_ += np.rint((noise[:, 0] - noise[:, 1]) * 0.15 * minute_range).astype(np.int64) * step
    np.clip(open_, bottom, top, out=open_)
    open_[runs.starts] = bars.open
    open_[single] = close[single]

    minute_range[count < 3] = 0.0
    high = np.maximum(open_, close)
    high += np.rint(noise[:, 0] ** 2 * 0.7 * minute_range).astype(np.int64) * step
    low = np.minimum(open_, close)
    low -= np.rint(noise[:, 1] ** 2 * 0.7 * minute_range).astype(np.int64) * step
    np.minimum(high, top, out=high)
    np.maximum(low, bottom, out=low)
    # Three trades are open, close and one more: it is above them or below, not both.
    both = (count == 3) & (high > np.maximum(open_, close))
    low[both] = np.minimum(open_, close)[both]
    high[peaks] = top[peaks]
    low[troughs] = bottom[troughs]
    return open_, close, high, low


def _turning_rows(
    runs: _Runs, path: Floats, count: Ints
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The row of each run that has its high, and the one that has its low.

    Sessions of few trades need neither: their high and low are their open and close. With up to
    three rows the one with most trades (four or more) has both; with more rows each is one of
    those between the first and the last.
    """
    wide = runs.bars.transactions >= TRADES_FOR_RANGE
    long = runs.lengths > 3
    busiest = _first_rows(runs, count, np.maximum.reduceat(count, runs.starts))[wide & ~long]
    inner = path.copy()
    inner[runs.starts] = inner[runs.ends] = -np.inf
    peaks = _first_rows(runs, inner, np.maximum.reduceat(inner, runs.starts))[wide & long]
    inner[runs.starts] = inner[runs.ends] = np.inf
    # A row that is a peak must not be the trough as well, even if the path is constant.
    inner[peaks] = np.inf
    troughs = _first_rows(runs, inner, np.minimum.reduceat(inner, runs.starts))[wide & long]
    return np.concatenate([busiest, peaks]), np.concatenate([busiest, troughs])


def _first_rows(runs: _Runs, values: NDArray[Scalar], wanted: NDArray[Scalar]) -> NDArray[np.intp]:
    """For each run the first row that has the wanted value."""
    rows = np.flatnonzero(values == runs.per_row(wanted))
    run = runs.per_row(np.arange(len(runs.starts)))[rows]
    found = np.zeros(len(runs.starts), np.intp)
    # numpy keeps the last of several assignments to one index, so the first row comes last.
    found[run[::-1]] = rows[::-1]
    return found
