"""Option symbols of the OCC (its Options Symbology Initiative), as the vendor writes them.

``O:SPY240119C00475000`` is a root, the expiry as yymmdd, C or P, and the strike in thousandths of
a dollar as eight digits. Roots have one to six characters, and those of adjusted contracts end in
digits (``T1``), so a symbol is parsed from the right: its last 15 characters have fixed positions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Literal, Self

OptionType = Literal["call", "put"]

PREFIX = "O:"
"""The vendor's prefix of every option symbol."""

TAIL = 15
"""Length in characters of expiry, type and strike at the end of a symbol."""

STRIKE_UNITS = 1000
"""Units per dollar: a symbol has its strike in thousandths."""

ROOT_PATTERN = r"[A-Z0-9.]{1,6}"
TAIL_PATTERN = r"[0-9]{6}[CP][0-9]{8}"
SYMBOL_PATTERN = rf"(?:O:)?({ROOT_PATTERN})([0-9]{{6}})([CP])([0-9]{{8}})"
"""Root, expiry, type and strike of a whole symbol; valid for ``re`` and for polars' regexes."""

_SYMBOL = re.compile(SYMBOL_PATTERN)
# The OCC's own notation fills the root up with spaces to six characters.
_PADDED = re.compile(rf"(?:O:)?(?=.{{21}}$)({ROOT_PATTERN}) *({TAIL_PATTERN})")
_BARE = re.compile(rf"({ROOT_PATTERN})({TAIL_PATTERN})")
_ROOT = re.compile(ROOT_PATTERN)
_TYPES: dict[str, OptionType] = {"C": "call", "P": "put"}
_CENTURY = 2000  # a symbol has two digits of the year; OCC symbols date from 2010


@dataclass(frozen=True, slots=True, order=True)
class OptionSymbol:
    """One option contract.

    Attributes
    ----------
    root
        The series: usually the ticker of the underlying, but ``SPXW`` is on the index SPX, and an
        adjusted series has digits after it. Class shares are written without dot: ``BRKB``.
    expiry
        The last day on which the contract can be exercised, from 2000 to 2099.
    type
        ``"call"`` or ``"put"``.
    strike
        In dollars, a multiple of 0.001 below 100,000. The deliverable of an adjusted contract is
        not 100 shares, which neither strike nor symbol shows.

    Raises
    ------
    ValueError
        If a field has a value that a symbol cannot express.
    """

    root: str
    expiry: date
    type: OptionType
    strike: float

    def __post_init__(self) -> None:
        if not isinstance(self.root, str) or not _ROOT.fullmatch(self.root):
            raise ValueError(
                f"root={self.root!r} is not an option root; pass 1 to 6 capital letters and digits"
            )
        if type(self.expiry) is not date or not 0 <= self.expiry.year - _CENTURY < 100:
            raise ValueError(f"expiry={self.expiry!r} must be a datetime.date in 2000 to 2099")
        if self.type not in _TYPES.values():
            raise ValueError(f"type={self.type!r} is unknown; choose 'call' or 'put'")
        number = isinstance(self.strike, (int, float))
        units = self.strike * STRIKE_UNITS if number else float("nan")
        if not 0 <= units < 10**8 or round(units) / STRIKE_UNITS != self.strike:
            raise ValueError(
                f"strike={self.strike!r} must be a multiple of 0.001 from 0 to below 100,000"
            )

    @classmethod
    def parse(cls, symbol: str) -> Self:
        """Parse a symbol, with or without ``O:``, also with the root filled up to six characters.

        Raises
        ------
        ValueError
            If it is not an option symbol, or its expiry does not exist.

        Examples
        --------
        >>> OptionSymbol.parse("O:SPY240119C00475000")
        OptionSymbol(root='SPY', expiry=datetime.date(2024, 1, 19), type='call', strike=475.0)
        """
        parts = _SYMBOL.fullmatch(vendors_spelling(symbol)) if isinstance(symbol, str) else None
        if parts is None:
            raise ValueError(
                f"symbol={symbol!r} is not an option symbol; write root, yymmdd, C or P, and the "
                "strike × 1000 as 8 digits, for example 'O:SPY240119C00475000'"
            )
        root, yymmdd, letter, strike = parts.groups()
        year, month, day = (int(yymmdd[at : at + 2]) for at in (0, 2, 4))
        try:
            expiry = date(_CENTURY + year, month, day)
        except ValueError as error:
            raise ValueError(
                f"symbol={symbol!r}: its expiry {yymmdd!r} is not a valid date ({error})"
            ) from None
        return cls(root, expiry, _TYPES[letter], int(strike) / STRIKE_UNITS)

    def __str__(self) -> str:
        """The symbol with its ``O:``, as in the files' ``ticker``."""
        thousandths = round(self.strike * STRIKE_UNITS)
        letter = "C" if self.type == "call" else "P"
        return f"{PREFIX}{self.root}{self.expiry:%y%m%d}{letter}{thousandths:08d}"


def vendors_spelling(symbol: str) -> str:
    """A symbol as the vendor writes it, with ``O:`` and without spaces; others are unchanged.

    Examples
    --------
    >>> vendors_spelling("SPY   240119C00475000"), vendors_spelling("SPY")
    ('O:SPY240119C00475000', 'SPY')
    """
    if parts := _PADDED.fullmatch(symbol) or _BARE.fullmatch(symbol):
        return f"{PREFIX}{parts[1]}{parts[2]}"
    return symbol


def root_of(symbol: str) -> str:
    """The root of a symbol, with or without ``O:``.

    Raises
    ------
    ValueError
        If it is not an option symbol.

    Examples
    --------
    >>> root_of("O:SPXW240119C04750000")
    'SPXW'
    """
    return OptionSymbol.parse(symbol).root
