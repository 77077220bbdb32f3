"""The registry of data types: the folder of each in the bucket, its columns and its days.

The facts (roots, folders, headers, first days) are from the vendor's documentation and published
inventories of the live bucket. No frame library is used here: `flatnb.frames` maps the column types
to a frame library's dtypes.
"""

from __future__ import annotations

import difflib
import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import date
from types import MappingProxyType
from typing import Literal, TypeAlias, get_args

from .columns import (
    COLUMN_TYPES,
    DATE_COLUMN_IN_FRAMES,
    HEADERS,
    NULLABLE_COLUMNS,
    OPTIONAL_COLUMNS,
    ColumnType,
    column_type,
)

Kind = Literal["daily", "minute", "session", "trades", "quotes", "values", "other"]
"""What one row is: a bar of a day, minute or session, a trade, a quote or an index value."""

DayRule = Literal["calendar", "listing"]
"""How the days of a data type are found: the US stock exchanges' calendar, or a bucket listing."""

LIVE_ENDPOINT_URL = "https://files.massive.com"
"""The service's address since 2025-10-30; ``https://files.polygon.io`` is its former name."""

LIVE_BUCKET = "flatfiles"
LIVE_OPTIONS_ROOT = "us_options_opra"
DOCUMENTED_OPTIONS_ROOT = "us_options"
OPTIONS_ROOTS = (LIVE_OPTIONS_ROOT, DOCUMENTED_OPTIONS_ROOT)

