"""What the picker says of its fields: errors, completions, and the line that a saved one shows."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from datetime import date

from ..html import escape, head, page
from ..load.request import Request
from .picker_form import PickerForm, field_of_error
from .saved_view import saved_view
from .typed_date import End, parse_typed_date

DATE_FIELDS: Mapping[str, End] = {
    "start": "first",
    "end": "last",
    "expiry_from": "first",
    "expiry_to": "last",
}
"""The fields for dates, and which day of a month alone they mean."""

MOST_COMPLETIONS = 8


def form_errors(form: PickerForm, today: date) -> dict[str, str]:
    """Field → what is wrong with it; the error of no field in particular is not included."""
    errors: dict[str, str] = {}
    for name, end in DATE_FIELDS.items():
        text = getattr(form, name)
        if not text.strip() and name not in ("start", "end"):
            continue
        try:
            parse_typed_date(text, today, end)
        except ValueError as error:
            errors[name] = str(error)
    try:
        Request.validate(form.data_type, form.start, form.end, **form.arguments())
    except (ValueError, ImportError) as error:
        field = field_of_error(str(error))
        if field is not None:
            errors.setdefault(field, str(error))
    return errors


def complete_ticker(prefix: str, tickers: Sequence[str]) -> list[str]:
    """The first tickers that begin so, those of the same upper and lower case first.

    Parameters
    ----------
    tickers
        Sorted.
    """
    start = bisect_left(tickers, prefix)
    exact = [name for name in tickers[start : start + MOST_COMPLETIONS] if name.startswith(prefix)]
    folded = prefix.lower()
    others = (name for name in tickers if name.lower().startswith(folded))
    found = dict.fromkeys(exact)
    for name in others:
        if len(found) >= MOST_COMPLETIONS:
            break
        found[name] = None
    return list(found)


def saved_line(model_id: str, code: str) -> str:
    """The output that a notebook shows where the picker itself cannot be: its line of code."""
    note = "run the cell again to use it; it was set to"
    body = head("flatnb picker", note) + f'<pre class="flatnb-code">{escape(code)}</pre>'
    return saved_view(model_id, page(body), needs_kernel=True)
