"""Ask for the S3 keys in a way that leaves no trace of them in the notebook."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING

from .. import html
from ..credentials import has_keyring, log_in
from ..errors import CredentialsError
from .panel import widgets_work

if TYPE_CHECKING:
    from .login_form import LoginForm

DONE = "The keys are in this kernel's memory. FlatSession() finds them now."
STORED = "The keys are in this kernel's memory and in the keyring. FlatSession() finds them."


def ask() -> LoginForm | None:
    """Show the form; where there are no widgets, ask for the keys line by line.

    Returns
    -------
    LoginForm or None
        The form that is shown; None if the keys were asked for line by line.

    Raises
    ------
    CredentialsError
        Where there are no widgets, if a key is empty.
    """
    if not widgets_work():
        log_in(getpass.getpass("S3 access key id: "), getpass.getpass("S3 secret access key: "))
        print(DONE)
        return None
    from IPython.display import display

    from .login_form import LoginForm

    form = LoginForm(receive, can_store=has_keyring())
    form.output = display(form, display_id=True)  # type: ignore[no-untyped-call]
    return form


def receive(form: LoginForm, content: object) -> None:
    """Log in with the keys that the page has sent; the form shows the outcome.

    Parameters
    ----------
    content
        ``access`` and ``secret``, and whether to ``store`` them in the keyring; anything that is
        not a dict is ignored, as it does not come from the form.
    """
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
        # The saved notebook then shows the note without a kernel and its widgets.
        note = html.page(html.head("flatnb login", form.message))
        bundle = {"text/html": note, "text/plain": form.message}
        form.output.update(bundle, raw=True)  # type: ignore[no-untyped-call]
