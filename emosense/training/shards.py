"""Recordings to train on, as a Ray Data set that the workers share, and one worker's shard of it, in a file.

A worker reads its shard once, into a temporary file that it maps into memory: its memory does not grow with the corpus,
and every epoch can take the recordings in another order.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from emosense.arrays import Float32
from emosense.training.training_set import TrainingSet, Validation

_ROWS_PER_BLOCK: Final = 64
_COLUMNS: Final = ("number", "n_frames", "target")


def blocks(examples: TrainingSet) -> Iterator[Any]:
    """Return the examples as Arrow tables.

    Parameters
    ----------
    examples : TrainingSet
        All recordings of a training.

    Yields
    ------
    pyarrow.Table
        With the columns ``number``, ``n_frames``, ``target`` and ``features``.
    """
    import pyarrow as pa

    for start in range(0, len(examples), _ROWS_PER_BLOCK):
        rows = slice(start, start + _ROWS_PER_BLOCK)
        features = examples.features[rows]
        offsets = np.cumsum([0, *(values.size for values in features)])
        yield pa.table(
            {
                "number": examples.numbers[rows],
                "n_frames": [len(values) for values in features],
                "target": list(examples.targets[rows]),
                "features": pa.LargeListArray.from_arrays(offsets, np.concatenate([v.ravel() for v in features])),
            }
        )


def validation_set(validation: Validation) -> TrainingSet:
    """Return recordings for the learning curves as examples, whose target is their label.

    Parameters
    ----------
    validation : Validation
        Recordings and labels.

    Returns
    -------
    TrainingSet
        For `blocks`; `validation_of` is the way back.
    """
    targets = validation.labels.astype(np.float32)[:, np.newaxis]
    return TrainingSet(validation.features, targets, np.arange(len(validation.labels)))


def validation_of(examples: TrainingSet) -> Validation:
    """Return the recordings of `validation_set`.

    Parameters
    ----------
    examples : TrainingSet
        With a label as target.

    Returns
    -------
    Validation
        Recordings and labels.
    """
    return Validation(examples.features, examples.targets[:, 0].astype(np.int64))


def read_shard(batches: Iterator[Any]) -> TrainingSet:
    """Read a shard into a temporary file, which goes with the process.

    Parameters
    ----------
    batches : iterator of pyarrow.Table
        The shard, with the columns of `blocks`.

    Returns
    -------
    TrainingSet
        In the order of their numbers; the features are views of the file.
    """
    columns: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
    sizes: list[NDArray[np.int64]] = []
    with tempfile.TemporaryFile() as file:
        for batch in batches:
            table = batch.combine_chunks()
            for name in _COLUMNS:
                columns[name] += table[name].to_pylist()
            sizes += _append(file, table["features"])
        file.flush()
        features = _views(file, np.concatenate(sizes), columns["n_frames"])
    order = np.argsort(columns["number"])
    targets = np.array(columns["target"], np.float32)[order]
    return TrainingSet([features[row] for row in order], targets, np.array(columns["number"], np.int64)[order])


def _append(file: BinaryIO, column: Any) -> list[NDArray[np.int64]]:
    """Write the values of a column of lists; return how many each row has."""
    sizes = []
    for chunk in column.chunks:
        offsets = chunk.offsets.to_numpy()
        file.write(chunk.values.to_numpy(zero_copy_only=False)[offsets[0] : offsets[-1]].astype(np.float32).tobytes())
        sizes.append(np.diff(offsets))
    return sizes


def _views(file: BinaryIO, sizes: NDArray[np.int64], n_frames: Sequence[int]) -> list[Float32]:
    values = np.asarray(np.memmap(file, np.float32, "r", shape=(int(sizes.sum()),)))
    ends = np.cumsum(sizes)
    return [
        values[end - size : end].reshape(frames, -1) for size, end, frames in zip(sizes, ends, n_frames, strict=True)
    ]
