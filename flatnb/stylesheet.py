"""Style sheets that reach one output alone: scoped by a class of their own, with used rules only.

A notebook's page has the outputs of all cells, also of other versions of flatnb, in one document.
Each sheet's rules therefore begin with a class that is a hash of the sheet: equal sheets may be
there twice, and no other one applies to its elements.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

ROOT = "flatnb"
"""The class of the root element in a sheet as it is written; selectors begin with it."""

_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_ROOT_CLASS = re.compile(rf"\.{ROOT}(?![-\w])")
_CLASS = re.compile(rf"\.({ROOT}-[\w-]+)")
_ELEMENT = re.compile(r"(?:^|[\s>(,])([a-z]+)(?=[\s:.\[,)>]|$)")
_NEGATION = re.compile(r":not\([^)]*\)")
_ALTERNATIVES = re.compile(r":is\([^)]*\)")
_ELEMENTS_OF_THE_PAGE = frozenset({"body", "html"})


class ScopedSheet(NamedTuple):
    """A style sheet, and the class that its root element must have."""

    scope: str
    css: str


class _Rule(NamedTuple):
    selectors: tuple[str, ...]
    declarations: str
    condition: str


@lru_cache(maxsize=128)
def scoped(css: str, used_by: str | None = None) -> ScopedSheet:
    """Restrict a style sheet to the elements below one of its own class.

    Parameters
    ----------
    css
        Rules whose selectors begin with ``.flatnb``, or stand for elements within it; of the at
        rules only ``@media``, not nested.
    used_by
        HTML; rules for classes and elements that it does not have are left out. None: none are.
    """
    rules = [
        _Rule(selectors, rule.declarations, rule.condition)
        for rule in _rules(_COMMENT.sub("", css))
        if (selectors := tuple(each for each in rule.selectors if _is_used(each, used_by)))
    ]
    scope = f"{ROOT}-{hashlib.sha256(repr(rules).encode()).hexdigest()[:8]}"
    return ScopedSheet(scope, "\n".join(_text(rule, scope) for rule in rules))


def _rules(css: str, condition: str = "") -> Iterator[_Rule]:
    position = 0
    while (opening := css.find("{", position)) >= 0:
        head = css[position:opening].strip()
        closing = _closing_brace(css, opening)
        body = css[opening + 1 : closing]
        if head.startswith("@media"):
            yield from _rules(body, head)
        else:
            yield _Rule(tuple(_split(head)), " ".join(body.split()), condition)
        position = closing + 1


def _closing_brace(css: str, opening: int) -> int:
    depth = 0
    for index in range(opening, len(css)):
        depth += {"{": 1, "}": -1}.get(css[index], 0)
        if depth == 0:
            return index
    raise ValueError(f"css={css[opening : opening + 30]!r} has no closing brace; add it")


def _split(selectors: str) -> list[str]:
    """The selectors of a list; a comma within parentheses separates none."""
    return [each.strip() for each in re.split(r",(?![^(]*\))", selectors)]


def _is_used(selector: str, html: str | None) -> bool:
    if html is None:
        return True
    bare = _ALTERNATIVES.sub("", _NEGATION.sub("", selector))
    classes = set(_CLASS.findall(bare))
    elements = set(_ELEMENT.findall(bare)) - _ELEMENTS_OF_THE_PAGE
    return all(re.search(rf"{name}(?![-\w])", html) for name in classes) and all(
        re.search(rf"<{name}[\s>]", html) for name in elements
    )


def _text(rule: _Rule, scope: str) -> str:
    selectors = ",".join(_with_scope(each, scope) for each in rule.selectors)
    text = f"{selectors}{{{rule.declarations}}}"
    return f"{rule.condition}{{{text}}}" if rule.condition else text


def _with_scope(selector: str, scope: str) -> str:
    if _ROOT_CLASS.search(selector):
        return _ROOT_CLASS.sub(f".{scope}", selector)
    return f".{scope} {selector}"
