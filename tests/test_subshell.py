"""Clicks on widgets are handled while a cell runs: what that takes of ipykernel."""

from __future__ import annotations

import inspect
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ipykernel
import pytest
from ipykernel.comm.comm import BaseComm
from ipykernel.kernelbase import Kernel as IPythonKernel

from flatnb.notebook.subshell import ROUTE, handle_while_cells_run
from tests.kernel import Kernel

HAS_ROUTING = ipykernel.version_info >= (7, 4)
BUSY_S = 2.0

MAKE_WIDGET = """
import time, traitlets, anywidget
from flatnb.notebook.subshell import handle_while_cells_run

class Counter(anywidget.AnyWidget):
    _esm = "export default {}"
    value = traitlets.Int().tag(sync=True)

clicked = []
widget = Counter()
widget.on_msg(lambda widget, content, buffers: clicked.append(time.monotonic()))
print(widget.comm.comm_id)
"""
# The update of a trait, sent from the main shell, is what ipykernel 7.4 routes replies by.
BUSY_CELL = f"widget.value += 1; time.sleep({BUSY_S}); ended = time.monotonic()"


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    """A kernel with subshells."""
    with Kernel(tmp_path) as kernel:
        if not kernel.has_subshells():
            pytest.skip(f"ipykernel {ipykernel.__version__} has no subshells")
        yield kernel


def is_handled_in_time(kernel: Kernel, prepare: str) -> bool:
    """Whether a click in the middle of a busy cell is handled before the cell ends."""
    comm_id = kernel.run(MAKE_WIDGET).strip()
    kernel.run(prepare)
    subshell = kernel.create_subshell()
    cell = kernel.start(BUSY_CELL)
    time.sleep(BUSY_S / 4)
    kernel.click(comm_id, {"action": "cancel"}, subshell)
    kernel.wait(cell)
    kernel.run("while not clicked: time.sleep(0.05)")
    return kernel.run("print(clicked[0] < ended)").strip() == "True"


def test_a_click_is_handled_before_the_cell_ends(kernel: Kernel) -> None:
    """So that Cancel stops the load that the cell is waiting for."""
    prepare = "routing = handle_while_cells_run(widget)"
    assert is_handled_in_time(kernel, prepare), (
        f"ipykernel {ipykernel.__version__} does not handle a widget's message before the running "
        "cell ends: Cancel in the panel and the picker waits for the cell that it is to stop"
    )
    assert kernel.run("print(routing)").strip() == str(HAS_ROUTING)


@pytest.mark.skipif(not HAS_ROUTING, reason="ipykernel before 7.4 has no routing of its own")
def test_the_reason_for_it_still_exists() -> None:
    """The private method is there, and the kernel asks for it with a default.

    When this fails, ipykernel has changed: if the test above passes without the module
    `flatnb.notebook.subshell`, remove the module; if not, adapt it.
    """
    assert hasattr(BaseComm, ROUTE), f"ipykernel {ipykernel.__version__} has renamed {ROUTE}"
    assert f'getattr(comm, "{ROUTE}", None)' in inspect.getsource(
        IPythonKernel.shell_channel_thread_main
    )


@pytest.mark.skipif(not HAS_ROUTING, reason="ipykernel before 7.4 has no routing of its own")
def test_without_it_a_click_waits(kernel: Kernel) -> None:
    """The fault that the module works around, and all that is lost where it does nothing."""
    assert not is_handled_in_time(kernel, "")


class ReadOnlyComm:
    """A comm whose routing cannot be replaced."""

    @property
    def _reply_subshell_for(self) -> None:
        return None


@pytest.mark.parametrize("comm", [None, object(), ReadOnlyComm()])
def test_a_comm_without_the_method_is_left_alone(comm: Any) -> None:
    """A closed widget, another kernel's comm, a later ipykernel's: nothing happens."""
    assert not handle_while_cells_run(SimpleNamespace(comm=comm))  # type: ignore[arg-type]
