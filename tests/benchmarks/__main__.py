"""The command: makes the files, runs the scenarios, prints Markdown."""

from __future__ import annotations

import argparse
import platform
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from tests.servers.throttle import throttle_process

from .files import DAILY_DAYS, MINUTE_DAYS, OTHERS_OF_A_DAY, SYMBOLS, make_files
from .imports import import_ratio
from .measure import Measured, measure
from .peers import PEERS, Task
from .serve import server_process

LOAD = "flatnb session.load"
CACHED = f"{LOAD}, cache filled before"
COMPARED = f"{CACHED}, each day compared"
FILLING = f"{LOAD}, filling its cache"
PARSE_FLOOR = "floor: unpacking and parsing, on all cores"
UNPACK_FLOOR = "floor: unpacking in one shot, on all cores"
BOTO3 = "boto3 + pandas, one file after the other"
SCRIPT = "aioboto3, a new client per file, 8 at once"
SCAN = "polars.scan_csv on s3://"
SYNC, ASYNC = "flatnb SyncS3Downloader, then polars", "flatnb AsyncS3Downloader, then polars"
PROVED = f"{LOAD}, by proved ranges"
OTHER_SYMBOLS = f"{LOAD}, other symbols cached before"
WARM = (CACHED, COMPARED)
OTHERS = [name for name in PEERS if not name.startswith(("floor", "flatnb"))]
COLD = [*OTHERS, SYNC, ASYNC, LOAD]


@dataclass(frozen=True)
class Scenario:
    """Some peers on one task; the first target's ratio is the first peer's time over flatnb's."""

    letter: str
    title: str
    column: str
    data_type: str
    days: Sequence[date]
    peers: Sequence[str]
    throttled: bool = False
    symbols: Sequence[str] | None = None
    rounds: int = 3


MINUTES = "stocks_minute"
SCENARIOS = (
    Scenario("a", "throttled link, 1 day of stock minutes", "slow link: 1 day",
             MINUTES, MINUTE_DAYS[:1], COLD, True, rounds=1),
    Scenario("a", "throttled link, 21 days of stock minutes", "slow link: 21 days",
             MINUTES, MINUTE_DAYS, COLD, True, rounds=1),
    Scenario("a", "throttled link, 250 days of daily bars", "slow link: 250 daily",
             "stocks_daily", DAILY_DAYS, COLD, True, rounds=1),
    Scenario("b", "loopback, 21 days of stock minutes, all symbols", "loopback: all",
             MINUTES, MINUTE_DAYS, [PARSE_FLOOR, *COLD, FILLING]),
    Scenario("b", "loopback, 21 days of stock minutes, 3 symbols", "loopback: 3 symbols",
             MINUTES, MINUTE_DAYS, [UNPACK_FLOOR, *COLD, FILLING], symbols=SYMBOLS),
    Scenario("c", "again, 21 days of stock minutes, all symbols", "again: all",
             MINUTES, MINUTE_DAYS, WARM),
    Scenario("c", "again, 21 days of stock minutes, 3 symbols", "again: 3 symbols",
             MINUTES, MINUTE_DAYS, WARM, symbols=SYMBOLS),
    Scenario("e", "throttled link, 21 days of stock minutes, 3 symbols", "slow link: 3 symbols",
             MINUTES, MINUTE_DAYS, [SCAN, LOAD, FILLING, PROVED], True, SYMBOLS, 1),
    Scenario("f", "throttled link, other 3 symbols of those days, then again",
             "slow link: other symbols",
             MINUTES, MINUTE_DAYS, [OTHER_SYMBOLS, OTHER_SYMBOLS, LOAD], True, OTHERS_OF_A_DAY, 1),
    Scenario("g", "throttled link, 250 days of stock minutes, 1 symbol", "slow link: 1 symbol",
             MINUTES, DAILY_DAYS, [PROVED, LOAD], True, SYMBOLS[1:2], 1),
)  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(tempfile.gettempdir()) / "flatnb-benchmark-files"
    parser.add_argument("--files", type=Path, default=default, help="where the files are kept")
    parser.add_argument(
        "--only",
        nargs="+",
        default=tuple("abcdef"),
        metavar="LETTER",
        help="the scenarios; g (a year of minutes) needs 6 GB of files that take minutes to make",
    )
    parser.add_argument("--rounds", type=int, help="runs of each, of which the median counts")
    options = parser.parse_args()
    print(f"{date.today()}, {_machine()}\n", flush=True)
    folder = make_files(options.files, DAILY_DAYS if "g" in options.only else MINUTE_DAYS)
    with ExitStack() as stack:
        host, port = stack.enter_context(server_process(folder))
        direct = f"http://{host}:{port}"
        slow = stack.enter_context(throttle_process(host, port))
        cache = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        task = Task(direct, folder, MINUTES, MINUTE_DAYS, None, cache)
        if "c" in options.only:
            measure(CACHED, task, 1)
        partly = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if "f" in options.only:
            # By the same address as later: a cache is bound to it.
            task = Task(slow, folder, MINUTES, MINUTE_DAYS, SYMBOLS, partly)
            measure(OTHER_SYMBOLS, task, 1)
        all_results = []
        for scenario in SCENARIOS:
            if scenario.letter not in options.only:
                continue
            task = Task(
                slow if scenario.throttled else direct,
                folder,
                scenario.data_type,
                scenario.days,
                scenario.symbols,
                partly if scenario.letter == "f" else cache,
            )
            rounds = options.rounds or scenario.rounds
            results = [measure(name, task, rounds) for name in scenario.peers]
            print("\n".join(_table(scenario, results)), flush=True)
            all_results.append((scenario, results))
    print("\n".join(summary(all_results)))
    if "d" in options.only:
        print(import_ratio())


