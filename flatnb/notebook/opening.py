"""Opens widgets whose libraries are optional; importing this module imports none of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

    from .chart import Chart
    from .explorer import Explorer


def open_chart(
    frame: pl.DataFrame | pd.DataFrame, symbols: Sequence[str] | str | None = None
) -> Chart:
    """See `FlatSession.chart`."""
    try:
        from .chart import Chart
    except ImportError as error:
        raise _needs("chart", error) from error
    return Chart(frame, symbols)


def open_explorer(frame: pl.DataFrame | pd.DataFrame) -> Explorer:
    """See `FlatSession.explore`."""
    try:
        from .explorer import Explorer
    except ImportError as error:
        raise _needs("explore", error) from error
    return Explorer(frame)


def _needs(name: str, error: ImportError) -> ImportError:
    return ImportError(f"{name} needs {error.name}: pip install 'flatnb[notebook]'")
