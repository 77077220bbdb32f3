"""Targets store all bytes, in any order, and nothing after an abort."""

from __future__ import annotations

from pathlib import Path

import pytest

from flatnb.download import targets
from flatnb.download.targets import CHUNK_BYTES, Aborted, SpillTarget

CONTENT = bytes(range(256)) * 4096 * 3  # three chunks


@pytest.mark.parametrize("spill_bytes", [10**9, 1000], ids=["memory", "file"])
@pytest.mark.parametrize("is_known", [True, False])
def test_bytes_in_any_order(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, spill_bytes: int, is_known: bool
) -> None:
    """Whether or not the size is known; a second allocation discards the content."""
    monkeypatch.setattr(targets, "SPILL_BYTES", spill_bytes)
    target = SpillTarget(tmp_path)
    target.allocate(10)
    target.write(0, b"discarded")
    target.allocate(len(CONTENT) if is_known else None)
    half = len(CONTENT) // 2
    for start in (half, 0):
        target.write(start, CONTENT[start : start + half])
    assert target.size == len(CONTENT)
    assert b"".join(target.chunks()) == CONTENT
    target.abort()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("spill_bytes", [10**9, 1000], ids=["memory", "file"])
def test_an_abort_ends_readers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, spill_bytes: int
) -> None:
    """At the next chunk, as a cancellation waits for the thread that decompresses."""
    monkeypatch.setattr(targets, "SPILL_BYTES", spill_bytes)
    target = SpillTarget(tmp_path)
    target.allocate(len(CONTENT))
    target.write(0, CONTENT)
    chunks = target.chunks()
    assert len(next(chunks)) == CHUNK_BYTES
    target.abort()
    with pytest.raises(Aborted):
        next(chunks)
