"""The registry of data types: where each one lies in the bucket and what its columns are.

The facts (roots, folders, headers, first days) are the vendor's documentation and published
inventories of the live bucket. Only built-in types appear here: mapping a column type to a
frame library's dtype is `flatnb.frames`' work.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import date
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from .columns import COLUMN_TYPES, FORMER_COLUMNS, HEADERS, MAYBE_EMPTY, ColumnType, column_type

DayRule = Literal["calendar", "listing"]
"""Where a data type's days come from: the US stock exchanges' calendar, or what the bucket has."""

LIVE_ENDPOINT_URL = "https://files.massive.com"
"""The service's address since 2025-10-30; ``https://files.polygon.io`` is its former name."""

LIVE_BUCKET = "flatfiles"
LIVE_OPTIONS_ROOT = "us_options_opra"
DOCUMENTED_OPTIONS_ROOT = "us_options"
OPTIONS_ROOTS = (LIVE_OPTIONS_ROOT, DOCUMENTED_OPTIONS_ROOT)

DOCUMENTED_DATA_TYPES = ("stocks_daily", "stocks_minute", "options_daily", "options_minute")
"""Those that the documented methods of `S3Catalog` began with."""


@dataclass(frozen=True, slots=True)
class DataType:
    """One kind of flat file.

    Attributes
    ----------
    name
        What users write, for example ``"stocks_daily"``.
    root, folder
        The first two parts of the key, for example ``"us_stocks_sip"`` and ``"day_aggs_v1"``.
    columns
        Column name → type, in the order of the file's header; empty if nothing is known of them:
        then a file's own header is taken, and typed by `column_type`.
    first_day
        The first day that the bucket may hold.
    days
        Where its days come from.
    optional
        Columns that older or newer files lack.
    nullable
        Columns whose cells may be empty.
    """

    name: str
    root: str
    folder: str
    columns: Mapping[str, ColumnType]
    first_day: date
    days: DayRule = "listing"
    optional: frozenset[str] = frozenset()
    nullable: frozenset[str] = frozenset()

    def __reduce__(self) -> tuple[object, ...]:
        # A read-only view of a dict does not pickle; a worker must know what was registered here.
        told = (getattr(self, each.name) for each in fields(self))
        return _unpickled, tuple(dict(each) if isinstance(each, Mapping) else each for each in told)

    @property
    def asset_class(self) -> str:
        """The market: ``"stocks"``, ``"options"``, …, ``"futures"``, or the root of a new one."""
        return _ASSET_CLASSES.get(self.root, self.root)

    @property
    def kind(self) -> str:
        """``"daily"``, ``"minute"``, ``"session"``, ``"trades"``, ``"quotes"`` or ``"values"``."""
        return _KINDS.get(self.folder, "other")

    @property
    def is_options(self) -> bool:
        """Whether the files hold option contracts (whose root has two spellings)."""
        return self.root in OPTIONS_ROOTS

    @property
    def fingerprint(self) -> str:
        """Another one for other columns: what was read by other rules is not mixed with it."""
        rules = sorted(self.columns.items()), sorted(self.optional), sorted(self.nullable)
        return f"{zlib.crc32(repr(rules).encode()):08x}"

    @property
    def required(self) -> tuple[str, ...]:
        """The columns that every file has."""
        return tuple(name for name in self.columns if name not in self.optional)


def _unpickled(
    name: str, root: str, folder: str, columns: dict[str, ColumnType], *rest: Any
) -> DataType:
    return DataType(name, root, folder, MappingProxyType(columns), *rest)


_FUTURES_VENUES = ("cbot", "cme", "comex", "nymex")
_ASSET_CLASSES = {
    "us_stocks_sip": "stocks",
    LIVE_OPTIONS_ROOT: "options",
    "us_indices": "indices",
    "global_forex": "forex",
    "global_crypto": "crypto",
    **{f"us_futures_{venue}": "futures" for venue in _FUTURES_VENUES},
}
_PREFIXES = {
    root: root.removeprefix("us_") if market == "futures" else market
    for root, market in _ASSET_CLASSES.items()
}
_FOLDERS = {
    "daily": "day_aggs_v1",
    "minute": "minute_aggs_v1",
    "session": "session_aggs_v1",
    "trades": "trades_v1",
    "quotes": "quotes_v1",
    "values": "values_v1",
}
_KINDS = {folder: kind for kind, folder in _FOLDERS.items()}
_FIRST_DAYS = {
    "stocks": date(2003, 9, 10),
    "options": date(2014, 6, 2),
    "options_quotes": date(2022, 3, 7),
    "indices": date(2023, 2, 14),
    "forex": date(2009, 9, 25),
    "crypto": date(2010, 1, 1),  # the year is published, the day is not
    "futures": date(2017, 4, 3),
}


def _known_types() -> Iterable[DataType]:
    for root, market in _ASSET_CLASSES.items():
        for kind, header in HEADERS[market].items():
            name = f"{_PREFIXES[root]}_{kind}"
            former = FORMER_COLUMNS.get((market, kind), frozenset())
            yield DataType(
                name,
                root,
                _FOLDERS[kind],
                MappingProxyType({column: column_type(column) for column in header}),
                _FIRST_DAYS.get(name, _FIRST_DAYS[market]),
                "calendar" if market in ("stocks", "options") else "listing",
                former,
                MAYBE_EMPTY.get(market, frozenset()) & frozenset(header),
            )


