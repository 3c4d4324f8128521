"""What a transfer model says of recordings whose speakers it was not trained on, for a smaller network to learn from.

The answers of a model about its own training speakers say little more than the labels. So the speakers are split into
groups, and each group is answered by a head that was trained on the others.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from emosense.arrays import Float32
from emosense.training.features.table import FeatureTable
from emosense.training.transfer.head_training import TrainingRows, train_head

_N_GROUPS: Final = 4


def teacher_probabilities(table: FeatureTable, classes: tuple[str, ...], embeddings: Float32, l2: float) -> Float32:
    """Return the answers of a teacher, each from a head that did not hear the speaker.

    Parameters
    ----------
    table : FeatureTable
        Recordings of the emotions in `classes`.
    classes : tuple of str
        Emotions to tell apart.
    embeddings : ndarray, shape (n_recordings, n_dims), float32
        Of the recordings.
    l2 : float
        Regularisation of the head, see `emosense.training.transfer.head_training.train_head`.

    Returns
    -------
    ndarray, shape (n_recordings, n_classes), float32
        Probabilities. With a single speaker, the head was trained on that speaker.
    """
    rows = TrainingRows.of(table, classes, embeddings)
    names, speaker_of_row = np.unique(table.speakers_of_corpora, return_inverse=True)
    group_of_row = np.random.default_rng(0).permutation(len(names))[speaker_of_row] % _N_GROUPS
    answers = np.empty((len(embeddings), len(classes)), np.float32)
    for group in np.unique(group_of_row):
        others = group_of_row != group if len(names) > 1 else np.ones(len(embeddings), np.bool_)
        head, _ = train_head(rows.select(others), l2)
        answers[group_of_row == group] = head.probabilities(embeddings[group_of_row == group])
    return answers
