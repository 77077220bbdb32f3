"""The ``flatnb`` command: ``demo``, ``load``, ``plan``, ``update``, ``lake`` and ``doctor``."""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypedDict, cast

from .download.targets import local_path
from .errors import FlatnbError, ObjectNotFoundError, TransferError
from .market.data_types import DATA_TYPES, LIVE_BUCKET, LIVE_ENDPOINT_URL, LIVE_OPTIONS_ROOT

if TYPE_CHECKING:
    import polars as pl

    from .session import FlatSession
    from .updater import UpdatedDay

NOTEBOOK_HINT = """\
To continue in a notebook, from a clone of flatnb:
  pip install -e '.[demo,notebook]' jupyterlab && jupyter lab notebooks/01_quickstart.ipynb"""

OUTPUT_SUFFIXES = (".parquet", ".csv")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status.

    0 for success, 1 for data that could not be loaded, 2 for invalid arguments, 130 for an
    interrupt (128 + SIGINT, as shells report it); of ``update``, 3 for late days, 4 for failures.
    """
    arguments = _parser().parse_args(argv)
    try:
        status: int = arguments.command(arguments)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    # Before ValueError, of which some of flatnb's errors are kinds.
    except (FlatnbError, ImportError, OSError) as error:
        print(f"flatnb: {error}", file=sys.stderr)
        return 1
    except ValueError as error:
        print(f"flatnb: {error}", file=sys.stderr)
        return 2
    return status


Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="flatnb", description="Market data flat files, loaded into data frames."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    _add_demo(commands)
    _add_load(commands)
    _add_plan(commands)
    _add_update(commands)
    _add_lake(commands)
    _add_doctor(commands)
    return parser


def _add_demo(commands: Commands) -> None:
    demo = commands.add_parser("demo", help="try flatnb on a synthetic market; no keys needed")
    demo.set_defaults(command=_demo)


def _add_load(commands: Commands) -> None:
    load = commands.add_parser("load", help="load a range of days and print them or write a file")
    load.set_defaults(command=_load)
    _add_selection(load)
    load.add_argument("--tz", default="UTC", help="time zone of the times (default: UTC)")
    load.add_argument(
        "--missing",
        choices=("warn", "raise", "ignore"),
        default="warn",
        help="what to do about a trading day without a file (default: warn)",
    )
    load.add_argument(
        "--hours", choices=("regular", "extended", "all"), default="all", help="default: all"
    )
    load.add_argument(
        "--adjust",
        choices=("splits", "all"),
        help="adjust stocks for splits, or dividends too (needs the REST API key)",
    )
    load.add_argument("--out", metavar="FILE", help="a .parquet or .csv file to write")
    load.add_argument("--no-cache", action="store_true", help="neither read nor write the cache")
    load.add_argument("--no-progress", action="store_true", help="show no progress bar")
    _add_connection(load)


def _add_plan(commands: Commands) -> None:
    plan = commands.add_parser("plan", help="show what a load would download; download nothing")
    plan.set_defaults(command=_plan)
    _add_selection(plan)
    plan.add_argument("--no-cache", action="store_true", help="plan as if nothing were cached")
    _add_connection(plan)


def _add_update(commands: Commands) -> None:
    update = commands.add_parser(
        "update",
        help="load the newest published days into the cache or a lake, for cron",
        epilog="exit status: 0 new days or nothing to do, 3 days are late, 4 something failed",
    )
    update.set_defaults(command=_update)
    update.add_argument(
        "data_types", nargs="+", metavar="DATA_TYPE", help="for example stocks_daily"
    )
    update.add_argument("--lake", metavar="PATH", help="a folder or s3://…; default: the cache")
    update.add_argument("--since", metavar="DAY", help="the first day to look for, YYYY-MM-DD")
    update.add_argument("--json", action="store_true", help="print all days as one JSON object")
    update.add_argument(
        "--log", type=Path, metavar="FILE", help="append a line for each new, late or failed day"
    )
    _add_lake_options(update)
    _add_connection(update)


def _add_lake(commands: Commands) -> None:
    lake = commands.add_parser("lake", help="convert a history to Parquet, day by day")
    lake.set_defaults(command=_lake)
    _add_selection(lake)
    lake.add_argument("path", help="a folder, or s3://bucket/folder")
    lake.add_argument("--no-progress", action="store_true", help="show no progress bar")
    _add_lake_options(lake)
    _add_connection(lake)


def _add_doctor(commands: Commands) -> None:
    doctor = commands.add_parser("doctor", help="check the credentials, listing and reading")
    doctor.set_defaults(command=_doctor)
    doctor.add_argument(
        "--ranges",
        metavar="DAY",
        help="also read 200 tickers of this day's stock minutes by ranges, compare them with the "
        "whole file, and print a report without a row of it",
    )
    _add_connection(doctor)


def _add_selection(parser: argparse.ArgumentParser) -> None:
    names = ", ".join(DATA_TYPES)
    parser.add_argument("data_type", help=f"one of {names}; or root/folder")
    parser.add_argument("start", help="first day, YYYY-MM-DD")
    parser.add_argument("end", help="last day, inclusive")
    parser.add_argument("--symbols", nargs="+", metavar="TICKER", help="only these tickers")
    parser.add_argument("--underlyings", nargs="+", metavar="ROOT", help="only these OCC roots")
    parser.add_argument("--columns", nargs="+", metavar="NAME", help="only these columns")


def _add_lake_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--bars", metavar="LENGTH", help="keep bars of 10s, 5m, 1h … of a lake's minutes or trades"
    )
    parser.add_argument(
        "--bar-hours",
        choices=("regular", "extended", "all"),
        help="the hours of these bars (default: regular where a market has hours)",
    )


def _transform(arguments: argparse.Namespace) -> Callable[[pl.DataFrame], pl.DataFrame] | None:
    if arguments.bars is None:
        if arguments.bar_hours is not None:
            raise ValueError("--bar-hours belongs to --bars; pass a length, or omit it")
        return None
    from .research.bar_making import bars, check_length

    check_length(arguments.bars)
    if arguments.bar_hours is None:
        return partial(bars, every=arguments.bars)
    return partial(bars, every=arguments.bars, hours=arguments.bar_hours)


class _Selection(TypedDict):
    """The arguments of `load` and `plan` that `_add_selection` reads."""

    symbols: list[str] | None
    underlyings: list[str] | None
    columns: list[str] | None


def _selection(arguments: argparse.Namespace) -> _Selection:
    return {
        "symbols": arguments.symbols,
        "underlyings": arguments.underlyings,
        "columns": arguments.columns,
    }


def _add_connection(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--demo", action="store_true", help="use the synthetic market; no keys")
    parser.add_argument("--profile", help="the AWS profile that has the S3 keys")
    parser.add_argument("--endpoint-url", default=LIVE_ENDPOINT_URL, help="default: %(default)s")
    parser.add_argument("--bucket", default=LIVE_BUCKET, help="default: %(default)s")
    parser.add_argument(
        "--options-root",
        default=LIVE_OPTIONS_ROOT,
        help="the folder of the options files in the bucket (default: %(default)s)",
    )


def _open_session(arguments: argparse.Namespace) -> FlatSession:
    # Here, as the session imports polars and boto, for which `flatnb --help` would have to wait.
    from .session import FlatSession

    if arguments.demo:
        return FlatSession.demo()
    return FlatSession(
        profile=arguments.profile,
        endpoint_url=arguments.endpoint_url,
        bucket=arguments.bucket,
        options_root=arguments.options_root,
        # `doctor` has no such option, and must not read a day from the cache.
        cache=not getattr(arguments, "no_cache", True),
    )


def _demo(arguments: argparse.Namespace) -> int:
    from .session import FlatSession

    with FlatSession.demo() as session:
        print(f"{session}\nAll data below are SYNTHETIC: the vendor's format, invented values.\n")
        loads: list[tuple[str, str, str, list[str] | None]] = [
            ("stocks_daily", "2024-01-02", "2024-01-31", ["AAPL", "MSFT"]),
            ("stocks_minute", "2024-01-02", "2024-01-02", None),
        ]
        for data_type, start, end, symbols in loads:
            argument = f", symbols={symbols!r}" if symbols else ""
            print(f'session.load("{data_type}", "{start}", "{end}"{argument})')
            print(session.load(data_type, start, end, symbols=symbols))
            print(f"session.last_report\n{session.last_report}\n")
        print(f"session.stats\n{session.stats}\n\n{NOTEBOOK_HINT}")
    return 0


def _load(arguments: argparse.Namespace) -> int:
    out = None if arguments.out is None else local_path(arguments.out, "--out")
    if out is not None and out.suffix not in OUTPUT_SUFFIXES:
        raise ValueError(f"--out {out}: the file name must end in {' or '.join(OUTPUT_SUFFIXES)}")
    with _open_session(arguments) as session:
        frame = session.load(
            arguments.data_type,
            arguments.start,
            arguments.end,
            **_selection(arguments),
            tz=arguments.tz,
            missing=arguments.missing,
            hours=arguments.hours,
            adjust=arguments.adjust,
            progress=False if arguments.no_progress else None,
        )
        # The standard output is for the frame alone, which may be redirected.
        print(session.last_report, file=sys.stderr)
    if out is None:
        print(frame)
    else:
        _write(frame, out)
        print(f"{frame.height:,} rows written to {out}", file=sys.stderr)
    return 0


def _plan(arguments: argparse.Namespace) -> int:
    with _open_session(arguments) as session:
        plan = session.plan(
            arguments.data_type,
            arguments.start,
            arguments.end,
            **_selection(arguments),
        )
        print(plan)
    return 0


def _lake(arguments: argparse.Namespace) -> int:
    with _open_session(arguments) as session:
        lake = session.to_lake(
            arguments.data_type,
            arguments.start,
            arguments.end,
            arguments.path,
            **_given(_selection(arguments)),
            transform=_transform(arguments),
            progress=False if arguments.no_progress else None,
        )
        print(lake.report, file=sys.stderr)
    print(lake)
    return 0


def _given(selection: _Selection) -> _Selection:
    return cast("_Selection", {name: value for name, value in selection.items() if value})


def _update(arguments: argparse.Namespace) -> int:
    transform = _transform(arguments)
    arguments.no_cache = arguments.lake is not None
    try:
        with _open_session(arguments) as session:
            update = session.update(
                arguments.data_types,
                lake=arguments.lake,
                since=arguments.since,
                transform=transform,
                on_day=None if arguments.json else _print_day,
            )
    except (FlatnbError, ImportError, OSError, RuntimeError) as error:
        if arguments.log is not None:
            _append(arguments.log, [f"failed: {error}"])
        print(f"flatnb: {error}", file=sys.stderr)
        return UPDATE_FAILED
    if arguments.json:
        print(json.dumps(update.as_dict()))
    else:
        for name, reason in update.errors.items():
            print(f"{name} failed: {reason}", file=sys.stderr)
        if update.status == "nothing":
            print("nothing new")
    if arguments.log is not None:
        _append(arguments.log, update.lines() or ["nothing new"])
    return update.exit_code


UPDATE_FAILED = 4


def _print_day(day: UpdatedDay) -> None:
    if day.status not in ("here", "missing"):
        print(day.line(), flush=True)


def _append(log: Path, lines: Sequence[str]) -> None:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    log.parent.mkdir(parents=True, exist_ok=True)
    # One write, so that the lines of two processes are not mixed (POSIX: O_APPEND).
    text = "".join(f"{now} {' '.join(line.split())}\n" for line in lines)
    with log.open("a", encoding="utf-8") as file:
        file.write(text)


def _write(frame: pl.DataFrame, out: Path) -> None:
    """Write the file completely or not at all."""
    # In the same folder: a rename is atomic only within a file system (POSIX rename).
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
    with _open_session(arguments) as session:
        print(f"ok      credentials: from {session.credentials_source}")
        status = asyncio.run(_run_checks(session))
        if status or arguments.ranges is None:
            return status
        check = session.check_ranges(arguments.ranges)
        print(check)
        return int(check.wrong > 0)


async def _run_checks(session: FlatSession) -> int:
    """Make a LIST, a HEAD and a GET request, and stop at the first that fails."""
    downloader, bucket = session.downloader, session.catalog.bucket
    # Three weeks ago: the files of the last days may not be published yet, and a subscription may
    # not include much older ones.
    day = session.catalog.get_business_days(date.today() - timedelta(days=21), date.today())[0]
    key = session.catalog.get_stocks_daily_key(day)
    folder = key.rpartition("/")[0] + "/"

    async def list_folder() -> str:
        found = await downloader.list_objects(bucket, folder)
        return f"{len(found)} files in {folder}"

    async def find_object() -> str:
        # A forbidden object can be listed, so a listing alone proves nothing.
        if not await downloader.check_exists(bucket, key):
            raise ObjectNotFoundError("404: there is no such object", bucket=bucket, key=key)
        return key

    async def read_object() -> str:
        data = await downloader.download_one(bucket, key)
        return f"{key} ({len(data.getvalue()):,} bytes decompressed)"

    steps: dict[str, Callable[[], Awaitable[str]]] = {
        "list": list_folder,
        "find one object": find_object,
        "read it": read_object,
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
