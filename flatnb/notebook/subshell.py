"""The one place that touches a private attribute of ipykernel: where a widget's messages go.

JupyterLab (4.4 and later) and Notebook (7.4 and later) send the messages of widgets to a subshell
of the kernel, which is free while a cell runs in the main shell (Jupyter enhancement proposal 91).
ipykernel 7.4 changed that: a comm that last sent a message from the main shell gets its replies
there (``BaseComm._reply_subshell_for``, called by ``Kernel.shell_channel_thread_main``). A click on
Cancel would then wait for the end of the cell that it is meant to stop.
"""

from __future__ import annotations

from anywidget import AnyWidget

ROUTE = "_reply_subshell_for"
"""The method of a comm that names the subshell of a message; its absence and None mean: as sent."""


def handle_while_cells_run(widget: AnyWidget) -> bool:
    """Have a widget's messages handled on the subshell that the front end sent them to.

    Where ipykernel has no such method (7.3 and earlier, or a later version that renamed it) and
    where the comm refuses the attribute, nothing is changed: the widget works, and whether a
    click is handled before the running cell ends is up to ipykernel.

    Returns
    -------
    bool
        Whether ipykernel's own routing was found and switched off.
    """
    comm = widget.comm
    if not hasattr(comm, ROUTE):
        return False
    try:
        setattr(comm, ROUTE, None)
    except AttributeError:  # a read-only attribute or __slots__
        return False
    return True
