"""Tables that somebody changed after a run wrote them -> copies, before the run writes them again.

The manifest has what tells a changed table: the digest of a file or of all files of a folder, and for an object, or a
folder of objects, what changes with its content in the store. A table with another one was changed by hand, or was
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
from emosense.labelling.run.earlier_tables import table_name
from emosense.storage.folders import exists, make_inner_folder
from emosense.storage.locations import join, redact
from emosense.storage.objects import filesystem, object_version, retry
from emosense.storage.reading import open_stream, parse_json, read_own
from emosense.storage.schemes import is_url
from emosense.storage.writing import atomic_writer

DIGESTS: Final = "table_sha256"


def table_digests(places: Iterable[str], output: str) -> dict[str, str]:
    """Compute what tells a table that was changed.

    Parameters
    ----------
    places : iterable of str
        Tables of a run.
    output : str
        The main table. If it is a folder of parts, it is left out: nobody edits a data set by hand.

    Returns
    -------
    dict of str to str
        By the name that the manifest has for a table, of those that exist.
    """
    found = {table_name(place, output): _digest(place) for place in _small(places, output)}
    return {name: digest for name, digest in found.items() if digest}


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
    for place in _small(places, output):
        expected = known.get(table_name(place, output))
        if expected is None or (found := _digest(place)) in ("", expected):
            continue
        copy = next(copy for copy in _copies(place) if not exists(copy) or _digest(copy) == found)
        if exists(copy):
            continue
        try:
            _copy(place, copy)
        except OSError as err:
            raise OutputError(f"cannot keep the changed {redact(place)} as {redact(copy)}: {err.strerror}") from err
        say(f"{redact(place)} was changed since it was written: the changed table is kept as {redact(copy)}")


def _small(places: Iterable[str], output: str) -> Iterator[str]:
    return (place for place in places if place != output or not output.endswith("/"))


def _copies(place: str) -> Iterator[str]:
    stem, extension = os.path.splitext(place)
    return (f"{stem}.changed-{number}{extension}" for number in itertools.count(1))


def _digest(place: str) -> str:
    """Return what changes with the content of a table; empty where there is none, or the store does not say."""
    if not is_url(place):
        if os.path.isfile(place):
            return _sha256(place)
        entries = [f"{name} {_sha256(join(place, name))}" for name in _names(place)]
        return _joined(entries) if os.path.isdir(place) else ""
    entries = [f"{name} {version}" for name, version in _versions(place).items()]
    return "" if any(entry.endswith(" ") for entry in entries) else _joined(entries) if entries else ""


def _joined(entries: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(sorted(entries)).encode("utf-8", "surrogateescape")).hexdigest()


def _sha256(place: str) -> str:
    with open(place, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _names(folder: str) -> list[str]:
    """Return the files below a local folder; links are not followed."""
    paths = (os.path.join(top, name) for top, _, names in os.walk(folder) for name in names)
    return [os.path.relpath(path, folder) for path in paths if os.path.isfile(path) and not os.path.islink(path)]


def _versions(location: str) -> dict[str, str]:
    """Return what the store says about an object, whose name is then empty, or about those below a folder."""
    fs, path = filesystem(location)
    what = f"looking at {redact(location)}"
    try:
        info = retry(lambda: fs.info(path), what)
        if info["type"] != "directory":
            return {"": object_version(info)}
        # Not for one object, which adlfs gives as a list.
        found = retry(lambda: fs.find(path, detail=True), what)
    except FileNotFoundError:
        return {}
    return {name[len(path) :].lstrip("/"): object_version(info) for name, info in found.items()}


def _copy(place: str, copy: str) -> None:
    """Copy a table, or the folder of one."""
    names = _versions(place) if is_url(place) else [""] if os.path.isfile(place) else _names(place)
    for name in names:
        source, target = (join(each, name) if name else each for each in (place, copy))
        if name:
            make_inner_folder(copy, os.path.dirname(name))
        with open_stream(source) as content, atomic_writer(target) as file:
            shutil.copyfileobj(content, file)


def _known_digests(output: str) -> dict[str, Any]:
    try:
        manifest = parse_json(read_own(f"{output}.run.json"))
    except (OSError, ValueError):
        return {}
    known = manifest.get(DIGESTS) if isinstance(manifest, dict) else None
    return known if isinstance(known, dict) else {}
