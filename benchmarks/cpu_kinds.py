"""How far probabilities differ between kinds of CPU.

python benchmarks/cpu_kinds.py FOLDER                      without AVX2 and AVX-512, see below
python benchmarks/cpu_kinds.py FOLDER --without AVX-512    without AVX-512 alone
python benchmarks/cpu_kinds.py FOLDER --emulate Nehalem    all on an emulated CPU without AVX (needs qemu-x86_64)
python benchmarks/cpu_kinds.py FOLDER --model default --limit 8

Instructions are kept from NumPy, from the OpenBLAS of NumPy and of SciPy, and from glibc. SciPy's FFT and libsoxr's
resampling have one code for all CPUs. ONNX Runtime has no such switch: it is emulated, or runs as here.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

PLAIN_CORES = {"aarch64": "ARMV8", "arm64": "ARMV8"}
# What OpenBLAS calls a CPU without the instructions, and what glibc calls them.
MASKS = {
    "AVX-512": ("Haswell", "-AVX512F,-AVX512VL,-AVX512BW,-AVX512DQ"),
    "AVX2": ("Nehalem", "-AVX,-AVX2,-FMA,-AVX512F,-AVX512VL,-AVX512BW,-AVX512DQ"),
}


Rows = dict[str, tuple[str, list[float]]]


def rows(model: str, paths: list[str]) -> Rows:
    from emosense.inputs.recording import Recording
    from emosense.labelling.config import LabelConfig
    from emosense.labelling.recording_labeller import RecordingLabeller
    from emosense.models.model import Model
    from emosense.models.model_files import read_model

    labeller = RecordingLabeller(Model(read_model(model)), LabelConfig())
    found = (labeller.label_recording(Recording(path, path, -1, "")).row for path in paths)
    return {row.path: (row.emotion, list(row.probabilities)) for row in found}


def masked(without: str) -> dict[str, str]:
    """Return the environment that keeps libraries from using instructions that not every CPU has."""
    from numpy._core._multiarray_umath import __cpu_dispatch__

    core, capabilities = MASKS[without]
    is_kept = "X86_V3" if without == "AVX-512" else ""
    return {
        "NPY_DISABLE_CPU_FEATURES": " ".join(name for name in __cpu_dispatch__ if name != is_kept),
        "OPENBLAS_CORETYPE": PLAIN_CORES.get(platform.machine(), core),
        "GLIBC_TUNABLES": f"glibc.cpu.hwcaps={capabilities}",
    }


def instructions() -> dict[str, list[str]]:
    """Return what NumPy uses of this CPU, and for which CPU each OpenBLAS of this process was chosen."""
    from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__
    from threadpoolctl import threadpool_info

    libraries = (each.get("architecture", "") for each in threadpool_info() if each["internal_api"] == "openblas")
    return {"numpy": [each for each in __cpu_dispatch__ if __cpu_features__[each]], "openblas": sorted(set(libraries))}


def elsewhere(model: str, paths: list[str], without: str, emulated: str = "") -> tuple[Rows, dict[str, list[str]]]:
    """Label in another process, on an emulated CPU or with instructions masked; returns what it had of them, too."""
    before = ["qemu-x86_64", "-cpu", emulated] if emulated else []
    # An emulated process cannot find its virtual environment: the interpreter behind the link has no such folder.
    command = [*before, os.path.realpath(sys.executable), "-W", "ignore", __file__, "--rows", model]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | ({} if emulated else masked(without))
    done = subprocess.run(command, input="\0".join(paths), env=environment, capture_output=True, text=True, check=True)
    found, had = json.loads(done.stdout)
    return {path: (emotion, values) for path, (emotion, values) in found.items()}, had


def compare(model: str, paths: list[str], without: str = "AVX2", emulated: str = "") -> dict[str, Any]:
    here, (there, had) = rows(model, paths), elsewhere(model, paths, without, emulated)
    pairs = [(here[path], there[path]) for path in paths]
    differences = [abs(a - b) for (_, one), (_, other) in pairs for a, b in zip(one, other, strict=True)]
    # A label may only change where two emotions are as probable as each other.
    others = [sorted(one[1])[-2:] for one, other in pairs if one[0] != other[0]]
    return {
        "instructions": had,
        "recordings": len(paths),
        "labelled": sum(bool(one[1]) for one, _ in pairs),
        "rows that differ": sum(one != other for one, other in pairs),
        "largest difference": max(differences, default=0.0),
        "other labels": len(others),
        "of them no ties": sum(second[1] - second[0] > 4e-6 for second in others),
    }


def main() -> None:
    if sys.argv[1:2] == ["--rows"]:
        found = rows(sys.argv[2], sys.stdin.read().split("\0"))
        print(json.dumps((found, instructions())))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--without", choices=sorted(MASKS), default="AVX2")
    parser.add_argument("--emulate", default="")
    parser.add_argument("--model", default="fast")
    parser.add_argument("--limit", type=int, default=24)
    options = parser.parse_args()
    paths = sorted(str(path) for path in options.folder.rglob("*") if path.suffix in (".wav", ".flac"))
    step = max(1, len(paths) // options.limit)
    print(
        json.dumps(compare(options.model, paths[::step][: options.limit], options.without, options.emulate), indent=2)
    )


if __name__ == "__main__":
    main()
