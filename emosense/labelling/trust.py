"""How far a label can be trusted, from the recording itself: level, clipping, speech, noise, distance from training.

Each figure is computed over the whole recording, window by window, in constant memory. They describe the signal that
the model gets: mono, at the model's sample rate. Clipping alone is counted by the reader: after mixing or resampling,
clipped samples are no longer at full scale.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from emosense.arrays import Float32
from emosense.audio.segment import Segment
from emosense.tables.columns import QUALITY_COLUMNS

_FRAME_S: Final = 0.02
_FLOOR_DB: Final = -120.0
# A frame is speech when it is this much above the quietest tenth of the recording and within 30 dB of its loud part:
# the loudest tenth, or half a second of a long recording, since one word in a minute is less than a tenth.
_ABOVE_NOISE_DB: Final = 10
_BELOW_SPEECH_DB: Final = 30
_LOUD_SHARE: Final = 0.1
_LOUD_FRAMES: Final = 25
# Frame levels are counted in bins of 1 dB above the floor, so that a recording of any length needs the same memory.
_N_BINS: Final = 141


class QualityMeter:
    """Measures one recording from its windows.

    Parameters
    ----------
    sample_rate : int
        Of the waveforms, in Hz.
    """

    def __init__(self, sample_rate: int) -> None:
        self._sample_rate = sample_rate
        self._frame = max(1, round(_FRAME_S * sample_rate))
        self._power = self._weight_s = self._distance = self._measured_s = 0.0
        self._n_samples = 0
        self._counts = np.zeros(_N_BINS, np.int64)

    def add(self, segment: Segment, distance: float | None) -> QualityMeter:
        """Measure one window; samples that it shares with the window before are measured once.

        Parameters
        ----------
        segment : Segment
            Windows in order of time.
        distance : float or None
            Its distance from the training recordings, >= 0; None if the model does not measure it.

        Returns
        -------
        QualityMeter
            Of this window alone.
        """
        n_measured = round(max(0.0, self._measured_s - segment.start_s) * self._sample_rate)
        self._measured_s = segment.end_s
        own = QualityMeter(self._sample_rate)
        own._measure(segment.waveform)
        new = own
        if n_measured:
            new = QualityMeter(self._sample_rate)
            new._measure(segment.waveform[n_measured:])
        self._power += new._power
        self._n_samples += new._n_samples
        self._counts += new._counts
        for meter in (own, self):
            meter._weigh(distance, segment.end_s - segment.start_s)
        return own

    def _measure(self, waveform: Float32) -> None:
        """Measure samples, once."""
        self._power = float(np.dot(waveform, waveform))
        self._n_samples = len(waveform)
        whole = waveform[: len(waveform) // self._frame * self._frame].reshape(-1, self._frame)
        power = np.vecdot(whole, whole) / np.float32(self._frame)
        above_db = 10 * np.log10(np.maximum(power, np.float32(10 ** (_FLOOR_DB / 10)))) - _FLOOR_DB
        place = np.minimum(np.rint(above_db).astype(np.intp), _N_BINS - 1)
        self._counts = np.bincount(place, minlength=_N_BINS)

    def _weigh(self, distance: float | None, length_s: float) -> None:
        if distance is not None:
            self._distance += distance * length_s
            self._weight_s += length_s

    def figures(self, clipping_ratio: float) -> tuple[float | None, ...]:
        """Compute the figures of the recording so far.

        Parameters
        ----------
        clipping_ratio : float
            Share of clipped samples, 0 to 1 (`emosense.audio.reader.RecordingReader.clipping_ratio`).

        Returns
        -------
        tuple of float or None
            The values of `QUALITY_COLUMNS`; None if there is nothing to measure.
        """
        if not self._n_samples:
            return (None,) * len(QUALITY_COLUMNS)
        level = 10 * np.log10(max(self._power / self._n_samples, 10 ** (_FLOOR_DB / 10)))
        n_up_to = np.cumsum(self._counts)
        n_frames = max(int(n_up_to[-1]), 1)
        shares = (0.1, 1 - min(_LOUD_SHARE, _LOUD_FRAMES / n_frames))
        # In dB above the floor.
        noise, speech = (int(place) for place in np.searchsorted(n_up_to / n_frames, shares))
        # If all frames are about as loud, speech cannot be separated from noise, and all of them count.
        above_noise = noise + _ABOVE_NOISE_DB if speech - noise > _ABOVE_NOISE_DB else 0
        threshold = max(above_noise, speech - _BELOW_SPEECH_DB)
        speech_ratio = float(n_frames - n_up_to[threshold - 1]) / n_frames if threshold > 0 else 1.0
        distance = self._distance / self._weight_s if self._weight_s else None
        return (round(float(level), 2), round(clipping_ratio, 6), round(speech_ratio, 4), float(speech - noise), (
            None if distance is None else round(distance, 4)
        ))  # fmt: skip
