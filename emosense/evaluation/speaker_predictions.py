"""What the speaker heads of an evaluation's models predict for its rows, and the rows of a speaker adapted with it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from emosense.arrays import Float64
from emosense.evaluation.choice import EmotionChoice
from emosense.evaluation.speaker_adaptation import ScoreNormalisation, normalised
from emosense.evaluation.voice_adaptation import VoiceAdaptation


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
