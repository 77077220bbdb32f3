"""The demo market has exactly the real files' format, and its days and minutes fit together."""

from __future__ import annotations

import gzip
import hashlib
import io
import itertools
import re
from datetime import date, time
from typing import Any

import polars as pl
import pytest

from flatnb.demo.demo_market import DemoMarket
from flatnb.demo.files import to_csv
from flatnb.market.calendar import is_trading_day, trading_days
from flatnb.research import adjust

DATA_TYPES = ("stocks_daily", "stocks_minute", "options_daily", "options_minute")
COLUMNS = ["ticker", "volume", "open", "close", "high", "low", "window_start", "transactions"]
SCHEMA = pl.Schema(
    dict.fromkeys(COLUMNS, pl.Float64)
    | {"ticker": pl.String, "window_start": pl.Int64, "transactions": pl.Int64}
)
HEADER = b"ticker,volume,open,close,high,low,window_start,transactions\n"

# Lines of genuine files: (text, whether the file writes six decimals).
GENUINE_LINES = [
    ("A,1942872,147.09,149.31,149.64,147.09,1709787600000000000,37404", False),
    ("AAA,12050,25.1531,25.07,25.1599,25.02,1709787600000000000,64", False),
    ("AA,2703886,38.165,37.99,39.04,37.9,1735794000000000000,33119", False),
    ("O:SPY240119C00450000,59,28.85,29.5,30.3,28.85,1704171600000000000,9", False),
    ("O:A250919C00120000,1,8,8,8,8,1758206280000000000,1", False),
    ("O:A260618C00100000,3,16.2,16.2,16.2,16.2,1779422400000000000,1", False),
    (
        "A,2036584.149027,115.030000,114.960000,116.360000,113.675000,1779422400000000000,34455",
        True,
    ),
    (
        "AAPL,33278552.153126,333.260000,333.690000,334.540000,330.610000,"
        "1790913600000000000,628334",
        True,
    ),
    ("BCATrw,89401.000000,0.005500,0.007500,0.007500,0.005000,1790913600000000000,101", True),
]
BEFORE_LINE = re.compile(rb"[^,]+,\d+(,(0|[1-9]\d*)(\.\d{0,3}[1-9])?){4},\d{19},\d+")
DECIMAL_LINE = re.compile(rb"[^,]+,\d+\.\d{6}(,\d+\.\d{6}){4},\d{19},\d+")

ORDINARY_DAY = date(2024, 1, 2)
EARLY_CLOSE = date(2024, 7, 3)
BEFORE_DECIMALS, FIRST_DECIMALS = date(2026, 2, 20), date(2026, 2, 23)
# Fridays and Mondays around the two changes of the clocks in 2024.
CLOCK_CHANGES = [date(2024, 3, 8), date(2024, 3, 11), date(2024, 11, 1), date(2024, 11, 4)]


# SHA-256 of files of a market of 20 stocks and 2 underlyings, recorded on 2026-11-25 (x86-64);
# those of minutes anew when minutes of three trades ceased to have four prices.
RECORDED = {
    (
        "stocks_daily",
        "2024-01-02",
    ): "33e08d72fdce709d3939bb36b04210827ba2dd8ea9516ff48071483522e94bac",
    (
        "stocks_daily",
        "2026-02-24",
    ): "567d9cfb9a0a0ebc4d564ac8e8c437b33ba53995e858c0b0e21a2803078223fd",
    (
        "stocks_minute",
        "2024-01-02",
    ): "b112ae81506eec12beb16d71b447a48b7fa623a495cc242949f8b24db0728e66",
    (
        "stocks_minute",
        "2026-02-24",
    ): "5dd3a0e9b243db8da92c9359b11a578c2e20ed96ea34f2160a51f2a63766a9c5",
    (
        "options_daily",
        "2024-01-02",
    ): "cb59f7ac1add6eab5c4acf8f622d6c80f8070fdf764a2cacbfe2ec40f8e4e62d",
    (
        "options_daily",
        "2026-02-24",
    ): "ea57c9539faf516aa73da807b53acdd8286cb738bf1f5072b9bbeb47ce67fd76",
    (
        "options_minute",
        "2024-01-02",
    ): "edf80447d96271be38e1c083065e7afc23f410537d18d1e44c08448b29df5ef1",
    (
        "options_minute",
        "2026-02-24",
    ): "1c4a39412f28c3fafa500fbcacc9baceb73b544ab2a2adf35f7676f60e93cdb3",
}


