"""What the ranged reads without an index are made of: decoding, grammar and rules never lie."""

from __future__ import annotations

import gzip
import random
import zlib
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flatnb.ranges.alphabet import Alphabet, is_single
from flatnb.ranges.automaton import Automaton
from flatnb.ranges.block_starts import block_starts
from flatnb.ranges.file_header import FileHeader
from flatnb.ranges.grammar import Grammar
from flatnb.ranges.history_bytes import FIRST_PLACE, ContradictionError, HistoryBytes
from flatnb.ranges.inflate import InflateError, Inflater
from flatnb.ranges.line_starts import line_ends
from flatnb.ranges.position_estimates import PositionEstimates
from flatnb.ranges.rows import Borders, find_rows
from flatnb.ranges.solver import Solver
from flatnb.ranges.ticker_list import TickerList
from flatnb.ranges.unknown_history import MarkedText, decode_marked
from tests.gzip_encoders import BUILT_IN
from tests.minute_files import STYLES, Market, make_market

GZIP_HEADER = 10


@pytest.fixture(scope="module")
def markets() -> dict[str, Market]:
    """A market in each style."""
    return {name: make_market(3, tickers=250, style=style) for name, style in STYLES.items()}


def grammar_of(market: Market) -> tuple[Grammar, TickerList]:
    """The grammar and the tickers of a market's file."""
    tickers = TickerList(ticker for ticker, _ in market.blocks)
    header = FileHeader(gzip.compress(market.minute_text()[:200_000]))
    style = market.style
    return Grammar(header.columns, style.day, tickers.alphabet, header.decimals), tickers


