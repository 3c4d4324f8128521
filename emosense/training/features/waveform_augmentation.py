"""A waveform -> a randomly changed copy to train on: speed, room, microphone, noise, hum, line and codec.

Each change happens to a share of the copies, in the order in which a recording meets them. The draws depend on the
samples and the number of the copy, so every run and machine makes the same copies.
"""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Final

import numpy as np

from emosense.arrays import Float32
from emosense.audio.codecs import CODECS
from emosense.audio.effects import EFFECTS, constants
from emosense.audio.interference import generator_of

# Raise it whenever copies change: features of the old ones are not used again.
_VERSION: Final = 1
_SPEED: Final = 0.12
_LINE_HZ: Final = (3000.0, 3800.0)
# The share of copies, the effect, and the range of its strength.
_ROOM, _SOUNDS = (0.3, "room", (0.15, 0.8)), (
    (0.25, "white", (8.0, 35.0)),
    (0.25, "pink", (5.0, 35.0)),
    (0.06, "hum50", (-60.0, -35.0)),
    (0.06, "hum60", (-60.0, -35.0)),
)  # fmt: skip
_EQUALISED, _ON_A_LINE, _CLIPPED, _ENCODED = 0.4, 0.15, 0.05, 0.25
_EQ_DB: Final = 4.0
_CLIP_DB: Final = (3.0, 12.0)


@dataclasses.dataclass(frozen=True, slots=True)
class RandomCopy:
    """A randomly changed copy of each recording.

    Parameters
    ----------
    number : int
        Tells several copies apart.
    """

    number: int

    @property
    def name(self) -> str:
        """What is said of it."""
        return f"changed copy {self.number + 1}"

    @property
    def key(self) -> str:
        """What tells it apart from all others, as part of a file's name."""
        decides = (_VERSION, _SPEED, _LINE_HZ, _ROOM, _SOUNDS, _EQUALISED, _ON_A_LINE, _CLIPPED, _ENCODED, _EQ_DB,
                   _CLIP_DB, CODECS, constants())  # fmt: skip
        return f"copy{self.number}-{hashlib.sha256(repr(decides).encode()).hexdigest()[:8]}"

    def apply(self, waveform: Float32, sample_rate: int) -> tuple[Float32, int]:
        """Return the changed waveform and its sample rate.

        Parameters
        ----------
        waveform : ndarray, shape (n_samples,), float32 in [-1, 1]
            Mono; not changed.
        sample_rate : int
            The recording's own, in Hz.

        Returns
        -------
        waveform : ndarray, shape (n,), float32
            The changed waveform.
        sample_rate : int
            Hz. It differs also because a copy at another speed has the same samples at another rate.
        """
        rng = np.random.default_rng([self.number, int(generator_of(waveform).integers(1 << 32))])
        share, effect, strengths = _ROOM
        if rng.random() < share:
            waveform, sample_rate = EFFECTS[effect](waveform, sample_rate, rng.uniform(*strengths))
        if rng.random() < _EQUALISED:
            waveform = equalised(waveform, rng)
        for share, effect, strengths in _SOUNDS:
            if rng.random() < share:
                waveform, sample_rate = EFFECTS[effect](waveform, sample_rate, rng.uniform(*strengths))
        if rng.random() < _ON_A_LINE:
            waveform, sample_rate = EFFECTS["telephone"](waveform, sample_rate, rng.uniform(*_LINE_HZ))
        if rng.random() < _CLIPPED:
            loud = waveform / max(float(np.abs(waveform).max()), 1e-6)
            waveform, sample_rate = EFFECTS["gain"](loud, sample_rate, rng.uniform(*_CLIP_DB))
        if rng.random() < _ENCODED:
            effect, strength = CODECS[int(rng.integers(len(CODECS)))]
            waveform, sample_rate = EFFECTS[effect](waveform, sample_rate, strength)
        return waveform, round(sample_rate * np.exp(rng.uniform(-_SPEED, _SPEED)))


def equalised(waveform: Float32, rng: np.random.Generator) -> Float32:
    """Filter as another microphone would: a tilt and two broad bumps over a logarithmic frequency axis.

    Parameters
    ----------
    waveform : ndarray, shape (n_samples,), float32 in [-1, 1]
        Mono.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    ndarray, shape (n_samples,), float32
        The filtered waveform.
    """
    spectrum = np.fft.rfft(waveform)
    place = np.log2(np.linspace(1, 128, len(spectrum))) / 7
    bumps = sum(
        rng.normal(0, _EQ_DB) * np.exp(-0.5 * ((place - rng.uniform()) / rng.uniform(0.1, 0.25)) ** 2) for _ in range(2)
    )
    gain_db = rng.normal(0, _EQ_DB) * (2 * place - 1) + bumps
    return np.asarray(np.fft.irfft(spectrum * 10 ** (gain_db / 20), len(waveform)), np.float32)
