"""The widget of the login form."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from .subshell import handle_while_cells_run

_HERE = Path(__file__).parent


class LoginForm(anywidget.AnyWidget):
    """Two fields and a button; ``receive(form, content)`` gets what was typed.

    What is typed comes as one message and is part of no trait: a trait's value is in the saved
    notebook.

    Attributes
    ----------
    state
        ``"waiting"``, ``"done"`` or ``"refused"``.
    message
        What there is to say of it.
    can_store
        Whether to offer to store the keys in the keyring.
    """

    _esm = _HERE / "login.js"
    _css = _HERE.parent / "html.css"
    state = traitlets.Unicode("waiting").tag(sync=True)
    message = traitlets.Unicode().tag(sync=True)
    can_store = traitlets.Bool(False).tag(sync=True)

    def __init__(self, receive: Callable[[LoginForm, Any], object], **traits: Any) -> None:
        super().__init__(**traits)
        self.output: Any = None
        handle_while_cells_run(self)
        self.on_msg(lambda form, content, _: receive(form, content))

    def __repr__(self) -> str:
        return f"flatnb login: {self.message or self.state}"
