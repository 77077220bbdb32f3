"""The picker's widget: the traits that the page draws."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypedDict

import anywidget
import traitlets

from ..html import style
from .picker_calendar import Month
from .picker_form import DataTypeGroup

_FOLDER = Path(__file__).parent


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


class PickerWidget(anywidget.AnyWidget):
    """The picker on the page. It sends messages; all that it draws are these traits.

    Attributes
    ----------
    groups
        The data types to choose from, each a `DataTypeGroup`.
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
    code
        The line of Python that loads what is selected.
    """

    _esm = _FOLDER / "picker.js"
    _css = style() + (_FOLDER / "picker.css").read_text(encoding="utf-8")
    groups: traitlets.List[DataTypeGroup] = traitlets.List().tag(sync=True)
    form: traitlets.Dict[str, object] = traitlets.Dict().tag(sync=True)
    months: traitlets.List[Month] = traitlets.List().tag(sync=True)
    estimate: traitlets.Dict[str, object] = traitlets.Dict().tag(sync=True)
    job: traitlets.Dict[str, object] = traitlets.Dict().tag(sync=True)
    message: traitlets.Dict[str, object] = traitlets.Dict().tag(sync=True)
    code = traitlets.Unicode().tag(sync=True)
