"""The widget of the login form."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import anywidget
import traitlets

from .module import widget_module
from .subshell import handle_while_cells_run

if TYPE_CHECKING:
    from IPython.display import DisplayHandle


class LoginForm(anywidget.AnyWidget):
    """Two fields and a button.

    The keys come as one message and are part of no trait, as the values of traits are saved with
    the notebook when JupyterLab's "Save Widget State Automatically" is on.

    Parameters
    ----------
    receive
        Called with the form and the content of each message of the page.
    can_store
        Whether to offer to store the keys in the keyring.

    Attributes
    ----------
    state
        ``"waiting"``, ``"done"`` or ``"refused"``.
    message
        The outcome, for people; empty while waiting.
    output
        The display of the form; None if it is not displayed.
    """

    _esm, _css = widget_module("login")
    state = traitlets.Unicode("waiting").tag(sync=True)
    message = traitlets.Unicode().tag(sync=True)
    can_store = traitlets.Bool(False).tag(sync=True)

    def __init__(
        self, receive: Callable[[LoginForm, object], object], *, can_store: bool = False
    ) -> None:
        super().__init__(can_store=can_store)
        self.output: DisplayHandle | None = None
        handle_while_cells_run(self)
        self.on_msg(lambda form, content, _buffers: receive(form, content))

    def __repr__(self) -> str:
        return f"flatnb login: {self.message or self.state}"
