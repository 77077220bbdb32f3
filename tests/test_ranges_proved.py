"""Ranged reads without an index: exactly the file's rows or a refusal, never anything else."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from flatnb.demo import DemoMarket
from flatnb.ranges import DailyBars, RangedSearch, encoder_marks
from flatnb.ranges import search as search_module
from flatnb.ranges import stretch as stretch_module
from flatnb.ranges.daily_bars import Bar
from flatnb.ranges.proof import Proof, ProofError
from flatnb.ranges.search import MOST_REQUESTS
from tests.gzip_encoders import BUILT_IN, ENCODERS, SLOW
from tests.minute_files import COLUMNS, DISORDERS, STYLES, Market, Style, make_market
from tests.ranged_reads import Tally, search, tally

TICKERS = 300
SERIOUS = [
    name
    for name in ENCODERS
    if name not in SLOW and name.split()[0] in ("zlib", "Go", "Java", "gzip", "pigz", "libdeflate")
]
"""What a vendor may use; the others are here as nothing may ever be wrong."""
WITHOUT_STARTS = ("zlib fixed codes", "isal 0", "zlib Huffman only", "many members", "two members")


@pytest.fixture(autouse=True)
def short_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ranges in proportion to small files, so that the unknown history matters in them.

    Whole-sized files are read by ``python -m tests.benchmarks.ranges``.
    """
    monkeypatch.setattr(search_module, "_BEFORE_BYTES", 100_000)
    monkeypatch.setattr(search_module, "_MORE_BEFORE_BYTES", (100_000, 250_000))
    monkeypatch.setattr(stretch_module, "UNCLEAR_BYTES", 30_000)


@pytest.fixture(scope="module")
def markets() -> dict[str, Market]:
    """A market in each style."""
    return {name: make_market(5, tickers=TICKERS, style=style) for name, style in STYLES.items()}


def some_of(market: Market, seed: int, count: int) -> list[str]:
    """Some tickers with a daily bar."""
    return random.Random(seed).sample(sorted(market.daily), count)


def tallied(market: Market, packed: bytes, tickers: list[str]) -> Tally:
    """What comes of these tickers."""
    truth = market.all_rows()
    return tally(packed, market.daily_text(), market.style.day, truth, tickers)


@pytest.mark.parametrize("name", [name for name in ENCODERS if name not in SLOW])
def test_any_encoder_is_exact_or_refused(markets: dict[str, Market], name: str) -> None:
    """Nothing is wrong, and the encoders that a vendor may use are read, but for few tickers."""
    market = markets["whole volumes" if len(name) % 2 else "six decimals"]
    found = tallied(market, ENCODERS[name](market.minute_text()), some_of(market, 1, 8))
    assert found.wrong == 0, found
    if name in SERIOUS and name not in WITHOUT_STARTS:
        assert found.exact >= 6, found


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(
    "encoder", ["zlib 6", "libdeflate 6" if "libdeflate 6" in ENCODERS else "zlib 1"]
)
def test_any_style_is_exact_or_refused(
    markets: dict[str, Market], style: str, encoder: str
) -> None:
    """Other decimals, columns, years and kinds of daily bars."""
    market = markets[style]
    found = tallied(market, ENCODERS[encoder](market.minute_text()), some_of(market, 2, 12))
    assert found.wrong == 0, found
    assert found.exact >= 10, found


@pytest.mark.parametrize("count", [1, 2, 5, 40])
def test_small_files(count: int) -> None:
    """A file that is shorter than a range is read from its beginning, and nothing is unknown."""
    market = make_market(count, tickers=count, style=STYLES["six decimals"])
    packed = BUILT_IN["zlib 6"](market.minute_text())
    found = tallied(market, packed, sorted(market.daily))
    assert (found.exact, found.wrong) == (len(market.daily), 0), found


def test_first_and_last_tickers(markets: dict[str, Market]) -> None:
    """They have a neighbour on one side only: the file's border proves the other."""
    market = markets["whole volumes"]
    packed = BUILT_IN["zlib 6"](market.minute_text())
    names = sorted(market.daily)
    found = tallied(market, packed, [*names[:3], *names[-3:]])
    assert (found.exact, found.wrong) == (6, 0), found


