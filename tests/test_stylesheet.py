"""Style sheets that reach one output alone."""

from __future__ import annotations

import re

import pytest

from flatnb.html import good, page, style, table
from flatnb.stylesheet import scoped

SHEET = """
/* a { comment } */
.flatnb { color: red; }
.flatnb button, .flatnb-row > b { color: blue; }
.flatnb.flatnb-picker :is(a, b):not(.flatnb-x) { color: green; }
@media (prefers-color-scheme: dark) { .flatnb { color: white; } .flatnb-row { margin: 0; } }
body[data-theme="x"] .flatnb { color: black; }
"""


def test_every_selector_is_scoped() -> None:
    """None reaches what does not have the class of the sheet."""
    scope, css = scoped(SHEET)
    for line in css.splitlines():
        selectors = re.sub(r"^@media[^{]*\{", "", line).split("{")[0]
        for selector in re.split(r",(?![^(]*\))", selectors):
            assert f".{scope}" in selector
    assert f".{scope} button,.{scope} .flatnb-row > b{{color: blue;}}" in css
    assert f".{scope}.flatnb-picker :is(a, b):not(.flatnb-x){{" in css
    assert f'body[data-theme="x"] .{scope}{{' in css
    assert "comment" not in css


def test_sheets_that_differ_have_other_classes() -> None:
    """So that neither changes what the other one is for."""
    assert scoped(SHEET).scope == scoped(SHEET + "/* more */").scope
    assert scoped(SHEET).scope != scoped(SHEET + ".flatnb-y { top: 0 }").scope


def test_rules_that_are_not_used_are_left_out() -> None:
    """By class and by element."""
    _, css = scoped(SHEET, '<div class="flatnb"><div class="flatnb-row"><b>x</b></div></div>')
    assert "button" not in css
    assert "> b" in css
    assert "flatnb-picker" not in css


def test_an_output_is_small() -> None:
    """Its own rules alone, where the whole sheet is several times as long."""
    for output in (good("well"), table("t", [(1, "x")], ("a", "b")), page("text")):
        assert len(output) < 3000
    assert len(style()) > 8000


def test_a_broken_sheet_is_refused() -> None:
    """It would be cut off somewhere."""
    with pytest.raises(ValueError, match="closing brace"):
        scoped(".flatnb { color: red;")
