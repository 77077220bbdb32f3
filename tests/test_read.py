"""Reading a day's file: exactly, or with an error that names the line."""

from __future__ import annotations

import csv
import gzip
import io
import random
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flatnb import DATA_TYPES, SchemaError
from flatnb.download.gzip_stream import GzipError, decompress_stream
from flatnb.frames import reader as frames_read
from flatnb.frames.reader import empty_day
from flatnb.frames.selection import Selection
from flatnb.frames.to_pandas import to_pandas
from flatnb.market.data_types import DataType, get_data_type
from tests.servers.csv_payloads import (
    BROKEN_CSV,
    SAME_FRAME_CSV,
    extra_column,
    header_only,
    late_decimal,
    quoted_comma_column,
    set_cell,
    word_tickers,
)
from tests.servers.payloads import DAMAGED_GZIP, DAY_KEY, HEADER, SOUND_GZIP, bomb, day_csv, gz

DAILY = DATA_TYPES["stocks_daily"]
CSV = day_csv()
COLUMNS = HEADER.decode().split(",")


def read_day(
    data: bytes, data_type: DataType, *, symbols: list[str] | None = None, **arguments: Any
) -> pl.DataFrame:
    """The frame of a file in one chunk."""
    selection = Selection(tuple(symbols)) if symbols is not None else None
    return frames_read.read_day(lambda: [data], data_type, selection=selection, **arguments)


def read(plain: bytes, **arguments: Any) -> pl.DataFrame:
    """The frame of a CSV that is compressed first."""
    return read_day(gz(plain), DAILY, key=DAY_KEY, **arguments)


# Genuine rows of the vendor's files; the values were transcribed by hand.
GENUINE = [
    (
        "stocks_daily",
        "A,2036584.149027,115.030000,114.960000,116.360000,113.675000,1779422400000000000,34455",
        ("A", 2036584.149027, 115.03, 114.96, 116.36, 113.675, "2026-05-22 04:00:00", 34455),
    ),
    (
        "stocks_minute",
        "A,27007,0.5,113.965,114.04,113.4901,1747057020000000000,119",
        ("A", 27007.0, 0.5, 113.965, 114.04, 113.4901, "2025-05-12 13:37:00", 119),
    ),
    (
        "options_daily",
        "O:SPY240119C00450000,59,28.85,29.5,30.3,28.85,1704171600000000000,9",
        ("O:SPY240119C00450000", 59.0, 28.85, 29.5, 30.3, 28.85, "2024-01-02 05:00:00", 9),
    ),
    (
        "options_minute",
        "O:A240621C00140000,1,15.81,15.81,15.81,15.81,1716215280000000000,1",
        ("O:A240621C00140000", 1.0, 15.81, 15.81, 15.81, 15.81, "2024-05-20 14:28:00", 1),
    ),
]


@pytest.mark.parametrize(("data_type", "row", "values"), GENUINE, ids=lambda v: str(v)[:14])
def test_genuine_rows(data_type: str, row: str, values: tuple[Any, ...]) -> None:
    """All four data types: values, dtypes and column order."""
    frame = read_day(gz(HEADER + b"\n" + row.encode()), DATA_TYPES[data_type], key=DAY_KEY)
    assert frame.columns == COLUMNS
    assert frame.dtypes == [
        pl.String,
        *[pl.Float64] * 5,
        pl.Datetime("ns", "UTC"),
        pl.Int64,
    ]
    rows = frame.with_columns(pl.col("window_start").dt.strftime("%Y-%m-%d %H:%M:%S")).rows()
    assert rows == [values]


