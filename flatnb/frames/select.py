"""Which tickers are wanted, and their rows found in a file's text without parsing the others.

No order of the rows is trusted: the beginning of every line is looked at. All tickers are looked
for at once, by one regular expression over bytes whose alternatives share their beginnings;
measured, it is the quickest way that Python has, from one ticker to a thousand.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..market.options import PREFIX, TAIL, TAIL_PATTERN

if TYPE_CHECKING:
    import polars as pl

_CONTRACT = re.compile(f"{PREFIX}.+{TAIL_PATTERN}")

_MOST = 2000
"""For more, parsing all rows is as quick."""


@dataclass(frozen=True)
class Selection:
    """The wanted tickers of a load.

    Attributes
    ----------
    symbols
        Tickers, exactly as the vendor writes them.
    roots
        OCC roots of options: ``SPX`` is every contract of SPX and none of SPXW.
    """

    symbols: tuple[str, ...] = ()
    roots: tuple[str, ...] = ()

    def expression(self) -> pl.Expr:
        """The rows that are wanted, as a polars filter."""
        import polars as pl

        ticker = pl.col("ticker")
        wanted = ticker.is_in(list(self.symbols))
        for root in self.roots:
            # The range, of which Parquet's statistics know, spares reading the other row groups.
            in_range = (ticker >= f"{PREFIX}{root}0") & (ticker < f"{PREFIX}{root}:")
            wanted |= in_range & ticker.str.contains(f"^{PREFIX}{re.escape(root)}{TAIL_PATTERN}$")
        return wanted

    def not_in(self, tickers: Iterable[str]) -> list[str]:
        """What is wanted, as a user writes it, and is none of ``tickers``."""
        there = set(tickers)
        roots = {ticker[len(PREFIX) : -TAIL] for ticker in there if _CONTRACT.fullmatch(ticker)}
        return [symbol for symbol in self.symbols if symbol not in there] + [
            f"{PREFIX}{root}*" for root in self.roots if root not in roots
        ]

    def finds_text(self, header: bytes) -> bool:
        """Whether `rows_of` can be used for a file with this first line."""
        return (
            header.startswith(b"ticker,")
            and len(self.symbols) + len(self.roots) <= _MOST
            and not any(set(symbol) & set('",\r\n') for symbol in self.symbols)
        )

    def rows_of(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        """The lines that may hold wanted rows, in file order; each row has to be parsed to tell.

        Parameters
        ----------
        blocks
            Blocks of whole lines. All are taken, so that the file's checksum is verified.
        """
        for block in blocks:
            if _is_plain(block):
                rows = self._pattern.findall(b"\n" + block)
                if rows:
                    yield b"".join(rows)[1:] + b"\n"
            else:
                yield block

    @cached_property
    def _pattern(self) -> re.Pattern[bytes]:
        tree: dict[str, Any] = {}
        for symbol in self.symbols:
            _plant(tree, symbol, ",")
        for root in self.roots:
            _plant(tree, f"{PREFIX}{root}", f"{TAIL_PATTERN},")
        return re.compile(f"\n{_alternatives(tree)}[^\n]*".encode())


def _plant(tree: dict[str, Any], word: str, end: str) -> None:
    for letter in word:
        tree = tree.setdefault(re.escape(letter), {})
    tree[end] = {}


def _alternatives(tree: dict[str, Any]) -> str:
    branches = [letter + (_alternatives(rest) if rest else "") for letter, rest in tree.items()]
    return branches[0] if len(branches) == 1 else f"(?:{'|'.join(branches)})"


def _is_plain(block: bytes) -> bool:
    """Whether the bytes between line breaks are the rows, and their beginnings the tickers."""
    if b"\0" in block or not (block.isascii() or _is_utf8(block)):
        return False
    if b'"' not in block:
        return True
    inside = block.split(b'"')[1::2]
    return (
        block.count(b'"') % 2 == 0
        and not block.startswith(b'"')
        and b'\n"' not in block
        and b"\n" not in b"".join(inside)
    )


def _is_utf8(block: bytes) -> bool:
    try:
        block.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def parse_symbols(
    symbols: Sequence[str] | None, underlyings: Sequence[str] | None
) -> Selection | None:
    """What a user asks for; None for everything.

    Parameters
    ----------
    symbols
        Tickers; ``"O:SPY*"`` is every contract with the OCC root SPY.
    underlyings
        OCC roots.

    Raises
    ------
    ValueError
        If a ``*`` stands for anything else.
    """
    if symbols is None and underlyings is None:
        return None
    exact = [symbol for symbol in symbols or () if not symbol.endswith("*")]
    roots = [symbol for symbol in symbols or () if symbol.endswith("*")]
    for symbol in roots:
        if not re.fullmatch(r"O:[^*:]+\*", symbol):
            raise ValueError(
                f"symbols holds {symbol!r}: a * stands only for all contracts of one OCC root, "
                "as in 'O:SPY*'"
            )
    wanted = [symbol.removeprefix(PREFIX)[:-1] for symbol in roots]
    wanted += [root.removeprefix(PREFIX) for root in underlyings or ()]
    return Selection(tuple(exact), tuple(dict.fromkeys(wanted)))