@pytest.fixture(scope="module")
def market() -> DemoMarket:
    """The default market."""
    return DemoMarket()


def exchange_time() -> pl.Expr:
    """The column ``window_start`` as a datetime on the exchange's clock."""
    utc = pl.from_epoch("window_start", time_unit="ns").dt.replace_time_zone("UTC")
    return utc.dt.convert_time_zone("America/New_York")


def values(table: pl.DataFrame, name: str) -> Any:
    """A column, typed so that its minimum may be compared with anything."""
    return table[name]


def clock() -> pl.Expr:
    """The column ``window_start`` as a time of day on the exchange's clock."""
    return exchange_time().dt.time()


def regular_session(minutes: pl.DataFrame, close: time) -> pl.DataFrame:
    """The rows between 09:30 and the close."""
    return minutes.filter((clock() >= time(9, 30)) & (clock() < close))


@pytest.mark.parametrize("data_type", DATA_TYPES)
def test_the_header_and_the_types_are_the_vendors(market: DemoMarket, data_type: str) -> None:
    """Every file starts with the header of the genuine ones, and the table has its columns."""
    assert market.csv(data_type, ORDINARY_DAY).startswith(HEADER)
    assert market.table(data_type, ORDINARY_DAY).schema == SCHEMA


@pytest.mark.parametrize(("line", "decimals"), GENUINE_LINES)
def test_genuine_lines_are_written_as_the_vendor_does(line: str, decimals: bool) -> None:
    """The values of genuine lines come out as exactly the genuine text."""
    text = HEADER + line.encode() + b"\n"
    table = pl.read_csv(io.BytesIO(text), schema=SCHEMA)
    assert to_csv(table, decimals=decimals) == text


@pytest.mark.parametrize("data_type", DATA_TYPES)
@pytest.mark.parametrize("day", [ORDINARY_DAY, BEFORE_DECIMALS, FIRST_DECIMALS])
def test_numbers_have_the_format_of_their_time(
    market: DemoMarket, data_type: str, day: date
) -> None:
    """Stocks have six decimals from 2026-02-23; all else is in the shortest form."""
    line = DECIMAL_LINE if day >= FIRST_DECIMALS and "stocks" in data_type else BEFORE_LINE
    lines = market.csv(data_type, day).splitlines()[1:]
    assert lines
    assert [text for text in lines if not line.fullmatch(text)] == []


def test_volumes_have_fractions_from_2026_02_23(market: DemoMarket) -> None:
    """Shares are whole until 2026-02-20, and partly fractions of a share afterwards."""
    is_whole = pl.col("volume") == pl.col("volume").floor()
    assert market.table("stocks_minute", BEFORE_DECIMALS).select(is_whole.all()).item()
    since = market.table("stocks_minute", FIRST_DECIMALS).select(is_whole.mean()).item()
    assert 0.05 < since < 0.9


@pytest.mark.parametrize("data_type", DATA_TYPES)
@pytest.mark.parametrize("day", [ORDINARY_DAY, FIRST_DECIMALS])
def test_the_table_is_what_parsing_the_file_gives(
    market: DemoMarket, data_type: str, day: date
) -> None:
    """Every value of the table is bit for bit that of the parsed text."""
    parsed = pl.read_csv(gzip.decompress(market.file(data_type, day)), schema=SCHEMA)
    assert parsed.equals(market.table(data_type, day))


