"""Recordings and labels -> a transfer model: a head on the embeddings of a published encoder's first layers.

The head is trained on the embeddings of the recordings and of changed copies of them, to the optimum of its loss. Then
the front can be trained too (`emosense.training.transfer.tuning`). Last, a second head is trained for recordings
that are adapted to a speaker (`emosense.training.transfer.speaker_head_training`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from emosense.arrays import Float32
from emosense.evaluation.metrics import confusion_matrix, uar
from emosense.models.head import EMBEDDING, Head
from emosense.onnx_session import open_session
from emosense.training.ensemble import copies_of
from emosense.training.features.table import FeatureTable
from emosense.training.gradient_descent.training import Runner, train_here
from emosense.training.trained_network import EpochResult, TrainedNetwork
from emosense.training.transfer.front_choice import load_front
from emosense.training.transfer.head_training import TrainingRows, train_head
from emosense.training.transfer.speaker_head_training import train_speaker_head
from emosense.training.transfer.tuning import tune
from emosense.training.transfer.whisper_front import WhisperFront
from emosense.training.transfer.whisper_graph import to_onnx
from emosense.training.transfer_settings import TransferConfig

_SMALLEST: Final = 1e-7


def fit(
    table: FeatureTable,
    classes: tuple[str, ...],
    config: TransferConfig,
    *,
    seed: int,
    validation: FeatureTable | None = None,
    run: Runner = train_here,
) -> TrainedNetwork:
    """Train a transfer model.

    Parameters
    ----------
    table : FeatureTable
        Recordings of the emotions in `classes`; with the copies of `emosense.training.ensemble.copies_of`, or without
        any, in which case the recordings are encoded here.
    classes : tuple of str
        Emotions to tell apart.
    config : TransferConfig
        With an encoder.
    seed, validation, run
        See `emosense.training.families.fit`. A head alone is one epoch, in which chance has no part.

    Returns
    -------
    TrainedNetwork
        The whole model.
    """
    front = load_front(config)
    copies = [np.stack(table.copies[copy]) for copy in copies_of(config)]
    embeddings, *changed = copies or [_embeddings(table.features, config, front)]
    rows = TrainingRows.of(table, classes, embeddings)
    head, loss = train_head(rows.with_copies(changed), config.l2)
    if config.tuning:
        front, head, history = tune(
            table, classes, config, config.tuning, front, head, seed=seed, validation=validation, run=run
        )
        rows = rows.with_embeddings(_embeddings(table.features, config, front))
    else:
        here = _measure(head, embeddings, rows.labels)
        there = (None, None, None) if validation is None else _measure(head, *_of(validation, classes, config))
        history = [EpochResult(1, loss, here[1], *there).record()]
    speaker_head = train_speaker_head(head, rows, table.speakers_of_corpora, config.speaker_l2)
    return TrainedNetwork(to_onnx(front, config.layers, config.pooling, head, speaker_head, config.bits), history)


def _of(table: FeatureTable, classes: tuple[str, ...], config: TransferConfig) -> tuple[Float32, Any]:
    """Embeddings of the recordings themselves, and their labels."""
    copies = copies_of(config)
    stored = table.copies[copies[0]] if copies else None
    embeddings = np.stack(stored) if stored else _embeddings(table.features, config, load_front(config))
    return embeddings, table.labels(classes)


def _embeddings(features: Sequence[Float32], config: TransferConfig, front: WhisperFront) -> Float32:
    session = open_session(to_onnx(front, config.layers, config.pooling, None, bits=config.bits))
    return np.concatenate([session.run([EMBEDDING], {"features": each[np.newaxis]})[0] for each in features])


def _measure(head: Head, embeddings: Float32, labels: Any) -> tuple[float, float, float]:
    probabilities = head.probabilities(embeddings)
    confusion = confusion_matrix(labels, probabilities.argmax(axis=1), probabilities.shape[1])
    right = probabilities[np.arange(len(labels)), labels]
    accuracy = float(np.trace(confusion) / confusion.sum())
    return float(-np.log(right + _SMALLEST).mean()), accuracy, float(uar(confusion))
