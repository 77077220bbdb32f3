"""README and docs: their code runs, their links lead somewhere, and the reference is complete."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import shutil
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import pytest

import flatnb.demo.server
import flatnb.errors
from flatnb import DATA_TYPES, FlatSession
from flatnb.demo import DemoServer
from flatnb.frames.selection import Selection
from flatnb.load.day_loader import DayLoader
from flatnb.load.request import Request

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
TEXTS = [*PAGES, *sorted(ROOT.glob("*.md"))]
PACKAGE = Path(flatnb.__file__).parent

_FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_NOT_RUN = re.compile(r"<!-- not run: [^>]+ -->\s*\Z")
_BEFORE = re.compile(r"<!-- before this block:\n((?:(?!-->).)*)-->\s*\Z", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page: its language, its text, its line, and whether it is run."""

    language: str
    text: str
    line: int
    is_run: bool


def blocks(path: Path) -> Iterator[Block]:
    """The blocks of a page.

    A comment ``<!-- not run: reason -->`` before a block excludes it; code in a comment
    ``<!-- before this block: … -->`` is run first.
    """
    text = path.read_text(encoding="utf-8")
    for found in _FENCE.finditer(text):
        before = text[: found.start()]
        hidden = _BEFORE.search(before)
        setup = hidden[1] if hidden else ""
        line = before.count("\n") + 2 - setup.count("\n")
        yield Block(found[2], setup + found[3], line, not _NOT_RUN.search(before))


def code_of(path: Path) -> str:
    """All python blocks of a page that are run, each at its line, so that tracebacks are right."""
    lines: list[str] = []
    for block in blocks(path):
        if block.language == "python" and block.is_run:
            lines += [""] * (block.line - 1 - len(lines))
            lines += block.text.splitlines()
    return "\n".join(lines)


WITH_CODE = [path for path in [*PAGES, ROOT / "README.md"] if code_of(path)]


class SharedServer:
    """The demo server of all tests, for sessions that stop theirs when they are closed."""

    def __init__(self, server: DemoServer) -> None:
        self._server = server

    def __getattr__(self, name: str) -> object:
        return getattr(self._server, name)

    def start(self) -> SharedServer:
        """It runs already."""
        return self

    def stop(self) -> None:
        """Others use it."""


