"""What a user probably meant by a symbol that no loaded day has."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterable

from ..market.data_types import DataType
from ..market.option_symbols import (
    PREFIX,
    ROOT_PATTERN,
    SYMBOL_PATTERN,
    TAIL,
    TAIL_PATTERN,
    vendors_spelling,
)

_CONTRACT = re.compile(f"{PREFIX}({ROOT_PATTERN})({TAIL_PATTERN})")
_ROOT = re.compile(ROOT_PATTERN)
_PREFIXES = {"indices": "I:", "forex": "C:", "crypto": "X:", "options": PREFIX}
_MARKETS = {prefix: market for market, prefix in _PREFIXES.items()}
_PAIR = re.compile(r"(?:[CX]:)?([A-Z0-9]{2,})[-/_.: ]?(USDT|USDC|[A-Z]{3})")
_MOST = 3
_SIMILAR = 0.74  # three of four letters
_CASE = "tickers are case-sensitive: 'BCpC' is not 'BCPC'"

Hint = Callable[[str, DataType, Collection[str]], str]


def explain_unknown(symbol: str, data_type: DataType, tickers_of_day: Collection[str]) -> str:
    """What a user probably meant by a symbol that no loaded day has, and how to write it.

    Parameters
    ----------
    symbol
        As the user wrote it; an OCC root as ``"O:SPY*"``.
    data_type
        Of the files.
    tickers_of_day
        All tickers of a loaded day; empty if they are not at hand. Then the hint follows from the
        symbol alone.

    Returns
    -------
    str
        One line.

    Examples
    --------
    >>> from flatnb.market.data_types import DATA_TYPES
    >>> explain_unknown("BRK/B", DATA_TYPES["stocks_daily"], ["BRK.A", "BRK.B"])
    "class shares are written with a dot: did you mean 'BRK.B'?"
    """
    tickers = tickers_of_day if isinstance(tickers_of_day, (set, frozenset)) else {*tickers_of_day}
    if data_type.is_options:
        hints: tuple[Hint, ...] = (_several, _option_root, _underlying, _contract, _similar)
    else:
        hints = (_several, _other_market, _pair, _same_letters, _rewritten, _similar)
    if symbol in tickers:
        return "other files or days have it; the loaded ones have no row of it"
    for hint in hints:
        if text := hint(symbol, data_type, tickers):
            return text
    if tickers:
        return f"a loaded day has {len(tickers):,} tickers and none that is similar; {_CASE}"
    return _CASE


def _several(symbol: str, data_type: DataType, tickers: Collection[str]) -> str:
    """Several symbols in one string, or spaces around one."""
    words = [word for word in re.split(r"[,;|\s]+", symbol) if word]
    if len(words) > 1:
        return f"this is one string: write {words!r}, a list"
    if words and words[0] != symbol:
        return f"it has a space or comma at an end: write {words[0]!r}"
    return ""


def _option_root(symbol: str, data_type: DataType, tickers: Collection[str]) -> str:
    """An OCC root (a star at the end) that no contract has."""
    if not (symbol.startswith(PREFIX) and symbol.endswith("*")):
        return ""
    name = symbol[len(PREFIX) : -1]
    if re.fullmatch(SYMBOL_PATTERN, name):
        return f"this is one contract: symbols={vendors_spelling(name)!r}"
    plain = re.sub(r"^[A-Z]:", "", re.sub(r"[./\- ]", "", name.upper()))
    roots = {match[1] for ticker in tickers if (match := _CONTRACT.fullmatch(ticker))}
    if name in roots:
        return "other files or days have it; the loaded ones have no row of it"
    if plain != name and (plain in roots or not roots):
        return f"OCC roots are capital letters without dot or prefix: underlyings={plain!r}"
    if adjusted := sorted(
        root for root in roots if re.fullmatch(rf"{re.escape(plain)}[0-9]", root)
    ):
        return (
            f"only adjusted contracts have rows, whose root ends in a digit: underlyings={adjusted}"
        )
    base = plain.rstrip("0123456789")
    if base != plain and base in roots:
        return (
            f"{plain} is a root of adjusted contracts; on a loaded day only standard ones have "
            f"rows: underlyings={base!r}"
        )
    if similar := _closest(plain, roots):
        return _did_you_mean(similar, "underlyings=")
    return "no contract with this OCC root has rows (an option that did not trade has none)"


def _underlying(symbol: str, data_type: DataType, tickers: Collection[str]) -> str:
    """The ticker of a stock or an index where contracts are meant."""
    name = re.sub(r"^[A-Za-z]:", "", symbol)
    plain = re.sub(r"[./\- ]", "", name.upper())
    if re.fullmatch(SYMBOL_PATTERN, plain) or not _ROOT.fullmatch(plain):
        return ""
    return f"these files have contracts: for all of an underlying write underlyings={plain!r}"


def _contract(symbol: str, data_type: DataType, tickers: Collection[str]) -> str:
    """A contract without rows, or written otherwise."""
    upper = vendors_spelling(symbol.upper())
    if upper != symbol and _CONTRACT.fullmatch(upper):
        return f"option symbols are in capital letters: write {upper!r}"
    parts = _CONTRACT.fullmatch(symbol)
    if parts is None:
        return ""
    root, tail = parts.groups()
    twins = sorted(
        ticker
        for ticker in tickers
        if ticker.endswith(tail) and _base(ticker[len(PREFIX) : -TAIL]) == _base(root)
    )
    if twins:
        what = "the root of an adjusted contract ends in a digit"
        return f"{what}: {_did_you_mean(twins)}"
    count = sum(
        ticker.startswith(f"{PREFIX}{root}") and ticker[:-TAIL] == f"{PREFIX}{root}"
        for ticker in tickers
    )
    if count:
        return (
            f"{root} has {count:,} contracts on a loaded day, and not this one: an option that did "
            f"not trade has no row, an expiry is listed for a time only; see symbols='O:{root}*'"
        )
    return (
        f"no contract of {root} has rows"
        if tickers
        else (
            "an option that did not trade on a day has no row; see "
            f"which of {root} did by symbols='O:{root}*'"
        )
    )


def _base(root: str) -> str:
    return root.rstrip("0123456789")


def _other_market(symbol: str, data_type: DataType, tickers: Collection[str]) -> str:
    """A symbol of another market."""
    market = data_type.asset_class
    if re.fullmatch(SYMBOL_PATTERN, vendors_spelling(symbol)) and market == "stocks":
        return f"this is an option contract: load 'options_{data_type.kind}'"
    other = _MARKETS.get(symbol[:2])
    if other is not None and market in (*_PREFIXES, "stocks") and other != market:
        return f"{symbol[:2]} marks {other}, and {data_type.name} has none: load '{other}_…'"
    return ""


def _pair(symbol: str, data_type: DataType, tickers: Collection[str]) -> str:
    """A pair of currencies without its prefix or hyphen."""
    prefix = _PREFIXES.get(data_type.asset_class, "")
    parts = _PAIR.fullmatch(symbol.upper())
    if data_type.asset_class not in ("forex", "crypto") or parts is None:
        return ""
    right = f"{prefix}{parts[1]}-{parts[2]}"
    if right == symbol or (tickers and right not in tickers):
        return ""
    return f"pairs are written with {prefix} and a hyphen: did you mean {right!r}?"


def _same_letters(symbol: str, data_type: DataType, tickers: Collection[str]) -> str:
    """Tickers with the same letters and digits, but for case, prefix and marks."""
    folded = _folded(symbol)
    same = sorted(ticker for ticker in tickers if _folded(ticker) == folded)
    if not same or not folded:
        return ""
    best = [ticker for ticker in same if ticker.upper() == symbol.upper()]
    if best:
        return f"tickers are case-sensitive: {_did_you_mean(best)}"
    if data_type.asset_class == "stocks" and any("." in ticker for ticker in same):
        return f"class shares are written with a dot: {_did_you_mean(same)}"
    if data_type.asset_class == "indices":
        return f"indices are written with I: {_did_you_mean(same)}"
    return _did_you_mean(same)


def _folded(ticker: str) -> str:
    return re.sub(r"[^A-Z0-9]", "", re.sub(r"^[A-Z]:", "", ticker.upper()))


def _rewritten(symbol: str, data_type: DataType, tickers: Collection[str]) -> str:
    """How the vendor would write it, where no tickers are at hand."""
    if tickers:
        return ""
    market = data_type.asset_class
    dotted = re.sub(r"(?<=[A-Z])[/\-_](?=[A-Z])", ".", symbol.upper())
    if market == "stocks" and dotted != symbol.upper():
        return f"class shares are written with a dot: did you mean {dotted!r}?"
    if market == "indices" and not symbol.upper().startswith("I:"):
        name = f"I:{re.sub(r'[^A-Z0-9.]', '', symbol.upper())}"
        return f"indices are written with I: did you mean {name!r}?"
    if symbol != symbol.upper():
        return f"tickers are case-sensitive: did you mean {symbol.upper()!r}?"
    return ""


def _similar(symbol: str, data_type: DataType, tickers: Collection[str]) -> str:
    """Tickers that differ in a letter or two."""
    if data_type.is_options:  # some 300,000, and each contract is similar to others
        return ""
    similar = _closest(symbol, tickers)
    return _did_you_mean(similar) if similar else ""


def _closest(symbol: str, names: Iterable[str]) -> list[str]:
    """The most similar names: of those a letter apart, first with the same letters or beginning."""
    matcher = difflib.SequenceMatcher(autojunk=False)
    matcher.set_seq2(symbol)
    scores: dict[str, float] = {}
    for name in names:
        matcher.set_seq1(name)
        # Names of other lengths are less similar; the quick ratio is an upper bound (difflib).
        if abs(len(name) - len(symbol)) <= 1 and matcher.quick_ratio() >= _SIMILAR:
            ratio = matcher.ratio()
            if ratio >= _SIMILAR:
                same = (name[:1] == symbol[:1]) + (set(name) == set(symbol))
                scores[name] = ratio + 0.1 * same
    return sorted(scores, key=lambda name: (-scores[name], name))[:_MOST]


def _did_you_mean(names: list[str], parameter: str = "") -> str:
    shown = [f"{parameter}{name!r}" for name in names[:_MOST]]
    return f"did you mean {' or '.join(shown)}?"
