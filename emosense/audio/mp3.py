"""MP3 and back: what a lossy file does to a waveform."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterable
from typing import Final

import soundfile

from emosense.arrays import Float32
from emosense.audio.resampling import resample
from emosense.audio.waveform import read_native
from emosense.errors import UsageError

RATES_HZ: Final = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
# Lowest rate of MPEG-1, MPEG-2 and MPEG-2.5, and the range of bit rates that libsndfile maps to one number.
KBIT_S: Final = ((32_000, 32, 320), (16_000, 8, 160), (0, 8, 64))


def mp3(waveform: Float32, sample_rate: int, kbit_s: float) -> tuple[Float32, int]:
    """Encode as mono MP3 of constant bit rate, and decode like any recording.

    The encoder (LAME) writes its delay and padding into the file and the decoder removes them: the waveform keeps its
    length and its place in time.

    Parameters
    ----------
    waveform : ndarray, shape (n_samples,), float32 in [-1, 1]
        Mono.
    sample_rate : int
        Hz.
    kbit_s : float
        Bit rate in kbit/s.

    Returns
    -------
    waveform : ndarray, shape (n_samples,), float32
        The decoded waveform.
    sample_rate : int
        Hz. A rate that MP3 does not have becomes the next higher one, 48 kHz at most.
    """
    rate = next((rate for rate in RATES_HZ if rate >= sample_rate), RATES_HZ[-1])
    content = encode_mp3(resample(waveform, sample_rate, rate), rate, kbit_s)
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        return read_native(file)


def check_mp3(formats: Iterable[str] | None = None) -> None:
    """Raise an error if MP3 cannot be written.

    Parameters
    ----------
    formats : iterable of str, optional
        Formats of the installed libsndfile; by default, libsndfile is asked.

    Raises
    ------
    UsageError
        Says what to install.
    """
    if "MP3" not in (soundfile.available_formats() if formats is None else formats):
        raise UsageError(
            f"libsndfile {soundfile.__libsndfile_version__} cannot write MP3, which the disturbances need: "
            "use 1.1 or later with LAME, as in the wheels of soundfile"
        )


def encode_mp3(waveform: Float32, sample_rate: int, kbit_s: float) -> bytes:
    """Return a mono MP3 file of constant bit rate.

    Parameters
    ----------
    waveform : ndarray, shape (n_samples,), float32 in [-1, 1]
        Mono.
    sample_rate : int
        Hz, one of the rates of MP3.
    kbit_s : float
        Bit rate in kbit/s.

    Returns
    -------
    bytes
        The file.

    Raises
    ------
    UsageError
        If the installed libsndfile cannot write MP3.
    """
    check_mp3()
    lowest, highest = next((low, high) for from_hz, low, high in KBIT_S if sample_rate >= from_hz)
    buffer = io.BytesIO()
    level = (highest - kbit_s) / (highest - lowest)
    kind = {"format": "MP3", "subtype": "MPEG_LAYER_III", "bitrate_mode": "CONSTANT", "compression_level": level}
    with soundfile.SoundFile(buffer, "w", sample_rate, channels=1, **kind) as sound:
        sound.write(waveform)
    return buffer.getvalue()
