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
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emosense.arrays import Float64
from emosense.evaluation.choice import EmotionChoice
from emosense.evaluation.speaker_adaptation import SHRINKAGE, ScoreNormalisation, log_probabilities, shares_of

# More steps change no figure of docs/results.md by more than 0.3 points.
_STEPS: Final = 3
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
            Number of recordings, and sums of the logits of both heads, of the first head's probabilities, and of the
            products of each two of these.
        """
        given = self._uncalibrated(predictions)
        shares, logits = given[:, 0], log_probabilities(given).sum(axis=0)
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
            change = covariance @ shift[0] / np.maximum(alone, _SMALLEST_SHARE)
            shares = alone * np.exp(-np.clip(change, -_MAX_CHANGE, _MAX_CHANGE))
            shares /= shares.sum()
        return np.asarray(shift)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class SpeakerPredictions:
    """What the speaker heads of an evaluation's models predict for its rows.

    Parameters
    ----------
    probabilities : ndarray, shape (n, n_classes)
        Of each row.
    class_probabilities : ndarray, shape (n, n_classes, 2, n_classes)
        For each row those of `VoiceAdaptation`, for the model that predicted it.
    temperatures : ndarray, shape (n,)
        For each row that of the model's head.
    """

    probabilities: Float64
    class_probabilities: Float64
    temperatures: Float64

    @classmethod
    def joined(cls, parts: Sequence[SpeakerPredictions | None]) -> SpeakerPredictions | None:
        """Join the predictions of several models, or of none.

        Parameters
        ----------
        parts : sequence of SpeakerPredictions or None
            One per model.

        Returns
        -------
        SpeakerPredictions or None
            None if a model has no speaker head.
        """
        known = [part for part in parts if part is not None]
        if len(known) < len(parts):
            return None
        names = [field.name for field in dataclasses.fields(cls)]
        return cls(*(np.concatenate([getattr(part, name) for part in known]) for name in names))

    def scaled(self, temperature: float) -> Self:
        """Return the predictions for models whose heads are calibrated.

        Parameters
        ----------
        temperature : float
            By which the logits of the first heads were divided; above 0.

        Returns
        -------
        SpeakerPredictions
        """
        return dataclasses.replace(self, temperatures=self.temperatures * temperature)

    def select(self, rows: NDArray[np.int64]) -> Self:
        """Return the predictions of some rows.

        Parameters
        ----------
        rows : ndarray, shape (n_selected,), int64

        Returns
        -------
        SpeakerPredictions
        """
        return type(self)(self.probabilities[rows], self.class_probabilities[rows], self.temperatures[rows])

    def among(self, columns: list[int]) -> Self:
        """Return the predictions of a model that may only answer with some of the classes.

        Parameters
        ----------
        columns : list of int
            The classes.

        Returns
        -------
        SpeakerPredictions
            Scaled to sums of 1.
        """
        of_classes = self.class_probabilities[:, columns][..., columns]
        return type(self)(normalised(self.probabilities[:, columns]), normalised(of_classes), self.temperatures)

    def answered(self, choice: EmotionChoice, classes: Sequence[str]) -> Self:
        """Return the predictions of a model that may only answer with some of its emotions.

        Parameters
        ----------
        choice : EmotionChoice
            The emotions.
        classes : sequence of str
            The emotions that the model tells apart.

        Returns
        -------
        SpeakerPredictions
            In the order of the choice.
        """
        rows = [list(classes).index(name) for name in choice.emotions]
        of_classes = choice.apply_to_classes(self.class_probabilities[:, rows], classes)
        return type(self)(choice.apply_to_classes(self.probabilities, classes), of_classes, self.temperatures)


def adapted_together(probabilities: Float64, second: SpeakerPredictions | None = None) -> Float64:
    """Adapt the recordings of one speaker to each other.

    Parameters
    ----------
    probabilities : ndarray, shape (n, n_classes)
        What the model predicts for each recording.
    second : SpeakerPredictions or None
        What its speaker head predicts; None for a model without.

    Returns
    -------
    ndarray, shape (n, n_classes), float64
        Each row sums to 1.
    """
    if second is None:
        alone, plain = probabilities[:, np.newaxis], ScoreNormalisation()
        return plain.adapt(alone, plain.sums(alone))
    # Speakers whose rows are of several folds have several models.
    adaptation = VoiceAdaptation(second.class_probabilities.mean(axis=0), float(second.temperatures.mean()))
    both = np.stack([probabilities, second.probabilities], axis=1)
    return adaptation.adapt(both, adaptation.sums(both))


def normalised(shares: Float64) -> Float64:
    """Scale probabilities to a sum of 1; let those that are all 0 say nothing.

    Parameters
    ----------
    shares : ndarray, shape (..., n_classes)
        In [0, 1].

    Returns
    -------
    ndarray, shape (..., n_classes), float64
        The last axis sums to 1.
    """
    sums = shares.sum(axis=-1, keepdims=True)
    return np.where(sums > 0, shares / np.where(sums > 0, sums, 1), 1 / shares.shape[-1])
