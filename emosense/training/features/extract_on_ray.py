"""Recordings -> features, with Ray Data: each task reads recordings, extracts their features and adds them to a store.

Waveforms stay where they are made, and so do features: the driver gets the errors. Only a worker that does not have the
folder of the store sends the features to the driver, which writes them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from emosense.errors import EmoSenseError, NothingToDo, from_wire, to_wire
from emosense.features.config import FeatureConfig
from emosense.inputs.corpus import Corpus
from emosense.inputs.recording import Recording
from emosense.progress import Progress
from emosense.ray_session import quiet
from emosense.storage.locations import redact
from emosense.training.features.extraction import Variant, extract_recordings
from emosense.training.features.store import FeatureStore

if TYPE_CHECKING:
    import pyarrow as pa

# A Ray Data task has a fixed cost of some 10 ms; 256 clips are half a second of work.
_RECORDINGS_PER_BLOCK: Final = 256
_BATCH_ROWS: Final = 256


def _extract_batch(
    batch: dict[str, Any], config: FeatureConfig, variant: Variant | None, store: FeatureStore
) -> pa.Table:
    """Ray Data's batch of recordings -> their errors; `fault` is the code of the error that ends it."""
    import pyarrow as pa

    columns = ("path", "location", "size", "version")
    recordings = [
        Recording(path, location, int(size), version)
        for path, location, size, version in zip(*(batch[name] for name in columns), strict=True)
    ]
    fault, content = "", b""
    try:
        results = extract_recordings(recordings, config, variant)
        content = store.add(recordings, results)
    except EmoSenseError as err:
        # Ray Data replaces an exception with its own, without the cause (seen with 2.60), so the error is sent as rows.
        fault, text = to_wire(err)
        results = [{"error_code": "", "error": text}] * len(recordings)
    errors = {name: [result[name] for result in results] for name in ("error_code", "error")}
    contents = pa.array([content, *[b""] * (len(recordings) - 1)], pa.large_binary())
    return pa.table({"index": batch["index"], "fault": [fault] * len(recordings), "content": contents, **errors})


def extract_on_ray(
    recordings: Sequence[Recording],
    config: FeatureConfig,
    variant: Variant | None,
    store: FeatureStore,
    n_cpus: int,
    progress: Progress,
) -> Iterator[tuple[Recording, str, str]]:
    """Add the features of recordings to a store, on the Ray that this process is connected to.

    Parameters
    ----------
    recordings : sequence of Recording
        Recordings to extract.
    config : FeatureConfig
        Settings of the features.
    variant : Speed, Disturbance or None
        See `emosense.training.features.extraction.extract_recordings`.
    store : FeatureStore
        The store of `config` and `variant`. Workers that do not have its folder send what belongs in it.
    n_cpus : int
        Number of CPUs to use.
    progress : Progress
        Receives the number of recordings done.

    Yields
    ------
    recording : Recording
        The next recording.
    error_code, error : str
        Why it has no features; empty where it has.

    Raises
    ------
    EmoSenseError
        An error of a worker that is not of one recording: a wrong variant or encoder, storage that does not answer, or
        a store that cannot be written.
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
    extraction = {"config": config, "variant": variant, "store": store}
    dataset = dataset.map_batches(_extract_batch, batch_size=None, fn_kwargs=extraction)
    n_done = 0
    with store.created():
        for batch in dataset.iter_batches(batch_size=_BATCH_ROWS, batch_format="pyarrow"):
            rows = batch.to_pylist()
            for row in rows:
                _check(row, n_done)
                if row["content"]:
                    store.keep(row["content"])
                yield recordings[n_done], row["error_code"], row["error"]
                n_done += 1
            progress.advance(len(rows), sum(bool(row["error_code"]) for row in rows))
    _check_count(n_done, len(recordings))


def _check(row: dict[str, Any], expected: int) -> None:
    if row["fault"]:
        raise from_wire(row["fault"], row["error"])
    if row["index"] != expected:
        raise RuntimeError(f"Ray Data returned row {row['index']} instead of {expected}")


def _check_count(n_rows: int, n_recordings: int) -> None:
    if n_rows != n_recordings:
        raise RuntimeError(f"Ray Data returned {n_rows} rows for {n_recordings} recordings")


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