DOCUMENTED_DATA_TYPES = ("stocks_daily", "stocks_minute", "options_daily", "options_minute")
"""The data types that `S3Catalog` has a documented method for."""


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
        Column name → type, in the order of the file's header. Empty if they are unknown: then each
        file's own header is used, typed by `column_type`.
    first_day
        The first day that the bucket may have.
    days
        How its days are found.
    optional
        Columns that older or newer files lack.
    nullable
        Columns whose cells may be empty.
    kind
        What one row is: ``"daily"``, ``"minute"`` or ``"session"`` bars, ``"trades"``,
        ``"quotes"``, ``"values"`` or ``"other"``.
    """

    name: str
    root: str
    folder: str
    columns: Mapping[str, ColumnType]
    first_day: date
    days: DayRule = "listing"
    optional: frozenset[str] = frozenset()
    nullable: frozenset[str] = frozenset()
    kind: Kind = "other"

    def __reduce__(self) -> tuple[object, ...]:
        # MappingProxyType does not pickle. The whole data type is pickled and not its name, as a
        # worker process has not registered what was registered here.
        others = {each.name: getattr(self, each.name) for each in fields(self)}
        return _unpickle, (dict(others.pop("columns")), others)

    @property
    def asset_class(self) -> str:
        """The market: ``"stocks"``, ``"options"``, …, ``"futures"``, or the root of a new one."""
        return _ASSET_CLASSES.get(self.root, self.root)

    @property
    def is_options(self) -> bool:
        """Whether the files hold option contracts (their root has two spellings)."""
        return self.root in OPTIONS_ROOTS

    @property
    def fingerprint(self) -> str:
        """A checksum of the column rules, so that results of other rules can be told apart."""
        rules = sorted(self.columns.items()), sorted(self.optional), sorted(self.nullable)
        return f"{zlib.crc32(repr(rules).encode()):08x}"

    @property
    def required(self) -> tuple[str, ...]:
        """The columns that every file has."""
        return tuple(name for name in self.columns if name not in self.optional)


def _unpickle(columns: dict[str, ColumnType], others: dict[str, object]) -> DataType:
    return DataType(columns=MappingProxyType(columns), **others)  # type: ignore[arg-type]


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
_KINDS: dict[str, Kind] = {
    "day_aggs": "daily",
    "minute_aggs": "minute",
    "session_aggs": "session",
    "trades": "trades",
    "quotes": "quotes",
    "values": "values",
}
# Of the vendor's documentation, for each asset class or data type.
_FIRST_DAYS = {
    "stocks": date(2003, 9, 10),
    "options": date(2014, 6, 2),
    "options_quotes": date(2022, 3, 7),
    "indices": date(2023, 2, 14),
    "forex": date(2009, 9, 25),
    "crypto": date(2010, 1, 1),  # only the year is documented
    "futures": date(2017, 4, 3),
}


def kind_of_folder(folder: str) -> Kind:
    """The kind of data in a folder of the bucket, by the folder's name without its version.

    Examples
    --------
    >>> [kind_of_folder(folder) for folder in ("day_aggs_v1", "trades_v2", "news_v1")]
    ['daily', 'trades', 'other']
    """
    return _KINDS.get(re.sub(r"_v\d+$", "", folder, flags=re.ASCII), "other")


def _known_types() -> Iterable[DataType]:
    for root, market in _ASSET_CLASSES.items():
        for kind, header in HEADERS[market].items():
            name = f"{_PREFIXES[root]}_{kind}"
            yield DataType(
                name,
                root,
                _FOLDERS[kind],
                MappingProxyType({column: column_type(column) for column in header}),
                _FIRST_DAYS.get(name, _FIRST_DAYS[market]),
                "calendar" if market in ("stocks", "options") else "listing",
                OPTIONAL_COLUMNS.get((market, kind), frozenset()),
                NULLABLE_COLUMNS.get(market, frozenset()) & frozenset(header),
                kind_of_folder(_FOLDERS[kind]),
            )


DataTypeName = Literal[
    "stocks_daily",
    "stocks_minute",
    "stocks_trades",
    "stocks_quotes",
    "options_daily",
    "options_minute",
    "options_trades",
    "options_quotes",
    "indices_daily",
    "indices_minute",
    "indices_values",
    "forex_daily",
    "forex_minute",
    "forex_quotes",
    "crypto_daily",
    "crypto_minute",
    "crypto_trades",
    "futures_cbot_session",
    "futures_cbot_minute",
    "futures_cbot_trades",
    "futures_cbot_quotes",
    "futures_cme_session",
    "futures_cme_minute",
    "futures_cme_trades",
    "futures_cme_quotes",
    "futures_comex_session",
    "futures_comex_minute",
    "futures_comex_trades",
    "futures_comex_quotes",
    "futures_nymex_session",
    "futures_nymex_minute",
    "futures_nymex_trades",
    "futures_nymex_quotes",
]
"""The names of the built-in data types, for editors to offer; a test compares it with them."""

_REGISTRY = {data_type.name: data_type for data_type in _known_types()}
_BUILT_IN = frozenset(_REGISTRY)
_BY_FOLDER = {(known.root, known.folder): known for known in _REGISTRY.values()}

DATA_TYPES: Mapping[str, DataType] = MappingProxyType(_REGISTRY)
"""Name → data type, of all registered ones; `register_data_type` adds to them."""

# Ends in a letter or digit, which excludes "." and "..".
_WORD = r"[A-Za-z0-9_.-]*[A-Za-z0-9]"
_FOLDER_NAME = re.compile(rf"({_WORD})/({_WORD})", re.ASCII)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)


def get_data_type(name: str) -> DataType:
    """Look a data type up by name, or by ``"root/folder"`` as in the bucket.

    A folder that is not registered becomes a data type of its own: its days are found by listing,
    and its columns are those of each file's header, typed by `column_type`.

    Raises
    ------
    ValueError
        If the data type is unknown; the message names the nearest ones.
    """
    if isinstance(name, str):
        if name in _REGISTRY:
            return _REGISTRY[name]
        if folders := _FOLDER_NAME.fullmatch(name):
            return find_data_type(*folders.groups()) or _unregistered(*folders.groups())
    raise ValueError(
        f"data_type={name!r} is unknown; {_suggestion(name)} (flatnb.DATA_TYPES lists all; "
        "'root/folder' is another folder of the bucket)"
    )


def _suggestion(name: object) -> str:
    close = difflib.get_close_matches(str(name).lower(), _REGISTRY, n=2, cutoff=0.5)
    if not close:
        return "for example 'stocks_daily' is one"
    return f"did you mean {' or '.join(map(repr, close))}?"


def find_data_type(root: str, folder: str) -> DataType | None:
    """The registered data type of a folder; for options, under either root. None if unknown."""
    return _BY_FOLDER.get((LIVE_OPTIONS_ROOT if root in OPTIONS_ROOTS else root, folder))


def _unregistered(root: str, folder: str) -> DataType:
    return DataType(
        f"{root}/{folder}",
        root,
        folder,
        MappingProxyType({}),
        date.min,
        kind=kind_of_folder(folder),
    )


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
    kind: Kind | None = None,
) -> DataType:
    """Give a folder of the bucket a name and column types, for this process.

    Registering the same data type again changes nothing.

    Parameters
    ----------
    name
        A new name, for example ``"bonds_daily"``.
    root, folder
        The first two parts of its keys.
    columns
        Name → type (``"string"``, ``"int64"``, ``"float64"`` or ``"timestamp"``), or names, which
        are typed by `column_type`. If empty, each file's own header is used.
    first_day
        The first day that the bucket may have.
    days
        ``"calendar"`` if it has a file for each trading day of the US stock exchanges; otherwise
        its days are found by listing.
    optional, nullable
        Columns that some files lack; columns whose cells may be empty.
    kind
        What one row is, as in `DataType`; None: by the folder's name.

    Raises
    ------
    ValueError
        If the name or the folder belongs to another data type, or an argument is invalid.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(
            f"name={name!r} is not a valid name; use letters, digits and underscores, and begin "
            "with a letter"
        )
    is_text = isinstance(root, str) and isinstance(folder, str)
    if not is_text or not _FOLDER_NAME.fullmatch(f"{root}/{folder}"):
        raise ValueError(
            f"root={root!r}, folder={folder!r} are not valid folder names; use letters, digits, "
            "'_', '-' and '.', as in 'us_stocks_sip' and 'day_aggs_v1'"
        )
    if not isinstance(days, str) or days not in ("calendar", "listing"):
        raise ValueError(f"days={days!r} is unknown; choose 'calendar' or 'listing'")
    if kind is not None and not (isinstance(kind, str) and kind in get_args(Kind)):
        raise ValueError(f"kind={kind!r} is unknown; choose one of {', '.join(get_args(Kind))}")
    if type(first_day) is not date:
        raise ValueError(f"first_day={first_day!r} must be a datetime.date")
    typed = _typed_columns(columns)
    new = DataType(
        name,
        LIVE_OPTIONS_ROOT if root in OPTIONS_ROOTS else root,
        folder,
        MappingProxyType(typed),
        first_day,
        days,
        _subset_of(typed, "optional", optional),
        _subset_of(typed, "nullable", nullable),
        kind or kind_of_folder(folder),
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
                f"name={new.name!r}, folder {new.root}/{new.folder}: taken by "
                f"{taken.name!r} (folder {taken.root}/{taken.folder}); choose another name, or use "
                "that data type"
            )
    _REGISTRY[new.name] = _BY_FOLDER[new.root, new.folder] = new
    return new


