"""The model part of a label: onnxruntime, one clip per call, against Keras.

    python benchmarks/inference.py RAVDESS_WAV_FOLDER -o docs/benchmarks/inference.md

The CNN of the default preset, untrained, exported as training does it, and the shipped models, which take a recording
at two speeds or are several networks; one thread each.
"""

from __future__ import annotations

import os

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"), "1")
os.environ |= {"TF_NUM_INTEROP_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from tables import machine, markdown, write

from emosense.audio.waveform import read_waveform
from emosense.features.sets import extract
from emosense.models.model import Model
from emosense.models.model_files import read_model, shipped_models
from emosense.training.cnn_export import to_onnx
from emosense.training.ensemble import features_of
from emosense.training.networks import build
from emosense.training.presets import preset

# Log-mel and functionals, as the ensemble takes them; the CNN takes the first.
Clip = list[np.ndarray]


def read_clips(folder: Path, n_files: int) -> list[Clip]:
    configs = tuple(features_of(preset("ensemble", "default")))
    paths = sorted(folder.glob("Actor_*/*.wav"))
    found = []
    for path in paths[:: max(1, len(paths) // n_files)][:n_files]:
        with open(path, "rb", buffering=0) as file:
            waveform = read_waveform(file, configs[0].sample_rate)
        found.append([extract(waveform, config) for config in configs])
    return found


def contenders(clips: list[Clip]) -> dict[str, Callable[[Clip], np.ndarray]]:
    import onnxruntime

    config, n_bands, frames = (
        preset("cnn", "default"),
        clips[0][0].shape[1],
        np.concatenate([clip[0] for clip in clips]),
    )
    model = build(config, n_bands, None, 8)
    # As training does: without it every probability is 0 or 1, and any two implementations agree.
    model.get_layer("standardise").set_weights([frames.mean(axis=0), frames.var(axis=0)])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(to_onnx(model, config, n_bands), options, ["CPUExecutionProvider"])
    return {
        "onnxruntime": lambda clip: session.run(["probabilities"], {"features": clip[0][None]})[0][0],
        "Keras, predict in a loop": lambda clip: model.predict(clip[0][None], verbose=0)[0],
        "Keras, the model called": lambda clip: model(clip[0][None], training=False).numpy()[0],
    } | {f"shipped: {name}": shipped(name) for name in shipped_models()}


def shipped(name: str) -> Callable[[Clip], np.ndarray]:
    model = Model(read_model(name))
    return lambda clip: model.probabilities(clip[: len(model.features)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("-o", "--output")
    parser.add_argument("--files", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    clips = read_clips(args.folder, args.files)
    found = contenders(clips)
    elapsed = {name: np.empty((args.repeats, len(clips))) for name in found}
    results: dict[str, list[np.ndarray]] = {name: [] for name in found}
    for run in found.values():
        for clip in clips:  # Keras traces a graph for every new length.
            run(clip)
    for repeat in range(args.repeats):
        for i, clip in enumerate(clips):
            for name, run in found.items():
                start = time.process_time_ns()
                result = run(clip)
                elapsed[name][repeat, i] = (time.process_time_ns() - start) / 1e6
                results[name].append(result)
    costs = {name: float(np.median(np.median(values, axis=0))) for name, values in elapsed.items()}
    rows = []
    for name, cost in costs.items():
        difference = np.abs(np.array(results[name]) - np.array(results["onnxruntime"])).max()
        same = "other weights" if name.startswith("shipped") else f"{difference:.0e}"
        rows.append((name, f"{cost:.2f}", f"{cost / costs['onnxruntime']:.1f}", same))
    table = markdown(("by", "CPU ms a clip", "times onnxruntime", "largest difference of a probability"), rows)
    write(args.output, "inference", f"{len(clips)} clips, {args.repeats} repeats; {machine()}\n\n{table}")


if __name__ == "__main__":
    main()
