"""Features of a corpus for training: extracted once, kept, and found again by what they were made of."""

from __future__ import annotations

import dataclasses
import hashlib
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from emosense._version import __version__
from emosense.arrays import Float32
from emosense.errors import UsageError
from emosense.features.config import FeatureConfig
from emosense.inputs.corpus import Corpus, read_corpus
from emosense.progress import Progress, plural
from emosense.ray_session import ray_session
from emosense.storage.files import exists, make_folder
from emosense.storage.locations import join, redact
from emosense.training.ensemble import features_of, without_copies
from emosense.training.extract_on_ray import extract_corpus, report_problems
from emosense.training.extraction import Speed, Variant
from emosense.training.feature_table import (
    FeatureTable,
    is_feature_table,
    read_feature_table,
    replace_rows,
    rows_with_error,
)
from emosense.training.settings import ModelConfig

# Not of the recording's content: what was missing may be there the next time.
_PASSING: Final = (
    "unsupported_encoding", "missing", "permission_denied", "io_error", "changed_during_read", "out_of_memory",
    "internal_error",
)  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True)
class FeatureSource:
    """Where features come from, and where they are kept.

    Parameters
    ----------
    data : str
        A corpus (see `read_corpus`) or a feature table of the same configuration.
    cache : str
        Folder of feature tables; the key is the identity of every recording and the whole configuration.
    address, n_workers
        See `ray_session`.
    """

    data: str
    cache: str
    address: str | None = None
    n_workers: int | None = None


def settings_for(source: FeatureSource, config: ModelConfig, progress: Progress) -> ModelConfig:
    """Return the settings as they come to bear on a source: a feature table has no copies at other speeds."""
    if not is_feature_table(source.data):
        return config
    if any(features_of(config).values()):
        progress.message(f"{redact(source.data)} has no copies at other speeds: the model is trained without them")
    return without_copies(config)


def load_tables(
    source: FeatureSource, wanted: Mapping[FeatureConfig, Sequence[float]], progress: Progress
) -> tuple[FeatureTable, ...]:
    """Return every feature set that a model hears: the same utterances in each, in the same order.

    Parameters
    ----------
    wanted : mapping of FeatureConfig to sequence of float
        The speeds at which copies of the recordings are made, for training.

    Returns
    -------
    tuple of FeatureTable
        With the keys of `wanted` themselves: what is stored does not say where the file of an encoder lies.

    Raises
    ------
    UsageError
        If a feature table was made with another configuration, a recording has some of the features and not all of
        them, none can be read, or none has a label.
    NothingToDo
        If the corpus has no recording.
    """
    found = _stored(source, wanted) if is_feature_table(source.data) else _extracted(source, wanted, progress)
    tables = []
    for config, table in zip(wanted, found, strict=True):
        if table.by_error:
            progress.message(f"{config.set}: {_unread(table.by_error)}")
        if table.by_error and not len(table):
            raise UsageError(f"nothing of {redact(source.data)} can be used: {_unread(table.by_error)}")
        labelled = table.select([row for row, emotion in enumerate(table.emotions) if emotion])
        if not len(labelled):
            raise _without_labels(source)
        tables.append(dataclasses.replace(labelled, config=config))
    if any(table.paths != tables[0].paths for table in tables):
        raise UsageError(f"recordings of {redact(source.data)} have some of the features and not all of them")
    return tuple(tables)


def _without_labels(source: FeatureSource) -> UsageError:
    return UsageError(f"no recording of {redact(source.data)} has a label: see emosense-batch train --help")


def _unread(by_error: Counter[str]) -> str:
    codes = ", ".join(f"{count:,} {code}" for code, count in by_error.most_common())
    return f"recordings that could not be read: {codes}"


def _stored(source: FeatureSource, wanted: Mapping[FeatureConfig, Sequence[float]]) -> list[FeatureTable]:
    table = read_feature_table(source.data)
    for config in wanted:
        if table.config != config:
            raise UsageError(f"{redact(source.data)} holds {describe_difference(table.config, config)}")
    return [table for _ in wanted]