@pytest.mark.parametrize("data_type", DATA_TYPES)
def test_the_same_seed_gives_the_same_bytes(market: DemoMarket, data_type: str) -> None:
    """A new market that was asked for other days before makes the same file."""
    other = DemoMarket()
    other.file("stocks_minute", EARLY_CLOSE)
    other.file("options_daily", FIRST_DECIMALS)
    made = other.file(data_type, ORDINARY_DAY)
    assert made == market.file(data_type, ORDINARY_DAY)
    assert made[4:8] == b"\0\0\0\0", "the gzip has a time stamp"
    assert made != DemoMarket(seed=8).file(data_type, ORDINARY_DAY)


@pytest.mark.parametrize(("data_type", "day"), RECORDED)
def test_the_bytes_are_those_recorded(data_type: str, day: str) -> None:
    """Renames and faster code must not change the demo, whose figures notebooks and README show.

    Of the text, not of the gzip: ISA-L may compress it differently on another processor. The
    hashes were the same with numpy's AVX-512 and AVX2 code switched off; a processor whose
    logarithms differ in the last bit (see `DemoMarket`) may have others.
    """
    small = DemoMarket(stocks=20, option_underlyings=2)
    text = small.csv(data_type, date.fromisoformat(day))
    assert hashlib.sha256(text).hexdigest() == RECORDED[data_type, day]


def test_a_small_market_is_a_part_of_a_large_one(market: DemoMarket) -> None:
    """A ticker has the same bars whatever the number of tickers beside it."""
    small = DemoMarket(stocks=40)
    for data_type in ("stocks_daily", "stocks_minute"):
        rows = small.table(data_type, ORDINARY_DAY)
        tickers = rows["ticker"].unique().to_list()
        assert len(tickers) >= 35
        large = market.table(data_type, ORDINARY_DAY).filter(pl.col("ticker").is_in(tickers))
        assert large.equals(rows)


@pytest.mark.parametrize("kind", ["stocks", "options"])
@pytest.mark.parametrize(
    "day", [date(2014, 6, 2), ORDINARY_DAY, EARLY_CLOSE, *CLOCK_CHANGES, FIRST_DECIMALS]
)
def test_day_bars_are_the_aggregates_of_the_regular_session(
    market: DemoMarket, kind: str, day: date
) -> None:
    """The day file equals the grouped minutes between 09:30 and the close."""
    minutes = market.table(f"{kind}_minute", day)
    close = time(13) if day == EARLY_CLOSE else time(16)
    grouped = (
        regular_session(minutes, close)
        .group_by("ticker")
        .agg(
            pl.col("volume").sum().round(6),
            pl.col("open").sort_by("window_start").first(),
            pl.col("close").sort_by("window_start").last(),
            pl.col("high").max(),
            pl.col("low").min(),
            pl.col("transactions").sum(),
        )
    )
    daily = market.table(f"{kind}_daily", day).drop("window_start")
    assert daily["volume"].to_list() == pytest.approx(
        daily.select("ticker").join(grouped, on="ticker", how="left")["volume"].to_list(), abs=1e-5
    )
    exact = [name for name in daily.columns if name != "volume"]
    assert grouped.sort("ticker").select(exact).equals(daily.sort("ticker").select(exact))


@pytest.mark.parametrize("data_type", DATA_TYPES)
@pytest.mark.parametrize("day", [ORDINARY_DAY, FIRST_DECIMALS])
def test_no_bar_is_impossible(market: DemoMarket, data_type: str, day: date) -> None:
    """High and low enclose open and close, and one trade has one price."""
    table = market.table(data_type, day)
    upper, lower = pl.max_horizontal("open", "close"), pl.min_horizontal("open", "close")
    assert table.filter((pl.col("high") < upper) | (pl.col("low") > lower)).is_empty()
    assert table.filter((pl.col("low") <= 0) | (pl.col("volume") <= 0)).is_empty()
    assert table.filter(pl.col("transactions") < 1).is_empty()
    prices = pl.concat_list("open", "high", "low", "close").list.n_unique()
    assert table.filter(prices > pl.col("transactions")).is_empty()
    two = table.filter(pl.col("transactions") <= 2)
    assert not two.is_empty()
    assert two.filter((pl.col("high") != upper) | (pl.col("low") != lower)).is_empty()
    one = table.filter(pl.col("transactions") == 1)
    assert one.filter(pl.col("open") != pl.col("close")).is_empty()