def registered_types() -> tuple[DataType, ...]:
    """The data types that were registered in this process, besides the built-in ones."""
    return tuple(each for name, each in _REGISTRY.items() if name not in _BUILT_IN)


def is_built_in(data_type: DataType) -> bool:
    """Whether it is neither registered in this process nor a folder written as ``root/folder``."""
    return data_type.name in _BUILT_IN


def _typed_columns(columns: Columns) -> dict[str, ColumnType]:
    if isinstance(columns, str):
        raise ValueError(f"columns={columns!r} must be a list, also for a single column")
    names = _names_in("columns", columns)
    if "date" in names:
        raise ValueError(
            "columns has 'date', which is the file's day in every frame; the column of the file is "
            f"called {DATE_COLUMN_IN_FRAMES!r} there: name it so"
        )
    if not isinstance(columns, Mapping):
        return {name: column_type(name) for name in names}
    for name, kind in columns.items():
        if not isinstance(kind, str) or kind not in COLUMN_TYPES:
            raise ValueError(
                f"columns has {name!r} of type {kind!r}; choose from {', '.join(COLUMN_TYPES)}"
            )
    return dict(columns)


def _names_in(parameter: str, names: Iterable[str]) -> list[str]:
    try:
        found = [names] if isinstance(names, str) else list(names)
    except TypeError:
        raise ValueError(f"{parameter}={names!r} must be a list of names") from None
    for name in found:
        if not isinstance(name, str) or not name:
            raise ValueError(f"{parameter} holds {name!r}; give non-empty strings")
    return found


def _subset_of(
    columns: Mapping[str, ColumnType], parameter: str, names: Iterable[str]
) -> frozenset[str]:
    subset = frozenset(_names_in(parameter, names))
    if unknown := sorted(subset - set(columns)):
        raise ValueError(
            f"{parameter} holds {unknown[0]!r}, which is not in columns; add it there or omit it"
        )
    return subset
