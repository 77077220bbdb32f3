"""The trades of a tape that make bars: those that stand, with what each may update."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from ..errors import FlatnbWarning
from .conditions import (
    CANCELLATIONS,
    EXTENDED_HOURS_TRADES,
    trade_conditions,
    trade_corrections,
)
from .frame import instant, require_columns, time_column

if TYPE_CHECKING:
    import polars as pl

FLAGS = ("updates_open_close", "updates_high_low", "updates_volume")


def standing_trades(trades: pl.DataFrame, market: str) -> pl.DataFrame:
    """The trades that were not cancelled, corrected away or marked as errors.

    Raises
    ------
    ValueError
        If there is a correction code of unknown meaning.
    """
    import polars as pl

    rows = trades
    if "correction" in rows.columns:
        codes = trade_corrections()
        code = pl.col("correction").cast(pl.Int64).fill_null(0)
        unknown = rows.select(code.unique()).filter(
            ~pl.col("correction").is_in(codes["code"].implode())
        )
        if not unknown.is_empty():
            raise ValueError(
                f"frame holds the correction code {unknown.item(0, 0)}, whose meaning is unknown; "
                f"known are {', '.join(map(str, codes['code']))}: filter the others"
            )
        standing = codes.filter("stands")["code"]
        rows = rows.filter(code.is_in(standing.implode()))
    if market == "options" and "conditions" in rows.columns:
        rows = _without_cancelled(rows)
    return rows


def _without_cancelled(trades: pl.DataFrame) -> pl.DataFrame:
    """Options' trades without OPRA's cancellations and without what those cancel.

    A cancellation repeats the contract, exchange, price and size of the trade that it takes back:
    the opening one for 205 (CNCO), the latest such trade before it for the others.
    """
    import polars as pl

    is_cancel = (
        pl.col("conditions")
        .cast(pl.String)
        .str.split(",")
        .list.eval(pl.element().is_in(list(CANCELLATIONS)))
        .list.any()
        .fill_null(False)
    )
    if not trades.select(is_cancel.any()).item():
        return trades
    key = ["ticker", "exchange", "price", "size"]
    require_columns(trades, key, "frame", "by which cancelled trades are found")
    time = instant(time_column(trades)).alias("_time")
    numbered = trades.with_row_index("_row").with_columns(time, is_cancel.alias("_cancel"))
    cancels = numbered.filter("_cancel").sort("_time", maintain_order=True)
    others = numbered.filter(~pl.col("_cancel")).join(cancels, on=key, how="semi")
    candidates: dict[tuple[object, ...], list[tuple[int, int]]] = {}
    for *names, time_ns, row in others.sort("_time").select(*key, "_time", "_row").iter_rows():
        candidates.setdefault(tuple(names), []).append((time_ns, row))
    gone, unmatched = [], 0
    for *names, conditions, time_ns, row in cancels.select(
        *key, pl.col("conditions").cast(pl.String), "_time", "_row"
    ).iter_rows():
        gone.append(row)
        earlier = [each for each in candidates.get(tuple(names), []) if each[0] <= time_ns]
        if not earlier:
            unmatched += 1
            continue
        cancelled = earlier[0] if "205" in conditions.split(",") else earlier[-1]
        candidates[tuple(names)].remove(cancelled)
        gone.append(cancelled[1])
    if unmatched:
        warnings.warn(
            f"{unmatched} cancellation(s) of options trades name no trade of the frame; load all "
            "trades of the day, or they may count in the bars",
            FlatnbWarning,
            stacklevel=2,
        )
    return trades.with_row_index("_row").filter(~pl.col("_row").is_in(gone)).drop("_row")


def with_updates(
    trades: pl.DataFrame, market: str, regular: pl.Expr, conditions: pl.DataFrame | None
) -> pl.DataFrame:
    """The trades with three columns: whether each updates open and close, high and low, volume.

    Parameters
    ----------
    regular
        Whether a trade is in the regular session.
    conditions
        The rules, as `trade_conditions` returns them; None for those of the market.

    Raises
    ------
    ValueError
        If a trade has a condition that the rules do not tell of.
    """
    import polars as pl

    if "conditions" not in trades.columns:
        return trades.with_columns(pl.lit(True).alias(flag) for flag in FLAGS)
    rules = trade_conditions(market) if conditions is None else conditions
    require_columns(rules, ["id", *FLAGS], "conditions", "which says what a trade updates")
    text = pl.col("conditions").cast(pl.String)
    # A day has few combinations of conditions: each is judged once.
    combinations = trades.select(text.unique()).to_series()
    known = {str(number): flags for number, *flags in rules.select("id", *FLAGS).iter_rows()}
    extended_id = str(EXTENDED_HOURS_TRADES.get(market, ""))
    judged = [_judge(combination, known, extended_id) for combination in combinations]
    extended = [f"{flag}_extended" for flag in FLAGS]
    table = pl.DataFrame(
        [[combination, *flags] for combination, flags in zip(combinations, judged, strict=True)],
        schema={"conditions": pl.String, **dict.fromkeys([*FLAGS, *extended], pl.Boolean)},
        orient="row",
    )
    joined = trades.with_columns(text).join(
        table, on="conditions", how="left", nulls_equal=True, maintain_order="left"
    )
    return joined.with_columns(
        pl.when(regular).then(flag).otherwise(f"{flag}_extended").alias(flag) for flag in FLAGS
    ).drop(extended)


def _judge(combination: str | None, known: dict[str, list[bool]], extended_id: str) -> list[bool]:
    """What a trade updates in the regular session, then what it updates outside of it."""
    numbers = [part.strip() for part in (combination or "").split(",") if part.strip()]
    for number in numbers:
        if number not in known:
            raise ValueError(
                f"frame holds the trade condition {number}, for which there is no rule; add it to "
                "trade_conditions() and pass that as conditions"
            )
    outside = [number for number in numbers if number != extended_id]
    return [
        all(known[number][place] for number in part)
        for part in (numbers, outside)
        for place in range(len(FLAGS))
    ]
