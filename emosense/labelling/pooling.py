"""Windows -> one answer for the recording: the mean of their probabilities, weighted by the speech in them."""

from __future__ import annotations

import dataclasses
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emosense.audio.speech import Speech

# A window whose loudest speech is this much below the recording's has none: a distant voice, or noise that passes.
_BELOW_LOUDEST_DB: Final = 30.0


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """What the windows say together.

    Parameters
    ----------
    probabilities : ndarray, shape (n_heads * n_emotions,)
        Of the recording, by each head of the model.
    speech_s : float
        Seconds of speech that they are from.
    is_counted : ndarray, shape (n_windows,), bool
        Whether each window with speech counts: not if it is far quieter than the loudest.
    """

    probabilities: NDArray[np.float64]
    speech_s: float
    is_counted: NDArray[np.bool_]


class SpeechMean:
    """Weights the windows of one recording.

    A window weighs as much as the seconds of speech in it. Memory grows by some 100 bytes per window.
    """

    def __init__(self) -> None:
        self._probabilities: list[NDArray[np.float64]] = []
        self._seconds: list[tuple[float, float]] = []
        self._levels_db: list[float] = []

    def add(self, probabilities: NDArray[np.float64], speech: Speech, new_share: float) -> None:
        """Take a window with speech into account.

        Parameters
        ----------
        probabilities : ndarray, shape (n_heads * n_emotions,)
            Of the window, by each head of the model.
        speech : Speech
            Its speech.
        new_share : float
            Share of the window that no window before it had, 0 to 1.
        """
        self._probabilities.append(probabilities)
        self._seconds.append((speech.speech_s, speech.speech_s * new_share))
        self._levels_db.append(speech.level_db)

    def result(self) -> Answer | None:
        """Return the answer for the whole recording.

        Returns
        -------
        Answer or None
            None without speech.
        """
        if not self._probabilities:
            return None
        levels_db, seconds = np.array(self._levels_db), np.array(self._seconds)
        is_counted = levels_db >= levels_db.max() - _BELOW_LOUDEST_DB
        seconds[~is_counted] = 0
        weights = seconds[:, 0] / seconds[:, 0].sum()
        return Answer(weights @ np.array(self._probabilities), float(seconds[:, 1].sum()), is_counted)
