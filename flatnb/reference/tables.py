"""The service's records as tables, with one meaning for each column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from .response_cache import CachedResponse, Record

if TYPE_CHECKING:
    import polars as pl


def actions_table(
    splits: Mapping[str, CachedResponse], dividends: Mapping[str, CachedResponse]
) -> pl.DataFrame:
    """Splits and dividends, as `flatnb.research.read_actions` knows them."""
    import polars as pl

    of_splits = _frame(
        splits,
        {
            "ticker": ("ticker", pl.String),
            "date": ("execution_date", pl.String),
            "kind": ("adjustment_type", pl.String),
            "from": ("split_from", pl.Float64),
            "to": ("split_to", pl.Float64),
        },
    ).with_columns(
        pl.col("kind").fill_null("split"),
        *(pl.lit(None, pl.Float64).alias(name) for name in ("amount", "factor")),
        pl.lit(None, pl.String).alias("currency"),
    )
    of_dividends = _frame(
        dividends,
        {
            "ticker": ("ticker", pl.String),
            "date": ("ex_dividend_date", pl.String),
            "amount": ("cash_amount", pl.Float64),
            "currency": ("currency", pl.String),
            "cumulative": ("historical_adjustment_factor", pl.Float64),
        },
    ).with_columns(
        pl.lit("dividend").alias("kind"),
        *(pl.lit(None, pl.Float64).alias(name) for name in ("from", "to")),
    )
    order = ["ticker", "date", "kind", "from", "to", "amount", "currency", "factor", "retrieved_on"]
    parts = [of_splits.select(order), _with_own_factor(of_dividends).select(order)]
    return pl.concat(parts).with_columns(_date()).sort("ticker", "date", "kind")


def _with_own_factor(dividends: pl.DataFrame) -> pl.DataFrame:
    """The factor of each dividend alone.

    The service's is cumulative: what a price before the dividend is multiplied with for it and
    all later ones of the ticker. So it is divided by that of the next one. An announced dividend
    has none, or 1.
    """
    import polars as pl

    ordered = dividends.sort("ticker", "date", "cumulative", nulls_last=True)
    later = pl.col("cumulative").shift(-1).over("ticker").fill_null(1.0)
    known = ordered.filter(pl.col("cumulative").is_not_null())
    own = known.with_columns((pl.col("cumulative") / later).alias("factor"))
    unknown = ordered.filter(pl.col("cumulative").is_null())
    return pl.concat([own, unknown.with_columns(pl.lit(None, pl.Float64).alias("factor"))])


def events_table(events: Mapping[str, CachedResponse]) -> pl.DataFrame:
    """Changes of tickers: what each became, and what it was before."""
    import polars as pl

    def changes(rows: list[Record]) -> Iterator[Record]:
        for row in rows:
            change = row.get("ticker_change")
            if row.get("type") == "ticker_change" and isinstance(change, dict):
                yield {"date": row.get("date"), "to": change.get("ticker")}

    responses = {
        name: CachedResponse(list(changes(response.rows)), response.retrieved_at)
        for name, response in events.items()
    }
    fields = {"date": ("date", pl.String), "to": ("to", pl.String)}
    table = _frame(responses, fields, asked="symbol").with_columns(_date()).sort("symbol", "date")
    before = pl.col("to").shift().over("symbol").alias("from")
    return table.with_columns(before).select("symbol", "date", "from", "to", "retrieved_on")


def tickers_table(tickers: Mapping[str, CachedResponse]) -> pl.DataFrame:
    """Tickers with their kind."""
    import polars as pl

    names = ("ticker", "name", "type", "primary_exchange")
    return _frame(tickers, {name: (name, pl.String) for name in names}).sort("ticker")


def _frame(
    responses: Mapping[str, CachedResponse],
    fields: Mapping[str, tuple[str, type[pl.DataType]]],
    asked: str | None = None,
) -> pl.DataFrame:
    import polars as pl

    rows = [
        [
            *([name] if asked else []),
            *(row.get(field) for field, _ in fields.values()),
            response.retrieved_at.date(),
        ]
        for name, response in responses.items()
        for row in response.rows
    ]
    schema: dict[str, type[pl.DataType]] = {
        **({asked: pl.String} if asked else {}),
        **{name: dtype for name, (_, dtype) in fields.items()},
        "retrieved_on": pl.Date,
    }
    return pl.DataFrame(rows, schema=schema, orient="row", strict=False)


def _date() -> pl.Expr:
    import polars as pl

    return pl.col("date").str.to_date("%Y-%m-%d")
