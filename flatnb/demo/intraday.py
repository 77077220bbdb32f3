"""Session bars → minute bars that add up to them exactly.

The day is drawn first and then split, so that a day file costs nothing of its minute file, and
agrees with it by construction: trades and volume are shares of a whole number, and the price
path is bent to start, end, peak and bottom where the session's bar says.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .bars import PRICE_UNITS, SHARE_UNITS, TRADES_FOR_RANGE, Bars
from .noise import Flags, Floats, Ints, Keys, chunks, derive, mix, normal, uniform
from .sessions import Layout

CENT = PRICE_UNITS // 100
HALF_CENT = CENT // 2
# The arrays of so many owners are a few MB, and so stay in the CPU's cache.
_BLOCK = 1024
_QUIET = 48

# A minute's share of the trades is drawn from a heavy-tailed distribution, as trades come in
# bursts: -log(u)**1.5 for each 16-bit u. The constant keeps liquid tickers from missing minutes.
_BURSTS = 0.2 + (-np.log((np.arange(65536) + 0.5) / 65536)) ** 1.5

_ACTIVITY, _ROWS = range(2)


@dataclass(frozen=True)
class MinuteBars:
    """Minute bars, ordered by owner and then by time.

    Attributes
    ----------
    owner
        Which of the session bars' owners each row belongs to.
    minute
        Minutes since midnight in exchange time.
    bars
        The rows.
    """

    owner: NDArray[np.intp]
    minute: Ints
    bars: Bars


@dataclass(frozen=True)
class Grain:
    """How fine the numbers of each owner are.

    Attributes
    ----------
    tick
        The price's usual step, in price units.
    fractional
        Whether fractions of a share are traded.
    sub_penny
        Whether some trades print between two ticks.
    """

    tick: Ints
    fractional: Flags
    sub_penny: bool


def split(sessions: Bars, layout: Layout, keys: Keys, grain: Grain) -> MinuteBars:
    """Minute bars of ``sessions``, whose arrays have a row an owner and a column a session."""
    parts = list(_split_blocks(sessions, layout, keys, grain))
    if len(parts) == 1:
        return parts[0]
    names = [field.name for field in fields(Bars)]
    columns = {n: np.concatenate([getattr(part.bars, n) for part in parts]) for n in names}
    return MinuteBars(
        np.concatenate([part.owner for part in parts]),
        np.concatenate([part.minute for part in parts]),
        Bars(**columns),
    )


def _split_blocks(sessions: Bars, layout: Layout, keys: Keys, grain: Grain) -> Iterator[MinuteBars]:
    for start in range(0, max(len(keys), 1), _BLOCK):
        block = slice(start, start + _BLOCK)
        part = Grain(grain.tick[block], grain.fractional[block], grain.sub_penny)
        minutes = _split_block(sessions[block], layout, keys[block], part)
        yield MinuteBars(minutes.owner + start, minutes.minute, minutes.bars)


def _split_block(sessions: Bars, layout: Layout, keys: Keys, grain: Grain) -> MinuteBars:
    owner, column, count = _trades(sessions.transactions, layout, keys)
    runs = _Runs.of(owner * len(layout.lengths) + layout.session_of[column], sessions)
    row_keys = derive(derive(keys, _ROWS)[owner], column)
    noise = chunks(mix(row_keys)) / 65536.0
    step = _price_steps(grain.tick[owner], noise[:, 2], grain.sub_penny)
    path = _price_path(runs, normal(row_keys))
    open_, close, high, low = _prices(runs, count, path, step, noise)
    volume = _volumes(runs, count, noise[:, 3], grain.fractional[owner])
    bars = Bars(volume, open_, close, high, low, count)
    return MinuteBars(owner, layout.first_minute + column, bars)


def _trades(transactions: Ints, layout: Layout, keys: Keys) -> tuple[Ints, Ints, Ints]:
    """The minutes with trades, as owner, column and count; a session's counts add up."""
    columns = sum(layout.lengths)
    cells, counts = [], []
    start = 0
    for session, length in enumerate(layout.lengths):
        total = transactions[:, session]
        activity = layout.activity[start : start + length]
        session_keys = derive(keys, _ACTIVITY, session)
        for place in (_busy_minutes, _quiet_minutes):
            owner, minute, count = place(total, activity, session_keys)
            cells.append(owner * columns + start + minute)
            counts.append(count)
        start += length
    cell = np.concatenate(cells)
    order = np.argsort(cell, kind="stable")
    owner, column = np.divmod(cell[order], columns)
    return owner, column, np.concatenate(counts)[order].astype(np.int64)


