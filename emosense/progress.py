"""Progress of a running job on standard error: an animated bar, plain lines, JSON lines, or nothing."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Iterator
from typing import Final, Protocol

_PLAIN_EVERY_S: Final = 10.0
_JSON_EVERY_S: Final = 1.0


class Progress(Protocol):
    """Receives the progress and the messages of a job."""

    def start(self, total: int) -> None:
        """Begin a stage.

        Parameters
        ----------
        total : int
            Number of steps in the stage.
        """
        ...

    def advance(self, n_done: int, n_errors: int) -> None:
        """Count finished steps.

        Parameters
        ----------
        n_done : int
            Steps finished since the last call.
        n_errors : int
            How many of them are errors.
        """
        ...

    def position(self, position_s: float) -> None:
        """Show how far a long recording is.

        Parameters
        ----------
        position_s : float
            Seconds of its audio that are done.
        """
        ...

    def message(self, text: str) -> None:
        """Show a message to the user.

        Parameters
        ----------
        text : str
            One sentence.
        """
        ...


class Silent(Progress):
    """Shows nothing; the default of the Python API."""

    def start(self, total: int) -> None:
        """Ignore it."""

    def advance(self, n_done: int, n_errors: int) -> None:
        """Ignore it."""

    def position(self, position_s: float) -> None:
        """Ignore it."""

    def message(self, text: str) -> None:
        """Ignore it."""


class Lines(Progress):
    """A line every few seconds.

    Parameters
    ----------
    as_json : bool
        JSON objects, for programs, instead of text, for logs.
    """

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self.start(0)

    def start(self, total: int) -> None:
        """Start counting."""
        self._total, self._n_done, self._n_errors = total, 0, 0
        self._start_s = self._last_s = time.monotonic()

    def advance(self, n_done: int, n_errors: int) -> None:
        """Count, and print a line if one is due."""
        self._n_done += n_done
        self._n_errors += n_errors
        now_s = time.monotonic()
        due = now_s - self._last_s >= (_JSON_EVERY_S if self._as_json else _PLAIN_EVERY_S)
        if due or (self._as_json and self._n_done == self._total):
            self._last_s = now_s
            self._print(now_s - self._start_s)

    def position(self, position_s: float) -> None:
        """Print a line if one is due."""
        now_s = time.monotonic()
        if now_s - self._last_s < (_JSON_EVERY_S if self._as_json else _PLAIN_EVERY_S):
            return
        self._last_s = now_s
        if self._as_json:
            record = {"done": self._n_done, "total": self._total, "audio_s": round(position_s)}
            print(json.dumps(record), file=sys.stderr, flush=True)
            return
        where = _position_text(position_s, self._total)
        share = f"{self._n_done:,} of {self._total:,} ({self._n_done / max(self._total, 1):.0%}), "
        print(f"{share if self._total > 1 else ''}{where}", file=sys.stderr, flush=True)

    def _print(self, elapsed_s: float) -> None:
        rate = self._n_done / elapsed_s if elapsed_s > 0 else 0.0
        left_s = (self._total - self._n_done) / rate if rate else 0.0
        if self._as_json:
            record = {"done": self._n_done, "total": self._total, "errors": self._n_errors, "per_s": round(rate, 1)}
            print(json.dumps(record | {"left_s": round(left_s)}), file=sys.stderr, flush=True)
            return
        share = f"{self._n_done:,} of {self._total:,} ({self._n_done / max(self._total, 1):.0%})"
        line = f"{share}, {rate_text(rate)}, {duration_text(left_s)} left, {plural(self._n_errors, 'error')}"
        print(line, file=sys.stderr, flush=True)

    def message(self, text: str) -> None:
        """Print the message."""
        print(json.dumps({"message": text}) if self._as_json else text, file=sys.stderr, flush=True)


class Bar(Progress):
    """An animated bar with rate and remaining time."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        columns = (
            BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"), TimeRemainingColumn(),
            TextColumn("{task.fields[errors]}"),
        )  # fmt: skip
        self.display = RichProgress(*columns, console=Console(stderr=True), transient=True)
        self._task = self.display.add_task("", total=None, rate="", errors="", visible=False)
        self._n_done = self._n_errors = self._total = 0
        self._start_s = time.monotonic()

    def start(self, total: int) -> None:
        """Start a new bar."""
        self._n_done = self._n_errors = 0
        self._total = total
        self._start_s = time.monotonic()
        self.display.reset(self._task, total=total, rate="", errors="", visible=True)

    def advance(self, n_done: int, n_errors: int) -> None:
        """Move the bar."""
        self._n_done += n_done
        self._n_errors += n_errors
        rate = self._n_done / max(time.monotonic() - self._start_s, 1e-6)
        errors = f"[red]{plural(self._n_errors, 'error')}" if self._n_errors else ""
        self.display.update(self._task, advance=n_done, rate=rate_text(rate), errors=errors)

    def position(self, position_s: float) -> None:
        """Show it in the place of the rate."""
        self.display.update(self._task, rate=_position_text(position_s, self._total))

    def message(self, text: str) -> None:
        """Print the message above the bar."""
        self.display.console.print(text, markup=False, highlight=False)


def _position_text(position_s: float, total: int) -> str:
    """Say how far a recording is: the only one, or the one after those that are finished."""
    return f"{duration_text(position_s)} {'into the next' if total > 1 else 'of audio done'}"


@contextlib.contextmanager
def open_progress(mode: str) -> Iterator[Progress]:
    """Open the progress display for a job.

    Parameters
    ----------
    mode : str
        ``auto`` (a bar on a terminal, lines of text elsewhere), ``plain`` (lines of text), ``json`` or ``none``.

    Yields
    ------
    Progress
        The display; it closes with the block.
    """
    if mode == "none":
        yield Silent()
    elif mode == "auto" and sys.stderr.isatty():
        bar = Bar()
        with bar.display:
            yield bar
    else:
        yield Lines(as_json=mode == "json")


def duration_text(seconds: float) -> str:
    """Format a duration.

    Parameters
    ----------
    seconds : float
        The duration, at least 0.

    Returns
    -------
    str
        For example ``45 s``, ``12 min`` or ``3 h 05 min``.
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def rate_text(per_s: float) -> str:
    """Format a rate in the unit in which it is a number from 1 on.

    Parameters
    ----------
    per_s : float
        Steps per second, at least 0.

    Returns
    -------
    str
        For example ``1,234/s``, ``7.5/s``, ``12/min`` or ``3/h``.
    """
    for n_seconds, unit in ((1, "s"), (60, "min"), (3600, "h")):
        value = per_s * n_seconds
        if value >= 1 or unit == "h":
            break
    return f"{value:,.0f}/{unit}" if value >= 10 else f"{value:.2g}/{unit}"


def plural(n: int, noun: str) -> str:
    """Format a count with its noun.

    Parameters
    ----------
    n : int
        The count.
    noun : str
        The noun in the singular.

    Returns
    -------
    str
        For example ``1 recording`` or ``2 recordings``.
    """
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
