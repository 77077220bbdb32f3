"""The registry: all documented data types, registered ones, and unknown folders."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from datetime import date
from typing import Any, get_args

import pytest

from flatnb import DATA_TYPES
from flatnb.market import data_types
from flatnb.market.columns import column_type
from flatnb.market.data_types import (
    DataTypeName,
    find_data_type,
    get_data_type,
    register_data_type,
    registered_types,
)

VENUES = ("cbot", "cme", "comex", "nymex")

# The vendor's documentation: 4 + 4 + 3 + 3 + 3 + 16 data sets.
DOCUMENTED = {
    *(f"stocks_{kind}" for kind in ("daily", "minute", "trades", "quotes")),
    *(f"options_{kind}" for kind in ("daily", "minute", "trades", "quotes")),
    *(f"indices_{kind}" for kind in ("daily", "minute", "values")),
    *(f"forex_{kind}" for kind in ("daily", "minute", "quotes")),
    *(f"crypto_{kind}" for kind in ("daily", "minute", "trades")),
    *(
        f"futures_{venue}_{kind}"
        for venue in VENUES
        for kind in ("session", "minute", "trades", "quotes")
    ),
}


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Undo what a test registers."""
    before = dict(data_types._REGISTRY), dict(data_types._BY_FOLDER)
    yield
    for registered, old in zip((data_types._REGISTRY, data_types._BY_FOLDER), before, strict=True):
        registered.clear()  # type: ignore[attr-defined]
        registered.update(old)  # type: ignore[attr-defined]


def test_all_documented_data_sets() -> None:
    """33 names in 33 folders."""
    assert set(DATA_TYPES) == DOCUMENTED
    assert len({(known.root, known.folder) for known in DATA_TYPES.values()}) == 33


@pytest.mark.parametrize(
    ("name", "required", "optional"),
    [
        # The headers of genuine files of 2026, or of the vendor's documentation.
        (
            "stocks_trades",
            "ticker,conditions,correction,exchange,id,participant_timestamp,price,sequence_number,"
            "sip_timestamp,size,tape,trf_id,trf_timestamp",
            "",
        ),
        (
            "stocks_quotes",
            "ticker,ask_exchange,ask_price,ask_size,bid_exchange,bid_price,bid_size,conditions,"
            "indicators,participant_timestamp,sequence_number,sip_timestamp,tape,trf_timestamp",
            "",
        ),
        (
            "options_trades",
            "ticker,conditions,correction,exchange,price,sip_timestamp,size",
            "participant_timestamp",
        ),
        ("indices_values", "ticker,value,timestamp", ""),
        ("indices_daily", "ticker,open,close,high,low,window_start", ""),
        (
            "forex_quotes",
            "ticker,ask_exchange,ask_price,bid_exchange,bid_price,participant_timestamp",
            "",
        ),
        (
            "crypto_trades",
            "ticker,conditions,exchange,id,participant_timestamp,price,size",
            "",
        ),
        (
            "futures_cbot_session",
            "ticker,session_end_date,window_start,open,high,low,close,volume,dollar_volume,"
            "transactions",
            "exchange,settlement_price",
        ),
        (
            "futures_cme_quotes",
            "ticker,timestamp,ask_timestamp,ask_price,ask_size,bid_timestamp,bid_price,bid_size,"
            "exchange,session_end_date",
            "sequence_number,report_sequence",
        ),
    ],
)
def test_headers(name: str, required: str, optional: str) -> None:
    """The columns that every file has, and those that only older or newer files have."""
    data_type = DATA_TYPES[name]
    assert data_type.required == tuple(required.split(","))
    assert data_type.optional == set(optional.split(",")) - {""}
    assert data_type.nullable <= set(data_type.columns)


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        ("ticker conditions indicators id session_end_date anything_new", "string"),
        ("exchange ask_exchange sequence_number tape trf_id transactions correction", "int64"),
        ("open price bid_price size ask_size volume dollar_volume value", "float64"),
        ("timestamp window_start sip_timestamp trf_timestamp ask_timestamp", "timestamp"),
    ],
)
def test_column_types_follow_from_names(names: str, kind: str) -> None:
    """The rule for unregistered folders agrees with the registered data types."""
    assert {column_type(name) for name in names.split()} == {kind}
    for data_type in DATA_TYPES.values():
        assert all(column_type(name) == kind for name, kind in data_type.columns.items())


