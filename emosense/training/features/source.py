"""Where the features of a training come from: corpora, whose features are kept in a cache, or a feature table."""

from __future__ import annotations

import dataclasses

from emosense.errors import UsageError
from emosense.inputs.corpus import Corpus, read_corpus
from emosense.storage.locations import redact
from emosense.training.features.table_file import is_feature_table


@dataclasses.dataclass(frozen=True, slots=True)
class FeatureSource:
    """Where features come from, and where they are cached.

    Parameters
    ----------
    data : str
        A corpus (see `read_corpus`) or a feature table of the same configuration.
    cache : str
        Folder or URL of the feature cache (see `emosense.training.features.store`).
    address, n_workers
        See `ray_session`.
    more : tuple of str
        Further corpora; a feature table stands alone.
    follow_links : bool
        Follow symbolic links that lead out of a folder.
    root : str
        Folder or URL that relative paths in tables begin at; empty for the folder of the table.
    """

    data: str
    cache: str
    address: str | None = None
    n_workers: int | None = None
    more: tuple[str, ...] = ()
    follow_links: bool = False
    root: str = ""

    @property
    def locations(self) -> tuple[str, ...]:
        """All places of data."""
        return (self.data, *self.more)

    def corpus(self) -> Corpus:
        """Read the recordings and their labels.

        Returns
        -------
        Corpus
        """
        return read_corpus(*self.locations, follow_links=self.follow_links, root=self.root)

    @property
    def name(self) -> str:
        """The places of data, for messages."""
        return " and ".join(map(redact, self.locations))

    def is_stored(self) -> bool:
        """Whether the features are those of a feature table.

        Returns
        -------
        bool
            False for corpora, whose features are extracted.

        Raises
        ------
        UsageError
            If a feature table is one of several places.
        """
        stored = [place for place in self.locations if is_feature_table(place)]
        if stored and self.more:
            raise UsageError(f"{redact(stored[0])} is a feature table, which stands alone: leave out the other data")
        return bool(stored)


def check_recordings(source: FeatureSource) -> None:
    """Refuse a source that has features and no recordings.

    Parameters
    ----------
    source : FeatureSource
        Where features come from.

    Raises
    ------
    UsageError
        If it is a feature table.
    """
    if source.is_stored():
        raise UsageError(f"{source.name} is a feature table, and its recordings are needed: name the corpus")
