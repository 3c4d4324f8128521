"""One open file -> the whole recording as one waveform, for recordings that are known to be short."""

from __future__ import annotations

from typing import BinaryIO

from emosense.arrays import Float32
from emosense.audio.reader import RecordingReader


def read_waveform(file: BinaryIO, sample_rate: int, max_duration_s: float = float("inf")) -> Float32:
    """Read a whole recording.

    Parameters
    ----------
    file : binary file
        Opened for reading; it has a descriptor.
    sample_rate : int
        Sample rate of the result in Hz.
    max_duration_s : float
        Longer recordings are refused.

    Returns
    -------
    ndarray, shape (n_samples,), float32 in [-1, 1]
        Mono.

    Raises
    ------
    RecordingError
        If the recording cannot be read or has no speech; see `RecordingReader.segments`.
    """
    return RecordingReader(file, sample_rate, max_duration_s).whole()


def read_native(file: BinaryIO, max_duration_s: float = float("inf")) -> tuple[Float32, int]:
    """Read a whole recording at its own sample rate.

    Parameters
    ----------
    file : binary file
        Opened for reading; it has a descriptor.
    max_duration_s : float
        Longer recordings are refused.

    Returns
    -------
    waveform : ndarray, shape (n_samples,), float32 in [-1, 1]
        Mono.
    sample_rate : int
        Hz.

    Raises
    ------
    RecordingError
        If the recording cannot be read or has no speech; see `RecordingReader.segments`.
    """
    reader = RecordingReader(file, None, max_duration_s)
    return reader.whole(), reader.sample_rate
