"""Days that the service refuses although the keys give access to earlier ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..report import LOADED_STATUSES, DayOutcome

_MOST_TRIES = 10
"""Of a plan that has ended, with days in the cache, all days that are new are refused."""


def unexpectedly_forbidden(outcomes: Sequence[DayOutcome]) -> list[int]:
    """Which of the days, in ascending order, were refused although an earlier one was read.

    A plan covers a period up to today. But users saw a 403 on a day that their plan covers, mostly
    a recent one, which the service served minutes later.
    """
    readable = False
    found = []
    for at, day in enumerate(outcomes):
        readable |= day.status in LOADED_STATUSES
        if day.status == "forbidden" and readable:
            found.append(at)
    return found[-_MOST_TRIES:]


def explain_second_refusal(day: DayOutcome) -> DayOutcome:
    """The outcome of a second try; with what is to be done if it was forbidden again."""
    if day.status != "forbidden":
        return day
    reason = (
        f"{day.reason} It was refused twice, though an earlier day could be read: the service now "
        "and then refuses a day that a plan covers. Try again in a few minutes."
    )
    return replace(day, reason=reason)
