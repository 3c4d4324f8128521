"""Ways to get mel power from windowed frames, side by side, for the frame lengths of the feature sets.

    python benchmarks/spectra.py -o docs/benchmarks/spectra.md

The way that ships is the first: SciPy's FFT of each frame, the power, and the mel bands as products of spans. The
others: two real frames as one complex one; NumPy's FFT; a product with the matrix of the transform, whose symmetry
halves it; and the squares of real and imaginary parts, which a bank with every row twice adds up. Noise, one block of
frames, one thread; the deviation is the largest from float64, in dB.
"""

from __future__ import annotations

import os

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")

import argparse
import time
from collections.abc import Callable

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from tables import machine, markdown, write

from emosense.arrays import Float32
from emosense.features.config import FeatureConfig, default_config
from emosense.features.filterbanks import hann_window
from emosense.features.mel import mel_bank, mel_power, spans

SETS = ("whisper", "functionals", "logmel", "summary")
BLOCK_SAMPLES = 1 << 16


def mel_of(spectrum: NDArray[np.complex64], config: FeatureConfig) -> Float32:
    power = spectrum.real**2
    power += spectrum.imag**2
    return mel_power(power, config)


def by_scipy(frames: Float32, config: FeatureConfig) -> Float32:
    return mel_of(scipy.fft.rfft(frames), config)


def by_numpy(frames: Float32, config: FeatureConfig) -> Float32:
    return mel_of(np.fft.rfft(frames), config)


def in_pairs(frames: Float32, config: FeatureConfig) -> Float32:
    """Take the even part of the transform of first + i second, which is the first frame's, and the odd part."""
    both = scipy.fft.fft(frames[::2] + 1j * frames[1::2])
    n_bins = frames.shape[1] // 2 + 1
    ahead = both[:, :n_bins]
    behind = np.conj(np.concatenate((both[:, :1], both[:, :-n_bins:-1]), axis=1))
    spectrum = np.empty((len(frames), n_bins), np.complex64)
    spectrum[::2], spectrum[1::2] = (ahead + behind) * np.float32(0.5), (ahead - behind) * np.float32(0.5)
    return mel_of(spectrum, config)


def by_matrix(config: FeatureConfig) -> Callable[[Float32, FeatureConfig], Float32]:
    n = config.n_fft
    turns = 2 * np.pi / n * np.outer(np.arange(n // 2 + 1), np.arange(n // 2 + 1))
    cosines, sines = (wave.astype(np.float32) for wave in (np.cos(turns), np.sin(turns)))

    def run(frames: Float32, config: FeatureConfig) -> Float32:
        even = np.empty((len(frames), n // 2 + 1), np.float32)
        even[:, 0], even[:, -1] = frames[:, 0], frames[:, n // 2]
        odd = np.zeros_like(even)
        ahead, behind = frames[:, 1 : n // 2], frames[:, : n // 2 : -1]
        np.add(ahead, behind, out=even[:, 1:-1])
        np.subtract(ahead, behind, out=odd[:, 1:-1])
        real, imaginary = even @ cosines, odd @ sines
        return mel_power(real * real + imaginary * imaginary, config)

    return run


def with_doubled_bank(config: FeatureConfig) -> Callable[[Float32, FeatureConfig], Float32]:
    groups = [
        (slice(2 * bins.start, 2 * bins.stop), bands, np.repeat(block, 2, axis=0))
        for bins, bands, block in spans(config.mel_key, -(-config.n_mels // 16))
    ]

    def run(frames: Float32, config: FeatureConfig) -> Float32:
        squares = np.square(scipy.fft.rfft(frames).view(np.float32))
        mel = np.empty((len(frames), config.n_mels), np.float32)
        for bins, bands, block in groups:
            np.matmul(squares[:, bins], block, out=mel[:, bands])
        return mel

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("-o", "--output")
    parser.add_argument("--repeats", type=int, default=400)
    args = parser.parse_args()
    rows = []
    for name in SETS:
        config = default_config(name)
        n_frames = BLOCK_SAMPLES // config.n_fft // 2 * 2
        frames = np.random.default_rng(0).standard_normal((n_frames, config.n_fft)).astype(np.float32)
        frames *= hann_window(config.n_fft)
        exact = (np.abs(np.fft.rfft(frames.astype(np.float64))) ** 2) @ mel_bank(*config.mel_key)
        ways = {
            "SciPy, as it ships": by_scipy,
            "two frames as one complex": in_pairs,
            "NumPy": by_numpy,
            "matrix of the transform, halved": by_matrix(config),
            "bank with every row twice": with_doubled_bank(config),
        }
        took: dict[str, list[int]] = {way: [] for way in ways}
        for _ in range(args.repeats):
            for way, run in ways.items():
                start_ns = time.thread_time_ns()
                run(frames, config)
                took[way].append(time.thread_time_ns() - start_ns)
        ours = np.median(took["SciPy, as it ships"])
        for way, run in ways.items():
            deviation_db = np.abs(
                10 * np.log10(run(frames, config) / exact)[:, mel_bank(*config.mel_key).any(axis=0)]
            ).max()
            took_us = np.median(took[way])
            rows.append((f"{name}, {config.n_fft}", way, f"{took_us / n_frames / 1e3:.2f}", f"{took_us / ours:.2f}",
                         f"{deviation_db:.0e}"))  # fmt: skip
    heads = ("set, frame", "way", "microseconds a frame", "times what ships", "deviation, dB")
    write(args.output, "spectra", f"{args.repeats} repeats in turn; {machine()}\n\n{markdown(heads, rows)}")


if __name__ == "__main__":
    main()