@pytest.mark.parametrize("data_type", DATA_TYPES)
def test_files_are_in_byte_order_and_then_in_time(market: DemoMarket, data_type: str) -> None:
    """Upper case comes before lower case, minutes ascend, and nothing is there twice."""
    table = market.table(data_type, ORDINARY_DAY)
    tickers = [ticker.encode() for ticker in table["ticker"]]
    order = list(zip(tickers, table["window_start"], strict=True))
    assert order == sorted(set(order))


def test_tickers_that_readers_mistake_are_there(market: DemoMarket) -> None:
    """Words for missing values, suffixes in lower case and dots are all in an ordinary day."""
    awkward = "NA NAN NULL TRUE INF ON E T DEC MAR CON PRN ZVZZT BCPC BCpC TPC TpC BRK.B NE.WS.A"
    tickers = set(market.table("stocks_daily", ORDINARY_DAY)["ticker"])
    assert set(awkward.split()) | {"AAPL", "MSFT", "SPY", "BATRw", "NMCOr", "DCOMp"} <= tickers


@pytest.mark.parametrize("stocks", [1, 7, 250, 5000])
def test_the_market_has_as_many_tickers_as_asked_for(stocks: int) -> None:
    """Tickers are distinct; nearly all of them trade on a day."""
    tickers = DemoMarket(stocks=stocks).table("stocks_daily", ORDINARY_DAY)["ticker"]
    assert tickers.is_unique().all()
    assert stocks * 0.95 <= len(tickers) <= stocks


def test_few_tickers_have_most_of_the_volume(market: DemoMarket) -> None:
    """A tenth of the tickers has nine tenths of the trades; some hardly trade at all."""
    trades = values(market.table("stocks_daily", ORDINARY_DAY), "transactions")
    trades = trades.sort(descending=True)
    assert trades.head(30).sum() > 0.6 * trades.sum()
    minutes = values(market.table("stocks_minute", ORDINARY_DAY).group_by("ticker").len(), "len")
    assert minutes.max() > 700
    assert minutes.quantile(0.2) < 60


def test_the_day_is_busiest_at_its_ends(market: DemoMarket) -> None:
    """Volume is U-shaped, and little is traded outside the regular session."""
    minutes = market.table("stocks_minute", ORDINARY_DAY).with_columns(clock=clock())

    def volume(start: time, end: time) -> float:
        part = minutes.filter((pl.col("clock") >= start) & (pl.col("clock") < end))
        return float(values(part, "volume").sum())

    lunch = volume(time(12), time(12, 30))
    assert volume(time(9, 30), time(10)) > 1.5 * lunch
    assert volume(time(15, 30), time(16)) > 1.2 * lunch
    assert 0 < volume(time(4), time(9, 30)) < 0.1 * volume(time(9, 30), time(16))
    assert 0 < volume(time(16), time(20)) < 0.1 * volume(time(9, 30), time(16))


@pytest.mark.parametrize("day", [ORDINARY_DAY, *CLOCK_CHANGES])
def test_minutes_run_from_four_to_eight_on_the_exchanges_clock(
    market: DemoMarket, day: date
) -> None:
    """Stocks trade 04:00 to 19:59, options 09:30 to 15:59, in summer and in winter."""
    stocks = values(market.table("stocks_minute", day).select(clock()), "window_start")
    options = values(market.table("options_minute", day).select(clock()), "window_start")
    assert time(4) <= stocks.min() <= time(4, 30)
    assert time(19, 30) <= stocks.max() <= time(19, 59)
    assert (options.min(), options.max()) == (time(9, 30), time(15, 59))


