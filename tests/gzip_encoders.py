"""Every gzip encoder that can be had here, as functions from a text to a file.

The library's own encoders are always there; others are used where they are installed: the packages
``deflate`` and ``zopfli``, the commands ``pigz``, ``gzip``, ``7z``, ``zopfli``,
``libdeflate-gzip``, and the compilers of Go and Java.
"""

from __future__ import annotations

import gzip
import importlib
import importlib.util
import shutil
import struct
import subprocess
import tempfile
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

from isal import isal_zlib

Encoder = Callable[[bytes], bytes]


def zlib_at(level: int, *, strategy: int = zlib.Z_DEFAULT_STRATEGY) -> Encoder:
    """Zlib's gzip at a level."""

    def encode(text: bytes) -> bytes:
        packer = zlib.compressobj(level, zlib.DEFLATED, 31, 8, strategy)
        return packer.compress(text) + packer.flush()

    return encode


def isal_at(level: int) -> Encoder:
    """ISA-L's gzip at a level."""
    return lambda text: bytes(isal_zlib.compress(text, level, 31))


def _stitched(text: bytes, size: int, flush: int, level: int = 6) -> bytes:
    """One member, flushed after so many bytes of text."""
    packer = zlib.compressobj(level, zlib.DEFLATED, 31)
    parts = []
    for start in range(0, len(text), size):
        parts += [packer.compress(text[start : start + size]), packer.flush(flush)]
    return b"".join([*parts, packer.flush()])


def sync_flushed(text: bytes) -> bytes:
    """Empty stored blocks every 20 kB, history kept."""
    return _stitched(text, 20_000, zlib.Z_SYNC_FLUSH)


def full_flushed(text: bytes) -> bytes:
    """As pgzip and others write it: blocks that know nothing of the text before."""
    return _stitched(text, 100_000, zlib.Z_FULL_FLUSH)


def members(text: bytes) -> bytes:
    """Many members, as bgzip writes them."""
    parts = [text[i : i + 65_280] for i in range(0, len(text), 65_280)] or [b""]
    return b"".join(gzip.compress(part, 6, mtime=0) for part in parts)


def two_members(text: bytes) -> bytes:
    """Two members, and zeros behind them."""
    half = len(text) // 2
    return gzip.compress(text[:half], 9) + gzip.compress(text[half:], 1) + bytes(512)


def one_block(text: bytes) -> bytes:
    """One fixed block of literals for all of the text, without any other block."""
    value = bytearray()
    bits = count = 0
    codes = [(1, 1), (1, 2), *(_fixed_code(byte) for byte in text), (0, 7)]
    for code, width in codes:
        bits |= code << count
        count += width
        while count >= 8:
            value.append(bits & 255)
            bits >>= 8
            count -= 8
    value.append(bits & 255)
    trailer = struct.pack("<II", zlib.crc32(text), len(text) & 0xFFFFFFFF)
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + bytes(value) + trailer


@cache
def _fixed_code(literal: int) -> tuple[int, int]:
    code, width = (0x30 + literal, 8) if literal < 144 else (0x190 + literal - 144, 9)
    return int(f"{code:0{width}b}"[::-1], 2), width


def _command(*command: str) -> Encoder:
    def encode(text: bytes) -> bytes:
        return subprocess.run(command, input=text, capture_output=True, check=True).stdout

    return encode


def _file_command(*command: str) -> Encoder:
    """A command that takes a file's name, and writes beside it."""

    def encode(text: bytes) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "text")
            path.write_bytes(text)
            subprocess.run([*command, str(path)], capture_output=True, check=True)
            return Path(folder, "text.gz").read_bytes()

    return encode


def _seven_zip(text: bytes) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "text.gz")
        command = ["7z", "a", "-tgzip", "-sitext", str(path)]
        subprocess.run(command, input=text, capture_output=True, check=True)
        return path.read_bytes()


_GO = """package main
import ("compress/gzip"; "io"; "os"; "strconv")
func main() {
    level, _ := strconv.Atoi(os.Args[1])
    out, _ := gzip.NewWriterLevel(os.Stdout, level)
    io.Copy(out, os.Stdin); out.Close()
}
"""
_JAVA = """import java.util.zip.*;
public class Pack {
    public static void main(String[] a) throws Exception {
        var out = new GZIPOutputStream(System.out); System.in.transferTo(out); out.close();
    }
}
"""


@cache
def _go_program() -> str:
    folder = tempfile.mkdtemp(prefix="flatnb-go")
    Path(folder, "pack.go").write_text(_GO)
    subprocess.run(
        ["go", "build", "-o", "pack", "pack.go"], cwd=folder, check=True, capture_output=True
    )
    return str(Path(folder, "pack"))


@cache
def _java_classes() -> str:
    folder = tempfile.mkdtemp(prefix="flatnb-java")
    Path(folder, "Pack.java").write_text(_JAVA)
    subprocess.run(["javac", "Pack.java"], cwd=folder, check=True, capture_output=True)
    return folder


def _go(level: int) -> Encoder:
    return lambda text: _command(_go_program(), str(level))(text)


def _java(text: bytes) -> bytes:
    return _command("java", "-Xshare:auto", "-cp", _java_classes(), "Pack")(text)


def _libdeflate(level: int) -> Encoder:
    module = importlib.import_module("deflate")
    return lambda text: bytes(module.gzip_compress(text, level))


def _zopfli(text: bytes) -> bytes:
    module = importlib.import_module("zopfli.gzip")
    return bytes(module.compress(text, numiterations=1))


BUILT_IN: dict[str, Encoder] = {
    **{f"zlib {level}": zlib_at(level) for level in (0, 1, 6, 9)},
    "zlib Huffman only": zlib_at(6, strategy=zlib.Z_HUFFMAN_ONLY),
    "zlib fixed codes": zlib_at(6, strategy=zlib.Z_FIXED),
    **{f"isal {level}": isal_at(level) for level in (0, 1, 2, 3)},
    "sync flushes": sync_flushed,
    "full flushes": full_flushed,
    "many members": members,
    "two members": two_members,
    "one block": one_block,
}


@cache
def installed() -> dict[str, Encoder]:
    """The encoders that are no part of flatnb's dependencies, but are installed here."""
    found: dict[str, Encoder] = {}
    if importlib.util.find_spec("deflate"):
        found |= {f"libdeflate {level}": _libdeflate(level) for level in (1, 6, 12)}
    if importlib.util.find_spec("zopfli"):
        found["zopfli"] = _zopfli
    commands = {
        "gzip": {"gzip 6": _command("gzip", "-6c"), "gzip 9": _command("gzip", "-9c")},
        "pigz": {
            "pigz": _command("pigz", "-c", "-p", "2"),
            "pigz independent": _command("pigz", "-c", "-i", "-p", "2", "-b", "64"),
            "pigz 9": _command("pigz", "-9c", "-p", "2"),
        },
        "7z": {"7z": _seven_zip},
        "libdeflate-gzip": {"libdeflate-gzip": _file_command("libdeflate-gzip", "-k")},
        "go": {f"Go {level}": _go(level) for level in (-1, 1, 9)},
        "javac": {"Java": _java},
    }
    for command, encoders in commands.items():
        if shutil.which(command):
            found |= encoders
    return found


ENCODERS: dict[str, Encoder] = BUILT_IN | installed()

SLOW = ("zopfli", "libdeflate 12", "one block")
"""Those that take seconds for a megabyte."""
