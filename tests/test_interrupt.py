"""polars in threads of an interrupted process."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import os, signal, sys, threading, time
# polars puts a handler of its own before Python's when it is imported.
signal.signal(signal.SIGINT, signal.default_int_handler)
import polars as pl
from flatnb.frames.interrupts import retry_on_interrupt

text = b"a,b\\n" + b"x,1.5\\n" * 1_000_000

def height(text):
    return pl.read_csv(text).height

read = retry_on_interrupt(height) if sys.argv[1] == "guarded" else height
ended, interrupts = [], []

def work():
    try:
        while len(interrupts) < 15:
            assert read([text]) == 1_000_000
        ended.append(True)
    except KeyboardInterrupt:
        ended.append(False)

threads = [threading.Thread(target=work) for _ in range(2)]
for thread in threads:
    thread.start()
while len(interrupts) < 15 and any(thread.is_alive() for thread in threads):
    try:
        time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.1)
    except KeyboardInterrupt:
        interrupts.append(True)
for thread in threads:
    thread.join()
print(*ended)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for one process")
@pytest.mark.parametrize("how", ["guarded", "bare"])
def test_threads_do_not_see_an_interrupt(how: str) -> None:
    """As Python has it; without the guard polars raises there too: then it can go."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, how], capture_output=True, text=True, timeout=60, check=True
    )
    assert (done.stdout == "True True\n") == (how == "guarded")
