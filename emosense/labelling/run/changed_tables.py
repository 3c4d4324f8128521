"""Tables that somebody changed after a run wrote them -> copies, before the run writes them again.

The manifest has the digest of every table that is a local file. A table with another one was changed by hand, or was
written by a start that was killed before its manifest.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from emosense.errors import OutputError
from emosense.labelling.run.journal import table_name
from emosense.storage.locations import redact
from emosense.storage.reading import parse_json, read_own
from emosense.storage.schemes import is_url

DIGESTS: Final = "table_sha256"


def table_digests(places: Iterable[str], output: str) -> dict[str, str]:
    """Compute what tells a table that was changed.

    Parameters
    ----------
    places : iterable of str
        Tables of a run.
    output : str
        The main table.

    Returns
    -------
    dict of str to str
        SHA-256 by the name that the manifest has for a table, of those that are local files.
    """
    return {table_name(place, output): _sha256(place) for place in _files(places)}


def keep_changed(places: Iterable[str], output: str, say: Callable[[str], None]) -> None:
    """Copy each table that was changed since its run has written it, as ``labels.changed-1.csv``.

    Parameters
    ----------
    places : iterable of str
        Tables that the run will write again.
    output : str
        The main table.
    say : callable
        Called with a sentence about every copy.

    Raises
    ------
    OutputError
        If a copy cannot be written.
    """
    known = _known_digests(output)
    for place in _files(places):
        expected = known.get(table_name(place, output))
        if expected is None or (found := _sha256(place)) == expected:
            continue
        copy = next(copy for copy in _copies(place) if not os.path.lexists(copy) or _sha256(copy) == found)
        if os.path.lexists(copy):
            continue
        try:
            with open(place, "rb") as source, open(copy, "xb") as target:
                shutil.copyfileobj(source, target)
        except OSError as err:
            raise OutputError(f"cannot keep the changed {redact(place)} as {redact(copy)}: {err.strerror}") from err
        say(f"{redact(place)} was changed since it was written: the changed table is kept as {redact(copy)}")


def _copies(place: str) -> Iterator[str]:
    stem, extension = os.path.splitext(place)
    return (f"{stem}.changed-{number}{extension}" for number in itertools.count(1))


def _files(places: Iterable[str]) -> Iterator[str]:
    return (place for place in places if not is_url(place) and os.path.isfile(place))


def _sha256(place: str) -> str:
    with open(place, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _known_digests(output: str) -> dict[str, Any]:
    try:
        manifest = parse_json(read_own(f"{output}.run.json"))
    except (OSError, ValueError):
        return {}
    known = manifest.get(DIGESTS) if isinstance(manifest, dict) else None
    return known if isinstance(known, dict) else {}
