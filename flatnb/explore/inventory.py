"""What the whole bucket has, from its folders alone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

from ..download.async_downloader import AsyncS3Downloader
from ..html import table
from ..market.data_types import find_data_type


@dataclass(frozen=True, slots=True)
class FolderInventory:
    """One folder of files.

    Attributes
    ----------
    data_type
        What `FlatSession.load` takes: a name, or ``"root/folder"`` of one that is not registered.
    years
        The years that have files, ascending.
    last_month
        The last month that has files, ``"2026-05"``.
    """

    data_type: str
    years: tuple[int, ...]
    last_month: str


@dataclass(frozen=True)
class BucketInventory:
    """What the bucket has; made by `FlatSession.catalog_view`."""

    folders: tuple[FolderInventory, ...]

    def __iter__(self) -> Iterator[FolderInventory]:
        return iter(self.folders)

    def __len__(self) -> int:
        return len(self.folders)

    def __repr__(self) -> str:
        width = max((len(name) for name, *_ in self._rows()), default=0)
        return "\n".join(f"{name:{width}}  {span}" for name, span in self._rows())

    def _repr_html_(self) -> str:
        note = "session.available(data_type, start, end) lists the days"
        return table("The bucket", self._rows(), ("data type", "files"), note)

    def _rows(self) -> list[tuple[str, str]]:
        return [(each.data_type, f"{each.years[0]} to {each.last_month}") for each in self.folders]


async def list_inventory(downloader: AsyncS3Downloader, bucket: str) -> BucketInventory:
    """Look at folders of two levels, at their years, and at the months of the last of these.

    Raises
    ------
    TransferError
        If a listing could not be loaded.
    """

    async def below(prefixes: list[str]) -> list[list[str]]:
        return await asyncio.gather(*(downloader.list_folders(bucket, each) for each in prefixes))

    roots = await downloader.list_folders(bucket, "")
    folders = [folder for found in await below(roots) for folder in found]
    years = [[each for each in found if _number(each)] for found in await below(folders)]
    with_years = [(folder, found) for folder, found in zip(folders, years, strict=True) if found]
    months = await below([found[-1] for _, found in with_years])
    return BucketInventory(
        tuple(
            FolderInventory(
                _name(folder), tuple(map(_number, found)), _last_month(found[-1], of_last)
            )
            for (folder, found), of_last in zip(with_years, months, strict=True)
        )
    )


def _name(prefix: str) -> str:
    root, folder, _ = prefix.split("/")
    known = find_data_type(root, folder)
    return known.name if known else f"{root}/{folder}"


def _number(prefix: str) -> int:
    """The year that a prefix ends with; 0 if it is none."""
    last = prefix.rstrip("/").rpartition("/")[2]
    return int(last) if last.isascii() and last.isdecimal() and len(last) == 4 else 0


def _last_month(year: str, months: list[str]) -> str:
    month = months[-1].rstrip("/").rpartition("/")[2] if months else ""
    return f"{_number(year)}-{month}".rstrip("-")
