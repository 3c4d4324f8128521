"""CPU time and values of the feature sets, file to values, against librosa, the bare STFT and peers.

    python benchmarks/features.py RAVDESS_WAV_FOLDER -o docs/benchmarks/features.md

One thread, and glibc set to keep freed memory, as docs/performance.md explains. Contenders take turns on every ten
files, so that a change in the machine's speed affects all of them. A figure is the median over files of the median over
repeats. The floor is the least that an implementation on this FFT needs unless it computes fewer frames: decoding and
resampling, then window and FFT in the same blocks, without using the result.
"""

from __future__ import annotations

import os

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

import argparse
import dataclasses
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import peers
import scipy.fft
from tables import machine, markdown, write

from emosense.audio.waveform import read_waveform
from emosense.features import filterbanks
from emosense.features.config import FeatureConfig, default_config
from emosense.features.sets import extract
from emosense.features.spectrum import block_frames

TURN = 10
# What users of librosa write: `chroma_stft` estimates the tuning of each recording unless a tuning is given.
USUAL = "librosa with its defaults, tuning estimated"
# Targets: at least this many times cheaper than librosa, at most this many times the floor.
CHEAPER = {48_000: 12.0, 22_050: 7.5, 16_000: 7.5}
ABOVE_FLOOR = {"summary 48000 Hz": 1.5, "summary 16000 Hz": 1.3, "functionals": 1.3, "logmel": 1.3}


@dataclasses.dataclass
class Contender:
    group: str
    name: str
    run: Callable[[str], np.ndarray]
    same: str = ""


def ours(path: str, config: FeatureConfig) -> np.ndarray:
    with open(path, "rb", buffering=0) as file:
        return extract(read_waveform(file, config.sample_rate), config)


