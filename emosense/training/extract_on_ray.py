"""Corpus -> feature table, with Ray Data: recordings are read and features extracted in one stage on all workers."""

from __future__ import annotations

import contextlib
import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np

from emosense.errors import EmoSenseError, NothingToDo, from_wire, to_wire
from emosense.features.config import FeatureConfig
from emosense.inputs.corpus import Corpus, Utterance
from emosense.inputs.recording import Recording
from emosense.progress import Progress, Silent
from emosense.ray_session import quiet, ray_session
from emosense.storage.files import atomic_writer
from emosense.storage.locations import redact
from emosense.training.extraction import Variant, extract_recordings
from emosense.training.feature_table import FeatureTableWriter

# One Ray Data task has a fixed cost of some 10 ms; 256 clips are half a second of work.
_RECORDINGS_A_BLOCK: Final = 256
_BATCH_ROWS: Final = 256


@dataclasses.dataclass(frozen=True, slots=True)
class Extraction:
    """What `extract_corpus` did: number of utterances, and errors by code."""

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
        # Ray Data would give an error of its own in its place, without the cause (seen with 2.60): it goes as rows.
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
    variant: Variant | None = None,
    address: str | None = None,
    n_workers: int | None = None,
    progress: Progress | None = None,
) -> Extraction:
    """Extract the features of a corpus into a Parquet file.

    Parameters
    ----------
    output : str
        Location of the table, local or URL; it appears when it is complete.
    variant : Speed, Disturbance or None
        See `extract_recordings`.
    address, n_workers
        See `ray_session`.

    Raises
    ------
    UsageError, ModelError
        If the variant or the encoder cannot work where the recordings are read.
    StorageError
        If storage or cluster does not answer.
    OutputError
        If the table cannot be written.
    """
    progress = progress or Silent()
    progress.start(len(corpus.utterances))
    by_error: Counter[str] = Counter()
    n_done = 0
    with (
        atomic_writer(output) as file,
        contextlib.closing(FeatureTableWriter(file, config, corpus.name)) as writer,
        ray_session(address, n_workers) as n_cpus,
    ):
        for results in _results(corpus.utterances, config, variant, n_cpus):
            utterances = corpus.utterances[n_done : n_done + len(results)]
            writer.write(utterances, results)
            n_done += len(results)
            codes = [result["error_code"] for result in results if result["error_code"]]
            by_error.update(codes)
            progress.advance(len(results), len(codes))
    return Extraction(n_done, by_error)


def _results(
    utterances: Sequence[Utterance], config: FeatureConfig, variant: Variant | None, n_cpus: int
) -> Iterator[list[dict[str, Any]]]:
    """Run the extraction on Ray Data and yield its results in the order of the utterances."""
    import ray.data

    quiet()
    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order = True
    context.print_on_execution_start = False
    items = [{"index": index, **dataclasses.asdict(u.recording)} for index, u in enumerate(utterances)]
    n_blocks = max(min(len(items), n_cpus), len(items) // _RECORDINGS_A_BLOCK)
    dataset = ray.data.from_items(items, override_num_blocks=n_blocks)
    dataset = dataset.map_batches(_extract_batch, batch_size=None, fn_kwargs={"config": config, "variant": variant})
    expected = 0
    for batch in dataset.iter_batches(batch_size=_BATCH_ROWS, batch_format="pyarrow"):
        results = _rows(batch)
        for result in results:
            if result["fault"]:
                raise from_wire(result["fault"], result["error"])
            if result["index"] != expected:
                raise RuntimeError(f"Ray Data gave row {result['index']} where {expected} was due")
            expected += 1
        yield results
    if expected != len(items):
        raise RuntimeError(f"Ray Data gave {expected} rows for {len(items)} recordings")


def _rows(batch: Any) -> list[dict[str, Any]]:
    """Rows of an Arrow batch with the features as arrays: Python lists of floats would cost more than the STFT."""
    columns = {name: batch[name].to_pylist() for name in ("index", "fault", "n_frames", "error_code", "error")}
    features = [np.asarray(value.values if hasattr(value, "values") else value) for value in batch["features"]]
    return [
        dict(zip((*columns, "features"), row, strict=True)) for row in zip(*columns.values(), features, strict=True)
    ]


def report_problems(corpus: Corpus, progress: Progress) -> None:
    """Name every recording that cannot be used.

    Raises
    ------
    NothingToDo
        If there is none that can.
    """
    for path, reason in corpus.problems:
        progress.message(f"left out: {redact(path)}: {reason}")
    if corpus.problems:
        progress.message(f"{len(corpus.problems):,} left out, {len(corpus.utterances):,} used")
    if not corpus.utterances:
        raise NothingToDo("none of the recordings can be used")