@pytest.mark.parametrize("bit", range(8))
def test_decoding_can_start_at_any_bit(bit: int) -> None:
    """The bits before do not matter, and stored blocks behind still begin at whole bytes."""
    text = b"".join(b"%d," % (n * n % 9973) for n in range(3000))
    stored = b"\0" + (5).to_bytes(2, "little") + (0xFFFF ^ 5).to_bytes(2, "little") + b"12345"
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    packed = packer.compress(text) + packer.flush()
    # A block of fixed codes with some literals ends at any bit: 3 + 8 a literal below 144 + 7.
    value, width = _bits_of_literals(b"0123456"[: bit or 1], bit)
    start = width - 10 - 8 * len(b"0123456"[: bit or 1])
    head = value.to_bytes((width + 10) // 8, "little")
    assert start % 8 == bit
    expected = b"0123456"[: bit or 1]
    for noise in (0, (1 << start) - 1):
        data = bytearray(head)
        data[0] |= noise & 0xFF
        whole = bytes(data) + stored[0 if _is_whole(width) else 1 :] + packed
        assert Inflater(bit).feed(whole) == expected + b"12345" + text


def _bits_of_literals(literals: bytes, bit: int) -> tuple[int, int]:
    """A block of fixed codes that begins at a bit, and where it ends."""
    value, width = 2 << bit, bit + 3
    for literal in literals:
        code = int(f"{0x30 + literal:08b}"[::-1], 2)
        value |= code << width
        width += 8
    return value, width + 7


def _is_whole(width: int) -> bool:
    """Whether the three bits of the next block's header begin a new byte of the data."""
    return (width + 10) // 8 == (width + 7) // 8 and width % 8 == 0


@settings(max_examples=25, deadline=None)
@given(
    encoder=st.sampled_from(["zlib 1", "zlib 6", "zlib 9", "isal 1", "isal 3", "sync flushes"]),
    seed=st.integers(0, 1000),
    cut=st.floats(0.05, 0.6),
)
def test_what_does_not_depend_on_the_history_is_true(encoder: str, seed: int, cut: float) -> None:
    """And what does is the byte of the history that it says."""
    rng = random.Random(seed)
    words = [b"%d," % rng.randrange(5000) for _ in range(300)]
    text = b"".join(rng.choice(words) for _ in range(40_000))
    packed = BUILT_IN[encoder](text)
    at = int(len(packed) * cut)
    data = memoryview(packed)[at:]
    for start in islice(block_starts(data), 3):
        marked = decoded(data, start)
        if marked is None:
            continue
        begin = len(text) - len(marked)
        true = np.frombuffer(text, np.uint8)
        cells, places = marked.unknown(0, len(marked))
        known = marked.first == marked.second
        assert (marked.first[known] == true[begin:][known]).all()
        assert (true[begin - 32768 + places] == true[begin + cells]).all()
        assert len(cells) == (~known).sum()
        return


@pytest.mark.parametrize("style", STYLES)
def test_rows_are_rows_of_the_grammar(markets: dict[str, Market], style: str) -> None:
    """No window of a known text is refused, and a changed structure is."""
    market = markets[style]
    grammar, tickers = grammar_of(market)
    history = HistoryBytes(grammar, tickers.alphabet)
    text = market.minute_text()[100:50_100]
    marked = MarkedText(text, text, 0, ended=False)
    symbols = history.symbols(marked, 0, len(text))
    windows = symbols[np.arange(0, 49_000, 50) + np.arange(400)[:, None]]
    automaton = Automaton(grammar)
    assert automaton.accepts(history.tables(windows)).all()
    comma = int(tickers.alphabet.numbers[ord(",")])
    for step in range(150, 250):
        changed = windows.copy()
        at = changed[step] == comma
        changed[step, at] = 5
        assert not automaton.accepts(history.tables(changed))[at].any()


def test_a_known_time_is_a_minute_of_the_day(markets: dict[str, Market]) -> None:
    """Each of its digits may be right, and the time is none: from there on nothing is believed."""
    market = markets["whole volumes"]
    grammar, tickers = grammar_of(market)
    lines = market.minute_text().splitlines(keepends=True)[1:400]
    at = market.style.columns.index("window_start")
    cells = lines[200].decode().split(",")
    later = str(int(cells[at]) + 100 * 10**9)  # 100 seconds, so that the last two digits stay
    wrong = ",".join([*cells[:at], later, *cells[at + 1 :]]).encode()
    for line in (lines[200], wrong):
        text = b"\n" + b"".join([*lines[:200], line, *lines[201:]])
        solver = Solver(MarkedText(text, text, 0, ended=False), grammar, tickers)
        if line is wrong:
            with pytest.raises(ContradictionError, match="not a minute of the day"):
                solver.solve((0, len(text)))
        else:
            assert len(solver.solve((0, len(text))).rows) == 399


@settings(max_examples=40, deadline=None)
@given(
    style=st.sampled_from(sorted(STYLES)),
    encoder=st.sampled_from(["zlib 1", "zlib 6", "zlib 9", "isal 2", "isal 3", "full flushes"]),
    cut=st.floats(0.02, 0.8),
    part=st.floats(0, 0.9),
    length=st.sampled_from([3000, 20_000, 60_000]),
)
def test_rules_never_exclude_the_truth(
    markets: dict[str, Market], style: str, encoder: str, cut: float, part: float, length: int
) -> None:
    """In a file in order, whatever is concluded holds of the true text, from any cut on."""
    market = markets[style]
    grammar, tickers = grammar_of(market)
    text = market.minute_text()
    packed = BUILT_IN[encoder](text)
    data = memoryview(packed)[max(int(len(packed) * cut), GZIP_HEADER) :]
    marked = next(filter(None, (decoded(data, bit) for bit in block_starts(data))), None)
    if marked is None:
        return
    true = np.frombuffer(text, np.uint8)
    begin = len(text) - len(marked)
    solver = Solver(marked, grammar, tickers)
    start = int(part * len(marked))
    region = solver.solve((start, min(start + length, len(marked))))
    cells, places = marked.unknown(0, len(marked))
    numbers = tickers.alphabet.numbers[true[begin + cells]].astype(np.uint64)
    can_be = solver.history.sets[places + FIRST_PLACE] >> numbers & np.uint64(1)
    assert can_be.all()
    for row in range(0, len(region.rows), 37):
        first = begin + int(region.offsets[region.rows.begins[row, 0]])
        last = begin + int(region.offsets[region.rows.ends[row, -1]])
        assert text[first - 1 : first] == text[last : last + 1] == b"\n"
        line = dict(zip(market.style.columns, text[first:last].decode().split(","), strict=True))
        number = tickers.number(line["ticker"].encode())
        assert number is not None
        assert region.low[row] <= number <= region.high[row]


def decoded(data: memoryview, bit: int) -> MarkedText | None:
    """The text from a bit on, or None if no block starts there."""
    try:
        marked = decode_marked(data, bit)
    except InflateError:
        return None
    return marked if len(marked) > 1000 and marked.ended else None


def test_two_rows_without_a_sure_border_are_none() -> None:
    """A row counts only if both newlines and all commas are known."""
    alphabet = Alphabet(["AB"])
    text = b"\nAB,1\nAB,2\nAB,3\n"
    sets = np.uint64(1) << alphabet.numbers[np.frombuffer(text, np.uint8)].astype(np.uint64)
    assert find_rows(Borders.of(sets), 2).begins[:, 1].tolist() == [4, 9, 14]
    doubtful = sets.copy()
    doubtful[5] |= np.uint64(1)  # the newline after the first row may be a digit
    assert find_rows(Borders.of(doubtful), 2).begins[:, 1].tolist() == [14]
    with pytest.raises(ContradictionError):
        find_rows(Borders.of(sets), 3)
    assert is_single(sets).all()


@given(st.binary(max_size=400).map(lambda data: data.replace(b"\0", b"\n")))
def test_newlines_are_found_wherever_they_are(data: bytes) -> None:
    """Also two in eight bytes, and in the last few."""
    text = np.frombuffer(data, np.uint8)
    found = line_ends(text, np.empty(len(data), np.bool_))
    assert found.tolist() == [at for at, byte in enumerate(data) if byte == 10]


def test_too_many_kinds_of_letters_are_refused() -> None:
    """A set has 64 bits."""
    letters = [chr(code) for code in range(ord("A"), ord("z") + 1) if chr(code).isalpha()]
    with pytest.raises(ValueError, match="kinds of characters"):
        Alphabet(letters)


def test_position_estimates_learn() -> None:
    """What was found makes estimates near it better."""
    counts = np.full(1000, 500)
    estimates = PositionEstimates(counts, 10_000_000)
    assert estimates.begin(0) == 0
    assert abs(estimates.begin(500) - 5_000_000) < 10_000
    estimates.observe(500, 6_000_000.0)
    assert estimates.begin(500) == 6_000_000
    assert abs(estimates.begin(750) - 8_000_000) < 10_000
    assert estimates.uncertainty(501) < estimates.uncertainty(750)
