"""Embeddings of labelled recordings, with their speakers -> the head for recordings that are adapted to a speaker."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from emosense.arrays import Float32
from emosense.evaluation.speaker_adaptation import SHRINKAGE
from emosense.models.head import Head
from emosense.models.speaker_head import SpeakerHead
from emosense.training.transfer.head_training import TrainingRows, train_head


def train_speaker_head(head: Head, data: TrainingRows, speakers: Sequence[str], l2: float) -> SpeakerHead:
    """Train the head for adapted recordings, as `emosense.training.transfer.head_training.train_head` trains the other.

    Parameters
    ----------
    head : Head
        The head of the model.
    data : TrainingRows
        One row per recording.
    speakers : sequence of str, length n_rows
        Speaker of each row; different in different corpora.
    l2 : float
        As in `train_head`.

    Returns
    -------
    SpeakerHead
    """
    means = _class_means(data)
    shifted = data.with_embeddings(_without_voices(data, np.asarray(speakers), means))
    found, _ = train_head(shifted, l2, like=head)
    logits = [(means - each.mean) / each.scale @ each.weight + each.bias for each in (head, found)]
    class_logits = np.stack(logits, axis=1).astype(np.float32)
    return SpeakerHead(found.weight, found.bias, class_logits, np.ones(1, np.float32))


def _class_means(data: TrainingRows) -> Float32:
    """Return the mean embedding of each class; that of all for a class without rows, which explains no difference."""
    rows_of = (data.labels == label for label in range(data.allowed.shape[1]))
    means = [data.embeddings[rows if rows.any() else ...].mean(axis=0, dtype=np.float64) for rows in rows_of]
    return np.array(means, np.float32)


def _without_voices(data: TrainingRows, speakers: NDArray[np.str_], means: Float32) -> Float32:
    """Remove from the embeddings of each speaker the shift that their emotions do not explain."""
    shifted = data.embeddings.copy()
    for speaker in np.unique(speakers):
        rows = speakers == speaker
        n_others = int(rows.sum()) - 1
        explained = means[data.labels[rows]].mean(axis=0)
        shift = data.embeddings[rows].mean(axis=0) - explained
        shifted[rows] -= np.float32(n_others / (n_others + SHRINKAGE)) * shift
    return shifted
