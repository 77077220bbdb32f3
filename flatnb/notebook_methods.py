"""What a session offers in a notebook; the widgets are imported when first asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .html import facts, head, page
from .notebook.panel import Panel

if TYPE_CHECKING:
    from .download.async_downloader import AsyncS3Downloader
    from .download.s3_catalog import S3Catalog
    from .frames.cache import DayCache


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

    def panel(self) -> Panel:
        """The live panel: files, rate, time left, retries, failures; a session has one.

        Display it in a notebook (as the last line of a cell, or by ``session.panel().show()``)
        and it moves while anything loads, also while a cell is busy with `load`.
        """
        return self._panel

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