def test_files_of_the_demo_market() -> None:
    """The project's own generator, written by its own encoder."""
    market = DemoMarket(stocks=1500)
    for day in (date(2024, 6, 3), date(2026, 5, 22)):
        text = market.csv("stocks_minute", day)
        rows: dict[str, bytes] = {}
        for line in text.splitlines(keepends=True)[1:]:
            ticker = line.split(b",")[0].decode()
            rows[ticker] = rows.get(ticker, b"") + line
        daily = market.csv("stocks_daily", day)
        bars = DailyBars(daily)
        tickers = random.Random(3).sample([t for t in rows if bars.bar(t)], 15)
        for encoder in ("zlib 6", "isal 2"):
            found = tally(BUILT_IN[encoder](text), daily, day, rows, tickers)
            assert found.wrong == 0, found
            assert found.exact >= 9, found


@pytest.mark.parametrize("name", DISORDERS)
def test_disorder_is_exact_or_refused(markets: dict[str, Market], name: str) -> None:
    """What breaks a rule is refused, or told exactly; so are its neighbours."""
    found = Tally()
    for seed, style in enumerate(STYLES):
        rng = random.Random(f"{name} {seed}")
        market = markets[style]
        at = rng.randrange(12, TICKERS - 12)
        broken = DISORDERS[name](rng, market, at)
        encoder = rng.choice(["zlib 6", "zlib 1", "zlib 9", "isal 2"])
        packed = BUILT_IN[encoder](broken.minute_text())
        near = [market.blocks[at + i][0] for i in (0, 1, -3)]
        found.add(tallied(broken, packed, near))
    assert found.wrong == 0, found
    assert found.count == 12


@pytest.mark.parametrize("style", STYLES)
def test_a_ticker_in_two_places_is_refused(markets: dict[str, Market], style: str) -> None:
    """Real files have about two such tickers a day: the daily bar tells that rows are missing."""
    market = markets[style]
    for seed in range(4):
        rng = random.Random(seed)
        at = rng.randrange(TICKERS)
        broken = DISORDERS["two_runs"](rng, market, at)
        packed = BUILT_IN["zlib 6"](broken.minute_text())
        ticker = market.blocks[at][0]
        rows = search(packed, broken.daily_text(), broken.style.day, [ticker]).answers[ticker].rows
        assert rows is None or rows == broken.rows(ticker)


def test_a_bar_that_does_not_fit_is_refused(markets: dict[str, Market]) -> None:
    """One trade, share or cent more, and the rows are not proved."""
    market = markets["whole volumes"]
    packed = BUILT_IN["zlib 6"](market.minute_text())
    ticker = some_of(market, 4, 1)[0]
    for column, more in (
        ("transactions", "1"),
        ("volume", "1"),
        ("high", "0.01"),
        ("low", "-0.01"),
    ):
        bar = dict(market.daily[ticker])
        bar[column] = str(Decimal(bar[column]) + Decimal(more))
        other = replace(market, daily={**market.daily, ticker: bar})
        answer = search(packed, other.daily_text(), other.style.day, [ticker]).answers[ticker]
        assert answer.rows is None
        assert "add up" in (answer.refusal or "")
        assert column in (answer.refusal or "")


def test_many_tickers_at_once(markets: dict[str, Market]) -> None:
    """Neighbours share their ranges; each has its own answer, an unknown ticker a refusal."""
    market = markets["six decimals"]
    packed = BUILT_IN["zlib 6"](market.minute_text())
    near = sorted(market.daily)[200:206]
    asked = [*near, *some_of(market, 9, 4), "NOTHING", near[0]]
    result = search(packed, market.daily_text(), market.style.day, asked)
    assert list(result.answers) == list(dict.fromkeys(asked))
    assert result.header.decode() == ",".join(COLUMNS) + "\n"
    assert result.requests < 2 + 2 * 5
    assert result.answers["NOTHING"].rows is None
    exact, truth = 0, market.all_rows()
    for ticker in set(asked) - {"NOTHING"}:
        rows = result.answers[ticker].rows
        assert rows is None or rows == truth[ticker]
        exact += rows is not None
    assert exact >= 8
    assert len(result.refused) == len(result.answers) - exact


