"""How far probabilities differ between kinds of CPU.

python benchmarks/cpu_kinds.py FOLDER                      NumPy and OpenBLAS without AVX2 and AVX-512
python benchmarks/cpu_kinds.py FOLDER --emulate Nehalem    all on an emulated CPU without AVX (needs qemu-x86_64)
python benchmarks/cpu_kinds.py FOLDER --model default --limit 8
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

PLAIN_CORES = {"x86_64": "Nehalem", "AMD64": "Nehalem", "aarch64": "ARMV8", "arm64": "ARMV8"}


def rows(model: str, paths: list[str]) -> dict[str, tuple[str, list[float]]]:
    from emosense.inputs.recording import Recording
    from emosense.labelling.config import LabelConfig
    from emosense.labelling.recording_labeller import RecordingLabeller
    from emosense.models.model import Model
    from emosense.models.model_files import read_model

    labeller = RecordingLabeller(Model(read_model(model)), LabelConfig())
    found = (labeller.label_recording(Recording(path, path, -1, "")).row for path in paths)
    return {row.path: (row.emotion, list(row.probabilities)) for row in found}


def masked() -> dict[str, str]:
    """Return the environment that keeps NumPy and OpenBLAS from using what not every CPU has."""
    from numpy._core._multiarray_umath import __cpu_dispatch__

    core = PLAIN_CORES.get(platform.machine(), "")
    return {"NPY_DISABLE_CPU_FEATURES": " ".join(__cpu_dispatch__)} | ({"OPENBLAS_CORETYPE": core} if core else {})


def elsewhere(model: str, paths: list[str], emulated: str) -> dict[str, tuple[str, list[float]]]:
    """Label in another process: on an emulated CPU, or with instructions masked."""
    before = ["qemu-x86_64", "-cpu", emulated] if emulated else []
    # An emulated process cannot find its virtual environment: the interpreter behind the link has no such folder.
    command = [*before, os.path.realpath(sys.executable), "-W", "ignore", __file__, "--rows", model]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | ({} if emulated else masked())
    done = subprocess.run(command, input="\0".join(paths), env=environment, capture_output=True, text=True, check=True)
    return {path: (emotion, values) for path, (emotion, values) in json.loads(done.stdout).items()}


def compare(model: str, paths: list[str], emulated: str = "") -> dict[str, float]:
    here, there = rows(model, paths), elsewhere(model, paths, emulated)
    pairs = [(here[path], there[path]) for path in paths]
    differences = [abs(a - b) for (_, one), (_, other) in pairs for a, b in zip(one, other, strict=True)]
    # A label may only change where two emotions are as probable as each other.
    others = [sorted(one[1])[-2:] for one, other in pairs if one[0] != other[0]]
    return {
        "recordings": len(paths),
        "labelled": sum(bool(one[1]) for one, _ in pairs),
        "rows that differ": sum(one != other for one, other in pairs),
        "largest difference": max(differences, default=0.0),
        "other labels": len(others),
        "of them no ties": sum(second[1] - second[0] > 4e-6 for second in others),
    }


def main() -> None:
    if sys.argv[1:2] == ["--rows"]:
        print(json.dumps(rows(sys.argv[2], sys.stdin.read().split("\0"))))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--emulate", default="")
    parser.add_argument("--model", default="fast")
    parser.add_argument("--limit", type=int, default=24)
    options = parser.parse_args()
    paths = sorted(str(path) for path in options.folder.rglob("*") if path.suffix in (".wav", ".flac"))
    step = max(1, len(paths) // options.limit)
    print(json.dumps(compare(options.model, paths[::step][: options.limit], options.emulate), indent=2))


if __name__ == "__main__":
    main()
