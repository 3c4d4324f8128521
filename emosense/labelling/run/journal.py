"""What an earlier run left beside a table -> whether this run may resume it, or one sentence that says why not.

A journal holds the settings that change results, under ``job`` the settings of the run (the name of its model, its
inputs, and the tables that it writes), and under ``generations`` the numbers of the first and the last start whose
parts count.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from typing import Any, Final

from emosense.errors import UsageError
from emosense.labelling.run.part_file import part_names
from emosense.storage.folders import exists, list_folder
from emosense.storage.locations import absolute_location, join, redact
from emosense.storage.reading import parse_json, read_own
from emosense.storage.schemes import is_url
from emosense.storage.writing import write_own

_REPLACE: Final = "use --restart to replace it, or choose another output"
_OPTIONS: Final = {
    "window_s": "--window",
    "hop_s": "--hop",
    "strict": "--strict",
    "max_duration_s": "--max-duration",
    "segment_by": "--segment-by",
    "min_segment_s": "--min-segment",
    "max_segment_s": "--max-segment",
    "channels": "--channels",
    "track": "--track",
}
# What the default of an option means.
_DEFAULTS: Final = {
    "window_s": "the model's own",
    "hop_s": "the window",
    "track": "the default of each recording",
    "min_segment_s": "1",
    "max_segment_s": "the model's window",
}


def read_journal(folder: str) -> dict[str, Any] | None:
    """Read the journal of a run folder.

    Parameters
    ----------
    folder : str
        Local path or URL.

    Returns
    -------
    dict or None
        None where there is no journal; empty if it is damaged: there was a run, and nothing else is known.
    """
    location = join(folder, "journal.json")
    if not exists(location):
        return None
    journal = _read_own_json(location)
    digest = journal.pop("sha256", None)
    # Journals of earlier releases have no digest.
    is_whole = digest in (None, _digest(journal)) and "schema" in journal
    return journal if is_whole and isinstance(journal.get("job", {}), dict) else {}


def write_journal(folder: str, journal: dict[str, Any]) -> None:
    """Write the journal of a run folder, with a digest that tells a damaged one from that of other settings.

    Parameters
    ----------
    folder : str
        Local path or URL.
    journal : dict
        JSON values.
    """
    content = journal | {"sha256": _digest(journal)}
    write_own(join(folder, "journal.json"), json.dumps(content, indent=2).encode())


def generations_in(journal: dict[str, Any] | None) -> tuple[int, int]:
    """Return the numbers of the first and of the last start whose parts belong to a run.

    Parameters
    ----------
    journal : dict or None
        What `read_journal` gives.

    Returns
    -------
    first, last : int
        0 and -1 where the journal does not say.
    """
    found = (journal or {}).get("generations")
    if not isinstance(found, list) or len(found) != 2 or not all(isinstance(each, int) for each in found):
        return 0, -1
    return found[0], found[1]


def _digest(journal: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(journal, sort_keys=True).encode()).hexdigest()


def _read_own_json(location: str) -> dict[str, Any]:
    """Read a file that a run has written; empty if what lies there is not such a file."""
    try:
        content = parse_json(read_own(location))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def differing_settings(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return the settings that change results and are not those of an earlier run.

    Parameters
    ----------
    before, now : dict
        The journal of the earlier run, and of this one.

    Returns
    -------
    list of str
        Names in the journal, sorted.
    """
    keys = (before.keys() | now.keys()) - {"job", "generations"}
    return sorted(key for key in keys if before.get(key) != now.get(key))


def other_settings_error(folder: str, before: dict[str, Any], now: dict[str, Any]) -> UsageError:
    """Return the error for rows that were made with different settings and would be mixed.

    Parameters
    ----------
    folder : str
        Location of the run folder.
    before, now : dict
        The journal of the earlier run, and of this one.

    Returns
    -------
    UsageError
        Naming the options that differ.
    """
    changes = "; ".join(_change(key, before, now) for key in differing_settings(before, now))
    return UsageError(f"{redact(folder)} was started with other settings ({changes}), which need new work: {_REPLACE}")


def _change(key: str, before: dict[str, Any], now: dict[str, Any]) -> str:
    if key == "schema":
        return "by another version of EmoSense"
    if key == "model_sha256":
        names = [str(journal.get("job", {}).get("model", "another")) for journal in (before, now)]
        is_renamed = names[0] != names[1]
        return f"--model was {names[0]}, now {names[1]}" if is_renamed else f"the model {names[0]} has changed"
    return f"{_OPTIONS.get(key, key)} was {_value(key, before.get(key))}, now {_value(key, now.get(key))}"


def _value(key: str, value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if not value and key in _DEFAULTS:
        return _DEFAULTS[key]
    return f"{value:g}" if isinstance(value, float) else f"{value}"


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
            raise UsageError(f"{redact(place)} already exists and was not written by this run: {_REPLACE}")
    if before is not None and _has_rows(output):
        _check_inputs(output, before, run_settings)
    return run_settings | {"tables": sorted(known | {*run_settings["tables"]})}


def _has_rows(output: str) -> bool:
    """Whether an earlier run has kept a row, or may have: if not, there is nothing to lose."""
    if part_names(f"{output}.run"):
        return True
    if not exists(manifest := f"{output}.run.json"):
        return False
    counts = _read_own_json(manifest).get("counts")
    return not isinstance(counts, dict) or counts.get("recordings") != 0


def _check_inputs(output: str, before: dict[str, Any], now: dict[str, Any]) -> None:
    """Refuse inputs that omit earlier ones; inputs may be added, since then no row is dropped."""
    inputs = [_normal(location) for location in now["inputs"]]
    for location in before.get("inputs", ()):
        if not any(_normal(location) == other or _normal(location).startswith(join(other, "")) for other in inputs):
            raise UsageError(
                f"{redact(output)} has the recordings of {redact(location)}, which this command omits: {_REPLACE}"
            )
    if now.get("limit") is not None and (before.get("limit") is None or now["limit"] < before["limit"]):
        raise UsageError(f"{redact(output)} has more recordings than --limit {now['limit']} allows: {_REPLACE}")


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
            raise UsageError(f"{redact(output)} has {redact(path)}, which this list omits: {_REPLACE}")


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
        return _known(_read_own_json(manifest))
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