@pytest.mark.parametrize("path", WITH_CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_code_blocks_run(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, demo_server: DemoServer
) -> None:
    """One after the other, in a namespace for each page, on the synthetic market."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(flatnb.demo.server, "DemoServer", lambda: SharedServer(demo_server))
    namespace: dict[str, object] = {"__name__": "page"}
    try:
        exec(compile(code_of(path), str(path), "exec"), namespace)
    finally:
        for value in namespace.values():
            if isinstance(value, FlatSession):
                value.close()


def anchors(path: Path) -> set[str]:
    """What a link to a page may name after ``#``: its headings, and ids that it sets itself."""
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    found = set(re.findall(r"\{ ?#([\w.-]+) ?\}", text))
    for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        plain = re.sub(r"[^\w\s-]", "", heading.lower()).strip()
        found.add(re.sub(r"[\s]+", "-", plain))
    return found


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    """Each link to a file of the repository, and to a heading in it."""
    text = re.sub(r"```.*?```|`[^`\n]*`", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (path.parent / name).resolve() if name else path
        assert file.exists(), target
        assert file.is_relative_to(ROOT), target
        assert not anchor or anchor in anchors(file), target


def test_docs_link_to_docs_only() -> None:
    """The site has no other files."""
    for path in PAGES:
        for target in re.findall(r"\]\((?![a-z]+:)([^)#\s]+)", path.read_text(encoding="utf-8")):
            assert (path.parent / target).resolve().is_relative_to(DOCS), (path.name, target)


def test_every_page_is_in_the_navigation() -> None:
    """A page that nothing leads to is not read."""
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    listed = re.findall(r"[\w./-]+\.md$", text, re.MULTILINE)
    assert sorted(listed) == [path.relative_to(DOCS).as_posix() for path in PAGES]


def test_the_readme_is_one_page() -> None:
    """At most 120 lines; the two commands stand alone in their blocks."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 120
    commands = [block.text for block in blocks(ROOT / "README.md") if block.language == "sh"]
    assert commands == [
        "pip install '.[demo]' && flatnb demo\n",
        "pip install -e '.[test]' && pytest\n",
    ]


def reference() -> str:
    """The text of all pages of the reference."""
    pages = sorted((DOCS / "reference").glob("*.md"))
    return "\n".join(path.read_text(encoding="utf-8") for path in pages)


@pytest.mark.parametrize(
    "package",
    ["flatnb", "flatnb.research", "flatnb.reference", "flatnb.demo", "flatnb.ranges"],
)
def test_every_public_name_is_in_the_reference(package: str) -> None:
    """Each by its docstring; the data types are a table."""
    documented = set(re.findall(r"^::: ([\w.]+)$", reference(), re.MULTILINE))
    public = {f"{package}.{name}" for name in importlib.import_module(package).__all__}
    assert public - {"flatnb.DATA_TYPES"} <= documented


def test_every_exception_is_in_the_reference() -> None:
    """Those that are not exported too: users catch and read them."""
    text = reference()
    for name, each in inspect.getmembers(flatnb.errors, inspect.isclass):
        if each.__module__ == "flatnb.errors" and issubclass(each, (Exception, Warning)):
            assert re.search(rf"^::: flatnb\.(\w+\.)?{name}$", text, re.MULTILINE), name


def test_what_the_reference_names_is_there() -> None:
    """A page that names a module that moved would fail only when the site is built."""
    for path in re.findall(r"^::: ([\w.]+)$", reference(), re.MULTILINE):
        parts = path.split(".")
        depth = len(parts)
        while depth:
            try:
                found: object = importlib.import_module(".".join(parts[:depth]))
                break
            except ModuleNotFoundError:
                depth -= 1
        for name in parts[depth:]:
            found = getattr(found, name)


def test_the_table_of_data_types_is_complete() -> None:
    """As the registry has them."""
    text = (DOCS / "reference" / "data-types.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| `(\w+)` \| `([\w/]+)` \| ([\d-]+) \| (\w+) \| (.+) \|$", text, re.MULTILINE
    )
    assert rows == [
        (
            name,
            f"{each.root}/{each.folder}",
            str(each.first_day),
            each.days,
            ", ".join(
                f"*{column}*" if column in each.optional else column for column in each.columns
            ),
        )
        for name, each in DATA_TYPES.items()
    ]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"{len(rows)} data types" in text
    assert f"{len(rows)} data types" in readme


def test_quoted_messages_are_those_of_the_code() -> None:
    """Who searches the page for a message must find it."""
    page = (DOCS / "how-to" / "troubleshooting.md").read_text(encoding="utf-8")
    quoted = re.findall(r"^### `(.+)`$", page, re.MULTILINE)
    assert len(quoted) > 15
    texts = [path.read_text(encoding="utf-8") for path in sorted(PACKAGE.rglob("*.py"))]
    strings = "\n".join(
        "".join(part.value for part in node.values if isinstance(part, ast.Constant))
        if isinstance(node, ast.JoinedStr)
        else str(node.value)
        for text in texts
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.JoinedStr)
        or (isinstance(node, ast.Constant) and isinstance(node.value, str))
    )
    assert [message for message in quoted if message not in strings + " LoadError"] == []


def way_of_symbols() -> list[str]:
    """The files that the architecture page lists."""
    page = (DOCS / "explanation" / "architecture.md").read_text(encoding="utf-8")
    part = page.partition("<!-- the way of symbols")[2].partition("\n\n")[0]
    return re.findall(r"^\d+\. `([\w/.]+)`", part, re.MULTILINE)


def carries_symbols(value: object) -> bool:
    """Whether an argument is the symbols that a user gave, or what became of them."""
    if isinstance(value, (Selection, Request, DayLoader)):
        return True
    if type(value) is dict:
        return carries_symbols(value.get("symbols"))
    if isinstance(value, (list, tuple)) and len(value) == 1:
        return isinstance(value[0], str) and value[0] == "AAPL"
    return False


def test_the_way_of_symbols_is_as_described(tmp_path: Path) -> None:
    """At most ten files, none twice, in the order in which a load enters them."""
    entered: dict[str, None] = {}

    def follow(frame: FrameType, event: str, _: object) -> None:
        path = Path(frame.f_code.co_filename)
        # The decorator that writes out the signature hands the arguments on; the demo is no part.
        if event != "call" or frame.f_code.co_name == "with_options" or "demo" in path.parts:
            return
        if path.is_relative_to(PACKAGE) and any(map(carries_symbols, frame.f_locals.values())):
            entered.setdefault(path.relative_to(PACKAGE).as_posix())

    with FlatSession.demo(cache=tmp_path) as session:
        threading.setprofile(follow)
        sys.setprofile(follow)
        try:
            session.load("stocks_daily", "2024-01-02", "2024-01-02", symbols=["AAPL"])
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
    described = way_of_symbols()
    assert 3 < len(described) <= 10
    assert len(set(described)) == len(described)
    assert [file for file in entered if file in described] == described
    beside = (DOCS / "explanation" / "architecture.md").read_text(encoding="utf-8")
    assert [file for file in entered if f"`{file}`" not in beside] == []


def test_the_architecture_page_names_every_layer() -> None:
    """In the tree and in the drawing."""
    from tests.test_architecture import LAYERS

    folder = DOCS / "explanation"
    tree = (folder / "architecture.md").read_text(encoding="utf-8")
    drawing = (folder / "layers.svg").read_text(encoding="utf-8")
    for layer in LAYERS:
        assert re.search(rf"\b{layer}(\.py|/)", tree), layer
        assert f">{layer}</text>" in drawing, layer


def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    """Strictly, and with each public method of a session in it."""
    pytest.importorskip("zensical")
    shutil.copytree(DOCS, tmp_path / "docs")
    settings = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    settings = settings.replace("paths: [.]", f"paths: [{ROOT.as_posix()}]")
    (tmp_path / "mkdocs.yml").write_text(settings, encoding="utf-8")
    command = Path(sysconfig.get_path("scripts")) / "zensical"
    done = subprocess.run(
        [str(command), "build", "--strict"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    page = (tmp_path / "site" / "reference" / "session" / "index.html").read_text(encoding="utf-8")
    public = [name for name in vars(FlatSession) if not name.startswith("_")]
    assert [name for name in public if f'id="flatnb.FlatSession.{name}"' not in page] == []
