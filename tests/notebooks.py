"""Notebooks: those of the repository, and others; run without a front end.

``python -m tests.notebooks`` runs the one that is committed with its outputs, and saves them.

nbformat and nbclient are imported where they are used: they import jsonschema, whose check of
addresses compiles 38 grammars (1.5 s).
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager

if TYPE_CHECKING:
    from nbformat import NotebookNode

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))

SHOWN = next(path for path in NOTEBOOKS if path.stem == "06_faults_and_what_you_see")
"""Committed with its outputs: what readers see who run nothing."""


class ThisInterpreter(AsyncKernelManager):
    """Starts kernels of the interpreter that runs the tests, whatever kernelspecs there are."""

    @property
    def kernel_spec(self) -> KernelSpec:
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=command, display_name="tests", language="python")


def read(path: Path) -> NotebookNode:
    """A notebook."""
    import nbformat

    return nbformat.read(path, as_version=4)


def new(*sources: str) -> NotebookNode:
    """A notebook of code cells, for the kernel ``python3``."""
    from nbformat import v4

    cells = [v4.new_code_cell(source) for source in sources]
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    return v4.new_notebook(cells=cells, metadata=metadata)


def write(notebook: NotebookNode, path: Path) -> None:
    """Save a notebook."""
    import nbformat

    nbformat.write(notebook, path)


def execute(notebook: NotebookNode, folder: Path) -> NotebookNode:
    """Run all cells; an exception in one raises here."""
    from nbclient import NotebookClient

    client = NotebookClient(
        notebook,
        timeout=120,
        kernel_manager_class=ThisInterpreter,
        resources={"metadata": {"path": str(folder)}},
    )
    return client.execute()


def main() -> None:
    """Run the notebook that is shown, and save it with its outputs."""
    with tempfile.TemporaryDirectory() as folder:
        notebook = execute(read(SHOWN), Path(folder))
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # times, which are of no interest
    notebook.metadata["language_info"] = {"name": "python"}
    write(notebook, SHOWN)


if __name__ == "__main__":
    main()