@pytest.mark.parametrize("symbols", [None, ["AAPL", "ZVZZT"]])
@pytest.mark.parametrize("columns", [None, ["ticker", "close"]])
@pytest.mark.parametrize("name", BROKEN_CSV)
def test_broken_csv_is_an_error(
    name: str, columns: list[str] | None, symbols: list[str] | None
) -> None:
    """Also if only some columns or the broken row itself are selected."""
    if name == "text in a number" and columns:
        pytest.skip("the cell is in a column that is not read")
    if name == "blank line" and symbols:
        pytest.skip("the line is none of those that are read")
    with pytest.raises(SchemaError) as caught:
        read(BROKEN_CSV[name](CSV), symbols=symbols, columns=columns)
    assert caught.value.key == DAY_KEY
    assert DAY_KEY in str(caught.value)


@pytest.mark.parametrize(
    "name", ["short row", "long row", "blank line", "NUL", "invalid UTF-8", "text in a number"]
)
def test_the_line_of_an_error_is_named(name: str) -> None:
    """Counted from 1, the header."""
    with pytest.raises(SchemaError, match="line 3") as caught:
        read(BROKEN_CSV[name](CSV))
    assert caught.value.line == 3


@pytest.mark.parametrize("cell", [b"", b"nan", b"inf", b"1e999", b"0x10", b"1,5"])
@pytest.mark.parametrize("column", [b"close", b"transactions", b"window_start"])
def test_invalid_cells_are_errors(column: bytes, cell: bytes) -> None:
    """A cell that is not a finite number of the column's type is an error, never a null."""
    with pytest.raises(SchemaError, match="line 4"):
        read(set_cell(CSV, 4, column, cell), columns=["ticker", column.decode()])


@pytest.mark.parametrize("cell", [b"3.0", b"2.5", b"99999999999999999999"])
def test_integers_stay_integers(cell: bytes) -> None:
    """A late decimal in a count, or one outside of int64, is an error with its line."""
    with pytest.raises(SchemaError, match="line 4: transactions"):
        read(set_cell(CSV, 4, b"transactions", cell))


@pytest.mark.parametrize("name", SAME_FRAME_CSV)
def test_unusual_csv_reads_the_same(name: str) -> None:
    """CRLF, quotes, another order of columns and the like have no effect."""
    assert read(SAME_FRAME_CSV[name](CSV)).equals(read(CSV))


@pytest.mark.parametrize("name", SOUND_GZIP)
def test_sound_gzip(name: str) -> None:
    """Several members and padding."""
    assert read_day(SOUND_GZIP[name](CSV), DAILY, key=DAY_KEY).equals(read(CSV))


@pytest.mark.parametrize("name", DAMAGED_GZIP)
def test_damaged_gzip(name: str) -> None:
    """It is an error, never data."""
    with pytest.raises(GzipError):
        read_day(DAMAGED_GZIP[name](CSV), DAILY, key=DAY_KEY)


def test_plain_csv() -> None:
    """A file whose key does not end in .gz may be plain."""
    assert read_day(CSV, DAILY, key="day.csv").equals(read(CSV))


def test_a_decompression_bomb_is_an_error() -> None:
    """The message names the argument to raise."""
    with pytest.raises(GzipError, match="max_decompressed_bytes"):
        read_day(bomb(8), DAILY, key=DAY_KEY, max_decompressed_bytes=4_000_000)


def test_word_tickers_stay_strings() -> None:
    """NA, TRUE and the like, in polars and in pandas."""
    frame = read(word_tickers(CSV))
    words = ["NA", "NULL", "TRUE", "NAN", "INF", "ON", "E", "DEC"]
    assert frame["ticker"].to_list() == words
    pdf = to_pandas(frame)
    assert pdf["ticker"].tolist() == words
    assert not pdf["ticker"].isna().any()
    assert list(pdf.columns) == frame.columns
    assert [str(dtype) for dtype in pdf.dtypes[1:]] == [
        *["float64"] * 5,
        "datetime64[ns, UTC]",
        "int64",
    ]


def test_symbols_are_case_sensitive_and_exact() -> None:
    """BCPC is not BCpC, and a prefix does not match."""
    assert read(CSV, symbols=["BCpC", "MSF"])["ticker"].to_list() == ["BCpC"]


