"""The S3 server of the benchmarks: the tests' own, without faults, in a process of its own.

moto's server would take more of the two cores than any client does.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.servers.fault_s3 import FaultServer


@contextlib.contextmanager
def server_process(folder: Path) -> Iterator[tuple[str, int]]:
    """Serve the files of a folder; host and port."""
    command = [sys.executable, "-m", "tests.benchmarks.serve", str(folder)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield "127.0.0.1", int(process.stdout.readline())
        finally:
            process.stdin.close()


def main() -> None:
    """Serve until the parent closes the standard input."""
    folder = Path(sys.argv[1])
    with FaultServer() as server:
        for path in sorted(folder.rglob("*.csv.gz")):
            server.put(path.relative_to(folder).as_posix(), path.read_bytes())
        print(server.port, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