def _extracted(
    source: FeatureSource, wanted: Mapping[FeatureConfig, Sequence[float]], progress: Progress
) -> list[FeatureTable]:
    corpus = read_corpus(source.data)
    report_problems(corpus, progress)
    if not any(utterance.emotion for utterance in corpus.utterances):
        raise _without_labels(source)
    variants: dict[FeatureConfig, list[Variant | None]] = {
        config: [None, *map(Speed, speeds)] for config, speeds in wanted.items()
    }
    places = {
        (config, variant): _cache_place(source, corpus, config, variant)
        for config, several in variants.items()
        for variant in several
    }
    _extract_missing(source, corpus, places, progress)
    tables = []
    for config, several in variants.items():
        table = read_feature_table(places[config, None])
        copies = {copy.factor: _copy(table, places[config, copy]) for copy in several if isinstance(copy, Speed)}
        # Features that an earlier version kept do not say of which corpus they are.
        tables.append(dataclasses.replace(table, copies=copies, corpus=corpus.name))
    return tables


def extract_variants(
    source: FeatureSource, configs: Sequence[FeatureConfig], variants: Sequence[Variant], progress: Progress
) -> dict[tuple[FeatureConfig, Variant | None], str]:
    """Return the locations of the features of every variant of a corpus, extracted now or before.

    Raises
    ------
    UsageError
        If the source has no recordings.
    """
    check_recordings(source)
    corpus = read_corpus(source.data)
    places: dict[tuple[FeatureConfig, Variant | None], str] = {
        (config, variant): _cache_place(source, corpus, config, variant) for variant in variants for config in configs
    }
    _extract_missing(source, corpus, places, progress)
    return places


def check_recordings(source: FeatureSource) -> None:
    """Refuse a source that has features and no recordings.

    Raises
    ------
    UsageError
        If it is a feature table.
    """
    if is_feature_table(source.data):
        raise UsageError(f"{redact(source.data)} is a feature table, and its recordings are needed: name the corpus")


def _cache_place(source: FeatureSource, corpus: Corpus, config: FeatureConfig, variant: Variant | None) -> str:
    key = "" if variant is None else f"-{variant.key}"
    return f"{source.cache}/features-{config.set}-{corpus_key(corpus, config)}{key}.parquet"


def _extract_missing(
    source: FeatureSource,
    corpus: Corpus,
    places: Mapping[tuple[FeatureConfig, Variant | None], str],
    progress: Progress,
) -> None:
    """Fill the cache, with one start of Ray for all variants, and try again what a passing fault has kept out of it."""
    again = {key: rows_with_error(place, _PASSING) if exists(place) else None for key, place in places.items()}
    missing = {key: rows for key, rows in again.items() if rows != []}
    if not missing:
        return
    make_folder(source.cache)
    with ray_session(source.address, source.n_workers), tempfile.TemporaryDirectory() as folder:
        for (config, variant), rows in missing.items():
            place, name = places[config, variant], config.set + (f" ({variant.name})" if variant else "")
            if rows is None:
                progress.message(f"features: {name}")
                extract_corpus(corpus, config, place, variant=variant, progress=progress)
                continue
            progress.message(f"features: {name}: trying {plural(len(rows), 'recording')} again that could not be read")
            part = dataclasses.replace(corpus, utterances=tuple(corpus.utterances[row] for row in rows))
            extract_corpus(part, config, join(folder, "again.parquet"), variant=variant, progress=progress)
            replace_rows(place, rows, join(folder, "again.parquet"))


def _copy(table: FeatureTable, place: str) -> list[Float32]:
    """Features at another speed, in the rows of `table`; a clip that is too short at that speed is its own copy."""
    other = read_feature_table(place)
    by_path = dict(zip(other.paths, other.features, strict=True))
    return [by_path.get(path, features) for path, features in zip(table.paths, table.features, strict=True)]


def corpus_key(corpus: Corpus, config: FeatureConfig) -> str:
    """Digest of all recordings' identities and labels, of the configuration, and of the version that computes it."""
    digest = hashlib.sha256(f"{__version__} {config.key}".encode())
    for utterance in corpus.utterances:
        digest.update(repr(dataclasses.astuple(utterance)).encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:24]


def describe_difference(found: FeatureConfig, expected: FeatureConfig) -> str:
    """Name the settings in which two configurations differ."""
    before, after = found.settings(), expected.settings()
    changed = [key for key in before | after if before.get(key) != after.get(key)]
    return ", ".join(f"{key} {before.get(key)}, needed is {after.get(key)}" for key in changed)