@pytest.mark.parametrize(("day", "utc_hour"), list(zip(CLOCK_CHANGES, [5, 4, 4, 5], strict=True)))
def test_a_day_bar_starts_at_midnight_in_new_york(
    market: DemoMarket, day: date, utc_hour: int
) -> None:
    """That is 05:00 UTC in winter and 04:00 UTC in summer."""
    midnight_utc = (day - date(1970, 1, 1)).days * 86_400_000_000_000
    for data_type in ("stocks_daily", "options_daily"):
        starts = market.table(data_type, day)["window_start"].unique().to_list()
        assert starts == [midnight_utc + utc_hour * 3_600_000_000_000]


def test_an_early_close_ends_the_regular_session(market: DemoMarket) -> None:
    """On 2024-07-03 options stop at 13:00 and stocks at 17:00; a busy noon shows the close."""
    options = values(market.table("options_minute", EARLY_CLOSE).select(clock()), "window_start")
    assert options.max() == time(12, 59)
    stocks = market.table("stocks_minute", EARLY_CLOSE).with_columns(clock=clock())
    assert values(stocks, "clock").max() <= time(16, 59)
    at_end, after = (
        values(stocks.filter(pl.col("clock").dt.hour() == hour), "volume").sum()
        for hour in (12, 13)
    )
    assert after < 0.1 * at_end


def test_prices_go_on_from_day_to_day(market: DemoMarket) -> None:
    """Each open is near the close of the trading day before, over a weekend and a year's end."""
    days = [date(2023, 12, 28), date(2023, 12, 29), date(2024, 1, 2), date(2024, 1, 3)]
    tables = [market.table("stocks_daily", day) for day in days]
    for before, after in itertools.pairwise(tables):
        both = before.join(after, on="ticker", suffix="_next")
        # The finest price step is a large part of a price below ten cents.
        both = both.filter((pl.col("close") > 0.1) & (pl.col("transactions_next") > 11))
        gap = (values(both, "open_next") / both["close"] - 1).abs()
        assert gap.max() < 0.15
        assert gap.median() < 0.01
    moves = tables[-1].join(tables[-2], on="ticker", suffix="_before")
    change = values(moves, "close") / moves["close_before"] - 1
    assert (change.abs() > 0.001).mean() > 0.5


def test_option_symbols_are_real_shaped(market: DemoMarket) -> None:
    """OCC symbols, with SPX beside SPXW and a root that has a digit."""
    symbols = market.table("options_daily", ORDINARY_DAY)["ticker"]
    parts = [re.fullmatch(r"O:([A-Z]+\d?)(\d{6})([CP])(\d{8})", symbol) for symbol in symbols]
    assert all(parts)
    roots = {part[1] for part in parts if part}
    assert {"SPX", "SPXW", "SPY", "QQQ", "AAPL", "NVDA", "TSLA", "MSFT", "T", "T1"} == roots
    assert min(part[2] for part in parts if part) == "240105"


def test_expiries_are_fridays_or_the_thursday_before_a_holiday(market: DemoMarket) -> None:
    """Good Friday 2024-03-29 is a holiday, so its weekly contracts expire on the 28th."""
    symbols = market.table("options_daily", date(2024, 3, 20))["ticker"]
    expiries = {
        date(2000 + int(symbol[-15:-13]), int(symbol[-13:-11]), int(symbol[-11:-9]))
        for symbol in symbols
    }
    thursdays = {expiry for expiry in expiries if expiry.weekday() != 4}
    assert thursdays == {date(2024, 3, 28)}
    assert date(2024, 3, 29) not in expiries
    assert {date(2024, 3, 22), date(2024, 4, 19), date(2024, 6, 21), date(2025, 1, 17)} <= expiries