@pytest.mark.parametrize(
    ("name", "asset_class", "days", "first_day"),
    [
        ("stocks_quotes", "stocks", "calendar", date(2003, 9, 10)),
        ("options_trades", "options", "calendar", date(2014, 6, 2)),
        ("options_quotes", "options", "calendar", date(2022, 3, 7)),
        ("indices_values", "indices", "listing", date(2023, 2, 14)),
        ("forex_minute", "forex", "listing", date(2009, 9, 25)),
        ("crypto_daily", "crypto", "listing", date(2010, 1, 1)),
        ("futures_comex_minute", "futures", "listing", date(2017, 4, 3)),
    ],
)
def test_days(name: str, asset_class: str, days: str, first_day: date) -> None:
    """How they are found, and the first one."""
    found = DATA_TYPES[name]
    assert (found.asset_class, found.days, found.first_day) == (asset_class, days, first_day)


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("day_aggs_v1", "daily"),
        ("minute_aggs_v1", "minute"),
        ("session_aggs_v1", "session"),
        ("trades_v2", "trades"),
        ("quotes", "quotes"),
        ("values_v1", "values"),
        ("news_v1", "other"),
        ("daily_v1", "other"),
    ],
)
def test_the_kind_of_new_folders(folder: str, kind: str) -> None:
    """Registered or not, a folder's name gives the kind, whatever its version; or an argument."""
    assert get_data_type(f"us_bonds/{folder}").kind == kind
    assert register_data_type("bonds", "us_bonds", folder).kind == kind
    assert register_data_type("notes", "us_notes", folder, kind="minute").kind == "minute"


def test_the_kind_of_documented_data_types() -> None:
    """It is the last word of each documented name."""
    for name in DOCUMENTED:
        assert DATA_TYPES[name].kind == name.split("_")[-1]


def test_data_types_pickle() -> None:
    """With all attributes, read-only columns included, also where it is not registered."""
    new = register_data_type(
        "bonds_daily", "us_bonds", "prices", {"ticker": "string"}, nullable="ticker", kind="daily"
    )
    data = pickle.dumps(new)
    data_types._REGISTRY.pop("bonds_daily")
    restored = pickle.loads(data)
    assert restored == new
    with pytest.raises(TypeError):
        restored.columns["close"] = "float64"


def test_a_folder_is_a_data_type() -> None:
    """A known folder gives the known data type, under either root of options."""
    assert get_data_type("us_options/trades_v1") is DATA_TYPES["options_trades"]
    assert get_data_type("us_options_opra/trades_v1") is DATA_TYPES["options_trades"]
    new = get_data_type("us_bonds/day_aggs_v1")
    assert (new.name, new.columns, new.days) == ("us_bonds/day_aggs_v1", {}, "listing")
    assert find_data_type("us_bonds", "day_aggs_v1") is None


@pytest.mark.parametrize("name", ["stocks", "a/b/c", "/a", "a/", "../etc", "a/..", None, 5, ""])
def test_unknown_data_types_are_refused(name: Any) -> None:
    """The message says where the known ones are, and how to name a folder."""
    with pytest.raises(ValueError, match=r"data_type=.*DATA_TYPES.*'root/folder'") as error:
        get_data_type(name)
    assert len(str(error.value)) < 250


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("stock_daily", "stocks_daily"),
        ("Stocks_Minute", "stocks_minute"),
        ("option_trades", "options_trades"),
        ("stocks_day", "stocks_daily"),
    ],
)
def test_what_was_meant(typed: str, meant: str) -> None:
    """The nearest name comes first."""
    with pytest.raises(ValueError, match=f"did you mean '{meant}'"):
        get_data_type(typed)


def test_registering() -> None:
    """The name and the folder both give the new data type."""
    new = register_data_type(
        "bonds_daily", "us_bonds", "day_aggs_v1", ["ticker", "price", "size"], nullable=["size"]
    )
    assert new.columns == {"ticker": "string", "price": "float64", "size": "float64"}
    assert DATA_TYPES["bonds_daily"] is new is get_data_type("us_bonds/day_aggs_v1")
    again = register_data_type(
        "bonds_daily", "us_bonds", "day_aggs_v1", ["ticker", "price", "size"], nullable=["size"]
    )
    assert again == new


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "stocks_daily"}, "name='stocks_daily'.*taken by 'stocks_daily'"),
        ({"root": "us_stocks_sip"}, "taken by 'stocks_daily'"),
        ({"name": "no name"}, "name='no name'"),
        ({"root": "../up"}, "root='../up'"),
        ({"columns": "ticker"}, "columns='ticker' must be a list"),
        ({"columns": {"ticker": "text"}}, "'ticker' of type 'text'.*string, int64"),
        ({"columns": ["ticker"], "nullable": ["price"]}, "nullable holds 'price'"),
        ({"columns": ["ticker"], "optional": ["size"]}, "optional holds 'size'"),
        ({"days": "weekdays"}, "days='weekdays'"),
        ({"kind": "bars"}, "kind='bars' is unknown; choose one of daily, minute"),
    ],
)
def test_wrong_registrations(change: dict[str, Any], message: str) -> None:
    """The registry is unchanged, and the message names the argument."""
    right = {"name": "bonds_daily", "root": "us_bonds", "folder": "day_aggs_v1"}
    with pytest.raises(ValueError, match=message):
        register_data_type(**(right | change))
    assert set(DATA_TYPES) == DOCUMENTED


def test_editors_offer_the_built_in_names() -> None:
    """The literal type has each of them, and no other."""
    built_in = [name for name in DATA_TYPES if name not in {t.name for t in registered_types()}]
    assert list(get_args(DataTypeName)) == built_in
