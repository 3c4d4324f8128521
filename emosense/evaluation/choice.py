"""The emotions that an answer may have: probabilities of all emotions -> probabilities of the chosen ones.

Neutral and calm are close, and most corpora have only one of them: if only one of the two is chosen, the other counts
as it. Emotions that are not chosen get the probability 0, and the others are scaled to a sum of 1.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Sequence
from typing import Final, Self

import numpy as np
from numpy.typing import ArrayLike

from emosense.arrays import Float64
from emosense.emotions import EMOTIONS, own_emotions, parse_emotion
from emosense.errors import UsageError

_NEAREST: Final = {"calm": "neutral", "neutral": "calm"}


@dataclasses.dataclass(frozen=True, slots=True)
class EmotionChoice:
    """Emotions that an answer may have.

    Parameters
    ----------
    emotions : tuple of str
        Two or more, in the order of `EMOTIONS`, then a user's own.
    """

    emotions: tuple[str, ...]

    @classmethod
    def parse(cls, names: Iterable[str], own: Collection[str] = ()) -> Self:
        """Make a choice of names as a user writes them.

        Parameters
        ----------
        names : iterable of str
            Names of emotions or synonyms, in any order.
        own : collection of str
            Emotions of a model, among which a user's own may be chosen too.

        Returns
        -------
        EmotionChoice
            The choice.

        Raises
        ------
        UsageError
            If a name is not an emotion, or there are fewer than two.
        """
        given = {name.strip().lower() for name in names}
        wanted = given & {*own}
        try:
            wanted |= {parse_emotion(name) for name in given - wanted}
        except ValueError as err:
            raise UsageError(str(err)) from err
        if len(wanted) < 2:
            raise UsageError("choose at least two emotions, such as happy,sad")
        return cls((*(emotion for emotion in EMOTIONS if emotion in wanted), *own_emotions(wanted)))

    def check(self, classes: Collection[str]) -> None:
        """Refuse a choice that a model cannot answer with.

        Parameters
        ----------
        classes : collection of str
            The emotions that the model distinguishes.

        Raises
        ------
        UsageError
            Naming the emotion that the model does not know.
        """
        known = {self.answer(emotion) for emotion in classes}
        for emotion in self.emotions:
            if emotion not in known:
                raise UsageError(f"the model does not know {emotion!r}: choose from {', '.join(classes)}")

    def answer(self, emotion: str) -> str | None:
        """Return what an emotion counts as.

        Parameters
        ----------
        emotion : str
            One of `EMOTIONS`.

        Returns
        -------
        str or None
            The emotion itself, or calm for neutral and neutral for calm, if it is chosen; None otherwise.
        """
        return next((name for name in (emotion, _NEAREST.get(emotion)) if name in self.emotions), None)

    def apply(self, probabilities: ArrayLike, own: Sequence[str] = ()) -> Float64:
        """Return the probabilities of the chosen emotions.

        This is the probability of each emotion given that it is a chosen one.

        Parameters
        ----------
        probabilities : array, shape (..., len(EMOTIONS) + len(own))
            In [0, 1], in the order of `EMOTIONS`, then of `own`.
        own : sequence of str
            Emotions of a user's own.

        Returns
        -------
        ndarray of the same shape, float64
            The last axis sums to 1; 0 for emotions that are not chosen. If all chosen ones have the probability 0, they
            have equal shares.
        """
        given, names = np.asarray(probabilities, np.float64), (*EMOTIONS, *own)
        sums = np.zeros_like(given)
        for place, emotion in enumerate(names):
            if (counts_as := self.answer(emotion)) is not None:
                sums[..., names.index(counts_as)] += given[..., place]
        total = sums.sum(axis=-1, keepdims=True)
        equal = np.isin(names, self.emotions) / len(self.emotions)
        return np.where(total > 0, sums / np.where(total > 0, total, 1), equal)

    def apply_to_classes(self, probabilities: ArrayLike, classes: Sequence[str]) -> Float64:
        """Return the probabilities of the chosen emotions from those of the classes of a model.

        Parameters
        ----------
        probabilities : array, shape (..., len(classes))
            In [0, 1].
        classes : sequence of str
            The classes, in any order.

        Returns
        -------
        ndarray, shape (..., len(emotions)), float64
            In the order of `emotions`; the last axis sums to 1.
        """
        given = np.asarray(probabilities, np.float64)
        of_all = np.zeros((*given.shape[:-1], len(EMOTIONS)))
        of_all[..., [EMOTIONS.index(name) for name in classes]] = given
        return self.apply(of_all)[..., [EMOTIONS.index(name) for name in self.emotions]]
