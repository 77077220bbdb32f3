"""A form for the keys, which leaves no trace of them in the notebook."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Any

from .. import html
from ..credentials import keyring_is_there, log_in
from ..errors import CredentialsError
from .panel import widgets_work

if TYPE_CHECKING:
    from .login_form import LoginForm

DONE = "The keys are in this kernel's memory. FlatSession() finds them now."
STORED = "The keys are in this kernel's memory and in the keyring. FlatSession() finds them."


def ask() -> LoginForm | None:
    """Show the form; where there are no widgets, ask line by line."""
    if not widgets_work():
        log_in(getpass.getpass("S3 access key id: "), getpass.getpass("S3 secret access key: "))
        print(DONE)
        return None
    from IPython.display import display

    from .login_form import LoginForm

    form = LoginForm(receive, can_store=keyring_is_there())
    form.output = display(form, display_id=True)  # type: ignore[no-untyped-call]
    return form


def receive(form: LoginForm, content: Any) -> None:
    """Keep what was typed and sent; the form shows whether that went well."""
    if not isinstance(content, dict):
        return
    try:
        store = bool(content.get("store"))
        log_in(str(content.get("access") or ""), str(content.get("secret") or ""), store=store)
    except CredentialsError as error:
        form.state, form.message = "refused", str(error)
        return
    form.state, form.message = "done", STORED if store else DONE
    if form.output is not None:
        # The saved notebook then needs no widget.
        note = html.page(html.head("flatnb login", form.message))
        form.output.update({"text/html": note, "text/plain": form.message}, raw=True)
