"""The notebook that everyone opens first, in a real JupyterLab."""

from __future__ import annotations

from pathlib import Path

from .conftest import OpenNotebook

QUICKSTART = Path(__file__).parents[2] / "notebooks" / "01_quickstart.ipynb"


def test_the_quickstart_runs(open_notebook: OpenNotebook) -> None:
    """All cells, top to bottom, without an error."""
    lab = open_notebook(QUICKSTART)
    lab.run_all()
    for index in range(lab.page.locator(".jp-Notebook .jp-Cell").count()):
        kinds = [output["output_type"] for output in lab.outputs(index)]
        assert "error" not in kinds, lab.outputs(index)
    lab.picture("quickstart")
