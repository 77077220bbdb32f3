"""A JupyterLab, a browser, and notebooks open in it.

The tests are skipped where there is no Chromium or no Playwright; the reason says which.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from flatnb.demo import DemoServer
from tests import notebooks
from tests.servers.throttle import ThrottleProxy

from .jupyter import JupyterServer

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext

    from .lab import Lab

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]

OpenNotebook = Callable[..., "Lab"]


@pytest.fixture(scope="session")
def jupyter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    """A JupyterLab with settings of its own."""
    pytest.importorskip("jupyterlab", reason="jupyterlab is not installed")
    with JupyterServer(tmp_path_factory.mktemp("jupyter")) as server:
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium without a window; ``FLATNB_CHROMIUM`` names another one.

    Not longer than a module: while it is there the main thread has a running event loop, in which
    other tests could not call ``asyncio.run``.
    """
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = os.environ.get("FLATNB_CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no chromium on the PATH (apt-get install chromium)")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@pytest.fixture(scope="session")
def notebook7(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    """A Notebook 7 with settings of its own."""
    pytest.importorskip("notebook", reason="notebook is not installed")
    with JupyterServer(tmp_path_factory.mktemp("notebook7"), "notebook") as server:
        yield server


@pytest.fixture(scope="module")
def lab_context(browser: Browser) -> Iterator[BrowserContext]:
    """Has one page of JupyterLab, in which the notebooks of a module are opened one by one."""
    context = browser.new_context()
    yield context
    context.close()


@pytest.fixture
def open_notebook(
    jupyter: JupyterServer, lab_context: BrowserContext, tmp_path: Path
) -> Iterator[OpenNotebook]:
    """Opens notebooks in JupyterLab; see `opened_in`."""
    with opened_in(jupyter, lab_context, tmp_path.name) as open_:
        yield open_


@pytest.fixture
def open_in_notebook7(
    notebook7: JupyterServer, browser: Browser, tmp_path: Path
) -> Iterator[OpenNotebook]:
    """Opens notebooks in Notebook 7; see `opened_in`."""
    with (
        closing(browser.new_context()) as context,
        opened_in(notebook7, context, tmp_path.name) as open_,
    ):
        yield open_


@contextmanager
def opened_in(server: JupyterServer, context: BrowserContext, name: str) -> Iterator[OpenNotebook]:
    """Opens a notebook file, or one made of the sources of its code cells.

    At the end no script of a page may have thrown, and no page may have asked for anything from
    outside.
    """
    from .lab import Lab

    opened: list[Lab] = []

    def open_(*sources: str | Path, width: int = 1100, height: int = 900) -> Lab:
        folder = server.files / f"{name}-{len(opened)}"
        folder.mkdir()
        if isinstance(sources[0], Path):
            path = folder / sources[0].name
            shutil.copyfile(sources[0], path)
        else:
            path = folder / "test.ipynb"
            notebooks.write(notebooks.new(*map(str, sources)), path)
        # Loading JupyterLab takes longer than most tests: its page is used again.
        page = context.pages[0] if context.pages and not opened else context.new_page()
        page.set_viewport_size({"width": width, "height": height})
        lab = Lab(page, server, path)
        opened.append(lab)
        lab.open()
        return lab

    yield open_
    for lab in opened:
        try:
            lab.close()
        except BaseException:
            lab.page.close()
            raise
        if lab is not opened[0] or lab.page.locator(".jp-Dialog").count():
            lab.page.close()
    assert [lab.errors for lab in opened if lab.errors] == []
    assert [lab.outside for lab in opened if lab.outside] == []


@pytest.fixture
def begin(demo_server: DemoServer) -> Iterator[str]:
    """A first cell: a session on the demo market behind a slow link."""
    address = urlsplit(demo_server.endpoint_url)
    with ThrottleProxy("127.0.0.1", address.port or 0, rate=150_000) as proxy:
        yield (
            "from flatnb import FlatSession\n"
            f"session = FlatSession('a', 'b', endpoint_url={proxy.endpoint_url!r}, cache=False)"
        )
