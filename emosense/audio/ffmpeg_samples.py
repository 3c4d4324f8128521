"""The frames of FFmpeg -> float32 samples of shape (n_frames, n_channels)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from emosense.arrays import Float32


def samples_of(frame: Any) -> NDArray[np.generic]:
    """Return the samples of a frame unconverted.

    Not ``frame.to_ndarray()``: PyAV 18.1 looks for a null pointer after the last plane, where FFmpeg puts none if there
    are eight planes or more. Eight channels of AAC crashed it.

    Parameters
    ----------
    frame : av.AudioFrame
        Decoded.

    Returns
    -------
    ndarray, shape (n_planes, n_samples)
        In FFmpeg's sample format.
    """
    from av.audio.frame import format_dtypes
    from av.audio.plane import AudioPlane

    n_channels = frame.layout.nb_channels
    n_planes, width = (n_channels, 1) if frame.format.is_planar else (1, n_channels)
    dtype = np.dtype(format_dtypes[frame.format.name])
    planes: list[Any] = [AudioPlane(frame, i) for i in range(n_planes)]
    return np.stack([np.frombuffer(plane, dtype, frame.samples * width) for plane in planes])


def to_float32(samples: NDArray[np.generic], is_planar: bool, n_channels: int) -> Float32:
    """Convert FFmpeg's sample formats to float32.

    Parameters
    ----------
    samples : ndarray, shape (n_planes, n_samples)
        What `samples_of` gives.
    is_planar : bool
        Whether each channel has its plane.
    n_channels : int
        Number of channels.

    Returns
    -------
    ndarray, shape (n_frames, n_channels), float32
        Nominally in [-1, 1].
    """
    frames = samples.T if is_planar else samples.reshape(-1, n_channels)
    if np.issubdtype(samples.dtype, np.integer):
        middle = 128.0 if samples.dtype == np.uint8 else 0.0
        full_scale = 2.0 ** (8 * samples.itemsize - 1)
        return ((frames.astype(np.float64) - middle) / full_scale).astype(np.float32)
    return frames.astype(np.float32)
