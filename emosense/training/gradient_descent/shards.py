"""Recordings to train on, as a Ray Data set that the workers share, and one worker's shard of it, in a file.

A worker reads its shard once, into a temporary file that it maps into memory: its memory does not grow with the corpus,
and every epoch can take the recordings in another order.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from emosense.training.features.mapped_values import MappedValues
from emosense.training.gradient_descent.training_set import TrainingSet, Validation

_ROWS_PER_BLOCK: Final = 64
_COLUMNS: Final = ("number", "target")


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
    with MappedValues() as values:
        for batch in batches:
            for part in batch.to_batches():
                for name in _COLUMNS:
                    columns[name] += part[name].to_pylist()
                values.append(part["features"], part["n_frames"].to_pylist())
        features = values.views()
    order = np.argsort(columns["number"])
    targets = np.array(columns["target"], np.float32)[order]
    return TrainingSet([features[row] for row in order], targets, np.array(columns["number"], np.int64)[order])
