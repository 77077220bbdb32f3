"""The notebook that everyone opens first, in a real JupyterLab."""

from __future__ import annotations

from pathlib import Path

from .conftest import OpenNotebook
from .lab import Lab

QUICKSTART = Path(__file__).parents[2] / "notebooks" / "01_quickstart.ipynb"


def test_the_quickstart_in_notebook7(open_in_notebook7: OpenNotebook) -> None:
    """The same in the other front end."""
    lab = open_in_notebook7(QUICKSTART)
    lab.run_all()
    assert no_errors(lab)


def test_the_quickstart_runs(open_notebook: OpenNotebook) -> None:
    """All cells, top to bottom, without an error."""
    lab = open_notebook(QUICKSTART)
    lab.run_all()
    assert no_errors(lab)
    lab.picture("quickstart")


def no_errors(lab: Lab) -> bool:
    """Whether no cell raised."""
    outputs = [o for index in range(lab.cells) for o in lab.outputs(index)]
    return bool(outputs) and all(output["output_type"] != "error" for output in outputs)
