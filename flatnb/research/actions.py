"""Corporate actions: a table of splits and dividends, read and checked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from .frame import as_polars, require_columns

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

    Actions: TypeAlias = "pl.DataFrame | pd.DataFrame | str | Path"
else:
    Actions: TypeAlias = object

_KINDS = {
    "split": "split",
    "forward_split": "split",
    "reverse_split": "split",
    "stock_dividend": "split",
    "dividend": "dividend",
}
COLUMNS = ("ticker", "date", "kind", "from", "to", "amount", "currency", "factor")


def read_actions(
    actions: Actions, symbols: Iterable[str] | pl.Series | None = None
) -> pl.DataFrame:
    """A table of splits and dividends, checked, with one meaning for each column.

    Parameters
    ----------
    actions : polars.DataFrame, pandas.DataFrame, str or pathlib.Path
        A frame, or a ``.csv`` or ``.parquet`` file, with the columns

        - ``ticker``: as in the files, case-sensitive;
        - ``date``: the first day that trades on the new basis (the execution date of a split, the
          ex-date of a dividend): a date or ``YYYY-MM-DD``;
        - ``kind``: ``"split"`` or ``"dividend"``; the vendor's ``"forward_split"``,
          ``"reverse_split"`` and ``"stock_dividend"`` are splits;
        - ``from`` and ``to``, of splits: ``to`` shares for each ``from`` held. A 1-for-3 reverse
          split is from 3 to 1;
        - ``amount``, of dividends: dollars a share, as paid then;
        - ``factor``, optional, of dividends: what prices before the date are multiplied with for
          this dividend alone, 1 - amount / previous close. With it no close is needed;
        - ``currency``, optional, of dividends: ``USD`` where it is not given.

        A column that no row needs may be missing; others are left out.
    symbols
        Check and return the actions of these tickers alone. None: of all.

    Returns
    -------
    polars.DataFrame
        These columns, ordered by ticker and date; ``kind`` is ``"split"`` or ``"dividend"``.

    Raises
    ------
    ValueError
        Naming ticker and day: a split from or to zero, a split that is there twice or in two
        versions, a reverse split that is none, a dividend twice or without an amount, an unknown
        kind, a missing value.

    Examples
    --------
    >>> import polars as pl
    >>> read_actions(pl.DataFrame({"ticker": ["ETHA"], "date": ["2026-10-06"], "kind": ["split"],
    ...     "from": [3], "to": [1]})).select("from", "to").row(0)
    (3.0, 1.0)
    """
    import polars as pl

    table = _read(actions)
    require_columns(table, ["ticker", "date", "kind"], "actions", "which each action has")
    wanted = {
        "ticker": pl.String,
        "kind": pl.String,
        "currency": pl.String,
        **dict.fromkeys(["from", "to", "amount", "factor"], pl.Float64),
    }
    absent = [
        pl.lit(None, dtype).alias(name)
        for name, dtype in wanted.items()
        if name not in table.columns
    ]
    typed = table.with_columns(absent).select(
        "date" if name == "date" else pl.col(name).cast(wanted[name]) for name in COLUMNS
    )
    # pandas has NaN where others have nothing.
    typed = typed.with_columns(pl.col("from", "to", "amount", "factor").fill_nan(None))
    if symbols is not None:
        names = pl.Series(list(symbols), dtype=pl.String)
        typed = typed.filter(pl.col("ticker").is_in(names.implode()) | pl.col("ticker").is_null())
    typed = typed.with_columns(pl.col("currency").fill_null("USD").str.to_uppercase())
    _check_values(typed)
    _check_twice(typed)
    return typed.with_columns(pl.col("kind").replace(_KINDS)).sort("ticker", "date", "kind")


def _read(actions: Actions) -> pl.DataFrame:
    import polars as pl

    if not isinstance(actions, (str, Path)):
        return as_polars(actions, "actions")
    path = Path(actions)
    if path.suffix == ".parquet":
        return as_polars(pl.read_parquet(path), "actions")
    if path.suffix == ".csv":
        # Tickers and dates are never taken for anything else: TRUE and NA are tickers.
        text = dict.fromkeys(["ticker", "kind", "date"], pl.String)
        return as_polars(pl.read_csv(path, schema_overrides=text), "actions")
    raise ValueError(f"actions={str(path)!r} is neither a .csv nor a .parquet file")


def _check_values(table: pl.DataFrame) -> None:
    import polars as pl

    split = pl.col("kind").is_in([kind for kind, what in _KINDS.items() if what == "split"])
    ratio = pl.col("from", "to")
    bad_ratio = pl.any_horizontal(ratio.is_null() | ~ratio.is_finite() | (ratio <= 0))
    amount, factor = pl.col("amount"), pl.col("factor")
    wrong = {
        "has no ticker, date or kind": pl.any_horizontal(
            pl.col("ticker", "date", "kind").is_null()
        ),
        f"is of an unknown kind; choose from {', '.join(_KINDS)}": ~pl.col("kind").is_in(
            list(_KINDS)
        ),
        "is a split whose from and to are not both numbers above zero": split & bad_ratio,
        "is a reverse split that makes more shares": (pl.col("kind") == "reverse_split")
        & (pl.col("to") >= pl.col("from")),
        "is a forward split that makes fewer shares": (pl.col("kind") == "forward_split")
        & (pl.col("to") <= pl.col("from")),
        "is a dividend without an amount above zero": (pl.col("kind") == "dividend")
        & (amount.is_null() | ~amount.is_finite() | (amount <= 0)),
        "has a factor that is not above 0 and up to 1": (pl.col("kind") == "dividend")
        & factor.is_not_null()
        & ~((factor > 0) & (factor <= 1)),
    }
    for reason, expression in wrong.items():
        found = table.filter(expression)
        if not found.is_empty():
            raise ValueError(f"actions: {describe(found.row(0, named=True))} {reason}")


def _check_twice(table: pl.DataFrame) -> None:
    import polars as pl

    splits = table.filter(pl.col("kind") != "dividend")
    dividends = table.filter(pl.col("kind") == "dividend")
    for rows, keys, names in (
        (splits, ["ticker", "date"], ["from", "to"]),
        (dividends, ["ticker", "date", "amount"], ["factor"]),
    ):
        twice = rows.filter(pl.struct(keys).is_duplicated()).sort(keys, maintain_order=True)
        if twice.is_empty():
            continue
        first, second = twice.row(0, named=True), twice.row(1, named=True)
        same = all(first[name] == second[name] for name in names)
        verdict = "is there twice" if same else f"contradicts {describe(second)}"
        raise ValueError(f"actions: {describe(first)} {verdict}; leave one of them out")


def describe(action: dict[str, object]) -> str:
    """An action in a few words, for messages."""
    what = str(action["kind"])
    if what == "dividend":
        what += f" of {action['amount']}"
    elif action["from"] is not None or action["to"] is not None:
        what += f" from {_number(action['from'])} to {_number(action['to'])}"
    return f"{action['ticker']}'s {what} on {action['date']}"


def _number(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def names_of(actions: Sequence[dict[str, object]], at_most: int = 5) -> str:
    """Some actions in words, and how many more there are."""
    shown = ", ".join(describe(action) for action in actions[:at_most])
    more = len(actions) - at_most
    return f"{shown} and {more} more" if more > 0 else shown
