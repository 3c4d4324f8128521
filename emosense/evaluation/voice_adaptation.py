"""Predictions for one speaker's recordings, by a model with two heads -> predictions that are adapted to the voice.

A voice moves all embeddings of a speaker in the same direction, and so do emotions: the mean embedding of a speaker who
is always angry is far from that of all speakers, as it should be. The shift of the voice is therefore the mean
embedding of the speaker's recordings minus what their emotions explain: the mean embeddings of the emotions in
training, in the shares that the model predicts. The shift is removed by the share (n - 1) / (n - 1 + 10) for n
recordings, so that a single one stays as it is. By the same share a second head takes over, the speaker head, which was
trained on embeddings without such shifts.

Heads are affine, so a shift of the embedding is a shift of the logits, and nothing else of it has to be kept. Only sums
over the recordings are needed, so two passes over them are enough: how the shares change when the shift is removed is
computed to first order, from the covariance of the predictions. Logits have axes (heads, classes) and are centred over
the classes; the first head is that of the model, the second the speaker head. The temperature of the first head is
undone before the adaptation and applied after it: a calibrated model predicts nearly equal shares of all emotions.
The shares are those of predictions that are sharpened further, because regularisation makes them too equal as well.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Final, Self

import numpy as np
from numpy.typing import ArrayLike

from emosense.arrays import Float64
from emosense.evaluation.choice import EmotionChoice
from emosense.evaluation.speaker_adaptation import SHRINKAGE, log_probabilities, normalised, shares_of

# More steps change no figure of docs/results.md by more than 0.3 points.
_STEPS: Final = 3
# Power to which probabilities are raised for the shares of emotions. With 1, the UAR is 2 points lower for a speaker
# with recordings of one emotion, and at most 0.4 points higher for one with all emotions.
_SHARPNESS: Final = 1.5
# How many times larger or smaller, as a logarithm, a share may become: the first order holds for small changes only.
_MAX_CHANGE: Final = 3.0
_SMALLEST_SHARE: Final = 1e-6


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class VoiceAdaptation:
    """Adapts by both heads of a model; see `emosense.evaluation.speaker_adaptation.Adaptation`.

    Parameters
    ----------
    class_probabilities : ndarray, shape (n_classes, 2, n_classes)
        What both heads predict for the mean embedding of each class in training, before calibration.
    temperature : float
        That of the first head, above 0; the speaker head has none.
    """

    class_probabilities: Float64
    temperature: float = 1.0

    @classmethod
    def of_logits(cls, class_logits: ArrayLike, temperature: float = 1.0) -> Self:
        """Make the adaptation of a model.

        Parameters
        ----------
        class_logits : array, shape (n_classes, 2, n_classes)
            What both heads give for the mean embedding of each class in training, before the softmax.
        temperature : float
            That of the first head, above 0.

        Returns
        -------
        VoiceAdaptation
        """
        return cls(shares_of(np.asarray(class_logits, np.float64)), temperature)

    def answered(self, choice: EmotionChoice, classes: Sequence[str]) -> Self:
        """Return the adaptation of a model that may only answer with some of its emotions.

        Parameters
        ----------
        choice : EmotionChoice
            The emotions.
        classes : sequence of str
            The emotions that the model tells apart.

        Returns
        -------
        VoiceAdaptation
            In the order of the choice.
        """
        rows = [list(classes).index(name) for name in choice.emotions]
        return type(self)(choice.apply_to_classes(self.class_probabilities[rows], classes), self.temperature)

    def sums(self, predictions: ArrayLike) -> Float64:
        """Sum over recordings of one speaker.

        Parameters
        ----------
        predictions : array, shape (n, 2, n_classes)
            What both heads predict for each recording.

        Returns
        -------
        ndarray, shape (1 + 3 * n_classes + n_classes**2,), float64
            Number of recordings, and sums of the logits of both heads, of the first head's sharpened probabilities, and
            of the products of each two of these.
        """
        given = self._uncalibrated(predictions)
        shares, logits = normalised(given[:, 0] ** _SHARPNESS), log_probabilities(given).sum(axis=0)
        return np.concatenate([[len(given)], logits.ravel(), shares.sum(axis=0), (shares.T @ shares).ravel()])

    def adapt(self, predictions: ArrayLike, sums: Float64) -> Float64:
        """Adapt recordings, or segments of recordings, to their speaker.

        Parameters
        ----------
        predictions : array, shape (n, 2, n_classes)
            What both heads predict for each.
        sums : ndarray
            Of all recordings of the speaker.

        Returns
        -------
        ndarray, shape (n, n_classes), float64
            Each row sums to 1.
        """
        weight = (sums[0] - 1) / (sums[0] - 1 + SHRINKAGE)
        if weight == 0:
            return normalised(np.asarray(predictions, np.float64)[:, 0])
        logits = log_probabilities(self._uncalibrated(predictions)) - self._shift(sums, weight)
        own, without_voice = logits[:, 0], logits[:, 1]
        return shares_of((own + weight * (without_voice - own)) / self.temperature)

    def _uncalibrated(self, predictions: ArrayLike) -> Float64:
        given = np.array(predictions, np.float64)
        given[:, 0] = normalised(given[:, 0] ** self.temperature)
        return given

    def _shift(self, sums: Float64, weight: float) -> Float64:
        """Return what is to be removed from the logits of both heads, shape (2, n_classes)."""
        n_classes, class_logits = len(self.class_probabilities), log_probabilities(self.class_probabilities)
        logits, alone, products = np.split(sums[1:] / sums[0], [2 * n_classes, 3 * n_classes])
        mean, covariance = logits.reshape(2, n_classes), np.diag(alone) - products.reshape(n_classes, n_classes)
        shares, shift = alone, np.zeros_like(mean)
        for _ in range(_STEPS):
            shift = weight * (mean - np.tensordot(shares, class_logits, 1))
            change = _SHARPNESS * covariance @ shift[0] / np.maximum(alone, _SMALLEST_SHARE)
            shares = alone * np.exp(-np.clip(change, -_MAX_CHANGE, _MAX_CHANGE))
            shares /= shares.sum()
        return np.asarray(shift)
