"""Disturbances: the same speech as another level, file, line or room would have given it.

A disturbance is applied at the recording's own sample rate, before anything that a model does.
"""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Final

import numpy as np

from emosense.arrays import Float32
from emosense.audio.effects import EFFECTS, constants


@dataclasses.dataclass(frozen=True, slots=True)
class Disturbance:
    """One way in which a recording can be worse than the training recordings.

    Parameters
    ----------
    name : str
        Name in tables.
    effect : str
        A key of `emosense.audio.effects.EFFECTS`.
    value : float
        Strength, in the unit of the effect.
    description : str
        What is done, for readers of a table.
    """

    name: str
    effect: str
    value: float
    description: str

    @property
    def key(self) -> str:
        """Identifies the disturbance and the constants of its effect, as part of a file name."""
        return f"{self.effect}{self.value:g}-{hashlib.sha256(repr(constants()).encode()).hexdigest()[:8]}"

    def apply(self, waveform: Float32, sample_rate: int) -> tuple[Float32, int]:
        """Return the disturbed waveform and its sample rate.

        Parameters
        ----------
        waveform : ndarray, shape (n_samples,), float32 in [-1, 1]
            Mono; not changed.
        sample_rate : int
            The recording's own, in Hz.

        Returns
        -------
        waveform : ndarray, shape (n_samples,), float32
            The disturbed waveform.
        sample_rate : int
            Hz.
        """
        return EFFECTS[self.effect](waveform, sample_rate, self.value)


_SCALED: Final = "samples scaled, in floating point"
_TO_ACTIVE: Final = "against the recording's active level, 50 Hz to 8 kHz"
CATALOGUE: Final = (
    Disturbance("gain -30 dB", "gain", -30.0, _SCALED),
    Disturbance("gain -20 dB", "gain", -20.0, _SCALED),
    Disturbance("gain -10 dB", "gain", -10.0, _SCALED),
    Disturbance("gain +10 dB", "gain", 10.0, "samples scaled, and clipped at the full scale of a 16-bit file"),
    Disturbance("8 kHz", "rate", 8_000.0, "resampled: nothing above 4 kHz is left"),
    Disturbance("16 kHz", "rate", 16_000.0, "resampled: nothing above 8 kHz is left"),
    Disturbance("22.05 kHz", "rate", 22_050.0, "resampled: nothing above 11 kHz is left"),
    Disturbance("44.1 kHz", "rate", 44_100.0, "resampled: nothing above 22 kHz is left"),
    Disturbance("MP3, 64 kbit/s", "mp3-", 64.0, "mono, constant bit rate, encoded and decoded"),
    Disturbance("white noise, 30 dB", "white", 30.0, _TO_ACTIVE),
    Disturbance("white noise, 20 dB", "white", 20.0, _TO_ACTIVE),
    Disturbance("white noise, 10 dB", "white", 10.0, _TO_ACTIVE),
    Disturbance("pink noise, 20 dB", "pink", 20.0, _TO_ACTIVE),
    Disturbance("room, RT60 0.4 s", "room", 0.4, "synthetic tail with as much energy as the direct sound"),
    Disturbance("2 s of silence", "silence", -np.inf, "zeros before the recording"),
    Disturbance("2 s of quiet room", "silence", -60.0, "noise of -60 dBFS before the recording"),
    Disturbance("30 s of room noise", "trailing", -60.0, "noise of -60 dBFS after the recording"),
    Disturbance("50 Hz hum, -40 dBFS", "hum50", -40.0, "with 11 harmonics"),
    Disturbance("60 Hz hum, -40 dBFS", "hum60", -40.0, "with 11 harmonics"),
    Disturbance("50 Hz hum, -30 dBFS", "hum50", -30.0, "with 11 harmonics"),
    Disturbance("60 Hz hum, -30 dBFS", "hum60", -30.0, "with 11 harmonics"),
    Disturbance("rumble, -30 dBFS", "rumble", -30.0, "noise below 40 Hz"),
    Disturbance("wind, -30 dBFS", "wind", -30.0, "noise that falls by 24 dB per octave from 40 Hz on"),
    Disturbance("offset, 2 %", "offset", 0.02, "a constant added to all samples"),
    Disturbance("telephone band", "telephone", 3400.0, "300 to 3400 Hz"),
)
