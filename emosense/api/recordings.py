"""What a caller gives to label -> a recording on a disk or in object storage."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator

import numpy as np
import soundfile
from numpy.typing import NDArray

from emosense.errors import UsageError
from emosense.inputs.recording import Recording
from emosense.storage.locations import shown_location
from emosense.storage.schemes import is_url

Path = str | os.PathLike[str]
Waveform = NDArray[np.floating] | NDArray[np.signedinteger]


def recording_at(path: Path) -> Recording:
    """Describe a recording that was not listed: its size and version are not known.

    Parameters
    ----------
    path : str or path-like
        Local path or URL.

    Returns
    -------
    Recording
    """
    location = os.fspath(path)
    if is_url(location):
        return Recording(shown_location(location), location, -1, "")
    return Recording(location, os.path.abspath(location), -1, "")


@contextlib.contextmanager
def recording_of(given: Path | bytes | Waveform, sample_rate: int | None, name: str) -> Iterator[Recording]:
    """Make a recording of a path, the bytes of a file, or a waveform; the last two are a temporary file in the block.

    Parameters
    ----------
    given : str, path-like, bytes, or ndarray of shape (n_samples,) or (n_samples, n_channels)
        Waveforms are floats in [-1, 1], or integers of 16 or 32 bits.
    sample_rate : int or None
        Of a waveform, in Hz; None for anything else.
    name : str
        The path of the row, for bytes and waveforms.

    Yields
    ------
    Recording

    Raises
    ------
    UsageError
        If a waveform has no sample rate or another shape or type, or anything else has a sample rate.
    """
    if isinstance(given, np.ndarray) != (sample_rate is not None):
        raise UsageError("a waveform needs its sample_rate, and anything else has its own")
    if isinstance(given, (str, os.PathLike)):
        yield recording_at(given)
        return
    with tempfile.NamedTemporaryFile(prefix="emosense-") as file:
        if isinstance(given, np.ndarray):
            soundfile.write(file, _samples(given), sample_rate, "FLOAT", format="WAV")
        else:
            file.write(given)
        file.flush()
        yield Recording(name, file.name, -1, "")


def _samples(waveform: Waveform) -> NDArray[np.float32]:
    """Check and scale a waveform: the values that a decoder gives for a file of it."""
    if waveform.ndim not in (1, 2):
        raise UsageError(f"a waveform has the shape (n_samples,) or (n_samples, n_channels), not {waveform.shape}")
    if waveform.dtype in (np.int16, np.int32):
        return np.asarray(waveform / 2.0 ** (8 * waveform.itemsize - 1), np.float32)
    if waveform.dtype.kind != "f":
        raise UsageError(f"a waveform has floats in [-1, 1], or integers of 16 or 32 bits, not {waveform.dtype}")
    return np.asarray(waveform, np.float32)
