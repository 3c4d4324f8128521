"""The journal of a run: what was decided when it was started, and whether another start may resume it.

A journal holds the settings that change results, under ``job`` the settings of the run (the name of its model, its
inputs, and the tables that it writes), and under ``generations`` the numbers of the first and the last start whose
parts count.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final

from emosense.errors import UsageError
from emosense.storage.folders import exists
from emosense.storage.locations import join, redact
from emosense.storage.reading import parse_json, read_own
from emosense.storage.writing import write_own

# How the message of a refusal ends.
REPLACE_HINT: Final = "use --restart to replace it, or choose another output"
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
    journal = read_own_json(location)
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


def read_own_json(location: str) -> dict[str, Any]:
    """Read a JSON file that a run has written.

    Parameters
    ----------
    location : str
        Local path or URL.

    Returns
    -------
    dict
        Its values; empty if what lies there is not such a file.
    """
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
    return UsageError(
        f"{redact(folder)} was started with other settings ({changes}), which need new work: {REPLACE_HINT}"
    )


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
