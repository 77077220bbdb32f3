"""The picker's widget: the traits that the page draws."""

from __future__ import annotations

from typing import Literal, TypedDict

import anywidget
import traitlets

from .module import widget_module
from .picker_calendar import Month
from .picker_form import DataTypeGroup


class JobState(TypedDict):
    """The last load; ``number`` is that of its `JobStatus`."""

    number: int
    running: bool
    html: str


class Message(TypedDict):
    """What is shown below the form; ``details`` can be unfolded."""

    kind: Literal["", "done", "warning", "error"]
    text: str
    details: str


class UnknownSymbols(TypedDict):
    """Symbols that a day's files do not have; ``nearest`` has a similar ticker of some."""

    names: list[str]
    day: str
    nearest: dict[str, str]


class PickerWidget(anywidget.AnyWidget):
    """The picker on the page. It sends messages; all that it draws are these traits.

    Attributes
    ----------
    key
        Names this picker in the page: `saved_line` is hidden while it is there.
    groups
        The data types to choose from, each a `DataTypeGroup`.
    choices
        Field → its values with labels, of fields with a fixed choice.
    form
        The form, a `FormState`.
    months
        The months of the calendar, each a `Month`.
    estimate
        The line under the form, an `Estimate`.
    job
        The last load, a `JobState`; empty before.
    message
        The message below the form, a `Message`.
    errors
        Field → what is wrong with it.
    unknown
        The symbols that the last day does not have, `UnknownSymbols`; empty: none.
    code
        The line of Python that loads what is selected.
    """

    _esm, _css = widget_module("picker")
    choices: traitlets.Dict[str, object] = traitlets.Dict().tag(sync=True)
    key = traitlets.Unicode().tag(sync=True)
    groups: traitlets.List[DataTypeGroup] = traitlets.List().tag(sync=True)
    form: traitlets.Dict[str, object] = traitlets.Dict().tag(sync=True)
    months: traitlets.List[Month] = traitlets.List().tag(sync=True)
    estimate: traitlets.Dict[str, object] = traitlets.Dict().tag(sync=True)
    job: traitlets.Dict[str, object] = traitlets.Dict().tag(sync=True)
    message: traitlets.Dict[str, object] = traitlets.Dict().tag(sync=True)
    errors: traitlets.Dict[str, str] = traitlets.Dict().tag(sync=True)
    unknown: traitlets.Dict[str, object] = traitlets.Dict().tag(sync=True)
    code = traitlets.Unicode().tag(sync=True)