def test_rows_are_found_in_any_order() -> None:
    """Split groups, tickers within other tickers and in other columns, in several blocks."""
    header, *rows = CSV.splitlines(keepends=True)
    many = [header, *(rows * 9000)]
    shuffled = [header, *random.Random(5).sample(many[1:], len(many) - 1)]
    for lines in (many, shuffled):
        plain = b"".join(lines)
        assert len(plain) > 3_000_000  # several blocks
        symbols = ["A", "SPY", "BCpC", "none"]
        chosen = read(plain, symbols=symbols)
        assert chosen.equals(read(plain).filter(pl.col("ticker").is_in(symbols)))
        assert chosen.height == 3 * 9000


@pytest.mark.parametrize("symbols", [["A,1000"], ['"A"'], ["A\n"], ["A"] * 500, ["AAPL,"]])
def test_unusual_symbols_find_what_parsing_finds(symbols: list[str]) -> None:
    """A symbol is never used as a pattern."""
    expected = read(CSV).filter(pl.col("ticker").is_in(symbols))
    assert read(CSV, symbols=symbols).equals(expected)


def test_a_new_column_is_kept() -> None:
    """As strings, last, and selectable."""
    frame = read(quoted_comma_column(extra_column(CSV)))
    assert frame.columns == [*COLUMNS, "vwap", "conditions"]
    assert frame["conditions"].to_list() == ["12,37"] * frame.height
    assert read(extra_column(CSV), columns=["vwap"])["vwap"].to_list()[0] == "10.25"


def test_late_decimals() -> None:
    """Integer volumes in many rows do not make an integer column."""
    assert read(late_decimal(CSV))["volume"].to_list()[-1] == 17798.430378


def test_no_rows() -> None:
    """A file with only a header has all columns with their dtypes."""
    frame = read(header_only(CSV))
    assert frame.is_empty()
    assert frame.equals(empty_day(DAILY))
    assert frame.schema == read(CSV).schema


def test_an_unknown_column_is_named() -> None:
    """With the available ones."""
    with pytest.raises(ValueError, match=r"'vwap'.*ticker, volume"):
        read(CSV, columns=["vwap"])


def test_integers_with_nulls_are_not_rounded() -> None:
    """In pandas they become Int64, exact above 2**53."""
    exact = 2**62 + 1
    pdf = to_pandas(pl.DataFrame({"n": [exact, None]}))
    assert str(pdf["n"].dtype) == "Int64"
    assert pdf["n"][0] == exact


ROWS = st.lists(
    st.tuples(
        st.text(
            st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\u2028\u2029\x85"),
            min_size=1,
            max_size=6,
        ),
        *[st.floats(allow_nan=False, allow_infinity=False)] * 5,
        st.integers(-(2**62), 2**62),
        st.integers(-(2**63), 2**63 - 1),
    ),
    max_size=30,
)


@settings(deadline=None)
@given(
    rows=ROWS,
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    newline=st.sampled_from(["\n", "\r\n"]),
    last_newline=st.booleans(),
    data=st.data(),
)
def test_any_table_reads_back(
    rows: list[tuple[Any, ...]], quoting: Any, newline: str, last_newline: bool, data: st.DataObject
) -> None:
    """What Python's csv module writes is read exactly, in order, also by symbol."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=quoting, lineterminator=newline)
    writer.writerow(COLUMNS)
    writer.writerows([[cell if isinstance(cell, str) else repr(cell) for cell in r] for r in rows])
    plain = text.getvalue() if last_newline else text.getvalue().removesuffix(newline)
    data_bytes = gzip.compress(plain.encode())
    frame = read_day(data_bytes, DAILY, key=DAY_KEY)
    assert frame.with_columns(pl.col("window_start").to_physical()).rows() == rows
    if rows:
        symbols = data.draw(st.lists(st.sampled_from([row[0] for row in rows]), min_size=1))
        chosen = read_day(data_bytes, DAILY, key=DAY_KEY, symbols=symbols)
        expected = [row for row in rows if row[0] in symbols]
        assert chosen.with_columns(pl.col("window_start").to_physical()).rows() == expected


@given(st.data())
def test_a_cut_or_flipped_gzip_is_never_data(data: st.DataObject) -> None:
    """A flip without effect on the content is accepted, as by Python's gzip; others are errors."""
    whole = gz(CSV)
    at = data.draw(st.integers(0, len(whole) - 1))
    cut = data.draw(st.booleans())
    if cut:
        damaged = whole[:at]
    else:
        flip = data.draw(st.integers(1, 255))
        damaged = whole[:at] + bytes([whole[at] ^ flip]) + whole[at + 1 :]
    step = data.draw(st.integers(1, 500))
    chunks = [damaged[start : start + step] for start in range(0, len(damaged), step)]
    try:
        plain = b"".join(decompress_stream(chunks, max_decompressed_bytes=None))
    except GzipError:
        return
    assert plain == CSV
    # The header fields time, level and system (RFC 1952), and a few bits of deflate whose value has
    # no effect, such as the padding after the last block (RFC 1951).
    assert not cut
    assert gzip.decompress(damaged) == CSV


