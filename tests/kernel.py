"""A real kernel without a front end: cells are run, interrupted and listened to."""

from __future__ import annotations

import queue
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import KernelManager

TIMEOUT_S = 60.0


class _Manager(KernelManager):
    """Starts kernels of the interpreter that runs the tests, whatever kernelspecs there are."""

    @property
    def kernel_spec(self) -> KernelSpec:
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=command, display_name="tests", language="python")


class Kernel:
    """A kernel process.

    Attributes
    ----------
    messages
        All that the kernel has published, with the time at which it came.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._manager = _Manager()
        self._client: BlockingKernelClient
        self.messages: list[tuple[float, dict[str, Any]]] = []

    def __enter__(self) -> Self:
        self._manager.start_kernel(cwd=str(self._folder))
        self._client = self._manager.client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=TIMEOUT_S)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)

    def start(self, code: str) -> str:
        """Have a cell run; its identity."""
        return str(self._client.execute(code))

    def wait(self, cell: str, timeout_s: float = TIMEOUT_S) -> str:
        """Wait until a cell has ended; what it printed and showed as text.

        Raises
        ------
        CellError
            If the cell raised.
        """
        printed, failed = [], ""
        deadline = time.monotonic() + timeout_s
        while True:
            message = self.listen(deadline - time.monotonic())
            content = message["content"]
            if message["parent_header"].get("msg_id") != cell:
                continue
            if message["msg_type"] == "stream":
                printed.append(content["text"])
            elif message["msg_type"] in ("execute_result", "display_data"):
                printed.append(content["data"]["text/plain"])
            elif message["msg_type"] == "error":
                failed = f"{content['ename']}: {content['evalue']}"
            elif message["msg_type"] == "status" and content["execution_state"] == "idle":
                break
        if failed:
            raise CellError(failed)
        return "".join(printed)

    def listen(self, timeout_s: float) -> dict[str, Any]:
        """The next message that the kernel publishes."""
        try:
            message = self._client.get_iopub_msg(timeout=max(timeout_s, 0.01))
        except queue.Empty:
            raise TimeoutError("the kernel says nothing") from None
        self.messages.append((time.monotonic(), message))
        return dict(message)

    def run(self, code: str) -> str:
        """Run a cell to its end."""
        return self.wait(self.start(code))

    def interrupt(self) -> None:
        """As the notebook's stop button does."""
        self._manager.interrupt_kernel()

    def restart(self) -> None:
        """As the notebook's restart button does."""
        self._manager.restart_kernel(now=True)
        self._client.wait_for_ready(timeout=TIMEOUT_S)

    def complete(self, code: str) -> list[str]:
        """What the Tab key offers at the end of a line."""
        reply = self._client.complete(code, reply=True, timeout=TIMEOUT_S)
        return list(reply["content"]["matches"])

    def has_subshells(self) -> bool:
        """Whether messages can be handled while a cell runs."""
        reply = self._client.kernel_info(reply=True, timeout=TIMEOUT_S)
        return "kernel subshells" in reply["content"].get("supported_features", [])

    def create_subshell(self) -> str:
        """A new subshell, as JupyterLab makes one for widgets; its identity."""
        request = self._client.session.msg("create_subshell_request", {})
        self._client.control_channel.send(request)
        while True:
            reply = self._client.get_control_msg(timeout=TIMEOUT_S)
            if reply["parent_header"].get("msg_id") == request["header"]["msg_id"]:
                return str(reply["content"]["subshell_id"])

    def click(self, comm_id: str, content: dict[str, Any], subshell: str) -> None:
        """Send a widget's custom message over a subshell, as a click in JupyterLab does."""
        data = {"method": "custom", "content": content}
        message = self._client.session.msg("comm_msg", {"comm_id": comm_id, "data": data})
        message["header"]["subshell_id"] = subshell
        self._client.shell_channel.send(message)

    def history(self) -> str:
        """All input that the kernel remembers."""
        reply = self._client.history(hist_access_type="tail", n=1000, reply=True, timeout=TIMEOUT_S)
        return repr(reply["content"]["history"])


class CellError(Exception):
    """A cell raised; the message has its kind and words."""
