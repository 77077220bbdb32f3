"""A JupyterLab of the tests' own: no settings, kernels or files of the user are seen."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

START_S = 60.0

Module = Literal["jupyterlab", "notebook"]
APPLICATIONS: dict[Module, str] = {"jupyterlab": "LabApp", "notebook": "JupyterNotebookApp"}

# Cells outside the window are otherwise no part of the page. All that widgets know is saved, so
# that tests can look for what must not be there.
SETTINGS = {
    "@jupyter-widgets/jupyterlab-manager/plugin": {"saveState": True},
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},
    "@jupyterlab/apputils-extension/notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
    },
}


class JupyterServer:
    """A Jupyter server process on 127.0.0.1, on a port that was free.

    Parameters
    ----------
    folder
        Holds its configuration, settings and runtime files, and ``files``, which it serves.
    module
        ``"jupyterlab"``, or ``"notebook"`` for Notebook 7.

    Attributes
    ----------
    settings
        Plug-in → its settings; to be changed before the server is started.
    """

    def __init__(self, folder: Path, module: Module = "jupyterlab") -> None:
        self.folder = folder
        self.files = folder / "files"
        self.module = module
        self.settings = {**SETTINGS}
        self.token = secrets.token_hex(8)
        self.url = ""
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.files.mkdir(parents=True, exist_ok=True)
        for name, values in self.settings.items():
            path = self.folder / "settings" / f"{name.replace(':', '/')}.jupyterlab-settings"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(values), encoding="utf-8")
        own = {
            "JUPYTER_CONFIG_DIR": "config",
            "JUPYTER_DATA_DIR": "data",
            "JUPYTER_RUNTIME_DIR": "runtime",
            "JUPYTERLAB_SETTINGS_DIR": "settings",
            "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
            "IPYTHONDIR": "ipython",
            "FLATNB_CACHE": "cache",
        }
        environment = os.environ | {name: str(self.folder / path) for name, path in own.items()}
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    self.module,
                    "--no-browser",
                    "--ServerApp.ip=127.0.0.1",
                    "--ServerApp.port=0",
                    "--ServerApp.allow_root=True",
                    f"--ServerApp.root_dir={self.files}",
                    f"--IdentityProvider.token={self.token}",
                    f"--{APPLICATIONS[self.module]}.expose_app_in_browser=True",
                ],
                env=environment,
                cwd=self.files,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            self.url = self._wait_for_url()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _wait_for_url(self) -> str:
        assert self._process is not None
        info = self.folder / "runtime" / f"jpserver-{self._process.pid}.json"
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                facts: dict[str, Any] = json.loads(info.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                time.sleep(0.05)
            else:
                return f"http://127.0.0.1:{facts['port']}"
        raise RuntimeError(f"no Jupyter server:\n{(self.folder / 'log').read_text()[-3000:]}")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