def test_there_are_at_most_three_requests(markets: dict[str, Market]) -> None:
    """For a ticker, besides the header; also where nothing can be found."""
    market = markets["two decimals"]
    packed = BUILT_IN["isal 3"](market.minute_text())
    for ticker in some_of(market, 3, 10):
        result = search(packed, market.daily_text(), market.style.day, [ticker])
        assert result.requests <= MOST_REQUESTS + 1
    noise = packed[:16_384] + random.Random(1).randbytes(len(packed) - 16_384)
    result = search(noise, market.daily_text(), market.style.day, some_of(market, 4, 1))
    assert result.requests <= MOST_REQUESTS + 1
    assert len(result.refused) == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda text: b"no gzip" * 9000, "not readable"),
        (lambda text: BUILT_IN["zlib 6"](text.replace(b"volume", b"size", 1)), "not those of"),
        (lambda text: BUILT_IN["zlib 6"](text.replace(b"\n", b",vwap\n", 1)), "not those of"),
        (lambda text: BUILT_IN["zlib 6"](b"ticker"), "no header line"),
    ],
)
def test_files_that_are_no_minutes_are_refused(
    markets: dict[str, Market], change: Callable[[bytes], bytes], reason: str
) -> None:
    """Each ticker gets the reason."""
    market = markets["whole volumes"]
    packed = change(market.minute_text())
    asked = some_of(market, 1, 2)
    result = search(packed, market.daily_text(), market.style.day, asked)
    assert all(reason in (answer.refusal or "") for answer in result.answers.values())
    assert len(result.refused) == 2


def test_an_event_loop_can_drive_it(markets: dict[str, Market]) -> None:
    """The steps do no I/O, so who awaits the bytes drives them as well."""
    market = markets["whole volumes"]
    packed = BUILT_IN["zlib 6"](market.minute_text())
    asked = some_of(market, 6, 3)

    async def fetch(start: int, stop: int) -> bytes:
        await asyncio.sleep(0)
        return packed[start:stop]

    async def drive() -> dict[str, bytes | None]:
        daily = DailyBars(market.daily_text())
        steps = RangedSearch(market.style.day, daily, len(packed), asked).steps()
        replies: list[bytes] | None = None
        while True:
            try:
                wanted = next(steps) if replies is None else steps.send(replies)
            except StopIteration as done:
                return {name: answer.rows for name, answer in done.value.answers.items()}
            replies = await asyncio.gather(*(fetch(*part) for part in wanted))

    blocking = search(packed, market.daily_text(), market.style.day, asked)
    assert asyncio.run(drive()) == {name: a.rows for name, a in blocking.answers.items()}


ROW = b"A,100,1.5,1.6,1.7,1.4,%d000000000,3\n"


def test_the_proof_knows_both_kinds_of_bars() -> None:
    """All hours or the regular ones, but not a mixture, and not on another day's close."""
    style = Style(day=date(2024, 7, 3))  # the exchange closed at 13:00
    times = [style.midnight_s + 60 * minute for minute in (500, 600, 800)]
    rows = b"".join(ROW % second for second in times)
    proof = Proof(COLUMNS, style.day)

    def hours(count: int, volume: int, high: str = "1.7") -> str:
        return proof.hours(rows, Bar(Decimal(volume), Decimal(high), Decimal("1.4"), count))

    assert hours(9, 300) == "all"
    assert hours(3, 100) == "regular"  # 10:00 alone is regular: 13:20 is not
    for wrong in ((6, 200, "1.7"), (9, 100, "1.7"), (9, 300, "1.8"), (3, 100, "1.8")):
        with pytest.raises(ProofError):
            hours(*wrong)
    with pytest.raises(ProofError, match="invalid number"):
        proof.hours(b"A,1\n", Bar(Decimal(1), Decimal(1), Decimal(1), 1))


def test_daily_bars_that_are_odd_are_no_proof() -> None:
    """A ticker twice, a missing column, and a count that is none."""
    header = ",".join(COLUMNS)
    for text, reason in (
        ("ticker,volume\nA,1\n", "no column"),
        (f"{header}\nA,1,1,1,1,1,0,5\nA,1,1,1,1,1,0,5\n", "twice"),
        (f"{header}\nA,1,1,1,1,1,0,x\n", "odd"),
    ):
        with pytest.raises(ValueError, match=reason):
            DailyBars(text.encode())
    bars = DailyBars(f"{header}\nA,1,1,1,?,1,0,5\n".encode())
    assert bars.bar("B") is None
    with pytest.raises(ValueError, match="odd"):
        bars.bar("A")


@pytest.mark.parametrize("name", [name for name in ENCODERS if name not in SLOW])
def test_marks_of_an_encoder(markets: dict[str, Market], name: str) -> None:
    """All blocks are counted, up to the end of the first member."""
    packed = ENCODERS[name](markets["whole volumes"].minute_text()[:200_000])
    marks = encoder_marks(packed)
    assert marks.stored + marks.fixed + marks.own > 0
    if "members" not in name:
        assert abs(marks.looked_bytes - len(packed)) < 60
    if name == "zlib 0":
        assert marks.own == marks.fixed == 0
    assert f"{marks.looked_bytes:,} bytes" in str(marks)
    with pytest.raises(ValueError, match="not gzip"):
        encoder_marks(b"text")
