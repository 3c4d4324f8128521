"""Tracebacks of the recordings on which the program failed -> ``<output>.run/errors.jsonl``, to be reported.

Each line has the time, the version, the path and the traceback. The row of such a recording is ``internal_error``.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable
from typing import Final

from emosense._version import __version__
from emosense.storage.locations import join, redact
from emosense.storage.reading import read_own
from emosense.storage.writing import write_own

BUG_LOG: Final = "errors.jsonl"
# One bug may affect every recording: a few tracebacks are enough.
_MOST: Final = 100


class BugLog:
    """The log of one run folder.

    Parameters
    ----------
    folder : str
        Local path or URL of the run folder.
    """

    def __init__(self, folder: str) -> None:
        self._location = join(folder, BUG_LOG)
        self._lines: list[bytes] | None = None

    def add(self, bugs: Iterable[tuple[str, str]]) -> str:
        """Keep tracebacks, at most 100 in all.

        Parameters
        ----------
        bugs : iterable of (str, str)
            Path of a recording, and a traceback.

        Returns
        -------
        str
            A sentence for the user; empty from the second time on.

        Raises
        ------
        OutputError
            If the log cannot be written.
        """
        is_first = self._lines is None
        lines = self._earlier() if self._lines is None else self._lines
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        new = [
            json.dumps({"time": now, "emosense": __version__, "path": path, "traceback": text}).encode()
            for path, text in bugs
        ][: max(0, _MOST - len(lines))]
        self._lines = lines + new
        if new:
            write_own(self._location, b"".join(line + b"\n" for line in self._lines))
        return f"a bug in EmoSense: please report the traceback in {redact(self._location)}" if is_first else ""

    def _earlier(self) -> list[bytes]:
        """Return the lines of earlier starts; a log that cannot be read is written anew."""
        try:
            return read_own(self._location).splitlines()
        except OSError:
            return []
