"""Conversion of polars frames to pandas, with equivalent dtypes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

FrameKind = Literal["polars", "pandas"]


def check_frame_kind(frame: str) -> None:
    """Raise an error for an unknown kind, or for pandas if it is not installed, before loading.

    Raises
    ------
    ValueError
        If ``frame`` is neither ``"polars"`` nor ``"pandas"``.
    ImportError
        If pandas or pyarrow is not installed.
    """
    if not isinstance(frame, str) or frame not in ("polars", "pandas"):
        raise ValueError(f"frame={frame!r} is unknown; choose 'polars' or 'pandas'")
    if frame == "pandas":
        try:
            import pandas  # noqa: F401
            import pyarrow  # noqa: F401
        except ImportError as error:
            raise ImportError(
                f"frame='pandas' needs {error.name}: pip install 'flatnb[pandas]'"
            ) from error


def to_pandas(frame: pl.DataFrame) -> pd.DataFrame:
    """The same columns and rows in pandas.

    Strings become pandas' string dtype (the ticker ``NA`` is not a missing value), floats float64,
    integers int64 (``Int64`` if some are null), times ``datetime64[ns, …]`` with the same time
    zone, the date ``datetime64[ms]``.
    """
    import pandas as pd

    result: pd.DataFrame = frame.to_pandas()
    for name, dtype in frame.schema.items():
        if dtype.is_integer() and frame[name].null_count():
            # polars converts a column with nulls to float64, which rounds integers above 2**53.
            arrow = frame[name].to_arrow()
            result[name] = arrow.to_pandas(types_mapper=lambda _: pd.Int64Dtype())
        elif result[name].dtype == object:  # before pandas 3
            result[name] = result[name].astype("string")
    return result
