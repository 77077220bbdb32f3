"""The seek index: every part that is read through it is the whole file's, byte for byte."""

from __future__ import annotations

import doctest
import random
import zlib
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flatnb.errors import IntegrityError
from flatnb.ranges import ObjectVersion, SeekIndex, SeekIndexBuilder, SeekIndexError
from flatnb.ranges import seek_index_builder as builder_module
from tests.gzip_encoders import BUILT_IN, ENCODERS, SLOW

HEADER = b"ticker,volume,open,close,high,low,window_start,transactions\n"
# Each is a prefix of another, or of another length in numbers of eight bytes.
TICKERS = ["A", "AA", "AAPL", "AAp", "B", "BRK.B", "NE.WS.A", "NE.WS.AB", "O:SPX"]
TICKERS += ["O:SPY240119C00475000", "O:SPY240119C00480000", "O:SPXW240119C00475000", "ZZ"]


def version_of(packed: bytes) -> ObjectVersion:
    """The object that these bytes are."""
    return ObjectVersion("flatfiles", "a/2026-05-22.csv.gz", "etag-1", len(packed))


def build(
    packed: bytes, *, spacing: int = 4096, chunk: int = 50_000, version: ObjectVersion | None = None
) -> tuple[bytes, SeekIndex]:
    """The text and the index of a file that comes in chunks."""
    builder = SeekIndexBuilder(version or version_of(packed), spacing_bytes=spacing)
    blocks: list[bytes] = []
    for start in range(0, len(packed), chunk):
        blocks += builder.feed(packed[start : start + chunk])
    last, index = builder.finish()
    return b"".join(blocks + last), index


def read(index: SeekIndex, packed: bytes, tickers: list[str]) -> bytes:
    """The rows of some tickers, from the ranges that the index asks for."""
    plan = index.ranges_for(tickers)
    return b"".join(index.decode(part, packed[part.start : part.stop]) for part in plan.ranges)


def rows_of(text: bytes, tickers: list[str]) -> bytes:
    """The same rows, found line by line."""
    wanted = {ticker.encode() for ticker in tickers}
    lines = text.splitlines(keepends=True)[1:]
    return b"".join(line for line in lines if line.split(b",")[0] in wanted)


def make_text(seed: int, rows: int, *, newline_at_end: bool = True) -> bytes:
    """Rows, ticker by ticker, with exceptions: tickers in two runs, duplicates, odd places."""
    rng = random.Random(seed)
    tickers = sorted({f"{t}{i}" for i in range(6) for t in TICKERS} | set(TICKERS))
    runs = [(ticker, rng.choice([1, 2, 30, 200])) for ticker in tickers]
    for _ in range(3):
        runs.insert(rng.randrange(len(runs)), (rng.choice(tickers), 3))
    share = rows / sum(count for _, count in runs)
    lines = []
    for ticker, count in runs:
        for minute in range(max(1, round(count * share))):
            price = 100 + rng.random() * 5
            prices = ",".join(f"{price + rng.random():.4f}" for _ in range(4))
            line = f"{ticker},{rng.randrange(10_000)},{prices},{minute},{rng.randrange(300)}\n"
            lines += [line] * rng.choice([1, 1, 1, 2])
    text = HEADER + "".join(lines).encode()
    return text if newline_at_end else text[:-1]


def check_everything(packed: bytes, text: bytes, index: SeekIndex) -> None:
    """Every ticker, some at once, and one that is not there."""
    present = list(dict.fromkeys(line.split(b",")[0].decode() for line in text.splitlines()[1:]))
    assert index.tickers == tuple(present)
    for ticker in present:
        assert read(index, packed, [ticker]) == rows_of(text, [ticker]), ticker
    assert index.ranges_for(["A,", "", "AAP", *present[:1]]).absent == ("A,", "", "AAP")
    some = random.Random(1).sample(present, min(5, len(present)))
    assert read(index, packed, some) == rows_of(text, some)
    assert read(index, packed, present) == b"".join(text.splitlines(keepends=True)[1:])
    whole = index.whole()
    assert index.decode(whole, packed[whole.start : whole.stop]) == text


