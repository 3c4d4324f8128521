"""The model part of a label: onnxruntime, one clip a call, against Keras.

    python benchmarks/inference.py RAVDESS_WAV_FOLDER -o docs/benchmarks/inference.md

The CNN of the default preset, untrained, exported as training does it; one thread each.
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

from emosense.audio import read_waveform
from emosense.features import extract
from emosense.training import cnn
from emosense.training.cnn_presets import PRESETS


def sequences(folder: Path, n_files: int) -> list[np.ndarray]:
    config = PRESETS["default"].feature
    paths = sorted(folder.glob("Actor_*/*.wav"))
    found = []
    for path in paths[:: max(1, len(paths) // n_files)][:n_files]:
        with open(path, "rb", buffering=0) as file:
            found.append(extract(read_waveform(file, config.sample_rate), config))
    return found


def contenders(clips: list[np.ndarray]) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    import onnxruntime

    config, n_bands, frames = PRESETS["default"], clips[0].shape[1], np.concatenate(clips)
    model = cnn.build(config, n_bands, None, 8)
    # As training does: without it every probability is 0 or 1, and any two implementations agree.
    model.get_layer("standardise").set_weights([frames.mean(axis=0), frames.var(axis=0)])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(cnn.to_onnx(model, config, n_bands), options, ["CPUExecutionProvider"])
    return {
        "onnxruntime": lambda x: session.run(["probabilities"], {"features": x[None]})[0][0],
        "Keras, predict in a loop": lambda x: model.predict(x[None], verbose=0)[0],
        "Keras, the model called": lambda x: model(x[None], training=False).numpy()[0],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("-o", "--output")
    parser.add_argument("--files", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    clips = sequences(args.folder, args.files)
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
    rows = [(name, f"{cost:.2f}", f"{cost / costs['onnxruntime']:.1f}",
             f"{np.abs(np.array(results[name]) - np.array(results['onnxruntime'])).max():.0e}")
            for name, cost in costs.items()]  # fmt: skip
    table = markdown(("by", "CPU ms a clip", "times onnxruntime", "largest difference of a probability"), rows)
    write(args.output, "inference", f"{len(clips)} clips, {args.repeats} repeats; {machine()}\n\n{table}")


if __name__ == "__main__":
    main()
