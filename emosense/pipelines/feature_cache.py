"""Features of a corpus for training: extracted once, kept, and found again by what they were made of."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Sequence

from emosense import __version__
from emosense.corpora import Corpus, read_corpus
from emosense.errors import UsageError
from emosense.feature_table import FeatureTable, Float32, is_feature_table, read_feature_table
from emosense.features import FeatureConfig
from emosense.pipelines.extract import extract_corpus, report_problems
from emosense.pipelines.ray_session import ray_session
from emosense.progress import Progress, Silent
from emosense.storage import exists, make_folder, redact


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
        places = {speed: _cache_place(source, corpus, config, speed) for speed in (1.0, *speeds)}
        _extract_missing(source, corpus, config, places, told)
        table = read_feature_table(places[1.0])
        table = dataclasses.replace(table, copies=tuple(_copy(table, places[speed]) for speed in speeds))
    table = table.select([row for row, emotion in enumerate(table.emotions) if emotion])
    if not len(table):
        raise UsageError(f"no recording of {redact(source.data)} has a label: see emosense-batch train --help")
    return table


def _cache_place(source: FeatureSource, corpus: Corpus, config: FeatureConfig, speed: float) -> str:
    at_speed = "" if speed == 1.0 else f"-x{speed:g}"
    return f"{source.cache}/features-{config.set}-{corpus_key(corpus, config)}{at_speed}.parquet"


def _extract_missing(
    source: FeatureSource, corpus: Corpus, config: FeatureConfig, places: dict[float, str], told: Progress
) -> None:
    """Fill the cache, with one start of Ray for all speeds."""
    missing = {speed: place for speed, place in places.items() if not exists(place)}
    if not missing:
        return
    make_folder(source.cache)
    with ray_session(source.address, source.n_workers):
        for speed, place in missing.items():
            told.say(f"features: {config.set}" + ("" if speed == 1.0 else f" at {speed:g} x speed"))
            extract_corpus(corpus, config, place, speed=speed, told=told)


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
    before, after = found.to_dict(), expected.to_dict()
    return ", ".join(f"{key} {before[key]}, needed is {after[key]}" for key in before if before[key] != after[key])


def default_cache() -> str:
    """Folder for feature tables: EMOSENSE_CACHE, else the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.environ.get("EMOSENSE_CACHE") or os.path.join(base, "emosense")
