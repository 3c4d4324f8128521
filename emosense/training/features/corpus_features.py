"""Features of a corpus from the cache; missing ones are extracted and added first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from emosense.arrays import Float32
from emosense.errors import StorageError
from emosense.features.config import FeatureConfig
from emosense.inputs.corpus import Corpus
from emosense.progress import Progress, plural
from emosense.ray_session import ray_session
from emosense.storage.cells import printable_path
from emosense.storage.locations import redact
from emosense.training.extra import check_ray_data
from emosense.training.features.extract_on_ray import extract_on_ray
from emosense.training.features.extraction import Copy, Variant
from emosense.training.features.files import StoredFeatures, is_passing, recording_key
from emosense.training.features.store import FeatureStore
from emosense.training.features.table import FeatureTable

Wanted = tuple[FeatureConfig, Variant | None]


class CorpusFeatures:
    """The features of a corpus under several configurations, of its recordings and of variants of them.

    Parameters
    ----------
    corpus : Corpus
        Utterances, with the labels of the tables.
    cache : str
        Folder or URL of the feature cache (see `FeatureStore`).
    wanted : sequence of (FeatureConfig, Speed, Disturbance or None)
        Configurations and variants.
    """

    def __init__(self, corpus: Corpus, cache: str, wanted: Sequence[Wanted]) -> None:
        self._corpus = corpus
        self._recordings = [utterance.recording for utterance in corpus.utterances]
        self._stores = {each: FeatureStore(cache, *each) for each in wanted}
        # Results that are not kept: recordings that could not be read this time, by key.
        self._passing: dict[Wanted, dict[str, StoredFeatures]] = {each: {} for each in wanted}

    def extract_missing(self, address: str | None, n_workers: int | None, progress: Progress) -> None:
        """Extract what the cache lacks, with one start of Ray for everything.

        Parameters
        ----------
        address, n_workers
            See `ray_session`.
        progress : Progress
            Receives the number of recordings done, for each configuration and variant.

        Raises
        ------
        UsageError
            If Ray Data is not installed.
        """
        missing = {each: found for each, store in self._stores.items() if (found := store.missing(self._recordings))}
        if not missing:
            return
        check_ray_data()
        with ray_session(address, n_workers) as n_cpus:
            for (config, variant), recordings in missing.items():
                name = config.set + (f" ({variant.name})" if variant else "")
                progress.message(f"features: {name}: {plural(len(recordings), 'recording')}")
                store, passing = self._stores[config, variant], self._passing[config, variant]
                for recording, *errors in extract_on_ray(recordings, config, variant, store, n_cpus, progress):
                    if is_passing(errors[0]):
                        passing[recording_key(recording)] = StoredFeatures(np.empty(0, np.float32), *errors)

    def rows(self, config: FeatureConfig, variant: Variant | None) -> list[StoredFeatures]:
        """Return the features of all recordings, or why there are none.

        Parameters
        ----------
        config : FeatureConfig
            One of `wanted`.
        variant : Speed, Disturbance or None
            The variant of that entry.

        Returns
        -------
        list of StoredFeatures
            In the order of the corpus.

        Raises
        ------
        StorageError
            If features are gone that were written.
        """
        store = self._stores[config, variant]
        found = self._passing[config, variant] | store.read(self._recordings)
        rows = [found.get(recording_key(recording)) for recording in self._recordings]
        if lost := rows.count(None):
            raise StorageError(
                f"{redact(store.folder)} lacks the features of {plural(lost, 'recording')} that were written there: "
                "run it again; on a cluster, workers must write to the folder that this process reads"
            )
        return [row for row in rows if row]

    def table(self, config: FeatureConfig, variant: Variant | None, copies: Sequence[Copy] = ()) -> FeatureTable:
        """Return the features of all recordings that could be read.

        Parameters
        ----------
        config : FeatureConfig
            One of `wanted`.
        variant : Speed, Disturbance or None
            The variant of that entry.
        copies : sequence of Copy
            The copies in the table. Where a changed recording has no features, such as one that is too short at another
            speed, those of the recording itself are the copy.

        Returns
        -------
        FeatureTable
            In the order of the corpus, with its labels.
        """
        found = self.rows(config, variant)
        by_error = Counter(row.error_code for row in found if row.error_code)
        readable = [number for number, row in enumerate(found) if not row.error_code]
        unchanged = {} if variant else {config: found}
        copied: dict[Copy, list[Float32]] = {}
        for copy in copies:
            changed = self.rows(copy.config, copy.variant)
            without = {row for row in readable if changed[row].error_code}
            if without and copy.config not in unchanged:
                unchanged[copy.config] = self.rows(copy.config, None)
            copied[copy] = [(unchanged[copy.config] if row in without else changed)[row].values for row in readable]
        utterances = [self._corpus.utterances[number] for number in readable]
        return FeatureTable(
            config,
            tuple(printable_path(u.recording.path) for u in utterances),
            tuple(u.emotion for u in utterances),
            tuple(u.speaker for u in utterances),
            tuple(u.sex for u in utterances),
            [found[number].values for number in readable],
            copied,
            corpora=tuple(u.corpus for u in utterances),
            languages=tuple(u.language for u in utterances),
            by_error=by_error,
        )
