"""Entries by name: what can be added (a feature set, an output format, a preset) stands in one registry.

A package adds an entry without touching this one: it declares an entry point whose group is the registry's, such as
``[project.entry-points."emosense.feature_sets"]``. Entry points are loaded only when a name is not built in, so that
every process of a run (the driver, its workers, Ray's) finds the entry, and a run without plugins pays nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

from emosense.errors import UsageError

Entry = TypeVar("Entry")


class Registry(Mapping[str, Entry]):
    """A mapping from names to entries, in the order in which they were registered.

    Parameters
    ----------
    noun : str
        What an entry is called in messages: ``feature set``.
    group : str
        Entry-point group from which further entries are loaded; empty for none. An entry point gives the entry itself.
    """

    def __init__(self, noun: str, group: str = "") -> None:
        self._noun, self._group = noun, group
        self._entries: dict[str, Entry] = {}
        self._is_complete = not group

    def register(self, name: str, entry: Entry) -> Entry:
        """Add an entry.

        Parameters
        ----------
        name : str
            Name that no other entry has.
        entry : object
            The entry.

        Returns
        -------
        object
            The entry itself.

        Raises
        ------
        ValueError
            If the name is taken.
        """
        if name in self._entries:
            raise ValueError(f"there is a {self._noun} {name!r} already")
        self._entries[name] = entry
        return entry

    def find(self, name: str) -> Entry:
        """Return an entry by the name that a user gave.

        Parameters
        ----------
        name : str
            Name of an entry, built in or from an installed package.

        Returns
        -------
        object
            The entry.

        Raises
        ------
        UsageError
            If there is no entry of that name; the message lists all names.
        """
        try:
            return self[name]
        except KeyError:
            raise UsageError(f"unknown {self._noun} {name!r}: choose one of {', '.join(self)}") from None

    def __getitem__(self, name: str) -> Entry:
        """Return an entry; entry points are loaded when it is not built in."""
        if name not in self._entries:
            self._load_entry_points()
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of all entries, those of entry points last."""
        self._load_entry_points()
        return iter(self._entries)

    def __len__(self) -> int:
        """Return the number of entries."""
        self._load_entry_points()
        return len(self._entries)

    def _load_entry_points(self) -> None:
        if self._is_complete:
            return
        self._is_complete = True
        from importlib.metadata import entry_points

        for point in entry_points(group=self._group):
            self._entries.setdefault(point.name, point.load())
