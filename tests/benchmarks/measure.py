"""One peer on one task, in a process of its own: seconds, peak memory, and that it is right."""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from .peers import PEERS, Task

_LOADED_BEFORE = (
    "polars",
    "pandas",
    "boto3",
    "aioboto3",
    "flatnb.session",
    "flatnb.frames.reader",
    "flatnb.demo",
)


@dataclass(frozen=True)
class Measured:
    """The median of some runs, and the peak memory of the largest, less that of the imports."""

    peer: str
    seconds: float
    fastest: float
    slowest: float
    processor_s: float
    peak_mb: float
    rows: int


def measure(peer: str, task: Task, rounds: int) -> Measured:
    """Run it some times."""
    runs = [_run(peer, task) for _ in range(rounds)]
    seconds = [run["seconds"] for run in runs]
    return Measured(
        peer,
        statistics.median(seconds),
        min(seconds),
        max(seconds),
        statistics.median(run["processor_s"] for run in runs),
        max(run["peak_mb"] for run in runs),
        runs[0]["rows"],
    )


def _run(peer: str, task: Task) -> dict[str, Any]:
    order = json.dumps({"peer": peer, "task": asdict(task)}, default=str)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.benchmarks.measure", order],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{peer}: {done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _memory_mb(which: str) -> float:
    # VmHWM: getrusage's maximum begins with that of the process that started this one.
    text = Path("/proc/self/status").read_text()
    found = re.search(rf"{which}:\s+(\d+) kB", text)
    assert found is not None
    return int(found[1]) * 1024 / 1e6


def _processor_s() -> float:
    """Of this process and of those it started, such as s5cmd."""
    return sum(os.times()[:4])


def main() -> None:
    """Run what the command line orders, and print what was measured."""
    order = json.loads(sys.argv[1])
    given = order["task"]
    for name in ("folder", "cache"):
        given[name] = Path(given[name])
    given["days"] = [date.fromisoformat(day) for day in given["days"]]
    for module in _LOADED_BEFORE:
        __import__(module)
    before_mb = _memory_mb("VmRSS")
    began, processor_began = time.perf_counter(), _processor_s()
    frame = PEERS[order["peer"]](Task(**given))
    seconds = time.perf_counter() - began
    processor_s = _processor_s() - processor_began
    peak_mb = _memory_mb("VmHWM") - before_mb
    print(
        json.dumps(
            {
                "seconds": seconds,
                "processor_s": processor_s,
                "peak_mb": peak_mb,
                "rows": len(frame),
            }
        )
    )


if __name__ == "__main__":
    main()
