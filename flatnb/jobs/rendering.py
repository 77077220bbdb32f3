"""Panel and jobs as HTML and as text: pure functions of their state.

The same HTML is shown by the widget while something runs and saved in the notebook afterwards. It
is made of tables and progress bars, which stay readable where a viewer drops the style sheet, as
GitHub does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ..download.statistics import Totals
from ..formatting import format_bytes
from ..html import escape
from ..market.data_types import find_data_type
from .activity import ActivitySnapshot, FailedFile, RunningFile
from .status import JobState, JobStatus

MAX_FILE_ROWS = 8
"""More running files than these are only counted."""

DisplayState = Literal["idle", "partly"] | JobState
"""The state of a job or a panel; ``"partly"``: done, and some files failed."""

_STATE_NAMES = {
    "idle": "idle",
    "partly": "done, with failures",
    "running": "loading",
    "cancelling": "cancelling …",
    "done": "done",
    "cancelled": "cancelled",
    "failed": "failed",
}


def panel_html(
    title: str,
    totals: Totals,
    snapshot: ActivitySnapshot,
    jobs: Sequence[JobStatus],
    live: bool = False,
) -> str:
    """The whole panel; ``live`` adds the Cancel buttons, which only work with a kernel."""
    state = _panel_state(snapshot, jobs)
    return "".join(
        [
            f'<div class="flatnb-head"><b>flatnb</b><span class="flatnb-dim">{escape(title)}</span>'
            f'<span role="status" class="flatnb-state flatnb-{state}">'
            f"{_STATE_NAMES[state]}</span></div>",
            *(job_html(job, snapshot.bytes_per_s, live) for job in jobs),
            _figures_html(totals, snapshot),
            _rate_html(snapshot),
            _files_html(snapshot.running),
            _failures_html(snapshot.failures),
        ]
    )


def panel_text(
    title: str, totals: Totals, snapshot: ActivitySnapshot, jobs: Sequence[JobStatus]
) -> str:
    """The whole panel as plain text."""
    lines = [f"flatnb – {title} – {_panel_state(snapshot, jobs)}"]
    lines += [f"  {job_text(job, snapshot.bytes_per_s)}" for job in jobs]
    lines.append("  " + ", ".join(f"{name}: {value}" for name, value in figures(totals, snapshot)))
    lines += [
        f"  failed: {short_key(failure.key)}: {failure.reason}" for failure in snapshot.failures
    ]
    return "\n".join(lines)


def figures(totals: Totals, snapshot: ActivitySnapshot) -> list[tuple[str, str]]:
    """Names and values of the panel's figures; each file counts under one of them."""
    ended = totals.successful + totals.failures
    missing = [("Missing", f"{totals.missing:,}")] if totals.missing else []
    return [
        ("Done", f"{totals.successful:,}"),
        ("Running", f"{totals.running:,}"),
        ("Failed", f"{totals.failures:,}"),
        ("Received", format_bytes(totals.received_bytes - totals.discarded_bytes)),
        ("Rate now", f"{format_bytes(snapshot.bytes_per_s)}/s" if totals.running else "–"),
        ("Mean rate", f"{format_bytes(totals.bytes_per_s)}/s" if totals.busy_s else "–"),
        ("Retries", f"{totals.retries:,}"),
        ("Cached", f"{totals.cache_hits:,}"),
        *missing,
        ("Success", f"{totals.successful / ended:.0%}" if ended else "–"),
    ]


def job_html(job: JobStatus, bytes_per_s: float = 0.0, live: bool = False) -> str:
    """One job: name, progress and, if ``live`` and it is running, a Cancel button."""
    state, percent = _display_state(job), _percent_done(job)
    # The text within <progress> is what viewers without that element show (HTML standard).
    button = ""
    if live and not job.is_done:
        button = (
            f'<button type="button" data-action="cancel" data-id="{job.number}"'
            f' aria-label="Cancel {escape(job.name)}"'
            f"{' disabled' if state == 'cancelling' else ''}>Cancel</button>"
        )
    error = f'<div class="flatnb-bad">{escape(job.error)}</div>' if job.error else ""
    description = escape(_job_description(job, bytes_per_s))
    return (
        f'<div class="flatnb-job"><div class="flatnb-row"><b>{escape(job.name)}</b>'
        f'<span class="flatnb-dim">{description}</span>{button}</div>'
        f'<progress class="flatnb-{state}" max="100" value="{percent:.0f}"'
        f' aria-label="{escape(job.name)}">{percent:.0f}%</progress>{error}</div>'
    )


def job_text(job: JobStatus, bytes_per_s: float = 0.0) -> str:
    """One job in a line of text."""
    return f"{job.name}: {job.state}, {_job_description(job, bytes_per_s)}"


def eta_s(job: JobStatus, bytes_per_s: float) -> float | None:
    """Seconds that a job's remaining bytes take at this rate; None if unknown."""
    remaining_bytes = job.progress.expected_bytes - job.progress.received_bytes
    return remaining_bytes / bytes_per_s if bytes_per_s > 0 and remaining_bytes > 0 else None


def short_key(key: str) -> str:
    """Data type and day of a key; a key that is not of a known data type, as it is."""
    parts = key.removesuffix(".csv.gz").split("/")
    data_type = find_data_type(parts[0], parts[1]) if len(parts) > 2 else None
    return f"{data_type.name} {parts[-1]}" if data_type else key


