"""The notebooks run from top to bottom, and load what the generator made."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from flatnb.demo import DemoMarket
from flatnb.market.calendar import trading_days
from tests import notebooks
from tests.notebooks import NOTEBOOKS, SHOWN, execute

if TYPE_CHECKING:
    from nbformat import NotebookNode

BOTH_LOADS = """
from flatnb import FlatSession
with FlatSession.demo() as session:
    daily = session.load("stocks_daily", "2024-01-02", "2024-01-31")
    minute = session.load("stocks_minute", "2024-01-02", "2024-01-04")
    daily.write_parquet("daily.parquet")
    minute.write_parquet("minute.parquet")
"""


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path: Path, tmp_path: Path) -> None:
    """Without an error and without anything on the standard error output."""
    notebook = execute(notebooks.read(path), tmp_path)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert [o for o in outputs if o["output_type"] == "error" or o.get("name") == "stderr"] == []


@pytest.mark.parametrize(
    "path", [path for path in NOTEBOOKS if path != SHOWN], ids=lambda path: path.stem
)
def test_notebook_is_committed_bare(path: Path) -> None:
    """No outputs, which would grow old in the repository."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert code
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


def test_one_notebook_shows_what_readers_see(tmp_path: Path) -> None:
    """Its outputs need no widget, and what it prints is what it prints now."""
    committed = notebooks.read(SHOWN)
    outputs = [output for cell in committed.cells for output in cell.get("outputs", [])]
    assert any("text/html" in output.get("data", {}) for output in outputs)
    assert not any("widget" in kind for output in outputs for kind in output.get("data", {}))
    printed = "".join(output.text for output in outputs if output.output_type == "stream")
    now = execute(notebooks.read(SHOWN), tmp_path)
    again = "".join(o.text for cell in now.cells for o in cell.get("outputs", []) if "text" in o)
    assert printed == again


def test_the_quickstart_is_short() -> None:
    """The main job in at most ten cells, with a chart, and the session stays open."""
    lesson = [c for c in notebooks.read(NOTEBOOKS[0]).cells if not is_test(c)]
    assert len(lesson) <= 10
    sources = [cell.source for cell in lesson if cell.cell_type == "code"]
    assert any("session.chart(" in source for source in sources)
    assert not any("session.close()" in source for source in sources)


def is_test(cell: NotebookNode) -> bool:
    """Whether a cell is there for the tests: tagged so, and folded."""
    return "tests" in cell.metadata.get("tags", ())


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_lessons_teach(path: Path) -> None:
    """What checks the notebook is in cells of its own, which readers need not see."""
    cells = [c for c in notebooks.read(path).cells if c.cell_type == "code"]
    for cell in cells:
        if not is_test(cell):
            assert not re.search(r"^\s*assert |tempfile", cell.source, re.MULTILINE), cell.source
    assert any(is_test(cell) for cell in cells)


@pytest.mark.parametrize("where", ["script", "notebook"])
def test_both_loads_equal_the_generators_tables(
    where: str, market: DemoMarket, tmp_path: Path
) -> None:
    """21 days of daily and 3 of minute bars, also where the notebook's loop is running."""
    if where == "script":
        subprocess.run([sys.executable, "-c", BOTH_LOADS], cwd=tmp_path, check=True, timeout=120)
    else:
        execute(notebooks.new(BOTH_LOADS), tmp_path)
    for name, data_type, end, count in (
        ("daily", "stocks_daily", date(2024, 1, 31), 21),
        ("minute", "stocks_minute", date(2024, 1, 4), 3),
    ):
        days = trading_days(date(2024, 1, 2), end)
        assert len(days) == count
        tables = [
            market.table(data_type, day).select(pl.lit(day).alias("date"), pl.all()) for day in days
        ]
        loaded = pl.read_parquet(tmp_path / f"{name}.parquet")
        as_numbers = loaded.with_columns(pl.col("window_start").to_physical())
        assert_frame_equal(as_numbers, pl.concat(tables))
