"""The ten research scripts run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "notebooks" / "scripts"
SCRIPTS = sorted(FOLDER.glob("*.py"))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_script_runs(path: Path, tmp_path: Path) -> None:
    """As a program of its own, from another folder; it prints, and warns of nothing."""
    done = subprocess.run(
        [sys.executable, str(path)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


def test_ten_scripts_are_listed() -> None:
    """Each with the question that it answers, and short."""
    listed = re.findall(r"^\| `(\w+\.py)` \|", (FOLDER / "README.md").read_text("utf-8"), re.M)
    assert sorted(listed) == [path.name for path in SCRIPTS]
    assert len(SCRIPTS) == 10
    assert all(len(path.read_text("utf-8").splitlines()) <= 40 for path in SCRIPTS)
