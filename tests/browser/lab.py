"""One notebook, open in a browser: run its cells, wait for them, read them, look at them."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Error, Locator, Page, Request

from tests import notebooks

from .jupyter import JupyterServer

TIMEOUT_S = 60.0

_CURRENT = "const app = window.jupyterapp; const panel = app.shell.currentWidget;"


class Lab:
    """A page that shows one notebook.

    Attributes
    ----------
    page
        Playwright's page, for whatever is not here.
    path
        The notebook's file.
    errors
        What the page's scripts threw.
    outside
        Requests to other hosts than 127.0.0.1; they were refused.
    """

    def __init__(self, page: Page, server: JupyterServer, path: Path) -> None:
        self.page = page
        self.path = path
        self.errors: list[str] = []
        self.outside: list[str] = []
        self._server = server
        page.set_default_timeout(TIMEOUT_S * 1000)
        page.on("pageerror", self._note)
        page.on("request", self._watch)

    def _note(self, error: Error) -> None:
        # Notebook 7.6 itself throws when it loads its settings, also without any notebook.
        # JupyterLab reports its own request to a kernel that is restarted.
        own = "Canceled future for create_subshell_request" in str(error)
        if "/static/notebook/notebook_core" not in (error.stack or "") and not own:
            self.errors.append(f"{error}\n{error.stack or ''}")

    def _watch(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme in ("http", "https", "ws", "wss") and address.hostname != "127.0.0.1":
            self.outside.append(request.url)

    def open(self) -> None:
        """Open the notebook and wait for its kernel; in the page's JupyterLab if it has one."""
        name = self.path.relative_to(self._server.files).as_posix()
        if self.page.url.startswith(f"{self._server.url}/lab"):
            self.page.mouse.move(0, 0)
            self.command("docmanager:open", path=name)
        else:
            where = "lab/tree" if self._server.module == "jupyterlab" else "notebooks"
            self.page.goto(f"{self._server.url}/{where}/{name}?reset&token={self._server.token}")
        self.page.wait_for_function(
            """() => {
                const app = window.jupyterapp;
                const panel = app?.shell?.currentWidget;
                return app?.commands.hasCommand("notebook:run-all-cells")
                    && panel?.context?.isReady && panel.sessionContext?.isReady;
            }"""
        )
        self.wait_for_kernel()
        self.page.evaluate("() => window.jupyterapp.shell.collapseLeft?.()")

    def wait_for_kernel(self) -> None:
        """Wait until the kernel has started, or started again, and does nothing."""
        self.page.wait_for_function(
            f"""() => {{ {_CURRENT}
                return panel.sessionContext.session?.kernel?.status === "idle" }}"""
        )

    def command(self, name: str, **arguments: Any) -> None:
        """Execute a command of JupyterLab and wait for its end."""
        script = "async ([name, args]) => { await window.jupyterapp.commands.execute(name, args) }"
        self.page.evaluate(script, [name, arguments])

    def run_all(self) -> None:
        """Run all cells and wait until the last has ended."""
        self.command("notebook:run-all-cells")
        for index, cell in enumerate(notebooks.read(self.path).cells):
            if cell.cell_type == "code":
                self.wait(index)

    def start(self, index: int) -> None:
        """Run one cell (counted from 0, Markdown included) without waiting for it."""
        self.page.evaluate(
            f"""index => {{ {_CURRENT}
                panel.content.deselectAll();
                panel.content.activeCellIndex = index;
                void app.commands.execute("notebook:run-cell");
            }}""",
            index,
        )

    def run(self, index: int) -> None:
        """Run one cell and wait until it has ended."""
        before = self._count(index)
        self.start(index)
        self.wait(index, before)

    def wait(self, index: int, before: int | None = None, timeout_s: float = TIMEOUT_S) -> None:
        """Wait until a cell has ended."""
        self.page.wait_for_function(
            f"""([index, before]) => {{ {_CURRENT}
                const model = panel.content.widgets[index].model;
                return model.executionState === "idle"
                    && model.executionCount !== null && model.executionCount !== before;
            }}""",
            arg=[index, before],
            timeout=timeout_s * 1000,
        )

    def is_running(self, index: int) -> bool:
        """Whether a cell is being executed, or waits for that."""
        return bool(self._of_cell(index, "executionState") == "running")

    def _count(self, index: int) -> int | None:
        count: int | None = self._of_cell(index, "executionCount")
        return count

    def _of_cell(self, index: int, name: str) -> Any:
        state = f"([i, name]) => {{ {_CURRENT} return panel.content.widgets[i].model[name] }}"
        return self.page.evaluate(state, [index, name])

    @property
    def cells(self) -> int:
        """How many cells there are."""
        return self.page.locator(".jp-Notebook .jp-Cell").count()

    def cell(self, index: int) -> Locator:
        """A cell with its outputs, as a part of the page."""
        return self.page.locator(".jp-Notebook .jp-Cell").nth(index)

    def outputs(self, index: int) -> list[Any]:
        """The outputs of a cell as the notebook's file would have them."""
        state = f"""index => {{ {_CURRENT}
            return panel.content.widgets[index].model.outputs?.toJSON() ?? [] }}"""
        found: list[Any] = self.page.evaluate(state, index)
        return found

    def text(self, index: int) -> str:
        """What a cell has printed or shown as text."""
        parts = []
        for output in self.outputs(index):
            text = output.get("text") or output.get("data", {}).get("text/plain") or ""
            parts.append(text if isinstance(text, str) else "".join(text))
        return "".join(parts)

    def save(self) -> str:
        """Save the notebook; the text of its file."""
        self.command("docmanager:save")
        return self.path.read_text(encoding="utf-8")

    def theme(self, name: str) -> None:
        """``"JupyterLab Light"`` or ``"JupyterLab Dark"``."""
        self.command("apputils:change-theme", theme=name)
        wanted = str(name.endswith("Light")).lower()
        self.page.wait_for_function(
            "wanted => document.body.dataset.jpThemeLight === wanted", arg=wanted
        )

    @staticmethod
    def takes_pictures() -> bool:
        """Whether a folder is given for `picture` and `film`."""
        return bool(os.environ.get("FLATNB_SCREENSHOTS"))

    def picture(self, name: str, part: Locator | None = None) -> Path | None:
        """A PNG of the page or a part of it in ``FLATNB_SCREENSHOTS``, if that is set."""
        folder = os.environ.get("FLATNB_SCREENSHOTS")
        if not folder:
            return None
        path = Path(folder) / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        (part or self.page).screenshot(path=path)
        return path

    def film(self, name: str, part: Locator, pictures: int, every_s: float) -> None:
        """A GIF of a part of the page that changes, if ``FLATNB_SCREENSHOTS`` is set."""
        folder = os.environ.get("FLATNB_SCREENSHOTS")
        if not folder:
            return
        from PIL import Image

        frames = []
        for _ in range(pictures):
            with Image.open(io.BytesIO(part.screenshot())) as image:
                frames.append(image.convert("P", palette=Image.Palette.ADAPTIVE, colors=48))
            self.page.wait_for_timeout(every_s * 1000)
        height = max(frame.height for frame in frames)
        first, *others = [frame.crop((0, 0, frame.width, height)) for frame in frames]
        first.save(
            Path(folder) / f"{name}.gif",
            save_all=True,
            append_images=others,
            duration=int(every_s * 1000),
            loop=0,
        )

    def close(self) -> None:
        """Shut the notebook's kernel down, and leave the page to another notebook."""
        self.page.evaluate(
            f"""async () => {{ {_CURRENT}
                await panel?.sessionContext?.shutdown();
                panel?.dispose();
            }}"""
        )
        self.page.remove_listener("pageerror", self._note)
        self.page.remove_listener("request", self._watch)

    def reopen(self) -> None:
        """Close the notebook, and open its file in a new JupyterLab."""
        self.page.evaluate(f"async () => {{ {_CURRENT} await panel.sessionContext.shutdown() }}")
        self.page.goto("about:blank")
        self.open()
