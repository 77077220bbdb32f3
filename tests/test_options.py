"""Option symbols: the OCC's layout, parsed from the right."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatnb.market.option_symbols import OptionSymbol, root_of

SYMBOLS = st.builds(
    OptionSymbol,
    root=st.from_regex(r"[A-Z0-9.]{1,6}", fullmatch=True),
    expiry=st.dates(date(2000, 1, 1), date(2099, 12, 31)),
    type=st.sampled_from(["call", "put"]),
    strike=st.integers(0, 10**8 - 1).map(lambda thousandths: thousandths / 1000),
)


@given(SYMBOLS)
def test_symbols_round_trip(symbol: OptionSymbol) -> None:
    """Written and parsed again it is the same, with and without the vendor's prefix."""
    text = str(symbol)
    assert OptionSymbol.parse(text) == OptionSymbol.parse(text.removeprefix("O:")) == symbol
    assert root_of(text) == symbol.root
    assert len(text) == len("O:") + len(symbol.root) + 15


@pytest.mark.parametrize(
    ("text", "root", "expiry", "kind", "strike"),
    [
        # From genuine files of 2024-01-02, 2025-09-18 and 2026-05-22.
        ("O:SPY240119C00450000", "SPY", date(2024, 1, 19), "call", 450.0),
        ("O:A250919C00125000", "A", date(2025, 9, 19), "call", 125.0),
        ("O:A260717C00060000", "A", date(2026, 7, 17), "call", 60.0),
        # Adjusted roots end in digits; a root may look like the beginning of a date.
        ("O:VMRK1260116P00002500", "VMRK1", date(2026, 1, 16), "put", 2.5),
        ("O:SPXW240119P04755000", "SPXW", date(2024, 1, 19), "put", 4755.0),
        ("T1240119C00017125", "T1", date(2024, 1, 19), "call", 17.125),
    ],
)
def test_symbols_of_the_files(text: str, root: str, expiry: date, kind: Any, strike: float) -> None:
    """Their parts, by the OCC's layout."""
    assert OptionSymbol.parse(text) == OptionSymbol(root, expiry, kind, strike)
    assert str(OptionSymbol.parse(text)).removeprefix("O:") == text.removeprefix("O:")


@pytest.mark.parametrize(
    "text",
    [
        "",
        None,
        "AAPL",
        "O:",
        "O:240119C00475000",
        "O:SPY240119X00475000",
        "O:SPY240119C0475000",
        "O:SPY 240119C00475000",
        "O:spy240119C00475000",
        "O:TOOLONG240119C00475000",
        "O:SPY240119C00475000\n",
        "O:SPY2401١9C00475000",
        "O:SPY240230C00475000",
    ],
)
def test_invalid_symbols(text: Any) -> None:
    """The message has the value and, unless only the day does not exist, the layout."""
    with pytest.raises(ValueError, match=r"symbol=.*(is not an option symbol|is not a valid date)"):
        OptionSymbol.parse(text)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"root": "spy"}, "root='spy'"),
        ({"root": ""}, "root=''"),
        ({"expiry": date(1999, 12, 31)}, "expiry="),
        ({"expiry": datetime(2024, 1, 19)}, "expiry="),
        ({"expiry": "2024-01-19"}, "expiry='2024-01-19'"),
        ({"type": "C"}, "type='C'.*'call' or 'put'"),
        ({"strike": 1.0005}, "strike=1.0005"),
        ({"strike": -1.0}, "strike=-1.0"),
        ({"strike": 100_000.0}, "strike=100000.0"),
        ({"strike": "475"}, "strike='475'"),
        ({"strike": float("nan")}, "strike=nan"),
    ],
)
def test_a_contract_must_have_a_symbol(change: dict[str, Any], message: str) -> None:
    """An invalid field is named with its value."""
    right = {"root": "SPY", "expiry": date(2024, 1, 19), "type": "call", "strike": 475.0}
    with pytest.raises(ValueError, match=message):
        OptionSymbol(**(right | change))
