"""The ``flatnb`` command: ``demo``, ``load``, ``plan`` and ``doctor``."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import FlatnbError, ObjectNotFoundError, TransferError
from .market.data_types import DATA_TYPES, LIVE_OPTIONS_ROOT

if TYPE_CHECKING:
    import polars as pl

    from .session import FlatSession

NOTEBOOK = """\
To go on in the notebook, from a clone of flatnb:
  pip install -e '.[demo,notebook]' jupyterlab && jupyter lab notebooks/01_quickstart.ipynb"""

SUFFIXES = (".parquet", ".csv")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; the result is its exit status.

    0 for success, 1 for what could not be had, 2 for wrong arguments, 130 for an interrupt.
    """
    arguments = _parser().parse_args(argv)
    try:
        status: int = arguments.command(arguments)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except (FlatnbError, ImportError, OSError) as error:
        print(f"flatnb: {error}", file=sys.stderr)
        return 1
    except ValueError as error:
        print(f"flatnb: {error}", file=sys.stderr)
        return 2
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="flatnb", description="Market data flat files, straight into frames."
    )
    parser.set_defaults(demo=False)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    demo = commands.add_parser("demo", help="try flatnb on a synthetic market, no keys needed")
    demo.set_defaults(command=_demo)

    load = commands.add_parser("load", help="load a range of days, print them or write a file")
    load.set_defaults(command=_load)
    _add_choice(load)
    load.add_argument("--tz", default="UTC", help="time zone of the times (default: UTC)")
    load.add_argument("--missing", choices=("warn", "raise", "ignore"), default="warn")
    load.add_argument("--out", type=Path, metavar="FILE", help="a .parquet or .csv file to write")
    load.add_argument("--no-cache", action="store_true", help="neither read nor fill the cache")
    load.add_argument("--no-progress", action="store_true", help="no progress bar")
    _add_connection(load)

    plan = commands.add_parser("plan", help="tell what a load would mean, download nothing")
    plan.set_defaults(command=_plan)
    _add_choice(plan)
    plan.add_argument("--no-cache", action="store_true", help="as if nothing were cached")
    _add_connection(plan)

    doctor = commands.add_parser("doctor", help="check credentials, listing and reading")
    doctor.set_defaults(command=_doctor)
    _add_connection(doctor)
    return parser


def _add_choice(parser: argparse.ArgumentParser) -> None:
    names = ", ".join(DATA_TYPES)
    parser.add_argument("data_type", help=f"one of {names}; or root/folder")
    parser.add_argument("start", help="first day, YYYY-MM-DD")
    parser.add_argument("end", help="last day, inclusive")
    parser.add_argument("--symbols", nargs="+", metavar="TICKER", help="only these tickers")
    parser.add_argument("--underlyings", nargs="+", metavar="ROOT", help="only these OCC roots")
    parser.add_argument("--columns", nargs="+", metavar="NAME", help="only these columns")


def _choice(arguments: argparse.Namespace) -> dict[str, Any]:
    return {name: getattr(arguments, name) for name in ("symbols", "underlyings", "columns")}


def _add_connection(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--demo", action="store_true", help="the synthetic market, no keys needed")
    parser.add_argument("--profile", help="an AWS profile that holds the S3 keys")
    parser.add_argument("--endpoint-url", default="https://files.massive.com")
    parser.add_argument("--bucket", default="flatfiles")
    parser.add_argument("--options-root", default=LIVE_OPTIONS_ROOT)


def _open(arguments: argparse.Namespace) -> FlatSession:
    from .session import FlatSession

    if arguments.demo:
        return FlatSession.demo()
    return FlatSession(
        profile=arguments.profile,
        endpoint_url=arguments.endpoint_url,
        bucket=arguments.bucket,
        options_root=arguments.options_root,
        cache=not getattr(arguments, "no_cache", True),
    )


def _demo(arguments: argparse.Namespace) -> int:
    from .session import FlatSession

    with FlatSession.demo() as session:
        print(f"{session}\nAll data below are SYNTHETIC: right in format, without meaning.\n")
        loads: list[tuple[str, str, str, list[str] | None]] = [
            ("stocks_daily", "2024-01-02", "2024-01-31", ["AAPL", "MSFT"]),
            ("stocks_minute", "2024-01-02", "2024-01-02", None),
        ]
        for data_type, start, end, symbols in loads:
            chosen = f", symbols={symbols!r}" if symbols else ""
            print(f'session.load("{data_type}", "{start}", "{end}"{chosen})')
            print(session.load(data_type, start, end, symbols=symbols))
            print(f"session.last_report\n{session.last_report}\n")
        print(f"session.stats\n{session.stats}\n\n{NOTEBOOK}")
    return 0


def _load(arguments: argparse.Namespace) -> int:
    out: Path | None = arguments.out
    if out is not None and out.suffix not in SUFFIXES:
        raise ValueError(f"--out {out}: the name must end in {' or '.join(SUFFIXES)}")
    with _open(arguments) as session:
        frame = session.load(
            arguments.data_type,
            arguments.start,
            arguments.end,
            **_choice(arguments),
            tz=arguments.tz,
            missing=arguments.missing,
            progress=False if arguments.no_progress else None,
        )
        print(session.last_report, file=sys.stderr)
    if out is None:
        print(frame)
    else:
        _write(frame, out)
        print(f"{frame.height:,} rows written to {out}", file=sys.stderr)
    return 0


def _plan(arguments: argparse.Namespace) -> int:
    with _open(arguments) as session:
        plan = session.plan(
            arguments.data_type,
            arguments.start,
            arguments.end,
            **_choice(arguments),
        )
        print(plan)
    return 0


def _write(frame: pl.DataFrame, out: Path) -> None:
    """Write the file whole or not at all."""
    temporary = out.with_name(f".{out.name}.{secrets.token_hex(4)}")
    try:
        if out.suffix == ".csv":
            frame.write_csv(temporary)
        else:
            frame.write_parquet(temporary)
        temporary.replace(out)
    finally:
        temporary.unlink(missing_ok=True)


def _doctor(arguments: argparse.Namespace) -> int:
    with _open(arguments) as session:
        print(f"ok      credentials: from {session.credentials_source}")
        return asyncio.run(_examine(session))


async def _examine(session: FlatSession) -> int:
    """Try a listing, a HEAD and a GET; stop at the first that fails."""
    downloader, bucket = session.downloader, session.catalog.bucket
    day = session.catalog.get_business_days(date.today() - timedelta(days=21), date.today())[0]
    key = session.catalog.get_stocks_daily_key(day)
    folder = key.rpartition("/")[0] + "/"

    async def listing() -> str:
        found = await downloader.list_objects(bucket, folder)
        return f"{len(found)} files in {folder}"

    async def asking() -> str:
        if not await downloader.check_exists(bucket, key):
            raise ObjectNotFoundError("404 no such key", bucket=bucket, key=key)
        return key

    async def reading() -> str:
        data = await downloader.download_one(bucket, key)
        return f"{key} ({len(data.getvalue()):,} bytes unpacked)"

    steps: dict[str, Callable[[], Awaitable[str]]] = {
        "list": listing,
        "find one object": asking,
        "read it": reading,
    }
    print(f"ok      endpoint: {downloader.endpoint_url}, bucket {bucket}")
    async with downloader:
        for name, step in steps.items():
            try:
                print(f"ok      {name}: {await step()}")
            except TransferError as error:
                print(f"failed  {name}: {type(error).__name__}: {error}")
                return 1
    return 0
