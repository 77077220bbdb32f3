"""How long ``import flatnb`` takes, beside what it works with."""

from __future__ import annotations

import statistics
import subprocess
import sys

PEERS = "polars, boto3, aioboto3, pandas, ipywidgets"
_ROUNDS = 7


def import_ratio() -> str:
    """The sentence for docs/explanation/benchmarks.md."""
    rounds = [(_seconds("flatnb"), _seconds(PEERS)) for _ in range(_ROUNDS)]
    ours, theirs = (statistics.median(each) for each in zip(*rounds, strict=True))
    return (
        f"**(d)** `import flatnb` takes {ours * 1000:.0f} ms, a {theirs / ours:.0f}th of "
        f"`import {PEERS}` ({theirs * 1000:.0f} ms)."
    )


def _seconds(modules: str) -> float:
    script = (
        f"import time; began = time.perf_counter(); import {modules}; "
        "print(time.perf_counter() - began)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return float(done.stdout)
