"""Recordings -> features, with Ray Data: each worker reads recordings and extracts their features in one stage."""

from __future__ import annotations

import contextlib
import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np

from emosense.errors import EmoSenseError, NothingToDo, from_wire, to_wire
from emosense.features.config import FeatureConfig
from emosense.inputs.corpus import Corpus
from emosense.inputs.recording import Recording
from emosense.progress import Progress, Silent
from emosense.ray_session import quiet, ray_session
from emosense.storage.locations import redact
from emosense.storage.writing import atomic_writer
from emosense.training.extraction import Variant, extract_recordings
from emosense.training.feature_table import FeatureTableWriter

# A Ray Data task has a fixed cost of some 10 ms; 256 clips are half a second of work.
_RECORDINGS_PER_BLOCK: Final = 256
_BATCH_ROWS: Final = 256


@dataclasses.dataclass(frozen=True, slots=True)
class Extraction:
    """What `extract_corpus` did.

    Parameters
    ----------
    n_utterances : int
        Number of rows in the table.
    by_error : Counter
        Number of recordings that could not be read, by error code.
    """

    n_utterances: int
    by_error: Counter[str]


def _extract_batch(batch: dict[str, Any], config: FeatureConfig, variant: Variant | None) -> dict[str, Any]:
    """Ray Data's batch of recordings -> batch of features; `fault` is the code of the error that ends it."""
    sizes = (int(size) for size in batch["size"])
    recordings = map(Recording, batch["path"], batch["location"], sizes, batch["version"])
    fault = ""
    try:
        results = extract_recordings(recordings, config, variant)
    except EmoSenseError as err:
        # Ray Data replaces an exception with its own, without the cause (seen with 2.60), so the error is sent as rows.
        fault, text = to_wire(err)
        results = [{"features": [], "n_frames": 0, "error_code": "", "error": text}] * len(batch["index"])
    features = np.empty(len(results), object)
    features[:] = [np.asarray(result["features"], np.float32) for result in results]
    columns = {name: [result[name] for result in results] for name in ("n_frames", "error_code", "error")}
    return {"index": batch["index"], "features": features, "fault": [fault] * len(results), **columns}


def extract_corpus(
    corpus: Corpus,
    config: FeatureConfig,
    output: str,
    *,
    address: str | None = None,
    n_workers: int | None = None,
    progress: Progress | None = None,
) -> Extraction:
    """Extract the features of a corpus into a feature table.

    Parameters
    ----------
    corpus : Corpus
        Utterances to extract.
    config : FeatureConfig
        Settings of the features.
    output : str
        Location of the table, local or URL; it appears when it is complete.
    address, n_workers
        See `ray_session`.
    progress : Progress, optional
        Receives the number of recordings done.

    Returns
    -------
    Extraction
        What was done.

    Raises
    ------
    OutputError
        If the table cannot be written.
    """
    n_done, by_error = 0, Counter[str]()
    recordings = [utterance.recording for utterance in corpus.utterances]
    with (
        atomic_writer(output) as file,
        contextlib.closing(FeatureTableWriter(file, config, corpus.further_columns)) as writer,
        ray_session(address, n_workers) as n_cpus,
    ):
        for results in extract_on_ray(recordings, config, None, n_cpus, progress or Silent()):
            writer.write(corpus.utterances[n_done : n_done + len(results)], results)
            n_done += len(results)
            by_error.update(result["error_code"] for result in results if result["error_code"])
    return Extraction(n_done, by_error)


def extract_on_ray(
    recordings: Sequence[Recording], config: FeatureConfig, variant: Variant | None, n_cpus: int, progress: Progress
) -> Iterator[list[dict[str, Any]]]:
    """Extract features on the Ray that this process is connected to.

    Parameters
    ----------
    recordings : sequence of Recording
        Recordings to extract.
    config : FeatureConfig
        Settings of the features.
    variant : Speed, Disturbance or None
        See `emosense.training.extraction.extract_recordings`.
    n_cpus : int
        Number of CPUs to use.
    progress : Progress
        Receives the number of recordings done.

    Yields
    ------
    list of dict
        What `emosense.training.extraction.extract_recordings` returns, in the order of the recordings.

    Raises
    ------
    EmoSenseError
        An error of a worker that is not of one recording: a wrong variant or encoder, or storage that does not answer.
    """
    progress.start(len(recordings))
    import ray.data

    quiet()
    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order = True
    context.print_on_execution_start = False
    items = [{"index": index, **dataclasses.asdict(recording)} for index, recording in enumerate(recordings)]
    n_blocks = max(min(len(items), n_cpus), len(items) // _RECORDINGS_PER_BLOCK)
    dataset = ray.data.from_items(items, override_num_blocks=n_blocks)
    dataset = dataset.map_batches(_extract_batch, batch_size=None, fn_kwargs={"config": config, "variant": variant})
    expected = 0
    for batch in dataset.iter_batches(batch_size=_BATCH_ROWS, batch_format="pyarrow"):
        results = _rows(batch)
        for result in results:
            _check(result, expected)
            expected += 1
        yield results
        progress.advance(len(results), sum(bool(result["error_code"]) for result in results))
    _check_count(expected, len(items))


def _check(result: dict[str, Any], expected: int) -> None:
    if result["fault"]:
        raise from_wire(result["fault"], result["error"])
    if result["index"] != expected:
        raise RuntimeError(f"Ray Data returned row {result['index']} instead of {expected}")


def _check_count(n_rows: int, n_recordings: int) -> None:
    if n_rows != n_recordings:
        raise RuntimeError(f"Ray Data returned {n_rows} rows for {n_recordings} recordings")


def _rows(batch: Any) -> list[dict[str, Any]]:
    """Rows of an Arrow batch, features as arrays: Python lists of floats would take longer than the STFT."""
    columns = {name: batch[name].to_pylist() for name in ("index", "fault", "n_frames", "error_code", "error")}
    features = [np.asarray(value.values if hasattr(value, "values") else value) for value in batch["features"]]
    return [
        dict(zip((*columns, "features"), row, strict=True)) for row in zip(*columns.values(), features, strict=True)
    ]


def report_problems(corpus: Corpus, progress: Progress) -> None:
    """Report every recording that cannot be used.

    Parameters
    ----------
    corpus : Corpus
        What was read.
    progress : Progress
        Receives a message per problem.

    Raises
    ------
    NothingToDo
        If no recording can be used.
    """
    for path, reason in corpus.problems:
        progress.message(f"left out: {redact(path)}: {reason}")
    if corpus.problems:
        progress.message(f"{len(corpus.problems):,} left out, {len(corpus.utterances):,} used")
    if not corpus.utterances:
        raise NothingToDo("none of the recordings can be used")
