"""Features of a corpus for training: extracted once, kept, and found again by what they were made of."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence

from emosense import __version__
from emosense.corpora import Corpus, read_corpus
from emosense.errors import UsageError
from emosense.extraction import Speed, Variant
from emosense.feature_table import FeatureTable, Float32, is_feature_table, read_feature_table
from emosense.features import FeatureConfig
from emosense.pipelines.extract import extract_corpus, report_problems
from emosense.pipelines.ray_session import ray_session
from emosense.progress import Progress, Silent
from emosense.storage import exists, make_folder, redact
from emosense.training.ensemble import ModelConfig, feature_configs, members_of
from emosense.training.fitting import copy_speeds


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


def load_features(
    source: FeatureSource, config: FeatureConfig, *, speeds: Sequence[float] = (), told: Progress | None = None
) -> FeatureTable:
    """Return the features of a corpus, extracted now or taken from the cache.

    Parameters
    ----------
    speeds : sequence of float
        Make copies of the recordings at these speeds, for training.

    Returns
    -------
    FeatureTable
        With `config` itself: what is stored does not say where the file of an encoder lies.

    Raises
    ------
    UsageError
        If a feature table was made with another configuration, or nothing has a label.
    """
    told = told or Silent()
    if is_feature_table(source.data):
        table = read_feature_table(source.data)
        if table.config != config:
            raise UsageError(f"{redact(source.data)} holds {describe_difference(table.config, config)}")
        if speeds:
            told.say(f"{redact(source.data)} has no copies at other speeds: the model is trained without them")
    else:
        corpus = read_corpus(source.data)
        report_problems(corpus, told)
        wanted: list[Variant | None] = [None, *map(Speed, speeds)]
        places = {(config, variant): _cache_place(source, corpus, config, variant) for variant in wanted}
        _extract_missing(source, corpus, places, told)
        original, *copies = places.values()
        table = read_feature_table(original)
        table = dataclasses.replace(table, copies=tuple(_copy(table, place) for place in copies))
    table = dataclasses.replace(table, config=config)
    table = table.select([row for row, emotion in enumerate(table.emotions) if emotion])
    if not len(table):
        raise UsageError(f"no recording of {redact(source.data)} has a label: see emosense-batch train --help")
    return table


def load_tables(
    source: FeatureSource, config: ModelConfig, classes: Sequence[str], told: Progress
) -> tuple[FeatureTable, ...]:
    """Load every feature set that a model hears: the same utterances in each, in the same order.

    Raises
    ------
    UsageError
        If a recording has some of the features and not all of them, or as in `load_features`.
    """
    tables = []
    for heard in feature_configs(config):
        trained = next(member.config for member in members_of(config, 0) if member.config.feature == heard)
        tables.append(load_features(source, heard, speeds=copy_speeds(trained), told=told).with_emotions(classes))
    if any(table.paths != tables[0].paths for table in tables):
        raise UsageError(f"recordings of {redact(source.data)} have some of the features and not all of them")
    return tuple(tables)


def extract_variants(
    source: FeatureSource, configs: Sequence[FeatureConfig], variants: Sequence[Variant], told: Progress
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
    _extract_missing(source, corpus, places, told)
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
    source: FeatureSource, corpus: Corpus, places: Mapping[tuple[FeatureConfig, Variant | None], str], told: Progress
) -> None:
    """Fill the cache, with one start of Ray for all variants."""
    missing = {key: place for key, place in places.items() if not exists(place)}
    if not missing:
        return
    make_folder(source.cache)
    with ray_session(source.address, source.n_workers):
        for (config, variant), place in missing.items():
            told.say(f"features: {config.set}" + (f" ({variant.name})" if variant else ""))
            extract_corpus(corpus, config, place, variant=variant, told=told)


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
