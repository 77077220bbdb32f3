"""Option symbols of the OCC (its Options Symbology Initiative), as the vendor writes them.

``O:SPY240119C00475000`` is a root, the expiry as yymmdd, C or P, and the strike in thousandths of
a dollar as eight digits. Roots have one to six characters, and those of adjusted contracts end in
digits (``T1``), so a symbol is read from the right: its last 15 characters have fixed places.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Literal, Self

OptionType = Literal["call", "put"]

PREFIX = "O:"
"""What the vendor writes before every option symbol."""

TAIL = 15
"""How many characters expiry, type and strike take at the end of a symbol."""

STRIKE_UNITS = 1000
"""A strike is written in thousandths."""

ROOT_PATTERN = r"[A-Z0-9.]{1,6}"
TAIL_PATTERN = r"[0-9]{6}[CP][0-9]{8}"
SYMBOL_PATTERN = rf"(?:O:)?({ROOT_PATTERN})([0-9]{{6}})([CP])([0-9]{{8}})"
"""Root, expiry, type and strike of a whole symbol; polars' regular expressions know it too."""

_SYMBOL = re.compile(SYMBOL_PATTERN)
_ROOT = re.compile(ROOT_PATTERN)
_TYPES: dict[str, OptionType] = {"C": "call", "P": "put"}
_CENTURY = 2000


@dataclass(frozen=True, slots=True, order=True)
class OptionSymbol:
    """One option contract.

    Attributes
    ----------
    root
        The series: mostly the ticker of the underlying, but ``SPXW`` is on the index SPX, and an
        adjusted series has digits after it. Class shares lose their dot: ``BRKB``.
    expiry
        The last day on which it can be exercised, in 2000 to 2099.
    type
        ``"call"`` or ``"put"``.
    strike
        In dollars, a multiple of 0.001 below 100,000. An adjusted contract delivers something else
        than 100 shares, which its strike does not tell.

    Raises
    ------
    ValueError
        If a field is none that a symbol can have.
    """

    root: str
    expiry: date
    type: OptionType
    strike: float

    def __post_init__(self) -> None:
        if not isinstance(self.root, str) or not _ROOT.fullmatch(self.root):
            raise ValueError(
                f"root={self.root!r} is no option root; give 1 to 6 capital letters and digits"
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
        """Read a symbol, with or without ``O:``.

        Raises
        ------
        ValueError
            If it is none, or its expiry does not exist.

        Examples
        --------
        >>> OptionSymbol.parse("O:SPY240119C00475000")
        OptionSymbol(root='SPY', expiry=datetime.date(2024, 1, 19), type='call', strike=475.0)
        """
        parts = _SYMBOL.fullmatch(symbol) if isinstance(symbol, str) else None
        if parts is None:
            raise ValueError(
                f"symbol={symbol!r} is no option symbol; write root, yymmdd, C or P, and the "
                "strike × 1000 as 8 digits, for example 'O:SPY240119C00475000'"
            )
        root, yymmdd, letter, strike = parts.groups()
        year, month, day = (int(yymmdd[at : at + 2]) for at in (0, 2, 4))
        try:
            expiry = date(_CENTURY + year, month, day)
        except ValueError as error:
            raise ValueError(f"symbol={symbol!r} expires on {yymmdd!r}, no day: {error}") from None
        return cls(root, expiry, _TYPES[letter], int(strike) / STRIKE_UNITS)

    def __str__(self) -> str:
        """The symbol with its ``O:``, as in the files' ``ticker``."""
        thousandths = round(self.strike * STRIKE_UNITS)
        letter = "C" if self.type == "call" else "P"
        return f"{PREFIX}{self.root}{self.expiry:%y%m%d}{letter}{thousandths:08d}"


def root_of(symbol: str) -> str:
    """The root of a symbol, with or without ``O:``.

    Raises
    ------
    ValueError
        If it is no option symbol.

    Examples
    --------
    >>> root_of("O:SPXW240119C04750000")
    'SPXW'
    """
    return OptionSymbol.parse(symbol).root
