"""Windows' rules for file names, held by the functions that make names, on any system.

The rules are those of Microsoft's "Naming Files, Paths, and Namespaces" (learn.microsoft.com,
win32/fileio/naming-a-file).
"""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import get_args

import pytest

from flatnb import DATA_TYPES, S3Catalog
from flatnb.lake.day_task import PARTITION, part_name
from flatnb.load.day_cache import DayCache, Form, cache_folder
from flatnb.reference.response_cache import ResponseCache

RESERVED = {"CON", "PRN", "AUX", "NUL"} | {
    f"{name}{n}" for name in ("COM", "LPT") for n in "123456789"
}
MAX_PATH = 260
HOME = r"C:\Users\a.rather.long.name\AppData\Local\flatnb\Cache\x"
ENDPOINTS = (
    "https://files.massive.com",
    "http://127.0.0.1:9000",
    "http://[::1]:9000",
    "https://user-s3.eu-central-003.example.com:8443/path",
)
# The vendor's tickers that are no file names on Windows, and two that it takes for one.
TICKERS = ("CON", "PRN", "NUL", "BCPC", "BCpC", "NE.WS.A", "O:SPY240119C00475000", "I:A*B?", "A/B")


def fault_of(part: str) -> str:
    """What is wrong with one part of a path; empty if nothing is."""
    if re.search(r'[<>:"/\\|?*\x00-\x1f]', part):
        return "a character that is not allowed"
    if part.partition(".")[0].rstrip(" ").upper() in RESERVED:
        return "a reserved name"
    return "a dot or a space at the end" if part.endswith((".", " ")) else ""


@pytest.mark.parametrize(
    ("part", "has_fault"),
    [
        ("CON", True),
        ("nul.txt", True),
        ("a:b", True),
        ("a.", True),
        ("CONS", False),
        ("a.b", False),
    ],
)
def test_the_rules(part: str, has_fault: bool) -> None:
    """So that the tests below cannot pass for the wrong reason."""
    assert bool(fault_of(part)) == has_fault


def relative_parts(path: Path, root: Path) -> tuple[str, ...]:
    """The parts that flatnb chose."""
    return path.relative_to(root).parts


@pytest.mark.parametrize("endpoint_url", ENDPOINTS)
def test_names_in_the_cache(endpoint_url: str, tmp_path: Path) -> None:
    """Of every data type and form: allowed, and no longer than Windows takes without a setting."""
    cache = DayCache(cache_folder(tmp_path, endpoint_url, "flatfiles"))
    catalog = S3Catalog(options_root="us_options_opra")
    keys = [catalog.get_key(data_type, date(2024, 1, 2)) for data_type in DATA_TYPES]
    for key, form in itertools.product(keys, get_args(Form)):
        parts = relative_parts(cache._path(key, form), tmp_path)
        assert [part for part in parts if fault_of(part)] == []
        # While it is written, a temporary name stands for it.
        assert len("\\".join([HOME, *parts])) + 20 < MAX_PATH


@pytest.mark.parametrize("ticker", TICKERS)
def test_names_of_cached_responses(ticker: str, tmp_path: Path) -> None:
    """A ticker is never a file's name."""
    path = ResponseCache(tmp_path, "https://example.com")._path("splits", ticker)
    assert [part for part in relative_parts(path, tmp_path) if fault_of(part)] == []


def test_tickers_that_differ_in_case_have_files_of_their_own(tmp_path: Path) -> None:
    """Windows' and macOS' file systems take BCPC and BCpC for one name."""
    kept = ResponseCache(tmp_path, "https://example.com")
    names = [kept._path("splits", ticker).name.lower() for ticker in TICKERS]
    assert len(set(names)) == len(TICKERS)


def test_names_in_a_lake() -> None:
    """Folders of days and their files."""
    for part in (f"{PARTITION}2024-01-02", part_name(0), part_name(12345), "_flatnb", *DATA_TYPES):
        assert fault_of(part) == ""


def test_it_works_without_fork_and_fcntl() -> None:
    """As on Windows: the package and a session, where neither can be had."""
    script = (
        "import os, sys\n"
        "for name in ('fork', 'register_at_fork'):\n"
        "    delattr(os, name)\n"
        "sys.modules['fcntl'] = None\n"
        "import flatnb\n"
        "with flatnb.FlatSession('key', 'secret', cache=False) as session:\n"
        "    assert session.load('stocks_daily', '2024-01-01', '2024-01-01').is_empty()\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
