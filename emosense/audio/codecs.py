"""Speech codecs: what a voice message or a telephone network does to a waveform.

Effects as those of `emosense.audio.effects`: deterministic, mono in and out.
"""

from __future__ import annotations

import io
from typing import Final

import numpy as np
import soundfile

from emosense.arrays import Float32
from emosense.audio.resampling import resample

TELEPHONE_HZ: Final = 8_000
_WIDEBAND_HZ: Final = 16_000
# Codecs of calls and voice messages, with the strength of each: kbit/s of MP3, compression of the others.
CODECS: Final = (("mp3-", 48.0), ("mp3-", 64.0), ("opus", 0.97), ("opus", 0.93), ("vorbis", 0.9), ("ulaw", 0.0),
                 ("gsm", 0.0))  # fmt: skip


def opus(waveform: Float32, sample_rate: int, compression: float) -> tuple[Float32, int]:
    """Encode as Opus at 16 kHz, and decode.

    Parameters
    ----------
    waveform : ndarray, shape (n_samples,), float32 in [-1, 1]
        Mono.
    sample_rate : int
        Hz.
    compression : float
        From 0 (256 kbit/s) to 1 (6 kbit/s).

    Returns
    -------
    waveform : ndarray, shape (n,), float32
        The decoded waveform.
    sample_rate : int
        16,000 Hz.
    """
    settings = {"format": "OGG", "subtype": "OPUS", "compression_level": compression}
    return _and_back(resample(waveform, sample_rate, _WIDEBAND_HZ), _WIDEBAND_HZ, **settings)


def vorbis(waveform: Float32, sample_rate: int, compression: float) -> tuple[Float32, int]:
    """Encode as Ogg Vorbis at 16 kHz, and decode.

    Parameters
    ----------
    waveform : ndarray, shape (n_samples,), float32 in [-1, 1]
        Mono.
    sample_rate : int
        Hz.
    compression : float
        From 0 (best quality) to 1.

    Returns
    -------
    waveform : ndarray, shape (n,), float32
        The decoded waveform.
    sample_rate : int
        16,000 Hz.
    """
    settings = {"format": "OGG", "subtype": "VORBIS", "compression_level": compression}
    return _and_back(resample(waveform, sample_rate, _WIDEBAND_HZ), _WIDEBAND_HZ, **settings)


def mu_law(waveform: Float32, sample_rate: int, _: float) -> tuple[Float32, int]:
    """Encode as 8-bit mu-law at 8 kHz (G.711, fixed telephone networks), and decode.

    Parameters
    ----------
    waveform : ndarray, shape (n_samples,), float32 in [-1, 1]
        Mono.
    sample_rate : int
        Hz.
    _ : float
        Has no strength.

    Returns
    -------
    waveform : ndarray, shape (n,), float32
        The decoded waveform.
    sample_rate : int
        8,000 Hz.
    """
    return _and_back(resample(waveform, sample_rate, TELEPHONE_HZ), TELEPHONE_HZ, format="WAV", subtype="ULAW")


def gsm(waveform: Float32, sample_rate: int, _: float) -> tuple[Float32, int]:
    """Encode as GSM 06.10 full rate at 8 kHz (mobile telephone networks, 13 kbit/s), and decode.

    Parameters
    ----------
    waveform : ndarray, shape (n_samples,), float32 in [-1, 1]
        Mono.
    sample_rate : int
        Hz.
    _ : float
        Has no strength.

    Returns
    -------
    waveform : ndarray, shape (n,), float32
        The decoded waveform.
    sample_rate : int
        8,000 Hz.
    """
    return _and_back(resample(waveform, sample_rate, TELEPHONE_HZ), TELEPHONE_HZ, format="WAV", subtype="GSM610")


def _and_back(waveform: Float32, sample_rate: int, **settings: object) -> tuple[Float32, int]:
    buffer = io.BytesIO()
    with soundfile.SoundFile(buffer, "w", sample_rate, channels=1, **settings) as sound:
        # These encoders take whole numbers, and wrap what lies beyond full scale.
        sound.write(np.clip(waveform, -1, 1))
    buffer.seek(0)
    decoded, rate = soundfile.read(buffer, dtype="float32")
    return decoded[: len(waveform)], rate
