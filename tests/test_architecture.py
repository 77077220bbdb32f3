"""What the architecture promises: downward and light imports, short functions, honest exports."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import flatnb

PACKAGE = Path(flatnb.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
IO_LIBRARIES = {"boto3", "botocore", "aioboto3", "aiobotocore", "aiohttp", "urllib3", "requests"}
FRAME_LIBRARIES = {"polars", "pandas", "pyarrow", "numpy"}
WIDGET_LIBRARIES = {"ipywidgets", "anywidget"}

LAYERS = (
    "market",
    "formatting",
    "stylesheet",
    "html",
    "report",
    "error_display",
    "errors",
    "ranges",
    "research",
    "reference",
    "credentials",
    "download",
    "frames",
    "load",
    "jobs",
    "context",
    "loader",
    "explore",
    "lazy",
    "lake",
    "updater",
    "notebook",
    "session",
    "cli",
)
"""From the bottom to the top: each imports itself and what is before it, and nothing else."""

APART = {
    "demo": {"market", "reference"},
    "research": {"market", "errors"},
    "reference": {"market", "errors"},
}
"""Packages that import only these besides themselves."""


def name_of(path: Path) -> str:
    """The dotted name of a module."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in FILES}


def imports(path: Path) -> set[str]:
    """All modules that a file imports anywhere, for type checkers too, ours as ``flatnb.…``."""
    package = name_of(path).split(".")
    if path.name != "__init__.py":
        package.pop()
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            named = {f"{module}.{alias.name}" for alias in node.names}
            # ``from . import html`` imports the module html, not a name of the package.
            found |= {name for name in named if name in MODULES} or {module}
    return found


def layer(name: str) -> str:
    """The package of a module, or its name at the top."""
    return name.partition(".")[2].partition(".")[0]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_downward(path: Path) -> None:
    """In all packages, imports for type checkers included."""
    own = layer(name_of(path))
    if own in ("", "__main__"):
        return  # what users import
    layers = {layer(name) for name in imports(path) if name.startswith("flatnb.")}
    allowed = APART.get(own) or set(LAYERS[: LAYERS.index(own)])
    if own == "session":
        allowed |= {"demo"}
    assert layers <= allowed | {own}


def test_no_module_imports_itself_in_a_circle() -> None:
    """Neither directly nor by way of others, imports for type checkers included."""
    graph = {
        name: {each for each in imports(path) if each in MODULES and each != "flatnb"}
        for name, path in MODULES.items()
        if name not in ("flatnb", "flatnb.__main__")
    }
    assert list(circles(graph)) == []


def circles(graph: dict[str, set[str]]) -> Iterator[list[str]]:
    """Each module that can be reached from itself, with the way there."""
    for start in graph:
        ways = [[start, each] for each in graph[start]]
        seen: set[str] = set()
        while ways:
            way = ways.pop()
            if way[-1] == start:
                yield way
                break
            if way[-1] not in seen:
                seen.add(way[-1])
                ways += [[*way, each] for each in graph[way[-1]]]


def test_a_circle_is_found() -> None:
    """So that the test above cannot pass for the wrong reason."""
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}
    assert sorted(way[0] for way in circles(graph)) == ["b", "c"]


PURE = [
    *(path for path in FILES if layer(name_of(path)) == "market"),
    *(PACKAGE / "download" / "core").glob("*.py"),
    *(PACKAGE / "download" / f"{name}.py" for name in ("s3_catalog", "events", "statistics")),
    PACKAGE / "download" / "targets.py",
    PACKAGE / "errors.py",
]


@pytest.mark.parametrize("path", PURE, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_pure_modules_do_no_io(path: Path) -> None:
    """Neither an S3 client nor a frame library, but for annotations."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    tree.body = [node for node in tree.body if "TYPE_CHECKING" not in ast.unparse(node)[:20]]
    tops = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom) and not node.level
            else []
        )
    }
    assert not tops & (IO_LIBRARIES | FRAME_LIBRARIES)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_the_notebook_knows_widgets(path: Path) -> None:
    """The rest works without the extra."""
    tops = {name.partition(".")[0] for name in imports(path)}
    assert layer(name_of(path)) == "notebook" or not tops & WIDGET_LIBRARIES


def test_no_two_modules_have_the_same_name() -> None:
    """A stack trace or an editor's tab names one module."""
    names = [path.stem for path in FILES if path.stem not in ("__init__", "__main__")]
    assert {name for name in names if names.count(name) > 1} == set()


MOST_LINES = 60


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_functions_are_short(path: Path) -> None:
    """No body over sixty lines, its docstring not counted; complexity is ruff's C901."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            lines = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
            assert lines <= MOST_LINES, node.name


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
    for name in set(flatnb.__all__) - {"DATA_TYPES"}:
        assert getattr(flatnb, name).__doc__
    with pytest.raises(AttributeError, match="nothing_such"):
        flatnb.nothing_such  # noqa: B018


def test_completion_offers_the_public_names_alone() -> None:
    """`flatnb.<Tab>` has no module of the standard library, and a session's no private name."""
    assert dir(flatnb) == sorted(flatnb.__all__)
    offered = {name for name in dir(flatnb.FlatSession) if not name.startswith("_")}
    assert {"load", "plan", "scan", "to_lake", "picker"} < offered
    assert len(offered) <= 34


def test_there_is_no_mixin() -> None:
    """The session is made of services."""
    assert flatnb.FlatSession.__bases__ == (object,)


def test_any_is_rare() -> None:
    """Every `Any` is a place that the type checker does not look at."""
    uses = sum(
        isinstance(node, ast.Name) and node.id == "Any"
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    )
    assert uses < 80