def _busy_minutes(total: Ints, activity: Floats, keys: Keys) -> tuple[Ints, Ints, Ints]:
    """Owners of many trades: each minute gets its share of them, rounded."""
    busy = np.flatnonzero(total > _QUIET)
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


def _quiet_minutes(total: Ints, activity: Floats, keys: Keys) -> tuple[Ints, Ints, Ints]:
    """Owners of few trades: each trade falls into a minute on its own."""
    total = np.where(total > _QUIET, 0, total)
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
    """The rows of each session of each owner: consecutive, and with one session bar."""

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

    def spread(self, values: NDArray[Any]) -> NDArray[Any]:
        """One value a run → one value a row."""
        return np.repeat(values, self.lengths)


def _volumes(runs: _Runs, count: Ints, noise: Floats, fractional: Flags) -> Ints:
    """Every trade has a share or, of the others, what falls to its minute by chance."""
    volume = runs.bars.volume
    free = volume // SHARE_UNITS - runs.bars.transactions
    weights = np.cumsum(count * (0.3 + noise))
    before = np.append(0.0, weights)[runs.starts]
    share = weights - runs.spread(before)
    share /= runs.spread(weights[runs.ends] - before)
    so_far = (share * runs.spread(free)).astype(np.int64)
    so_far[runs.ends] = free
    so_far *= SHARE_UNITS
    so_far += _fractions(runs, volume % SHARE_UNITS, (count > 2) & fractional, share)
    extra = np.diff(so_far, prepend=0)
    extra[runs.starts] = so_far[runs.starts]
    return np.asarray(count * SHARE_UNITS + extra)


def _fractions(runs: _Runs, final: Ints, drawn: Flags, chance: Floats) -> Ints:
    """The part of a share in the volume so far: new where drawn, ``final`` at a run's end.

    Minutes of one or two trades seldom have a fraction.
    """
    drawn[runs.ends[final > 0]] |= ~np.logical_or.reduceat(drawn, runs.starts)[final > 0]
    rows = np.where(drawn, np.arange(len(drawn)), -1)
    latest = np.maximum.accumulate(rows)
    fractions = np.where(drawn, (chance * 7919e6).astype(np.int64) % SHARE_UNITS, 0)
    own = latest >= runs.spread(runs.starts)
    last = runs.ends[own[runs.ends]]
    fractions[latest[last]] = final[own[runs.ends]]
    return np.where(own, fractions[latest], 0)


def _price_steps(tick: Ints, noise: Floats, sub_penny: bool) -> Ints:
    if not sub_penny:
        return tick
    return np.where(noise < 0.05, 1, np.where(noise < 0.12, np.minimum(tick, HALF_CENT), tick))


def _price_path(runs: _Runs, moves: Floats) -> Floats:
    """Each row's close as a float: a Brownian bridge between the bar's open and close …"""
    bars = runs.bars
    place = np.arange(1, len(moves) + 1) - runs.spread(runs.starts)
    elapsed = place / runs.spread(runs.lengths)
    steps = np.cumsum(moves)
    before = np.append(0.0, steps)[runs.starts]
    bridge = steps - runs.spread(before)
    bridge -= elapsed * runs.spread(steps[runs.ends] - before)
    bridge *= runs.spread(0.5 * (bars.high - bars.low) / np.sqrt(runs.lengths))
    bridge += elapsed * runs.spread(bars.close - bars.open)
    bridge += runs.spread(bars.open)
    return _bend(runs, bridge)


