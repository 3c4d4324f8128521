"""Labelled recordings in the form that gradient steps need: features, and what the loss needs of each row."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from emosense.arrays import Float32
from emosense.training.balance import balanced_weights, class_mask
from emosense.training.transfer_settings import StepsConfig

Labels = NDArray[np.int64]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class TrainingSet:
    """Recordings to train on: all of a corpus, or the shard of one worker.

    Parameters
    ----------
    features : sequence of ndarray, each shape (n_frames, n_bands), float32
        In memory, or views of a file.
    targets : ndarray, shape (n_recordings, n_classes + n_masks + 1), float32
        Of each recording the smoothed probabilities of its classes, a one at the number of its mask, and its weight.
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


def make_training_set(
    features: Sequence[Float32], labels: Labels, corpora: Sequence[str], config: StepsConfig, n_classes: int
) -> tuple[TrainingSet, Float32]:
    """Return the examples of a corpus, and the distinct masks of classes.

    The loss of a recording is the cross-entropy among the emotions that its corpus has (`emosense.training.balance`).

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

    Returns
    -------
    examples : TrainingSet
        In the order of the arguments.
    masks : ndarray, shape (n_masks, n_classes), float32
        Each has a one at every class of a corpus.
    """
    masks, mask_of_row = np.unique(class_mask(corpora, labels, n_classes), axis=0, return_inverse=True)
    smoothing = config.label_smoothing * masks / masks.sum(axis=1, keepdims=True)
    classes = np.eye(n_classes)[labels] * (1 - config.label_smoothing) + smoothing[mask_of_row]
    weights = balanced_weights(corpora, labels) if config.balance else np.ones(len(labels))
    columns = [classes, np.eye(len(masks))[mask_of_row], weights[:, np.newaxis]]
    targets = np.concatenate(columns, axis=1).astype(np.float32)
    return TrainingSet(features, targets, np.arange(len(labels))), masks.astype(np.float32)
