"""Features of a corpus for training: from a feature table, or extracted once and kept in the feature cache."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence

from emosense.errors import UsageError
from emosense.features.config import FeatureConfig
from emosense.progress import Progress
from emosense.training.cnn_settings import CnnConfig
from emosense.training.ensemble import features_of, without_copies
from emosense.training.features.corpus_features import CorpusFeatures
from emosense.training.features.extract_on_ray import report_problems
from emosense.training.features.extraction import Copy, Variant
from emosense.training.features.source import FeatureSource, check_recordings
from emosense.training.features.table import FeatureTable
from emosense.training.features.table_file import read_feature_table
from emosense.training.settings import ModelConfig


def settings_for(source: FeatureSource, config: ModelConfig, progress: Progress) -> ModelConfig:
    """Return the settings that apply to a source: a feature table has no copies.

    Parameters
    ----------
    source : FeatureSource
        Where features come from.
    config : NetworkConfig or EnsembleConfig
        Settings of the model.
    progress : Progress
        Receives a message where copies are left out.

    Returns
    -------
    NetworkConfig or EnsembleConfig
        Settings to train with.
    """
    if not source.is_stored():
        return config
    if any(features_of(config).values()):
        missing = "embeddings for a teacher" if isinstance(config, CnnConfig) else "changed copies"
        progress.message(f"{source.name} has no {missing}: the model is trained without")
    return without_copies(config)


def load_tables(
    source: FeatureSource, wanted: Mapping[FeatureConfig, Sequence[Copy]], progress: Progress
) -> tuple[FeatureTable, ...]:
    """Return the features that a model takes, one table per configuration, with the same utterances in each.

    Parameters
    ----------
    source : FeatureSource
        Where features come from.
    wanted : mapping of FeatureConfig to sequence of Copy
        Configurations, with the copies of the recordings that are made for training.
    progress : Progress
        Receives messages and the number of recordings done.

    Returns
    -------
    tuple of FeatureTable
        In the order of `wanted`. Each has its key as configuration: a stored one does not have the path of an encoder.

    Raises
    ------
    UsageError
        If a feature table was made with another configuration, a recording has some of the features and not all of
        them, none can be read, or none has a label.
    NothingToDo
        If the corpus has no recording.
    """
    found = _stored(source, wanted) if source.is_stored() else _extracted(source, wanted, progress)
    tables = []
    for config, table in zip(wanted, found, strict=True):
        if table.by_error:
            progress.message(f"{config.set}: {_unread(table.by_error)}")
        if table.by_error and not len(table):
            raise UsageError(f"no recording of {source.name} can be used: {_unread(table.by_error)}")
        labelled = table.select([row for row, emotion in enumerate(table.emotions) if emotion])
        if not len(labelled):
            raise _without_labels(source)
        tables.append(dataclasses.replace(labelled, config=config))
    if any(table.paths != tables[0].paths for table in tables):
        raise UsageError(f"recordings of {source.name} have some of the features and not all of them")
    return tuple(tables)


def _without_labels(source: FeatureSource) -> UsageError:
    return UsageError(
        f"no recording of {source.name} has a label: name the files as RAVDESS does, or give a table with the columns "
        "path, emotion and speaker"
    )


def _unread(by_error: Counter[str]) -> str:
    codes = ", ".join(f"{count:,} {code}" for code, count in by_error.most_common())
    return f"recordings that could not be read: {codes}"


def _stored(source: FeatureSource, wanted: Mapping[FeatureConfig, Sequence[Copy]]) -> list[FeatureTable]:
    table = read_feature_table(source.data)
    for config in wanted:
        if table.config != config:
            raise UsageError(f"{source.name} holds {_difference(table.config, config)}")
    return [table for _ in wanted]


def _extracted(
    source: FeatureSource, wanted: Mapping[FeatureConfig, Sequence[Copy]], progress: Progress
) -> list[FeatureTable]:
    corpus = source.corpus()
    report_problems(corpus, progress)
    if not any(utterance.emotion for utterance in corpus.utterances):
        raise _without_labels(source)
    copies = [copy for each in wanted.values() for copy in each]
    pairs = [(config, None) for config in (*wanted, *(copy.config for copy in copies))]
    variants = dict.fromkeys((*pairs, *((copy.config, copy.variant) for copy in copies)))
    features = CorpusFeatures(corpus, source.cache, list(variants))
    features.extract_missing(source.address, source.n_workers, progress)
    return [features.table(config, None, copies) for config, copies in wanted.items()]


def extract_variants(
    source: FeatureSource, configs: Sequence[FeatureConfig], variants: Sequence[Variant], progress: Progress
) -> CorpusFeatures:
    """Return the features of variants of a corpus, extracted now or before.

    Parameters
    ----------
    source : FeatureSource
        Where the recordings are.
    configs : sequence of FeatureConfig
        Settings of the features.
    variants : sequence of Speed or Disturbance
        What is done to the recordings.
    progress : Progress
        Receives messages and the number of recordings done.

    Returns
    -------
    CorpusFeatures
        Its `table` reads the features of one variant.

    Raises
    ------
    UsageError
        If the source has no recordings.
    """
    check_recordings(source)
    wanted = [(config, variant) for variant in variants for config in configs]
    features = CorpusFeatures(source.corpus(), source.cache, wanted)
    features.extract_missing(source.address, source.n_workers, progress)
    return features


def _difference(found: FeatureConfig, expected: FeatureConfig) -> str:
    """Describe the settings in which two configurations differ, with both values."""
    before, after = found.settings(), expected.settings()
    changed = [key for key in before | after if before.get(key) != after.get(key)]
    return ", ".join(f"{key} {before.get(key)}, needed is {after.get(key)}" for key in changed)