@pytest.mark.parametrize("name", ENCODERS)
def test_every_ticker_of_any_encoder(name: str) -> None:
    """Text, tickers and rows are the file's, from an index that went through bytes."""
    text = make_text(3, 800 if name in SLOW else 8000)
    packed = ENCODERS[name](text)
    got, index = build(packed)
    assert got == text
    assert index.header == HEADER
    check_everything(packed, text, SeekIndex.from_bytes(index.to_bytes()))


@pytest.mark.parametrize("name", ["zlib 6", "zlib 0", "sync flushes", "many members", "isal 2"])
def test_there_are_points(name: str) -> None:
    """Where blocks begin often, points lie as far apart as was asked for, so reads are small."""
    text = make_text(5, 30_000)
    packed = ENCODERS[name](text)
    spacing = 65_536
    _, index = build(packed, spacing=spacing)
    assert len(index.points) >= len(packed) // (3 * spacing)
    assert (index.points.bits[1:] // 8 - index.points.bits[:-1] // 8 >= spacing).all()
    assert index.ranges_for(["B"]).total_bytes < len(packed) / 2


@pytest.mark.parametrize("name", ["one block", "zlib fixed codes"])
def test_without_block_starts_there_is_one_stretch(name: str) -> None:
    """What has no start that can be found is read from its beginning."""
    text = make_text(5, 500)
    packed = ENCODERS[name](text)
    _, index = build(packed)
    assert len(index.points) == 1
    check_everything(packed, text, index)


@settings(max_examples=60, deadline=None)
@given(
    encoder=st.sampled_from(sorted(set(BUILT_IN) - {"one block"})),
    seed=st.integers(0, 1 << 20),
    rows=st.sampled_from([1, 100, 3000]),
    spacing=st.sampled_from([1, 2000, 20_000, 1 << 30]),
    chunk=st.sampled_from([97, 4096, 70_000, 1 << 30]),
    newline=st.booleans(),
)
def test_any_text_spacing_and_chunks(
    encoder: str, seed: int, rows: int, spacing: int, chunk: int, newline: bool
) -> None:
    """Nothing of how the bytes come in, or where the points lie, changes a result."""
    text = make_text(seed, rows, newline_at_end=newline)
    packed = ENCODERS[encoder](text)
    got, index = build(packed, spacing=spacing, chunk=chunk)
    assert got == text
    check_everything(packed, text, index)


ROWS = st.lists(st.tuples(st.sampled_from(TICKERS), st.text("0123456789,.", max_size=90)))


@settings(max_examples=150, deadline=None)
@given(rows=ROWS, newline=st.booleans(), repeat=st.sampled_from([1, 1, 400]))
def test_rows_in_any_order_and_of_any_length(
    rows: list[tuple[str, str]], newline: bool, repeat: int
) -> None:
    """Also of one character, or without order, every row is found."""
    text = HEADER + b"".join(f"{t},{rest}\n".encode() for t, rest in rows) * repeat
    text = text if newline or not rows else text[:-1]
    packed = zlib.compress(text, 6, 31)
    got, index = build(packed, spacing=1000)
    assert got == text
    check_everything(packed, text, index)


@pytest.mark.parametrize("text", [HEADER, HEADER[:-1], b""])
def test_files_without_rows(text: bytes) -> None:
    """A header alone has no tickers; an empty text has no header, so tickers are unknown."""
    packed = zlib.compress(text, 6, 31)
    got, index = build(packed)
    assert got == text
    assert index.decode(index.whole(), packed) == text
    if text:
        assert index.tickers == ()
        assert index.ranges_for(["A"]).absent == ("A",)
    else:
        assert index.tickers is None


MANY = b"".join(b"B%d,1,2\n" % i for i in range(3000))
ODD: dict[str, bytes] = {
    "another first column": b"volume,ticker\n1,A\n",
    "a byte order mark": b"\xef\xbb\xbfticker,volume\nA,1\n",
    "a quoted header": b'"ticker",volume\nA,1\n',
    "a quoted ticker": HEADER + MANY + b'"A",1,2\n' + MANY,
    "a quoted ticker with a comma": HEADER + b'"A,B",1,2\n',
    "an empty ticker": HEADER + MANY + b",1,2\n" + MANY,
    "an empty line": HEADER + MANY + b"\n" + MANY,
    "empty lines at the end": HEADER + MANY + b"\n\n",
    "a line without a comma": HEADER + MANY + b"A\n" + MANY,
    "a last line without a comma": HEADER + MANY + b"A",
    "a zero byte": HEADER + MANY + b"A\0B,1\n" + MANY,
    "a zero byte at the end": HEADER + MANY + b"A\0,1\n" + MANY,
    "a blank": HEADER + MANY + b"A ,1\n" + MANY,
    "a letter beyond ASCII": HEADER + MANY + "É,1\n".encode() + MANY,
    "a cell over two lines": HEADER + MANY + b'A,"1\nC,2"\n' + MANY,
    "a cell over two lines at the end": HEADER + b'A,"1\nC,2"\n',
    "a very long ticker": HEADER + MANY + b"A" * 70 + b",1\n" + MANY,
}


@pytest.mark.parametrize("name", ODD)
def test_odd_texts_have_no_tickers(name: str) -> None:
    """Rather none than wrong ones: the text and the points are there all the same."""
    packed = zlib.compress(ODD[name], 6, 31)
    for chunk in (1 << 20, 1000):
        got, index = build(packed, chunk=chunk)
        assert got == ODD[name]
        assert index.tickers is None
        with pytest.raises(ValueError, match="does not know the tickers"):
            index.ranges_for(["A"])
        whole = index.whole()
        assert index.decode(whole, packed) == got


@pytest.mark.parametrize("chunk", [1000, 1 << 20])
def test_very_long_lines(chunk: int) -> None:
    """A file that is no table may have no tickers, but never wrong ones."""
    for text in (b"ticker," + b"1" * 200_000 + b"\nA,1\n", HEADER + b"A," + b"1" * 200_000 + b"\n"):
        packed = zlib.compress(text, 6, 31)
        got, index = build(packed, chunk=chunk)
        assert got == text
        if index.tickers is not None:
            check_everything(packed, text, index)


def test_quoted_cells_within_a_line_are_fine() -> None:
    """The conditions of trades are quoted lists, and say nothing about tickers."""
    header = b"ticker,conditions,price\n"
    rows = [(i // 400, i * i % 99_991) for i in range(40_000)]
    text = header + b"".join(b'A%d,"12,37",%d\nA%d,,2\n' % (i, n, i) for i, n in rows)
    packed = zlib.compress(text, 6, 31)
    _, index = build(packed)
    assert len(index.points) > 2
    check_everything(packed, text, index)


def test_windows_line_ends() -> None:
    """A carriage return belongs to its row."""
    text = make_text(2, 500).replace(b"\n", b"\r\n")
    packed = zlib.compress(text, 6, 31)
    check_everything(packed, text, build(packed)[1])


def damaged(packed: bytes) -> Iterator[bytes]:
    """The file with a byte changed, cut, or with something behind it."""
    rng = random.Random(8)
    for _ in range(40):
        at = rng.randrange(len(packed))
        yield packed[:at] + bytes([packed[at] ^ (1 << rng.randrange(8))]) + packed[at + 1 :]
    for size in (1, 9, len(packed) // 2, len(packed) - 1):
        yield packed[:size]
    yield packed + b"more"
    yield packed + bytes(8) + packed


@pytest.mark.parametrize("name", ["zlib 6", "many members", "zlib 0"])
def test_a_damaged_file_has_no_index(name: str) -> None:
    """A changed byte is found by a member's CRC, or it is one that says nothing of the text."""
    text = make_text(4, 3000)
    for packed in damaged(ENCODERS[name](text)):
        try:
            got, _ = build(packed)
        except IntegrityError as error:
            assert "a/2026-05-22.csv.gz" in str(error)
        else:
            assert got == text  # time, operating system and the like in a gzip header


def test_an_object_of_another_size_has_no_index() -> None:
    """What came is not what was listed."""
    packed = zlib.compress(HEADER, 6, 31)
    with pytest.raises(IntegrityError, match="the object has 5"):
        build(packed, version=ObjectVersion("b", "k", "e", 5))


def test_a_bomb_is_refused() -> None:
    """Before it fills the memory."""
    packed = zlib.compress(bytes(50_000_000), 9, 31)
    builder = SeekIndexBuilder(version_of(packed), max_text_bytes=10_000_000)
    with pytest.raises(IntegrityError, match="max_text_bytes"):
        builder.feed(packed)


def test_other_bytes_than_the_indexed_are_refused() -> None:
    """A replaced file, a flipped bit or a cut range never gives rows: an error, or the same."""
    text = make_text(6, 8000)
    packed = ENCODERS["zlib 6"](text)
    _, index = build(packed)
    (part,) = index.ranges_for(["B"]).ranges
    data = packed[part.start : part.stop]
    rng = random.Random(2)
    refused = 0
    for _ in range(300):
        at = rng.randrange(len(data))
        changed = data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]
        try:
            assert index.decode(part, changed) == rows_of(text, ["B"])
        except IntegrityError:
            refused += 1
    assert refused > 200
    for wrong in (b"", data[:200], ENCODERS["zlib 9"](text)[part.start : part.stop]):
        with pytest.raises(IntegrityError):
            index.decode(part, wrong)


def test_a_false_block_start_is_no_point(monkeypatch: pytest.MonkeyPatch) -> None:
    """A start counts only if decoding from it gives the text that the whole file gives."""
    text = make_text(7, 8000)
    packed = ENCODERS["zlib 6"](text)
    true_starts = builder_module.block_starts

    def with_false_ones(data: memoryview, limit: int) -> Iterator[int]:
        yield from range(1, 200)
        yield from true_starts(data, limit)

    monkeypatch.setattr(builder_module, "block_starts", with_false_ones)
    _, index = build(packed)
    check_everything(packed, text, index)


def test_a_damaged_index_is_refused() -> None:
    """Each changed or missing byte is found."""
    packed = ENCODERS["zlib 6"](make_text(1, 1000))
    stored = build(packed)[1].to_bytes()
    rng = random.Random(5)
    for _ in range(300):
        at = rng.randrange(len(stored))
        changed = stored[:at] + bytes([stored[at] ^ (1 << rng.randrange(8))]) + stored[at + 1 :]
        with pytest.raises(SeekIndexError):
            SeekIndex.from_bytes(changed)
    for size in (0, 5, 40, len(stored) - 1):
        with pytest.raises(SeekIndexError):
            SeekIndex.from_bytes(stored[:size])
    with pytest.raises(SeekIndexError, match="format 200"):
        SeekIndex.from_bytes(stored[:17] + bytes([200]) + stored[18:])


def test_an_index_knows_its_object() -> None:
    """Key, ETag and size come back from the bytes."""
    packed = ENCODERS["zlib 6"](make_text(1, 100))
    index = SeekIndex.from_bytes(build(packed)[1].to_bytes())
    assert index.version == version_of(packed)
    assert "2026-05-22" in repr(index)


def test_the_examples_of_the_documentation() -> None:
    """What the docstring shows is what happens."""
    failed, tried = doctest.testmod(builder_module)
    assert tried > 5
    assert failed == 0
