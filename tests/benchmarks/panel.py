"""The command: what the live panel costs a load of a month, in a real kernel."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.kernel import Kernel

from .files import MINUTE_DAYS, SYMBOLS, make_files
from .peers import KEY_ID, SECRET
from .serve import server_process

_PAIRS = 5
_CELL = """
import statistics, time
from flatnb import FlatSession

session = FlatSession({key_id!r}, {secret!r}, endpoint_url={url!r}, cache=False)

def seconds(progress):
    began = time.perf_counter()
    session.load("stocks_minute", {start!r}, {end!r}, symbols={symbols!r}, progress=progress)
    return time.perf_counter() - began

seconds(False)
pairs = [(seconds(False), seconds(True)) for _ in range({pairs})]
print("\\nratio", statistics.median(shown / hidden for hidden, shown in pairs))
"""


def main() -> None:
    """Measure and print."""
    files = Path(tempfile.gettempdir()) / "flatnb-benchmark-files"
    with server_process(make_files(files)) as (host, port):
        for symbols in (None, list(SYMBOLS)):
            cell = _CELL.format(
                key_id=KEY_ID,
                secret=SECRET,
                url=f"http://{host}:{port}",
                start=str(MINUTE_DAYS[0]),
                end=str(MINUTE_DAYS[-1]),
                symbols=symbols,
                pairs=_PAIRS,
            )
            with Kernel(files) as kernel:
                ratio = float(kernel.wait(kernel.start(cell), 600).split()[-1])
            what = "3 symbols" if symbols else "all symbols"
            print(f"{what} of a month: {ratio - 1:.1%} more time with the panel shown")


if __name__ == "__main__":
    main()
