"""What Binder does with the folder ``binder``: an image is described, and its notebooks run."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from IPython.core.inputtransformer2 import TransformerManager
from uv import find_uv_bin

from tests import notebooks

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository as a clone has it: an installation leaves nothing behind in ours."""
    folder = tmp_path_factory.mktemp("binder") / "flatnb"
    ignored = shutil.ignore_patterns(".git", ".*cache*", "__pycache__", "*.egg-info", "build")
    shutil.copytree(ROOT, folder, ignore=ignored)
    return folder


def test_repo2docker_understands_it(copy: Path) -> None:
    """The image has the Python of ``runtime.txt`` and installs our requirements."""
    if importlib.util.find_spec("repo2docker") is None:
        pytest.skip("jupyter-repo2docker is not installed")
    options = ["--no-build", "--debug", "--user-id", "1000", "--user-name", "jovyan"]
    done = subprocess.run(
        [sys.executable, "-m", "repo2docker", *options, "."],
        cwd=copy,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    told = done.stdout + done.stderr
    wanted = (copy / "binder" / "runtime.txt").read_text().strip().removeprefix("python-")
    assert f"Building conda environment for python={wanted}\n" in told
    # Ours is one of the requirements: the repository must be there when they are installed.
    copied = told.index("COPY --chown=1000:1000 src/ ${REPO_DIR}/")
    assert copied < told.index('pip install --no-cache-dir -r "binder/requirements.txt"')


def test_everything_is_pinned() -> None:
    """A build of next year has the versions of today."""
    lines = (ROOT / "binder" / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", pin) for pin in pins)
    names = {pin.partition("==")[0].lower() for pin in pins}
    assert {"jupyterlab", "polars", "aioboto3", "anywidget", "matplotlib", "moto"} <= names


def imported_by(path: Path) -> set[str]:
    """The modules that the code cells of a notebook import."""
    cells = notebooks.read(path).cells
    without_magics = TransformerManager().transform_cell
    code = "".join(without_magics(cell.source) for cell in cells if cell.cell_type == "code")
    flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    names: set[str] = set()
    for node in ast.walk(compile(code, str(path), "exec", flags)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def test_the_quickstart_runs_in_what_it_installs(copy: Path, tmp_path: Path) -> None:
    """A new environment, made of Binder's own files alone; it has what the others import."""
    venv.create(tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    # Neither our packages nor our kernels: only those of the new environment.
    hidden = ("PYTHONPATH", "VIRTUAL_ENV", "JUPYTER_PATH")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    environment["JUPYTER_DATA_DIR"] = str(tmp_path / "data")

    def run(*command: str) -> None:
        done = subprocess.run(
            command,
            cwd=copy,
            env=environment,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == 0, done.stderr[-3000:]

    # uv installs what pip does, as all versions are pinned, in a third of the time.
    uv = [find_uv_bin(), "pip"]
    run(*uv, "install", "--quiet", "--python", str(python), "-r", "binder/requirements.txt")
    run(*uv, "check", "--python", str(python))
    paths = sorted((copy / "notebooks").glob("*.ipynb"))
    modules = set().union(*map(imported_by, paths))
    assert {"flatnb", "polars"} <= modules
    run(str(python), "-c", f"import {', '.join(sorted(modules))}")
    run(str(python), "-m", "jupyter", "execute", str(paths[0]))