# Genuine rows of 2021-08-23, 2026-05-22 and 2024-04-05 (the last from the vendor's own blog).
GENUINE_TICKS = {
    "stocks_trades": (
        "ticker,conditions,correction,exchange,id,participant_timestamp,price,sequence_number,"
        "sip_timestamp,size,tape,trf_id,trf_timestamp",
        [
            'A,"12,37",0,4,52983525159748,1779427811494482943,114.790000,3478,'
            "1779436803799308985,4.000000,1,201,1779436803799271495",
            "A,12,0,11,52983525035314,1712306654429439337,143,3809,1712306654429468160,187,1,0,0",
        ],
        {"conditions": ["12,37", "12"], "id": ["52983525159748", "52983525035314"]},
    ),
    "stocks_quotes": (
        "ticker,ask_exchange,ask_price,ask_size,bid_exchange,bid_price,bid_size,conditions,"
        "indicators,participant_timestamp,sequence_number,sip_timestamp,tape,trf_timestamp",
        [
            'A,8,180.0,100,11,164.28,100,"1,81",,1629716400001245000,79497,1629716400044243200,1,0',
            'A,12,0.0,0,12,0.0,0,"1,81",,1779433493626456646,174,1779433493626915885,1,0',
        ],
        {"conditions": ["1,81", "1,81"], "indicators": [None, None], "ask_price": [180.0, 0.0]},
    ),
    "options_trades": (
        "ticker,conditions,correction,exchange,price,sip_timestamp,size",
        ["O:A260618C00100000,227,0,309,16.2,1779458509681000000,3"],
        {"conditions": ["227"], "size": [3.0], "participant_timestamp": [None]},
    ),
    "options_quotes": (
        "ticker,ask_exchange,ask_price,ask_size,bid_exchange,bid_price,bid_size,sequence_number,"
        "sip_timestamp",
        ["O:A260717C00060000,0,0,0,320,45.3,1,1446504,1779456601047390893"],
        {"bid_price": [45.3], "sequence_number": [1446504]},
    ),
    # The vendor's documentation.
    "indices_daily": (
        "ticker,open,close,high,low,window_start",
        ["I:AAVE100,96.767,99.2175,100.4065,95.5217,1701756000000000000"],
        {"ticker": ["I:AAVE100"], "high": [100.4065]},
    ),
    "futures_cme_session": (
        "ticker,exchange,session_end_date,window_start,open,high,low,close,volume,dollar_volume,"
        "transactions",
        ["1OZZ5-1OZG6,2,2025-08-25,1756082400000000000,-28,-28,-28,-28,2,-56,1"],
        {"session_end_date": ["2025-08-25"], "settlement_price": [None], "low": [-28.0]},
    ),
    "futures_nymex_trades": (
        "ticker,timestamp,sequence_number,conditions,price,size,correction,exchange,"
        "session_end_date",
        ["BZ:BF G6-H6-J6,1755006388859057000,381026,[401],0.02,1,0,1,2025-08-12"],
        {"ticker": ["BZ:BF G6-H6-J6"], "conditions": ["[401]"], "report_sequence": [None]},
    ),
}


