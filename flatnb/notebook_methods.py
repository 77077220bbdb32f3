"""What a session offers in a notebook; the widgets are imported when first asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .credentials import log_out
from .html import facts, head, page
from .notebook.panel import Panel

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .download.async_downloader import AsyncS3Downloader
    from .download.s3_catalog import S3Catalog
    from .load.day_cache import DayCache
    from .notebook.picker import Picker


class NotebookMethods:
    """The part of `flatnb.FlatSession` that shows something."""

    _panel: Panel
    downloader: AsyncS3Downloader
    catalog: S3Catalog

    if TYPE_CHECKING:

        @property
        def cache(self) -> DayCache | None: ...

        @property
        def credentials_source(self) -> str: ...

    @staticmethod
    def login() -> None:
        """Ask for the S3 keys; sessions made afterwards in this process find them.

        In a notebook it shows a form, else it asks in the terminal. What is typed goes to the
        memory of this process only: it is not in the notebook, nor its widgets' state, nor the
        history. On request it is stored in the system's keyring (extra ``keyring``).

        Raises
        ------
        CredentialsError
            In a terminal, if nothing was typed.
        """
        from .notebook.login import ask

        ask()

    @staticmethod
    def logout() -> None:
        """Forget the keys of `login`, here and in the keyring."""
        log_out()

    def panel(self) -> Panel:
        """The live panel: files, rate, time left, retries, failures; a session has one.

        Display it in a notebook (as the last line of a cell, or by ``session.panel().show()``)
        and it moves while anything loads, also while a cell is busy with `load`.
        """
        return self._panel

    def picker(self) -> Picker:
        """A form to pick data type, days and symbols, and to load them in the background.

        Raises
        ------
        ImportError
            If the ``notebook`` extra is not installed.
        """
        try:
            from .notebook.picker import Picker
        except ImportError as error:
            raise ImportError(
                f"the picker needs {error.name}: pip install 'flatnb[notebook]'"
            ) from error
        return Picker(self)  # type: ignore[arg-type]

    def plot(self, frame: Any, symbol: str | None = None) -> Figure:
        """Candles and volume of one symbol of a loaded frame, for a first look.

        Parameters
        ----------
        frame
            What `load` gave, polars or pandas, of daily or minute bars.
        symbol
            Which ticker; may be left out if the frame has one only.

        Returns
        -------
        matplotlib.figure.Figure
            To show, to change or to save. More than 250 bars are drawn as fewer candles.

        Raises
        ------
        ValueError
            If the frame is not one of bars, or has no such ticker.
        ImportError
            If the ``plot`` extra is not installed.
        """
        try:
            from .notebook.plot import plot
        except ImportError as error:
            raise ImportError(f"plot needs {error.name}: pip install 'flatnb[plot]'") from error
        return plot(frame, symbol)

    def _repr_html_(self) -> str:
        kept = "no" if self.cache is None else str(self.cache.folder)
        where = {
            "Files from": self._panel.title,
            "Bucket": self.catalog.bucket,
            "Credentials": self.credentials_source,
            "Days kept in": kept,
            "Downloads": repr(self.downloader.statistics),
        }
        hint = "session.load(…) · session.picker() · session.panel() · session.last_report"
        return page(head("FlatSession", hint) + facts(where))
