"""Tables that lie where a run writes -> whether the run may replace them, or one sentence that says why not.

It may replace those that an earlier start has written, unless they have recordings that it would drop.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

from emosense.errors import UsageError
from emosense.labelling.run.journal import REPLACE_HINT, read_journal, read_own_json
from emosense.labelling.run.part_file import part_names
from emosense.storage.folders import exists, list_folder
from emosense.storage.locations import absolute_location, join, redact
from emosense.storage.schemes import is_url


def check_replaced(output: str, places: Iterable[str], run_settings: dict[str, Any]) -> dict[str, Any]:
    """Refuse to replace a table that this run has not written, or to drop recordings from one that it has.

    Parameters
    ----------
    output : str
        Location of the table.
    places : iterable of str
        All tables that will be written.
    run_settings : dict
        What the journal is to keep under ``job``.

    Returns
    -------
    dict
        `run_settings` with all tables that this run has written so far.

    Raises
    ------
    UsageError
        Naming the table, or the input whose recordings would be dropped from it.
    """
    before = _earlier_settings(output)
    known = {*before.get("tables", ())} if before is not None else set()
    for place in places:
        is_known = before is not None if place == output else table_name(place, output) in known
        if not is_known and exists(place) and not _is_empty(place):
            raise UsageError(f"{redact(place)} already exists and was not written by this run: {REPLACE_HINT}")
    if before is not None and _has_rows(output):
        _check_inputs(output, before, run_settings)
    return run_settings | {"tables": sorted(known | {*run_settings["tables"]})}


def _has_rows(output: str) -> bool:
    """Whether an earlier run has kept a row, or may have: if not, there is nothing to lose."""
    if part_names(f"{output}.run"):
        return True
    if not exists(manifest := f"{output}.run.json"):
        return False
    counts = read_own_json(manifest).get("counts")
    return not isinstance(counts, dict) or counts.get("recordings") != 0


def _check_inputs(output: str, before: dict[str, Any], now: dict[str, Any]) -> None:
    """Refuse inputs that omit earlier ones; inputs may be added, since then no row is dropped."""
    inputs = [_normal(location) for location in now["inputs"]]
    for location in before.get("inputs", ()):
        if not any(_normal(location) == other or _normal(location).startswith(join(other, "")) for other in inputs):
            raise UsageError(
                f"{redact(output)} has the recordings of {redact(location)}, which this command omits: {REPLACE_HINT}"
            )
    if now.get("limit") is not None and (before.get("limit") is None or now["limit"] < before["limit"]):
        raise UsageError(f"{redact(output)} has more recordings than --limit {now['limit']} allows: {REPLACE_HINT}")


def check_list(output: str, done: Iterable[str], is_listed: Callable[[str], bool]) -> None:
    """Refuse a list of names that lacks a recording of the table: all lists have the same name, ``-``.

    Parameters
    ----------
    output : str
        Location of the table.
    done : iterable of str
        Paths of the finished recordings.
    is_listed : callable
        Whether the list has a path.

    Raises
    ------
    UsageError
        Naming the first recording that the list lacks.
    """
    for path in done:
        if not is_listed(path):
            raise UsageError(f"{redact(output)} has {redact(path)}, which this list omits: {REPLACE_HINT}")


def _is_empty(place: str) -> bool:
    """Whether a place is a folder without a table, or an empty local file, as mktemp makes it: nothing is lost."""
    if place.endswith("/"):
        return not {*list_folder(place)} - {".run"}
    return not is_url(place) and os.path.isfile(place) and os.path.getsize(place) == 0


def _earlier_settings(output: str) -> dict[str, Any] | None:
    """Return the settings of the run that wrote this table; None where no run has written here."""
    journal, manifest = read_journal(f"{output}.run"), f"{output}.run.json"
    if journal:
        return _known(journal.get("job", {}))
    if exists(manifest):
        return _known(read_own_json(manifest))
    return None if journal is None else {}


def _known(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of an earlier run that have the right shape."""
    known: dict[str, Any] = {
        key: value
        for key, value in settings.items()
        if key in ("inputs", "tables") and isinstance(value, list) and all(isinstance(each, str) for each in value)
    }
    limit = settings.get("limit")
    return known | ({"limit": limit} if isinstance(limit, int) else {})


def table_name(place: str, output: str) -> str:
    """Name a table so that a run that was moved as a whole still recognises it.

    Parameters
    ----------
    place, output : str
        Location of the table, and of the table of the run.

    Returns
    -------
    str
        The path relative to the folder of `output`; URLs without credentials.
    """
    if is_url(place) or is_url(output):
        return redact(place)
    return os.path.relpath(place, os.path.dirname(os.path.abspath(output)))


def _normal(location: str) -> str:
    return location if location == "-" else absolute_location(location)