def _table(scenario: Scenario, results: Sequence[Measured]) -> Iterator[str]:
    ours = next(
        result.seconds for result in results if result.peer in (LOAD, CACHED, OTHER_SYMBOLS)
    )
    yield f"**({scenario.letter}) {scenario.title}**\n"
    yield "| | seconds | processor seconds | times flatnb's | peak memory |"
    yield "|---|---:|---:|---:|---:|"
    for result in results:
        spread = f" ({result.fastest:.2f}–{result.slowest:.2f})" if scenario.rounds > 1 else ""
        name = f"**{result.peer}**" if result.peer.startswith("flatnb") else result.peer
        ratio = result.seconds / ours
        yield (
            f"| {name} | {result.seconds:.2f}{spread} | {result.processor_s:.2f} | {ratio:.2f} | "
            f"{result.peak_mb:,.0f} MB |"
        )
    rows = {result.rows for result in results if not result.peer.startswith("floor: unpacking in")}
    yield f"\n{' or '.join(f'{count:,}' for count in sorted(rows))} rows.\n"


def summary(measured: Sequence[tuple[Scenario, Sequence[Measured]]]) -> Iterator[str]:
    """One table for all: the seconds of each peer in each scenario, and its largest memory."""
    columns = [scenario.column for scenario, _ in measured]
    found: dict[str, dict[int, Measured]] = {}
    for at, (_, results) in enumerate(measured):
        for result in results:
            found.setdefault(result.peer, {})[at] = result
    yield f"| seconds | {' | '.join(columns)} | peak memory |"
    yield f"|---|{'---:|' * (len(columns) + 1)}"
    for peer, results_of in found.items():
        cells = [
            f"{results_of[at].seconds:.2f}" if at in results_of else ""
            for at in range(len(columns))
        ]
        peak_mb = max(result.peak_mb for result in results_of.values())
        name = f"**{peer}**" if peer.startswith("flatnb") else peer
        yield f"| {name} | {' | '.join(cells)} | {peak_mb:,.0f} MB |"
    yield ""


def _machine() -> str:
    import os
    from importlib.metadata import version

    packages = ("polars", "pandas", "boto3", "aioboto3", "obstore", "polygon-options-puller")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    return f"{os.cpu_count()} cores, Python {platform.python_version()}, {versions}"


if __name__ == "__main__":
    main()
