"""The parts of option symbols as columns."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TypeVar

from ..market.option_symbols import PREFIX, STRIKE_UNITS, SYMBOL_PATTERN, TAIL

if TYPE_CHECKING:
    import polars as pl

Frame = TypeVar("Frame")

FIELDS = ("root", "expiry", "option_type", "strike")


def with_option_fields(frame: Frame) -> Frame:
    """Add the parts of the option symbols in the column ``ticker`` as columns.

    Parameters
    ----------
    frame : polars.DataFrame, polars.LazyFrame or pandas.DataFrame
        With a column ``ticker`` of OCC symbols, with or without ``O:``.

    Returns
    -------
    polars.DataFrame, polars.LazyFrame or pandas.DataFrame
        The same rows with the additional columns ``root`` (``"SPY"``), ``expiry`` (a date),
        ``option_type`` (``"call"`` or ``"put"``) and ``strike`` (dollars); all four are null where
        the ticker is not an option.

    Raises
    ------
    ValueError
        If there is no column ``ticker`` of strings, or ``frame`` is not a frame.

    Examples
    --------
    >>> import polars as pl
    >>> with_option_fields(pl.DataFrame({"ticker": ["O:SPY240119P00475500"]})).row(0)
    ('O:SPY240119P00475500', 'SPY', datetime.date(2024, 1, 19), 'put', 475.5)
    """
    import polars as pl

    if isinstance(frame, (pl.DataFrame, pl.LazyFrame)):
        schema = frame.collect_schema()
        _require_ticker(schema.names())
        if not isinstance(schema["ticker"], (pl.String, pl.Categorical, pl.Enum, pl.Null)):
            raise _no_strings(str(schema["ticker"]))
        return frame.with_columns(option_fields())  # type: ignore[return-value]
    # Where pandas has not been imported there is no frame of it.
    pandas = sys.modules.get("pandas")
    if pandas is None or not isinstance(frame, pandas.DataFrame):
        raise ValueError(
            f"frame={type(frame).__name__} is neither a polars nor a pandas frame; pass one"
        )
    _require_ticker(list(frame.columns))
    cells = frame["ticker"].astype(object).where(frame["ticker"].notna(), None).tolist()
    if any(not isinstance(cell, str) for cell in cells if cell is not None):
        raise _no_strings(str(frame["ticker"].dtype))
    tickers = pl.Series("ticker", cells, dtype=pl.String)
    fields = tickers.to_frame().select(option_fields()).to_pandas().set_axis(frame.index)
    return frame.assign(**{name: fields[name] for name in FIELDS})  # type: ignore[no-any-return]


def _require_ticker(columns: list[str]) -> None:
    if (count := columns.count("ticker")) != 1:
        problem = f"has {count} columns" if count else "has no column"
        raise ValueError(f"frame {problem} 'ticker'; it has {', '.join(map(str, columns))}")


def _no_strings(dtype: str) -> ValueError:
    return ValueError(f"frame has a column 'ticker' of type {dtype}, and tickers are strings")


def option_fields() -> list[pl.Expr]:
    """Expressions of the four columns, computed from the column ``ticker``."""
    import polars as pl

    ticker = pl.col("ticker").cast(pl.String)
    # With strict=False a date that does not exist (240230) gives null, not an error.
    expiry = (pl.lit("20") + ticker.str.slice(-TAIL, 6)).str.to_date("%Y%m%d", strict=False)
    is_option = ticker.str.contains(f"^{SYMBOL_PATTERN}$") & expiry.is_not_null()
    fields = {
        "root": ticker.str.strip_prefix(PREFIX).str.head(-TAIL),
        "expiry": expiry,
        "option_type": option_type(),
        "strike": strike_units() / STRIKE_UNITS,
    }
    return [pl.when(is_option).then(field).alias(name) for name, field in fields.items()]


def option_type() -> pl.Expr:
    """``"call"`` or ``"put"``."""
    import polars as pl

    is_call = pl.col("ticker").cast(pl.String).str.slice(-9, 1) == "C"
    return pl.when(is_call).then(pl.lit("call")).otherwise(pl.lit("put"))


def strike_units() -> pl.Expr:
    """The strike in thousandths of a dollar."""
    import polars as pl

    return pl.col("ticker").cast(pl.String).str.slice(-8).cast(pl.Int64, strict=False)
