"""What an earlier run left beside a table -> whether this one may go on from it, or one sentence that says why not.

A journal holds the settings that a run's rows depend on and, under ``job``, what else tells the run from another: its
model's name, its inputs, and the tables that it writes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from typing import Any, Final

from emosense.errors import UsageError
from emosense.storage.files import exists, read_bytes
from emosense.storage.locations import absolute_location, join, redact
from emosense.storage.schemes import is_url

_WAY_OUT: Final = "or choose another output"
_OPTIONS: Final = {
    "window_s": "--window",
    "hop_s": "--hop",
    "segments": "--segments (or a format of segments)",
    "strict": "--strict",
    "max_duration_s": "--max-duration",
    "quality": "--quality",
}
# What the default of an option stands for.
_DEFAULTS: Final = {"window_s": "the model's own", "hop_s": "the window"}


def read_journal(folder: str) -> dict[str, Any] | None:
    """Read the journal of a run folder; None where there is none.

    Raises
    ------
    UsageError
        If it is damaged.
    """
    location = join(folder, "journal.json")
    if not exists(location):
        return None
    try:
        journal = json.loads(read_bytes(location))
    except (OSError, ValueError) as err:
        raise UsageError(f"{redact(location)} is damaged: start over with --restart") from err
    if not isinstance(journal, dict):
        raise UsageError(f"{redact(location)} is no journal of a run: start over with --restart")
    return journal


def check_settings(folder: str, before: dict[str, Any], now: dict[str, Any]) -> None:
    """Refuse to mix rows of two settings.

    Raises
    ------
    UsageError
        Naming what differs as the user knows it.
    """
    keys = (before.keys() | now.keys()) - {"job"}
    differing = sorted(key for key in keys if before.get(key) != now.get(key))
    if differing:
        changes = "; ".join(_change(key, before, now) for key in differing)
        raise UsageError(
            f"{redact(folder)} holds work with other settings ({changes}): --restart discards it, {_WAY_OUT}"
        )


def _change(key: str, before: dict[str, Any], now: dict[str, Any]) -> str:
    if key == "schema":
        return "of another version of EmoSense"
    if key == "model_sha256":
        names = [journal.get("job", {}).get("model", "another") for journal in (before, now)]
        return f"--model {names[0]} then, {names[1]} now" if names[0] != names[1] else f"{names[0]} was another model"
    return f"{_OPTIONS.get(key, key)} {_shown(key, before.get(key))} then, {_shown(key, now.get(key))} now"


def _shown(key: str, value: object) -> str:
    if isinstance(value, bool):
        return "given" if value else "left out"
    if not value and key in _DEFAULTS:
        return _DEFAULTS[key]
    return f"{value:g}" if isinstance(value, float) else f"{value}"


def check_replaced(output: str, places: Iterable[str], job: dict[str, Any]) -> dict[str, Any]:
    """Refuse to replace what is no earlier state of the same tables; returns `job` with all tables of the run so far.

    Parameters
    ----------
    output : str
        Location of the table.
    places : iterable of str
        Every table that is to be written.
    job : dict
        What the journal is to keep under ``job``.

    Raises
    ------
    UsageError
        Naming the table, or the input whose recordings would go from it.
    """
    before = _earlier_job(output)
    known = {*before.get("tables", ())} if before is not None else set()
    for place in places:
        is_known = before is not None if place == output else table_name(place, output) in known
        if not is_known and exists(place) and not _is_empty(place):
            raise UsageError(
                f"{redact(place)} is there already and is no table of this run: --restart replaces it, {_WAY_OUT}"
            )
    if before is not None:
        _check_inputs(output, before, job)
    return job | {"tables": sorted(known | {*job["tables"]})}


def _check_inputs(output: str, before: dict[str, Any], job: dict[str, Any]) -> None:
    """Refuse inputs that leave earlier ones out; they may grow, since then no row goes."""
    inputs = [_normal(location) for location in job["inputs"]]
    for location in before.get("inputs", ()):
        if not any(_normal(location) == other or _normal(location).startswith(join(other, "")) for other in inputs):
            raise UsageError(
                f"{redact(output)} holds the recordings of {redact(location)}, which this command leaves out: "
                f"--restart replaces it, {_WAY_OUT}"
            )
    if job.get("limit") is not None and (before.get("limit") is None or job["limit"] < before["limit"]):
        raise UsageError(
            f"{redact(output)} holds more recordings than --limit {job['limit']} leaves: "
            f"--restart replaces it, {_WAY_OUT}"
        )


def check_list(output: str, done: Iterable[str], is_listed: Callable[[str], bool]) -> None:
    """Refuse a list of names that lacks a recording which the table holds: all lists have the same name, ``-``.

    Parameters
    ----------
    done : iterable of str
        Paths of the finished recordings.
    is_listed : callable
        Whether the list has a path.

    Raises
    ------
    UsageError
        Naming the first one.
    """
    for path in done:
        if not is_listed(path):
            raise UsageError(
                f"{redact(output)} holds {redact(path)}, which this list leaves out: --restart replaces it, {_WAY_OUT}"
            )


def _is_empty(place: str) -> bool:
    """Whether a place is a local file without content, as mktemp makes it: there is nothing to lose."""
    return not is_url(place) and os.path.isfile(place) and os.path.getsize(place) == 0


def _earlier_job(output: str) -> dict[str, Any] | None:
    """Return what is known of the run whose table this is; None where no run has written here."""
    journal = read_journal(f"{output}.run")
    if journal is not None:
        return dict(journal.get("job", {}))
    manifest = f"{output}.run.json"
    if not exists(manifest):
        return None
    try:
        return dict(json.loads(read_bytes(manifest)))
    except (OSError, ValueError, TypeError):
        # A damaged manifest says that there was a run, and nothing of it.
        return {}


def table_name(place: str, output: str) -> str:
    """Name a table so that a run that was moved as a whole still knows it."""
    if is_url(place) or is_url(output):
        return redact(place)
    return os.path.relpath(place, os.path.dirname(os.path.abspath(output)))


def _normal(location: str) -> str:
    return location if location == "-" else absolute_location(location)