def floor(path: str, config: FeatureConfig) -> np.ndarray:
    with open(path, "rb", buffering=0) as file:
        waveform = read_waveform(file, config.sample_rate)
    if config.set == "mfcc":
        waveform = peers.segment(waveform, config)
    padded = np.zeros(len(waveform) + config.n_fft, np.float32)
    padded[config.n_fft // 2 :][: len(waveform)] = waveform
    n_frames = 1 + len(waveform) // config.hop
    frames = np.ndarray((n_frames, config.n_fft), np.float32, padded, 0, (4 * config.hop, 4))
    window = filterbanks.hann_window(config.n_fft)
    n_block = block_frames(config.n_fft)
    windowed = np.empty((n_block, config.n_fft), np.float32)
    for start in range(0, len(frames), n_block):
        block = frames[start : start + n_block]
        scipy.fft.rfft(np.multiply(block, window, out=windowed[: len(block)]), overwrite_x=True)
    return np.empty(0)


def contenders() -> Iterator[Contender]:
    def bind(function: Callable, config: FeatureConfig) -> Callable[[str], np.ndarray]:
        return lambda path: function(path, config)

    for rate in CHEAPER:
        config = dataclasses.replace(default_config("summary"), sample_rate=rate)
        group = f"summary {rate} Hz"
        yield Contender(group, "librosa, three STFTs", bind(peers.librosa_three, config), "reference")
        untuned = dataclasses.replace(config, tuning=None)
        yield Contender(group, USUAL, bind(peers.librosa_three, untuned), "no: another chroma")
        yield Contender(group, "librosa, one STFT", bind(peers.librosa_shared, config), "yes")
        yield Contender(group, "emosense", bind(ours, config), "yes")
        yield Contender(group, "floor", bind(floor, config))
    tuned = dataclasses.replace(default_config("summary"), tuning=None)
    yield Contender("summary, tuning estimated", "librosa, three STFTs", bind(peers.librosa_three, tuned), "reference")
    # The estimate is the maximum of a histogram; float32 rounding changes it in 1 of 100 recordings.
    yield Contender("summary, tuning estimated", "emosense", bind(ours, tuned), "except where the tuning differs")
    sets = {
        "functionals": (default_config("functionals"), None),
        "mfcc": (default_config("mfcc"), peers.librosa_mfcc),
        "logmel": (default_config("logmel"), peers.librosa_logmel),
        "whisper": (default_config("whisper"), peers.librosa_whisper),
    }
    for group, (config, oracle) in sets.items():
        if oracle:
            yield Contender(group, "librosa", bind(oracle, config), "reference")
        yield Contender(group, "emosense", bind(ours, config), "yes" if oracle else "no reference")
        for name, run in peers.installed_for(group):
            yield Contender(group, name, run, "yes")
        yield Contender(group, "floor", bind(floor, config))
    for name, run in peers.installed():
        yield Contender("peers", name, run, "no")


def measure(found: list[Contender], paths: list[str], repeats: int) -> tuple[np.ndarray, list[list[np.ndarray]]]:
    """CPU milliseconds, shape (contenders, files), and the values."""
    elapsed = np.empty((len(found), len(paths), repeats))
    values: list[list[np.ndarray]] = [[] for _ in found]
    for repeat in range(repeats):
        for first in range(0, len(paths), TURN):
            for i, contender in enumerate(found):
                for j in range(first, min(first + TURN, len(paths))):
                    start = time.process_time_ns()
                    result = contender.run(paths[j])
                    elapsed[i, j, repeat] = (time.process_time_ns() - start) / 1e6
                    if repeat == 0:
                        values[i].append(np.atleast_2d(result))
    return np.median(elapsed, axis=2), values


def deviation(found: list[np.ndarray], reference: list[np.ndarray]) -> str:
    """Largest deviation of any value of any file, in standard deviations of that value."""
    ours_all, theirs = np.concatenate(found), np.concatenate(reference)
    if ours_all.shape != theirs.shape:
        return f"another shape: {ours_all.shape} and {theirs.shape}"
    return f"{(np.abs(ours_all - theirs) / theirs.std(axis=0)).max():.1e}"


def report(found: list[Contender], elapsed: np.ndarray, values: list[list[np.ndarray]]) -> str:
    costs = np.median(elapsed, axis=1)
    rows, verdicts = [], []
    for i, contender in enumerate(found):
        peers_of = {other.name.split(",")[0]: k for k, other in reversed(list(enumerate(found)))
                    if other.group == contender.group}  # fmt: skip
        base, bottom, usual = (peers_of.get(name) for name in ("librosa", "floor", USUAL.split(",")[0]))
        cheaper = costs[base] / costs[i] if base is not None else float("nan")
        above = costs[i] / costs[bottom] if bottom is not None else float("nan")
        has_values = base is not None and contender.name != "floor"
        off = deviation(values[i], values[base]) if has_values and base != i else ""
        rows.append((contender.group, contender.name, f"{costs[i]:.2f}", f"{cheaper:.1f}" if base is not None else "",
                     f"{above:.2f}" if bottom is not None else "", off, contender.same))  # fmt: skip
        if contender.name == "emosense":
            than_usual = costs[usual] / costs[i] if usual is not None else float("nan")
            verdicts += verdict(contender.group, cheaper, than_usual, above)
    heads = ("set", "by", "CPU ms a file", "times cheaper than librosa", "times the floor",
             "largest deviation from librosa (sd)", "same values")  # fmt: skip
    return f"{markdown(heads, rows)}\n{markdown(('target', 'asked', 'found', ''), verdicts)}"


def verdict(group: str, cheaper: float, than_usual: float, above: float) -> Iterator[tuple[str, ...]]:
    wanted = next((factor for rate, factor in CHEAPER.items() if group == f"summary {rate} Hz"), None)
    if wanted:
        for what, found in (("librosa with the same tuning", cheaper), ("librosa with its defaults", than_usual)):
            is_met = "met" if found >= wanted else "MISSED"
            yield (f"{group}: cheaper than {what}", f">= {wanted}", f"{found:.1f}", is_met)
    if group in ABOVE_FLOOR:
        limit = ABOVE_FLOOR[group]
        yield (f"{group}: above the floor", f"<= {limit}", f"{above:.2f}", "met" if above <= limit else "MISSED")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="RAVDESS as WAV, with its Actor_* folders")
    parser.add_argument("-o", "--output", help="Markdown file (default: standard output)")
    parser.add_argument("--files", type=int, default=60, help="size of the sample; 0 takes all")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", default="", help="groups whose name begins so")
    args = parser.parse_args()
    paths = [str(path) for path in sorted(args.folder.glob("Actor_*/*.wav"))]
    if args.files:
        paths = paths[:: max(1, len(paths) // args.files)][: args.files]
    found = [contender for contender in contenders() if contender.group.startswith(args.only)]
    # glibc returns freed memory to the kernel above a threshold that follows the largest block freed so far.
    bytearray(16 << 20)
    for contender in found:
        contender.run(paths[0])
    elapsed, values = measure(found, paths, args.repeats)
    title = f"{len(paths)} files of RAVDESS at 48 kHz, {args.repeats} repeats, process time, one thread; {machine()}"
    write(args.output, "features", f"{title}\n\n{report(found, elapsed, values)}")


if __name__ == "__main__":
    main()
