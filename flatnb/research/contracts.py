"""Symbols of futures contracts: a root, a letter for the delivery month, and the year.

The month letters are those of all futures exchanges (CME Group, "Understanding Contract Trading
Codes"): F G H J K M N Q U V X Z for January to December. The vendor's files write one digit of
the year (``ESZ4``); two and four digits are read as well.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Self

MONTH_LETTERS = "FGHJKMNQUVXZ"
SYMBOL_PATTERN = rf"([A-Z0-9]{{1,6}}?)([{MONTH_LETTERS}])(\d{{4}}|\d{{1,2}})"
"""Root, month and year of a symbol of one contract."""

_SYMBOL = re.compile(SYMBOL_PATTERN)
_SEVERAL = re.compile(r"[-: ]")


@dataclass(frozen=True, slots=True, order=True)
class FuturesSymbol:
    """One futures contract; contracts of a root are ordered by delivery.

    Attributes
    ----------
    root
        The product, for example ``"ES"`` or ``"6E"``.
    year
        Of delivery, four digits.
    month
        Of delivery, 1 to 12.
    """

    root: str
    year: int
    month: int

    @classmethod
    def parse(cls, symbol: str, on: date) -> Self:
        """Read a symbol that was traded on a day.

        Parameters
        ----------
        symbol
            For example ``"ESZ4"``, ``"ESZ24"`` or ``"ESZ2024"``.
        on
            A day on which it traded. One digit of the year stands for ten years, and a contract
            does not trade after its delivery month: the first such month from that day on is
            meant. One that delivers more than ten years later needs two digits.

        Raises
        ------
        ValueError
            If it is not the symbol of a single contract.

        Examples
        --------
        >>> FuturesSymbol.parse("ESZ4", date(2024, 9, 3))
        FuturesSymbol(root='ES', year=2024, month=12)
        >>> FuturesSymbol.parse("CLF5", date(2024, 12, 2)).year
        2025
        """
        parts = _SYMBOL.fullmatch(symbol) if isinstance(symbol, str) else None
        if parts is None:
            raise ValueError(
                f"symbol={symbol!r} is not a futures contract; write root, month letter "
                f"({MONTH_LETTERS}) and year, for example 'ESZ4'"
            )
        root, letter, digits = parts.groups()
        month = MONTH_LETTERS.index(letter) + 1
        step = 10 ** len(digits)
        year = on.year - on.year % step + int(digits)
        if len(digits) == 4:
            year = int(digits)
        elif len(digits) == 2:
            # Within 50 years of the day.
            year += step * ((on.year - year + 50) // step)
        elif (year, month) < (on.year, on.month):
            year += step
        return cls(root, year, month)

    def __str__(self) -> str:
        """The symbol with four digits of the year, which are never ambiguous."""
        return f"{self.root}{MONTH_LETTERS[self.month - 1]}{self.year}"


def is_combination(symbol: str) -> bool:
    """Whether a symbol names several contracts, as those of spreads do (``ESH6-ESM6``)."""
    return _SEVERAL.search(symbol) is not None
