"""The minutes of a trading day: its sessions, and the usual activity of each minute."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from ..market import calendar
from .noise import Floats, Ints

EXCHANGE_TIME = ZoneInfo("America/New_York")
MINUTE_NS = 60_000_000_000
# The hours of NYSE Arca: early session from 04:00, core session from 09:30, late session for four
# hours after the close.
_PRE_MARKET_OPEN = 4 * 60
_OPEN = 9 * 60 + 30
_POST_MARKET_MINUTES = 240

PRE, REGULAR, POST = range(3)


@dataclass(frozen=True)
class DayLayout:
    """The minutes of one day.

    Attributes
    ----------
    first_minute
        The first minute, counted from midnight in exchange time.
    lengths
        The number of minutes of each session, in order, without a gap between them.
    activity
        The usual trades of each minute, relative to the others of its session.
    """

    first_minute: int
    lengths: tuple[int, ...]
    activity: Floats

    @property
    def session_of(self) -> Ints:
        """For each minute the number of its session."""
        return np.repeat(np.arange(len(self.lengths)), self.lengths)


def stock_layout(day: date) -> DayLayout:
    """04:00 to 19:59 in exchange time, or to 16:59 if the market closes at 13:00.

    Three sessions: `PRE`, `REGULAR` and `POST`.
    """
    regular = _regular_minutes(day)
    lengths = (_OPEN - _PRE_MARKET_OPEN, regular, _POST_MARKET_MINUTES)
    shapes = (_pre_market_shape(lengths[0]), _u_shape(regular), _post_market_shape(lengths[2]))
    return DayLayout(_PRE_MARKET_OPEN, lengths, np.concatenate(shapes))


def option_layout(day: date) -> DayLayout:
    """The regular session alone: 09:30 to 15:59 in exchange time, or to 12:59."""
    regular = _regular_minutes(day)
    return DayLayout(_OPEN, (regular,), _u_shape(regular))


def midnight_ns(day: date) -> int:
    """Midnight in exchange time, as Unix nanoseconds: the ``window_start`` of a day bar."""
    return int(datetime.combine(day, time(), EXCHANGE_TIME).timestamp()) * 1_000_000_000


def day_before(day: date) -> date:
    """The trading day before a day."""
    day -= timedelta(1)
    while not calendar.is_trading_day(day):
        day -= timedelta(1)
    return day


def weekday_index(day: date) -> int:
    """Weekdays since the year 1: Monday follows Friday, so that weekends are no step of prices."""
    weeks, weekday = divmod(day.toordinal() - 1, 7)
    return weeks * 5 + min(weekday, 4)


def _regular_minutes(day: date) -> int:
    close: time = calendar.session_close(day)
    return close.hour * 60 + close.minute - _OPEN


def _u_shape(minutes: int) -> Floats:
    place = (np.arange(minutes) + 0.5) / minutes
    return np.asarray(0.6 + 2.4 * np.exp(-place / 0.05) + 1.8 * np.exp(-(1 - place) / 0.04))


def _pre_market_shape(minutes: int) -> Floats:
    place = (np.arange(minutes) + 0.5) / minutes
    # Many brokers open their pre-market at 07:00 and 08:00.
    return np.asarray(0.05 + 0.3 * (place > 0.545) + 0.5 * (place > 0.727) + place**6)


def _post_market_shape(minutes: int) -> Floats:
    place = (np.arange(minutes) + 0.5) / minutes
    return np.asarray(0.08 + np.exp(-place / 0.1))
