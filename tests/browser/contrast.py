"""Contrasts of texts and controls as the browser draws them (WCAG 2.1, relative luminance)."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Locator

_SCRIPT = Path(__file__).with_name("contrast.js").read_text(encoding="utf-8")


def least_contrast(part: Locator) -> tuple[tuple[float, str], tuple[float, str]]:
    """The least contrast of a text and of a control with what is below it, each with its HTML."""
    text, control = part.evaluate(_SCRIPT)
    return (text[0], text[1]), (control[0], control[1])