def _display_state(job: JobStatus) -> DisplayState:
    return "partly" if job.state == "done" and job.progress.failed else job.state


def _panel_state(snapshot: ActivitySnapshot, jobs: Sequence[JobStatus]) -> DisplayState:
    # Downloads may run without a job: the downloader can be used directly.
    states = [job.state for job in jobs if not job.is_done]
    if states or snapshot.running:
        return "cancelling" if states and set(states) == {"cancelling"} else "running"
    return _display_state(jobs[-1]) if jobs else "idle"


def _percent_done(job: JobStatus) -> float:
    """The percentage of a job's bytes that were received."""
    progress = job.progress
    if job.state == "done":
        return 100.0
    expected = progress.expected_bytes
    # The last percent stands for the frame, which is built when all files are loaded.
    return min(99.0, 100.0 * progress.received_bytes / expected) if expected else 0.0


def _job_description(job: JobStatus, bytes_per_s: float) -> str:
    progress = job.progress
    parts = [f"{progress.loaded:,} of {progress.files:,} files"] if progress.files else []
    counts = {
        "failed": progress.failed,
        "missing": progress.missing,
        # While others still run, a cancelled file is one that will not come.
        "cancelled": progress.cancelled,
        "from cache": progress.cached,
    }
    parts += [f"{count:,} {name}" for name, count in counts.items() if count]
    if progress.received_bytes:
        received = format_bytes(progress.received_bytes)
        expected = format_bytes(progress.expected_bytes)
        parts.append(received if job.is_done else f"{received} of {expected}")
    if job.is_done:
        parts.append(f"{_STATE_NAMES[job.state]} in {format_seconds(job.elapsed_s)}")
    elif job.state == "cancelling":
        parts.append("cancelling …")
    elif not parts:
        parts.append("looking up the files")
    elif progress.files and progress.ended >= progress.files:
        parts.append("building the frame")
    elif (remaining_s := eta_s(job, bytes_per_s)) is not None:
        parts.append(f"{format_seconds(remaining_s)} left")
    return " · ".join(parts)


def format_seconds(seconds: float) -> str:
    """A duration for people: ``format_seconds(75)`` is 1 min 15 s."""
    if seconds < 0.95:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, remainder_s = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {remainder_s:02} s" if minutes else f"{remainder_s} s"
    return f"{minutes // 60} h {minutes % 60:02} min"


def _figures_html(totals: Totals, snapshot: ActivitySnapshot) -> str:
    pairs = figures(totals, snapshot)
    heads = "".join(f'<th scope="col">{name}</th>' for name, _ in pairs)
    marks = {"Failed": ' class="flatnb-bad"'} if totals.failures else {}
    cells = "".join(f"<td{marks.get(name, '')}>{value}</td>" for name, value in pairs)
    return (
        '<table class="flatnb-figures" aria-label="Totals of this session">'
        f"<thead><tr>{heads}</tr></thead><tbody><tr>{cells}</tr></tbody></table>"
    )


def _rate_html(snapshot: ActivitySnapshot) -> str:
    """The rate over time as a chart, whose peak is in its label."""
    if len(snapshot.rate_history) < 2 or not any(snapshot.rate_history):
        return ""
    peak = max(snapshot.rate_history)
    # The viewBox is 600 by 40 units; 2 are left above and below for the width of the line.
    step = 600 / (len(snapshot.rate_history) - 1)
    points = " ".join(
        f"{index * step:.0f},{38 - 36 * rate / peak:.0f}"
        for index, rate in enumerate(snapshot.rate_history)
    )
    label = f"Rate over time, at most {format_bytes(peak)}/s"
    return (
        f'<svg class="flatnb-line" viewBox="0 0 600 40" preserveAspectRatio="none" role="img"'
        f' aria-label="{label}"><title>{label}</title>'
        f'<polygon points="0,40 {points} 600,40"/><polyline points="{points}"/></svg>'
    )


def _files_html(running: Sequence[RunningFile]) -> str:
    if not running:
        return ""
    rows = "".join(_file_html(file) for file in running[:MAX_FILE_ROWS])
    more = len(running) - MAX_FILE_ROWS
    note = f'<div class="flatnb-dim">… and {more} more</div>' if more > 0 else ""
    return f'<table class="flatnb-files" aria-label="Running files">{rows}</table>{note}'


def _file_html(file: RunningFile) -> str:
    name = escape(short_key(file.key))
    size = file.size_bytes
    percent = min(100.0, 100.0 * file.received_bytes / size) if size else 0.0
    progress = f"{format_bytes(file.received_bytes)} of {format_bytes(size)}" if size else "waiting"
    retries = f'<td class="flatnb-bad">{file.retries} retries</td>' if file.retries else ""
    return (
        f'<tr><th scope="row">{name}</th><td><progress max="100" value="{percent:.0f}"'
        f' aria-label="{name}">{percent:.0f}%</progress></td>'
        f"<td>{progress}</td>{retries}</tr>"
    )


def _failures_html(failures: Sequence[FailedFile]) -> str:
    if not failures:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{escape(short_key(failure.key))}</th>'
        f'<td class="flatnb-bad">{escape(failure.reason)}</td></tr>'
        for failure in failures
    )
    return f'<table class="flatnb-files" aria-label="Last failures">{rows}</table>'