def _bend(runs: _Runs, path: Floats) -> Floats:
    """… stretched above the higher and below the lower of the two, to reach high and low."""
    bars = runs.bars
    upper, lower = np.maximum(bars.open, bars.close), np.minimum(bars.open, bars.close)
    reach_up = np.maximum.reduceat(path, runs.starts) - upper
    reach_down = lower - np.minimum.reduceat(path, runs.starts)
    stretch_up = (bars.high - upper) / np.where(reach_up > 0, reach_up, np.inf)
    stretch_down = (lower - bars.low) / np.where(reach_down > 0, reach_down, np.inf)
    above = np.maximum(path - runs.spread(upper), 0.0)
    below = np.maximum(runs.spread(lower) - path, 0.0)
    path += above * runs.spread(stretch_up - 1)
    path -= below * runs.spread(stretch_down - 1)
    return path


def _prices(
    runs: _Runs, count: Ints, path: Floats, step: Ints, noise: Floats
) -> tuple[Ints, Ints, Ints, Ints]:
    """Open, close, high and low of each row; one trade has one price, two have two."""
    bars = runs.bars
    top, bottom = runs.spread(bars.high), runs.spread(bars.low)
    few, single = count < 4, count == 1
    peaks, troughs = _turning_rows(runs, path, count)

    close = np.rint(path / step).astype(np.int64) * step
    np.clip(close, bottom, top, out=close)
    opening = runs.starts[single[runs.starts]]
    close[opening] = runs.spread(bars.open)[opening]
    close[runs.ends] = bars.close
    for rows, limit in ((peaks, top), (troughs, bottom)):
        forced = rows[few[rows]]
        close[forced] = limit[forced]

    reach = runs.spread((bars.high - bars.low) / np.sqrt(runs.lengths)) / step
    open_ = np.roll(close, 1)
    open_ += np.rint((noise[:, 0] - noise[:, 1]) * 0.15 * reach).astype(np.int64) * step
    np.clip(open_, bottom, top, out=open_)
    open_[runs.starts] = bars.open
    open_[single] = close[single]

    reach[count < 3] = 0.0
    high = np.maximum(open_, close)
    high += np.rint(noise[:, 0] ** 2 * 0.7 * reach).astype(np.int64) * step
    low = np.minimum(open_, close)
    low -= np.rint(noise[:, 1] ** 2 * 0.7 * reach).astype(np.int64) * step
    np.minimum(high, top, out=high)
    np.maximum(low, bottom, out=low)
    high[peaks] = top[peaks]
    low[troughs] = bottom[troughs]
    return open_, close, high, low


def _turning_rows(
    runs: _Runs, path: Floats, count: Ints
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The row of each run that must show its high, and the one that must show its low.

    Sessions of few trades need none: their high and low are their open and close. With up to
    three rows the busiest one (it has four trades or more) shows both; else one of the rows
    between the first and the last each.
    """
    wide = runs.bars.transactions >= TRADES_FOR_RANGE
    long = runs.lengths > 3
    busiest = _first_rows(runs, count, np.maximum.reduceat(count, runs.starts))[wide & ~long]
    inner = path.copy()
    inner[runs.starts] = inner[runs.ends] = -np.inf
    peaks = _first_rows(runs, inner, np.maximum.reduceat(inner, runs.starts))[wide & long]
    inner[runs.starts] = inner[runs.ends] = np.inf
    # A tie of both would need equal floats; peaks are taken away all the same.
    inner[peaks] = np.inf
    troughs = _first_rows(runs, inner, np.minimum.reduceat(inner, runs.starts))[wide & long]
    return np.concatenate([busiest, peaks]), np.concatenate([busiest, troughs])


def _first_rows(runs: _Runs, values: NDArray[Any], wanted: NDArray[Any]) -> NDArray[np.intp]:
    """For each run the first row that has its wanted value."""
    rows = np.flatnonzero(values == runs.spread(wanted))
    run = runs.spread(np.arange(len(runs.starts)))[rows]
    found = np.zeros(len(runs.starts), np.intp)
    # Of several assignments to one place the last one stays.
    found[run[::-1]] = rows[::-1]
    return found
