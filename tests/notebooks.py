"""The notebooks of the repository, run without a front end.

``python -m tests.notebooks`` runs the one that is committed with its outputs, and saves them.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import nbformat
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))

SHOWN = next(path for path in NOTEBOOKS if path.stem == "06_faults_and_what_you_see")
"""Committed with its outputs: what readers see who run nothing."""


class ThisInterpreter(AsyncKernelManager):
    """Starts kernels of the interpreter that runs the tests, whatever kernelspecs there are."""

    @property
    def kernel_spec(self) -> KernelSpec:
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=command, display_name="tests", language="python")


def execute(notebook: nbformat.NotebookNode, folder: Path) -> nbformat.NotebookNode:
    """Run all cells; an exception in one raises here."""
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
        notebook = execute(nbformat.read(SHOWN, as_version=4), Path(folder))
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # times, which are of no interest
    notebook.metadata["language_info"] = {"name": "python"}
    SHOWN.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
