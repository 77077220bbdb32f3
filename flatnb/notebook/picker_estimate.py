"""What a plan means, in the line under the picker's form."""

from __future__ import annotations

from typing import Literal, TypedDict

from ..explore.plan import Plan
from ..formatting import format_bytes

LARGE_BYTES = 5 * 10**9
"""A download, or a frame, of more bytes is a warning: it exceeds many machines' memory."""


class Estimate(TypedDict):
    """The line for the page; an empty kind: not known yet."""

    text: str
    kind: Literal["", "ok", "warning", "error"]


PENDING = Estimate(text="estimating …", kind="")


def estimate_of(plan: Plan) -> Estimate:
    """Files, bytes, time, rows and memory; a warning if it is large, or there is no file."""
    parts = [f"{plan.files:,} of {len(plan.days):,} days have a file"]
    if plan.sampled_days:
        parts = [f"{len(plan.days):,} trading days, by the sizes of {plan.sampled_days} of them"]
    if plan.bytes_to_download:
        parts.append(f"{format_bytes(plan.bytes_to_download)} to download, {plan.time_text}")
    if plan.bytes_cached:
        parts.append(f"{format_bytes(plan.bytes_cached)} cached")
    if plan.rows_estimate and plan.memory_bytes_estimate is not None:
        memory = format_bytes(plan.memory_bytes_estimate)
        parts.append(f"{plan.rows_text}, {memory} in memory")
    is_large = max(plan.bytes_to_download, plan.memory_bytes_estimate or 0) > LARGE_BYTES
    text = " · ".join(parts)
    return Estimate(
        text=f"Large load: {text}" if is_large else text,
        kind="warning" if is_large or not plan.files else "ok",
    )
