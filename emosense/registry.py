"""Entries by name: what can be added (a feature set, an output format, a preset) is an entry of a registry.

A package adds an entry without touching this one: it declares an entry point whose group is the registry's, such as
``[project.entry-points."emosense.feature_sets"]``. Every process of a run (the driver, its workers, Ray's) finds it
there. An entry point is imported only when its entry is used, so listing the names imports nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, TypeVar

from emosense.errors import UsageError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

Entry = TypeVar("Entry")


class Registry(Mapping[str, Entry]):
    """A mapping from names to entries: first those that were registered, in that order, then those of entry points.

    Parameters
    ----------
    noun : str
        What an entry is called in messages: ``feature set``.
    group : str
        Group of the entry points that add entries; empty for none. An entry point refers to the entry itself.
    """

    def __init__(self, noun: str, group: str = "") -> None:
        self._noun, self._group = noun, group
        self._entries: dict[str, Entry] = {}
        self._points: dict[str, EntryPoint] | None = None
        self._loaded: dict[str, Entry] = {}

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
        if name not in self._entries and name not in self._entry_points():
            raise UsageError(f"unknown {self._noun} {name!r}: choose one of {', '.join(self)}")
        return self[name]

    def __getitem__(self, name: str) -> Entry:
        """Return an entry; that of an entry point is imported when it is first used."""
        if name in self._entries:
            return self._entries[name]
        if name not in self._loaded:
            self._loaded[name] = self._entry_points()[name].load()
        return self._loaded[name]

    def __contains__(self, name: object) -> bool:
        """Whether there is an entry of that name."""
        return name in self._entries or name in self._entry_points()

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        yield from self._entries
        yield from (name for name in self._entry_points() if name not in self._entries)

    def __len__(self) -> int:
        """Return the number of entries."""
        return sum(1 for _ in self)

    def _entry_points(self) -> dict[str, EntryPoint]:
        """Return the entry points of the group, read once."""
        if self._points is None:
            from importlib.metadata import entry_points

            self._points = {point.name: point for point in entry_points(group=self._group)} if self._group else {}
        return self._points