@pytest.mark.parametrize("name", GENUINE_TICKS)
def test_genuine_rows_of_other_data_types(name: str) -> None:
    """Every column of the data type, with its type, in its order; empty cells are null."""
    header, rows, values = GENUINE_TICKS[name]
    frame = read_day(gz("\n".join([header, *rows, ""]).encode()), DATA_TYPES[name], key=DAY_KEY)
    assert frame.columns == list(DATA_TYPES[name].columns)
    kinds = {"string": pl.String(), "float64": pl.Float64(), "int64": pl.Int64()}
    time = pl.Datetime("ns", "UTC")
    assert frame.dtypes == [kinds.get(kind, time) for kind in DATA_TYPES[name].columns.values()]
    assert {column: frame[column].to_list() for column in values} == values


def test_a_time_keeps_its_nanoseconds() -> None:
    """As the file has it, in UTC."""
    header, rows, _ = GENUINE_TICKS["stocks_trades"]
    csv = gz("\n".join([header, *rows]).encode())
    frame = read_day(csv, DATA_TYPES["stocks_trades"], key=DAY_KEY)
    assert frame["sip_timestamp"].cast(pl.Int64)[0] == 1779436803799308985


TRADES = DATA_TYPES["stocks_trades"]


@pytest.mark.parametrize(
    "broken",
    [
        'A,"12,37",0,4,52983525159748,1779427811494482943,114.79',
        "A,12,0,11,52983525035314,1712306654429439337,143,3809,1712306654429468160,187,1,0",
        "A,12,0,11,52983525035314,,143,3809,1712306654429468160,187,1,0,0",
        "A,12,0,11,52983525035314,1712306654429439337,,3809,1712306654429468160,187,1,0,0",
        "A,12,0,11,52983525035314,1712306654429439337,143,3809,1712306654429468160,187,1,,0,0",
    ],
    ids=["cut", "one field less", "no time", "no price", "one field more"],
)
@pytest.mark.parametrize("columns", [None, ["ticker", "price", "participant_timestamp"]])
def test_rows_whose_cells_may_be_empty(broken: str, columns: list[str] | None) -> None:
    """A short or long row, or an empty cell of another column, is an error still."""
    header, rows, _ = GENUINE_TICKS["stocks_trades"]
    empty = "A,,,11,,1712306654429439337,143,3809,1712306654429468160,187,1,,"
    fine = "\n".join([header, *rows, empty, ""])
    read_day(gz(fine.encode()), TRADES, key=DAY_KEY, columns=columns)
    for before in (fine, "\n".join([header, empty, ""])):
        with pytest.raises(SchemaError, match=f"line {before.count(chr(10)) + 1}"):
            read_day(gz((before + broken).encode()), TRADES, key=DAY_KEY, columns=columns)


def test_a_folder_that_nobody_knows() -> None:
    """Its own header, typed by the columns' names; any cell but the ticker may be empty."""
    csv = b"ticker,rating,bid_price,sip_timestamp\nNA,BB,1.5,1712306654429468160\nTRUE,,,\n"
    frame = read_day(gz(csv), get_data_type("us_bonds/quotes_v1"), key=DAY_KEY)
    assert frame.schema == {
        "ticker": pl.String(),
        "rating": pl.String(),
        "bid_price": pl.Float64(),
        "sip_timestamp": pl.Datetime("ns", "UTC"),
    }
    assert frame.row(1) == ("TRUE", None, None, None)
    with pytest.raises(SchemaError, match="line 4: 3 fields, where the header has 4"):
        read_day(gz(csv + b"T,A,1\n"), get_data_type("us_bonds/quotes_v1"), key=DAY_KEY)
