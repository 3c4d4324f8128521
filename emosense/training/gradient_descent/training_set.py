"""Labelled recordings in the form that gradient steps need: features, and what the loss needs of each row."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from emosense.arrays import Float32
from emosense.training.balance import class_mask, row_weights
from emosense.training.cnn_settings import StepsConfig

Labels = NDArray[np.int64]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class TrainingSet:
    """Recordings to train on: all of a corpus, or the shard of one worker.

    Parameters
    ----------
    features : sequence of ndarray, each shape (n_frames, n_bands), float32
        In memory, or views of a file.
    targets : ndarray, shape (n_recordings, n_classes + n_masks + 1), float32
        Of each recording the smoothed probabilities of its classes, a one at the number of its mask (less where a
        teacher has a share), and its weight.
        The loss is linear in all of them but the weight, so mixing two rows mixes their losses.
    numbers : ndarray, shape (n_recordings,), int64
        Position of each recording in the whole corpus; decides its augmentation.
    """

    features: Sequence[Float32]
    targets: Float32
    numbers: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of recordings."""
        return len(self.features)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Validation:
    """Recordings that the learning curves are measured on.

    Parameters
    ----------
    features : sequence of ndarray, each shape (n_frames, n_bands), float32
        One per recording.
    labels : ndarray, shape (n_recordings,), int64
        Class indices.
    """

    features: Sequence[Float32]
    labels: Labels


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Taught:
    """What a teacher says of the recordings.

    Parameters
    ----------
    probabilities : ndarray, shape (n_recordings, n_classes), float32
        Its answers; each row sums to 1.
    share : float
        Their weight beside the labels, from 0 to 1.
    """

    probabilities: Float32
    share: float


def make_training_set(
    features: Sequence[Float32],
    labels: Labels,
    corpora: Sequence[str],
    config: StepsConfig,
    n_classes: int,
    taught: Taught | None = None,
) -> tuple[TrainingSet, Float32]:
    """Return the examples of a corpus, and the distinct masks of classes.

    The loss of a recording is the cross-entropy among the emotions that its corpus has (`emosense.training.balance`).
    A teacher's answer is among all emotions.

    Parameters
    ----------
    features : sequence of ndarray, each shape (n_frames, n_bands), float32
        One per recording.
    labels : ndarray, shape (n_recordings,), int64
        Class indices.
    corpora : sequence of str, length n_recordings
        Corpus of each recording.
    config : CnnConfig or TuningConfig
        Has label smoothing and balance.
    n_classes : int
        Number of classes.
    taught : Taught or None
        What a teacher says of the recordings.

    Returns
    -------
    examples : TrainingSet
        In the order of the arguments.
    masks : ndarray, shape (n_masks, n_classes), float32
        Each has a one at every class of a corpus.
    """
    allowed = class_mask(corpora, labels, n_classes)
    masks, mask_of_row = np.unique(allowed, axis=0, return_inverse=True)
    smoothing = config.label_smoothing * masks / masks.sum(axis=1, keepdims=True)
    classes = np.eye(n_classes)[labels] * (1 - config.label_smoothing) + smoothing[mask_of_row]
    weights = row_weights(corpora, labels, allowed) if config.balance else np.ones(len(labels))
    own_mask = np.eye(len(masks))[mask_of_row]
    if taught:
        # The cross-entropy with the teacher's probabilities has no mask: they sum to one over all classes.
        classes = (1 - taught.share) * classes + taught.share * taught.probabilities
        own_mask *= 1 - taught.share
    columns = [classes, own_mask, weights[:, np.newaxis]]
    targets = np.concatenate(columns, axis=1).astype(np.float32)
    return TrainingSet(features, targets, np.arange(len(labels))), masks.astype(np.float32)
