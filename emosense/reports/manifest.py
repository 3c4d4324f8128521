"""The manifest of a labelling run, which says what labelled and how: read beside a table of its labels or segments."""

from __future__ import annotations

import os
from typing import Any, Final

from emosense.errors import UsageError
from emosense.storage.folders import list_folder
from emosense.storage.locations import join, redact
from emosense.storage.reading import read_json
from emosense.storage.schemes import is_url

_ENDING: Final = ".run.json"


def read_manifest(location: str) -> dict[str, Any]:
    """Read the manifest of a labelling run.

    Parameters
    ----------
    location : str
        Location of the manifest.

    Returns
    -------
    dict
        Its content.

    Raises
    ------
    UsageError
        If it is missing or invalid.
    """
    try:
        manifest: dict[str, Any] = read_json(location)
        manifest["counts"]["recordings"], manifest["model"]["name"], manifest["versions"]["emosense"]
    except FileNotFoundError as err:
        raise UsageError(f"there is no manifest at {redact(location)}") from err
    except (ValueError, LookupError, TypeError, OSError) as err:
        raise UsageError(f"{redact(location)} is not the manifest of a labelling run") from err
    return manifest


def manifest_of_segments(table: str) -> dict[str, Any]:
    """Find the manifest of the run that wrote a table of segments: it is named after the run's table of recordings.

    Parameters
    ----------
    table : str
        Location of the table of segments.

    Returns
    -------
    dict
        Its content; empty if no manifest in the folder of the table names it.

    Raises
    ------
    StorageError
        If object storage does not answer.
    """
    folder, _, name = table.rpartition("/") if is_url(table) else (os.path.dirname(table) or ".", "", table)
    own_name = redact(table) if is_url(table) else os.path.basename(name)
    for each in list_folder(folder):
        if each.endswith(_ENDING):
            try:
                manifest = read_manifest(join(folder, each))
            except UsageError:
                continue
            if own_name in manifest.get("tables", ()):
                return manifest
    return {}
