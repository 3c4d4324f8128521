"""Features of a corpus from the cache; missing ones are extracted and added first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from emosense.arrays import Float32
from emosense.features.config import FeatureConfig
from emosense.inputs.corpus import Corpus
from emosense.progress import Progress, plural
from emosense.ray_session import ray_session
from emosense.tables.cells import printable_path
from emosense.training.extract_on_ray import extract_on_ray
from emosense.training.extraction import Copy, Variant
from emosense.training.feature_store import FeatureStore, StoredFeatures, is_passing, recording_key
from emosense.training.feature_table import FeatureTable

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
        """
        missing = {each: found for each, store in self._stores.items() if (found := store.missing(self._recordings))}
        if not missing:
            return
        with ray_session(address, n_workers) as n_cpus:
            for (config, variant), recordings in missing.items():
                name = config.set + (f" ({variant.name})" if variant else "")
                progress.message(f"features: {name}: {plural(len(recordings), 'recording')}")
                n_done = 0
                with self._stores[config, variant].writer() as write:
                    for results in extract_on_ray(recordings, config, variant, n_cpus, progress):
                        part = recordings[n_done : n_done + len(results)]
                        write(part, results)
                        n_done += len(results)
                        codes = {
                            recording_key(r): result["error_code"] for r, result in zip(part, results, strict=True)
                        }
                        self._passing[config, variant] |= {
                            key: StoredFeatures(np.empty(0, np.float32), code)
                            for key, code in codes.items()
                            if is_passing(code)
                        }

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
        found, keys = self._read(config, variant), [recording_key(each) for each in self._recordings]
        by_error = Counter(code for key in keys if (code := found[key].error_code))
        rows = [(u, key) for u, key in zip(self._corpus.utterances, keys, strict=True) if not found[key].error_code]
        copied: dict[Copy, list[Float32]] = {}
        for copy in copies:
            unchanged, changed = (self._read(copy.config, each) for each in (None, copy.variant))
            copied[copy] = [(unchanged if changed[key].error_code else changed)[key].values for _, key in rows]
        return FeatureTable(
            config,
            tuple(printable_path(u.recording.path) for u, _ in rows),
            tuple(u.emotion for u, _ in rows),
            tuple(u.speaker for u, _ in rows),
            tuple(u.sex for u, _ in rows),
            [found[key].values for _, key in rows],
            copied,
            corpora=tuple(u.corpus for u, _ in rows),
            languages=tuple(u.language for u, _ in rows),
            by_error=by_error,
        )

    def _read(self, config: FeatureConfig, variant: Variant | None) -> dict[str, StoredFeatures]:
        return self._passing[config, variant] | self._stores[config, variant].read(self._recordings)
