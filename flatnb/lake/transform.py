"""A user's function on each day's rows: what it is called, and rows of whole tickers to give it."""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
import pickle
import textwrap
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from ..errors import TransformError

if TYPE_CHECKING:
    import polars as pl

    Transform: TypeAlias = Callable[[pl.DataFrame], pl.DataFrame]
else:
    Transform: TypeAlias = Callable

PIECES_AT_ONCE = 8
"""A day of so many pieces, each of some 32 MB of text, is transformed at once."""

BUCKETS = 32
"""A larger day is divided by ticker: the largest, 155 million trades, into 5 million rows each."""

_BUCKET = "_bucket"
_ROWS_PER_GROUP = 50_000


def label_of(transform: Transform) -> str:
    """A transform as text, by which lakes differ: its name, its arguments and its source.

    The source of flatnb's own functions is left out, so that a lake outlives a release.

    Raises
    ------
    ValueError
        If it is not a function at the top of a module, or a ``functools.partial`` of one.
    """
    arguments: list[str] = []
    function: object = transform
    while isinstance(function, functools.partial):
        own = [*map(repr, function.args), *(f"{k}={v!r}" for k, v in function.keywords.items())]
        arguments = [*own, *arguments]
        function = function.func
    name = getattr(function, "__qualname__", "")
    module = getattr(function, "__module__", "")
    try:
        pickle.dumps(transform)
        is_found = callable(function) and bool(name)
    except (pickle.PicklingError, AttributeError, TypeError):
        is_found = False
    if not is_found:
        raise ValueError(
            f"transform={transform!r} is not a function at the top of a module, nor a "
            "functools.partial of one: other processes, and a later run, must find it by its name"
        )
    source = "" if module.startswith("flatnb.") else f" {_source_hash(function)}"
    return f"{module}.{name}({', '.join(arguments)}){source}".rstrip()


def _source_hash(function: object) -> str:
    """A hash of a function's source without its comments; empty if there is none to be had."""
    try:
        source = textwrap.dedent(inspect.getsource(function))  # type: ignore[arg-type]
        text = ast.unparse(ast.parse(source))
    except (OSError, TypeError, SyntaxError):
        return ""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def transformed(
    pieces: Iterable[pl.DataFrame], transform: Transform, day: date, key: str, scratch: Path
) -> Iterator[pl.DataFrame]:
    """The transform's results for the rows of one day; each ticker's rows are given at once.

    A day of up to 256 MB of text is given as a whole. Of a larger one each part has a thirty-second
    of the tickers with all their rows, in the order of the file: tickers are not cut, in whatever
    order they stand (in the vendor's files of trades and quotes some stand in two runs).

    Parameters
    ----------
    pieces
        The rows, with a column ``ticker``; all are consumed.
    key
        The file, for messages.
    scratch
        An empty folder for the parts; it is emptied again.

    Yields
    ------
    polars.DataFrame
        Without the column ``date``, which is the day's folder.

    Raises
    ------
    TransformError
        If the transform raises an exception, or returns anything but such a frame.
    """
    import polars as pl

    iterator = iter(pieces)
    first = list(islice(iterator, PIECES_AT_ONCE + 1))
    if len(first) <= PIECES_AT_ONCE:
        yield _apply(transform, pl.concat(first), day, key)
        return
    for part in _by_ticker(first, iterator, key, scratch):
        yield _apply(transform, part, day, key)


def _by_ticker(
    first: list[pl.DataFrame], rest: Iterator[pl.DataFrame], key: str, scratch: Path
) -> Iterator[pl.DataFrame]:
    """The rows divided by ticker, by way of files."""
    import polars as pl

    if "ticker" not in first[0].columns:
        raise TransformError(
            "its rows cannot be divided, as they have no column ticker; add it to columns", key=key
        )
    files: list[Path] = []
    some = first
    while some:
        bucket = (pl.col("ticker").hash(seed=0) % BUCKETS).cast(pl.UInt8).alias(_BUCKET)
        rows = pl.concat(some, rechunk=False).with_columns(bucket)
        some.clear()  # the caller holds the list, and with it 256 MB of text
        rows = rows.sort(_BUCKET, maintain_order=True)
        files.append(scratch / f"{len(files):04d}.rows")
        # Small groups of rows, whose statistics tell readers which buckets they are of.
        rows.write_parquet(files[-1], compression="lz4", row_group_size=_ROWS_PER_GROUP)
        del rows
        some = list(islice(rest, PIECES_AT_ONCE))
    try:
        lazy = pl.scan_parquet(files, glob=False)
        for number in range(BUCKETS):
            rows = lazy.filter(pl.col(_BUCKET) == number).drop(_BUCKET).collect()
            if not rows.is_empty():
                yield rows
    finally:
        for file in files:
            file.unlink(missing_ok=True)


def _apply(transform: Transform, rows: pl.DataFrame, day: date, key: str) -> pl.DataFrame:
    import polars as pl

    try:
        made = transform(rows.select(pl.lit(day).alias("date"), pl.all()))
    except Exception as error:  # a user's function may raise anything
        text = str(error).strip() or "no message"
        raise TransformError(f"the transform raised {type(error).__name__}: {text}", key=key) from (
            error
        )
    if not isinstance(made, pl.DataFrame):
        raise TransformError(
            f"the transform returned a {type(made).__name__}; return a polars DataFrame", key=key
        )
    if "date" not in made.columns:
        return made
    other = made.filter(pl.col("date").cast(pl.Date).ne_missing(pl.lit(day)))
    if not other.is_empty():
        raise TransformError(
            f"the transform returned rows of {other['date'][0]} for the file of {day}; a lake "
            "keeps each file's rows by its day",
            key=key,
        )
    return made.drop("date")