def test_chains_are_around_the_price_and_priced_like_options(market: DemoMarket) -> None:
    """Strikes enclose the stock's price; a call costs less the higher its strike is."""
    spot = market.table("stocks_daily", ORDINARY_DAY).filter(ticker="SPY")["close"].item()
    chain = market.table("options_daily", ORDINARY_DAY).filter(
        pl.col("ticker").str.starts_with("O:SPY240119C"), pl.col("transactions") > 10
    )
    strikes = values(chain, "ticker").str.tail(8).cast(pl.Int64) / 1000
    assert strikes.min() < spot < strikes.max()
    assert 0.9 * spot < strikes.median() < 1.1 * spot
    assert chain["high"].to_list() == sorted(chain["high"], reverse=True)
    # Time is worth something: a call costs more than exercising it would pay.
    assert (chain["high"] > spot - strikes).all()


def test_contracts_live_for_days(market: DemoMarket) -> None:
    """Most contracts of a day trade on the next one as well."""
    today, tomorrow = (
        set(market.table("options_daily", day)["ticker"])
        for day in (date(2024, 1, 8), date(2024, 1, 9))
    )
    assert len(today & tomorrow) > 0.7 * len(today)


def test_asking_for_what_is_not_there_is_a_value_error(market: DemoMarket) -> None:
    """A holiday, an unknown data type and an empty market have different messages."""
    with pytest.raises(ValueError, match="2024-01-01 is not a trading day"):
        market.table("stocks_daily", date(2024, 1, 1))
    with pytest.raises(ValueError, match="stocks_daily"):
        market.table("stocks_weekly", ORDINARY_DAY)
    with pytest.raises(ValueError, match=r"stocks=0 .* at least 1"):
        DemoMarket(stocks=0)


def test_the_repr_says_that_the_data_are_synthetic(market: DemoMarket) -> None:
    """Nobody can take the demo for market data."""
    assert "synthetic" in repr(market)
    assert "synthetic" in str(DemoMarket.__doc__)


# --- splits, dividends and changes of tickers ----------------------------------------------------


def daily_bars(market: DemoMarket, tickers: list[str], start: str, end: str) -> pl.DataFrame:
    """The daily bars of some tickers."""
    return pl.concat(
        [
            market.table("stocks_daily", day)
            .filter(pl.col("ticker").is_in(tickers))
            .select(pl.lit(day).alias("date"), pl.all())
            for day in trading_days(start, end)
        ]
    )


def test_adjusted_bars_are_those_of_the_market_without_actions(market: DemoMarket) -> None:
    """Over splits, a reverse split and dividends: prices to a tick, volumes to some shares."""
    tickers, span = ["ACHR", "KO", "MAR", "NFLX", "WMT", "AAPL"], ("2024-02-01", "2025-06-30")
    files = daily_bars(market, tickers, *span)
    truth = daily_bars(DemoMarket(corporate_actions=False), tickers, *span)
    made = adjust(files, market.actions(), how="all", as_of="2025-06-30", factors=True)
    assert not files.select("close").equals(truth.select("close"))
    # The truth is on the basis of the beginning: all factors of a ticker bring it to the end's.
    last = made.group_by("ticker").agg(pl.col("price_factor", "size_factor").first())
    expected = truth.join(last, on="ticker", maintain_order="left")
    for name in ("open", "high", "low", "close"):
        # A price of the files is rounded to a cent, and what it is multiplied with is up to 10.
        off = made[name] - expected[name] * expected["price_factor"]
        tick = 0.011 * pl.max_horizontal(made["price_factor"], expected["price_factor"], 1.0)
        assert (off.abs() <= pl.select(tick).to_series()).all()
    off = made["volume"] / (expected["volume"] * expected["size_factor"]) - 1
    assert values(pl.DataFrame({"off": off.abs()}), "off").max() < 1e-3
    assert made["transactions"].equals(truth["transactions"])


