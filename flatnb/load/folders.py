"""Whether the bucket has the folder of a data type that is not built in."""

from __future__ import annotations

import difflib

from ..download.async_downloader import AsyncS3Downloader
from ..download.s3_catalog import S3Catalog
from ..market.data_types import DataType, is_built_in

_DAY = "2000-01-01"  # any: only the folders above it are used


async def check_folder(
    downloader: AsyncS3Downloader, catalog: S3Catalog, data_type: DataType
) -> None:
    """Raise an error if the folder of a data type that is not built in does not exist.

    Raises
    ------
    ValueError
        If the bucket has no such folder: it may be mistyped; the message names those that exist.
    TransferError
        If a listing could not be loaded.
    """
    if is_built_in(data_type):
        return
    folder = catalog.get_key(data_type.name, _DAY).rsplit("/", 3)[0] + "/"
    if not await downloader.list_folders(catalog.bucket, folder):
        raise ValueError(await _explain(downloader, catalog, data_type, folder))


async def _explain(
    downloader: AsyncS3Downloader, catalog: S3Catalog, data_type: DataType, folder: str
) -> str:
    root = folder.split("/")[0] + "/"
    siblings = await downloader.list_folders(catalog.bucket, root)
    roots = siblings or await downloader.list_folders(catalog.bucket, "")
    names = [prefix.rstrip("/") for prefix in roots]
    wanted = folder.rstrip("/") if siblings else root.rstrip("/")
    close = difflib.get_close_matches(wanted, names, n=1)
    guess = f"did you mean {close[0]!r}? " if close else ""
    where = f"in {root.rstrip('/')!r} there are" if siblings else "its folders are"
    return (
        f"data_type={data_type.name!r}: the bucket has no folder {folder.rstrip('/')!r}; {guess}"
        f"{where}: {', '.join(names) or 'none'}"
    )