_REGISTRY = {data_type.name: data_type for data_type in _known_types()}
_BUILT_IN = frozenset(_REGISTRY)
_BY_FOLDER = {(known.root, known.folder): known for known in _REGISTRY.values()}

DATA_TYPES: Mapping[str, DataType] = MappingProxyType(_REGISTRY)
"""Name → data type, of all that are known; `register_data_type` adds to them."""

_WORD = r"[A-Za-z0-9_.-]*[A-Za-z0-9]"
_FOLDER_NAME = re.compile(rf"({_WORD})/({_WORD})", re.ASCII)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)


def get_data_type(name: str) -> DataType:
    """Look a data type up by name, or by ``"root/folder"`` as in the bucket.

    A folder that nobody registered is taken as it is: its days come from listing, and its
    columns from each file's header, typed by `column_type`.

    Raises
    ------
    ValueError
        If there is no such data type; the message lists those there are.
    """
    if isinstance(name, str):
        if name in _REGISTRY:
            return _REGISTRY[name]
        if folders := _FOLDER_NAME.fullmatch(name):
            return find_data_type(*folders.groups()) or _unregistered(*folders.groups())
    known = ", ".join(sorted(_REGISTRY))
    raise ValueError(
        f"data_type={name!r} is unknown; choose one of: {known}; or write 'root/folder' for "
        "another folder of the bucket"
    )


def find_data_type(root: str, folder: str) -> DataType | None:
    """The registered data type that lies in these folders, under either root of options."""
    return _BY_FOLDER.get((LIVE_OPTIONS_ROOT if root in OPTIONS_ROOTS else root, folder))


def _unregistered(root: str, folder: str) -> DataType:
    return DataType(f"{root}/{folder}", root, folder, MappingProxyType({}), date.min)


Columns: TypeAlias = "Mapping[str, ColumnType] | Iterable[str]"


def register_data_type(
    name: str,
    root: str,
    folder: str,
    columns: Columns = (),
    *,
    first_day: date = date.min,
    days: DayRule = "listing",
    optional: Iterable[str] = (),
    nullable: Iterable[str] = (),
) -> DataType:
    """Make a folder of the bucket a data type with a name, for this process.

    Registering the same again changes nothing.

    Parameters
    ----------
    name
        A new name, for example ``"bonds_daily"``.
    root, folder
        The first two parts of its keys.
    columns
        Name → type (``"string"``, ``"int64"``, ``"float64"`` or ``"timestamp"``), or names, which
        are typed by `column_type`. Without any, each file's own header is taken.
    first_day
        The first day that the bucket may hold.
    days
        ``"calendar"`` if it has a file for each trading day of the US stock exchanges; else its
        days are found by listing.
    optional, nullable
        Columns that some files lack; columns whose cells may be empty.

    Raises
    ------
    ValueError
        If the name or the folder is already another data type's, or an argument is wrong.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"name={name!r} is no name; write letters, digits and underscores")
    if not _FOLDER_NAME.fullmatch(f"{root}/{folder}"):
        raise ValueError(f"root={root!r}, folder={folder!r} are no folders of a bucket")
    if days not in ("calendar", "listing"):
        raise ValueError(f"days={days!r} is unknown; choose 'calendar' or 'listing'")
    typed = _typed(columns)
    new = DataType(
        name,
        LIVE_OPTIONS_ROOT if root in OPTIONS_ROOTS else root,
        folder,
        MappingProxyType(typed),
        first_day,
        days,
        _some_of(typed, "optional", optional),
        _some_of(typed, "nullable", nullable),
    )
    return register(new)


def register(new: DataType) -> DataType:
    """Add a data type to `DATA_TYPES`; registering the same again changes nothing.

    Raises
    ------
    ValueError
        If its name or folder is already another data type's.
    """
    for taken in (_REGISTRY.get(new.name), find_data_type(new.root, new.folder)):
        if taken is not None and taken != new:
            raise ValueError(
                f"name={new.name!r}, folder {new.root}/{new.folder}: taken by {taken.name!r}, "
                f"which lies in {taken.root}/{taken.folder}; choose another name, or use that "
                "data type"
            )
    _REGISTRY[new.name] = _BY_FOLDER[new.root, new.folder] = new
    return new


def registered_types() -> tuple[DataType, ...]:
    """The data types that were registered in this process, besides the built-in ones."""
    return tuple(each for name, each in _REGISTRY.items() if name not in _BUILT_IN)


def _typed(columns: Columns) -> dict[str, ColumnType]:
    if isinstance(columns, str):
        raise ValueError(f"columns={columns!r} is no list; give one, also for a single column")
    if not isinstance(columns, Mapping):
        return {name: column_type(name) for name in columns}
    for name, kind in columns.items():
        if kind not in COLUMN_TYPES:
            raise ValueError(
                f"columns has {name!r} of type {kind!r}; choose from {', '.join(COLUMN_TYPES)}"
            )
    return dict(columns)


def _some_of(
    columns: Mapping[str, ColumnType], parameter: str, names: Iterable[str]
) -> frozenset[str]:
    chosen = frozenset((names,) if isinstance(names, str) else names)
    if unknown := sorted(chosen - set(columns)):
        raise ValueError(f"{parameter} holds {unknown[0]!r}, which columns does not have")
    return chosen