def test_the_days_of_actions_are_trading_days_and_after_the_notebooks_days(
    market: DemoMarket,
) -> None:
    """So that no figure of January 2024 depends on them."""
    days = market.actions()["date"]
    assert all(is_trading_day(day) for day in days)
    assert values(market.actions(), "date").min() > date(2024, 2, 29)
    assert DemoMarket(corporate_actions=False).actions().is_empty()


def test_a_dividends_factor_is_of_the_close_before(market: DemoMarket) -> None:
    """1 - amount / close, of the bar in the files."""
    paid = market.actions().filter(kind="dividend", ticker="KO").row(1, named=True)
    before = market.table("stocks_daily", date(2024, 6, 13)).filter(ticker="KO")["close"].item()
    assert paid["date"] == date(2024, 6, 14)
    assert paid["factor"] == pytest.approx(1 - paid["amount"] / before)


def test_tickers_change(market: DemoMarket) -> None:
    """FB became META on 2022-06-09; META was another one's until 2022-01-28, then nobody's."""
    for day, there, closes in (
        (date(2022, 1, 28), {"FB", "META"}, {"BCAT"}),
        (date(2022, 1, 31), {"FB", "BCAT"}, {"META"}),
        (date(2022, 6, 8), {"FB", "BCAT"}, {"META"}),
        (date(2022, 6, 9), {"META", "BCAT"}, {"FB"}),
    ):
        for data_type in ("stocks_daily", "stocks_minute"):
            tickers = market.table(data_type, day)["ticker"]
            assert there <= {*tickers}
            assert not closes & {*tickers}
            assert tickers.is_sorted()


# --- ticks ---------------------------------------------------------------------------------------


def test_trades_have_the_conditions_of_their_market(market: DemoMarket) -> None:
    """Extended hours have 12 and regular ones do not; odd lots are below a hundred shares."""
    trades = market.table("stocks_trades", EARLY_CLOSE).with_columns(
        pl.from_epoch("sip_timestamp", time_unit="ns")
        .dt.replace_time_zone("UTC")
        .dt.convert_time_zone("America/New_York")
        .dt.time()
        .alias("clock"),
        pl.col("conditions").fill_null("").str.split(",").alias("all"),
    )
    is_regular = (pl.col("clock") >= time(9, 30)) & (pl.col("clock") < time(13))
    assert trades.filter(is_regular == pl.col("all").list.contains("12")).is_empty()
    odd = trades.filter(pl.col("all").list.contains("37"))
    assert 100 < len(odd) < len(trades) / 10
    assert values(odd, "size").max() < 100
    assert {*market.table("crypto_trades", ORDINARY_DAY)["conditions"]} == {"1", "2"}
    assert market.table("futures_cme_trades", date(2023, 12, 29))["conditions"].null_count() > 0


def test_quote_sizes_are_lots_and_then_shares(market: DemoMarket) -> None:
    """Until 2025-10-31 lots of 100 shares, from 2025-11-03 on shares; options have contracts."""
    for day, least, most in ((date(2025, 10, 31), 1, 9), (date(2025, 11, 3), 100, 900)):
        sizes = values(market.table("stocks_quotes", day), "bid_size")
        assert (sizes.min(), sizes.max()) == (least, most)


def test_a_tape_with_all_trades_has_as_many_as_the_minutes_count() -> None:
    """And the one of the default market has at most four a minute."""
    minutes, whole, thin = (
        DemoMarket(stocks=1, most_trades=most).table(name, ORDINARY_DAY)
        for name, most in (("options_minute", 4), ("options_trades", None), ("options_trades", 4))
    )
    counts = minutes["transactions"]
    assert len(whole) == counts.sum()
    assert len(thin) == counts.clip(upper_bound=4).sum()
    with pytest.raises(ValueError, match="most_trades=3 must be at least 4"):
        DemoMarket(most_trades=3)
