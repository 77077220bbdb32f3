"""The table that notebooks show."""

from __future__ import annotations

from xml.etree import ElementTree

from flatnb.html import table


def test_a_table_is_well_formed_and_escaped() -> None:
    """What looks like markup is text; numbers stand to the right; None is an empty cell."""
    made = table("<b>a & b</b>", [["<script>", 1234567, None, True]], ["<x>", "n", "o", "p"], "&")
    tree = ElementTree.fromstring(made)
    assert [cell.text for cell in tree.iter("td")] == ["<script>", "1,234,567", None, "True"]
    assert [cell.get("class") for cell in tree.iter("td")] == [None, "n", None, None]
    assert tree.findtext("table/caption") == "<b>a & b</b>"
    assert tree.findtext("p") == "&"
