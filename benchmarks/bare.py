"""The plain work that `labelling.py` and `extraction.py` compare the product with; each mode is a process of its own.

python benchmarks/bare.py inline MODEL FOLDER     label in this process, no engine, no table
python benchmarks/bare.py pool MODEL FOLDER       the same batch function in multiprocessing.Pool(2)
python benchmarks/bare.py ray                     import ray, ray.init(), one task
python benchmarks/bare.py features SET FOLDER     extract features in multiprocessing.Pool(2), write the table
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
WORKERS = 2
CHUNK = 64


def start(model: str) -> None:
    global labeller
    from emosense.labelling.config import LabelConfig
    from emosense.labelling.recording_labeller import RecordingLabeller
    from emosense.models.model import Model
    from emosense.models.model_files import read_model

    labeller = RecordingLabeller(Model(read_model(model)), LabelConfig())


def label(paths: list[str]) -> int:
    from emosense.inputs.recording import Recording

    return sum(labeller.label_recording(Recording(path, path, -1, "")).row.status == "ok" for path in paths)


def found(folder: str) -> list[str]:
    return sorted(os.path.join(root, name) for root, _, names in os.walk(folder) for name in names)


def inline(model: str, folder: str) -> int:
    start(model)
    return label(found(folder))


def pool(model: str, folder: str) -> int:
    paths = found(folder)
    chunks = [paths[first : first + CHUNK] for first in range(0, len(paths), CHUNK)]
    with multiprocessing.get_context("spawn").Pool(WORKERS, start, (model,)) as workers:
        return sum(workers.imap(label, chunks))


def extract(job: tuple[list[str], str]) -> list[dict[str, object]]:
    from emosense.features.config import default_config
    from emosense.inputs.recording import Recording
    from emosense.training.features.extraction import extract_recordings

    paths, name = job
    return extract_recordings([Recording(path, path, -1, "") for path in paths], default_config(name))


def features(name: str, folder: str) -> int:
    from emosense.features.config import default_config
    from emosense.inputs.recording import Recording
    from emosense.inputs.utterance import Utterance
    from emosense.training.features.table_file import FeatureTableWriter

    paths = found(folder)
    chunks = [paths[first : first + CHUNK] for first in range(0, len(paths), CHUNK)]
    with (
        multiprocessing.get_context("spawn").Pool(WORKERS) as workers,
        open(f"{folder}.bare.parquet", "wb") as file,
        contextlib.closing(FeatureTableWriter(file, default_config(name))) as writer,
    ):
        for chunk, results in zip(chunks, workers.imap(extract, [(chunk, name) for chunk in chunks]), strict=True):
            writer.write([Utterance(Recording(path, path, -1, ""), "", "") for path in chunk], results)
    return len(paths)


def one_ray_task() -> int:
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0"}
    import ray

    ray.init(address="local", num_cpus=WORKERS, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    return ray.get(ray.remote(lambda: 1).remote())


if __name__ == "__main__":
    mode, *arguments = sys.argv[1:]
    print({"inline": inline, "pool": pool, "ray": one_ray_task, "features": features}[mode](*arguments))
