"""What a saved notebook shows where a widget was; hidden while the widget has its kernel."""

from __future__ import annotations


def saved_view(key: str, html: str, *, needs_kernel: bool) -> str:
    """HTML that the page hides while it has the view of this key.

    The view's element has the key as ``data-flatnb-view``, and the class ``flatnb-gone`` when its
    kernel has gone.

    Parameters
    ----------
    needs_kernel
        Whether a view without its kernel is of no use, so that the HTML is shown beside it.
    """
    alive = f'[data-flatnb-view="{key}"]' + (":not(.flatnb-gone)" if needs_kernel else "")
    hidden = f'[data-flatnb-saved="{key}"]'
    return (
        f"<style>body:has({alive}) {hidden}{{display:none}}</style>"
        f'<div data-flatnb-saved="{key}">{html}</div>'
    )
