"""What the architecture promises: one-way imports, light imports, small files, honest exports."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import flatnb

PACKAGE = Path(flatnb.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
IO_LIBRARIES = {"boto3", "botocore", "aioboto3", "aiobotocore", "aiohttp", "urllib3", "requests"}
FRAME_LIBRARIES = {"polars", "pandas", "pyarrow", "numpy"}


def imports(path: Path) -> set[str]:
    """All modules that a file imports anywhere, ours as ``flatnb.…``."""
    package = ["flatnb", *path.relative_to(PACKAGE).parts[:-1]]
    found = set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    # What only type checkers import is no dependency.
    tree.body = [node for node in tree.body if "TYPE_CHECKING" not in ast.unparse(node)[:20]]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            found.add(".".join([*base, *(node.module or "").split(".")]).rstrip("."))
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


def room(path: Path) -> str:
    """The folder of the package that a file is in, or its name at the top."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


PURE = [
    *(path for path in FILES if room(path) == "market"),
    *(
        PACKAGE / "download" / f"{name}.py"
        for name in [
            "s3_catalog",
            "core/commands",
            "core/retry",
            "core/transfer",
            "core/listing",
            "events",
            "statistics",
            "targets",
        ]
    ),
    PACKAGE / "errors.py",
]


@pytest.mark.parametrize("path", PURE, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_pure_modules_do_no_io(path: Path) -> None:
    """Neither an S3 client nor a frame library."""
    tops = {name.split(".")[0] for name in imports(path)}
    assert not tops & (IO_LIBRARIES | FRAME_LIBRARIES)


OF_LOADS = ["days", "download", "errors", "frames", "html", "job", "keeping", "load"]
OF_LOADS += ["market", "progress", "report"]
"""What brings days, for those that do more with them."""


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_one_way(path: Path) -> None:
    """Market ← download ← frames ← load ← session; nobody imports session but its users."""
    rooms = {name.split(".")[1] for name in imports(path) if name.startswith("flatnb.")}
    allowed = {
        "market": {"market"},
        "errors": {"market"},
        "config": {"errors", "market"},
        "html": set(),
        "download": {"download", "errors", "html", "market"},
        "frames": {"frames", "download", "errors", "html", "market"},
        "demo": {"demo", "market"},
        "explore": {"explore", *OF_LOADS},
        "lazy": {"lazy", *OF_LOADS},
        "lake": {"lake", "lazy", *OF_LOADS},
    }.get(room(path))
    if allowed is not None:
        assert rooms <= allowed
    if room(path) not in ("__init__", "__main__", "notebook", "session"):
        assert "session" not in rooms
    tops = {name.split(".")[0] for name in imports(path)}
    if room(path) != "notebook":
        assert not tops & {"ipywidgets", "anywidget"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_are_small(path: Path) -> None:
    """A file over 400 lines is two."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


def test_importing_flatnb_is_light() -> None:
    """No frame library, S3 client or widget before one is used."""
    heavy = "polars pandas numpy boto3 botocore aioboto3 ipywidgets holidays moto isal tqdm"
    assert loaded_by("flatnb", heavy) == "[]\n"


def test_a_session_is_light() -> None:
    """No widget, plotting library, keyring or cluster before one is used."""
    heavy = "dask distributed ipywidgets anywidget IPython matplotlib keyring nest_asyncio2"
    assert loaded_by("flatnb.session", heavy) == "[]\n"


def loaded_by(module: str, names: str) -> str:
    """Which of these modules the import of another one loads."""
    wanted = f"[name for name in {names!r}.split() if name in sys.modules]"
    script = f"import sys, {module}; print({wanted})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stderr == ""
    return done.stdout


def test_every_export_is_listed_and_there() -> None:
    """At most twenty public names, sorted, each documented."""
    assert len(flatnb.__all__) <= 20
    assert flatnb.__all__ == sorted(flatnb.__all__, key=lambda name: (not name.isupper(), name))
    assert set(flatnb.__all__) <= set(dir(flatnb))
    for name in set(flatnb.__all__) - {"DATA_TYPES"}:
        assert getattr(flatnb, name).__doc__
    with pytest.raises(AttributeError, match="nothing_such"):
        flatnb.nothing_such  # noqa: B018
