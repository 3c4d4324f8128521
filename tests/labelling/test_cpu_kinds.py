"""The same kind of CPU gives the same bytes; across kinds, probabilities differ by at most 2e-6."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import REPOSITORY

from emosense.labelling.job import LabelJob
from emosense.labelling.run import part_file
from emosense.labelling.run.cpu_kind import cpu_kind
from emosense.labelling.run_job import run_label_job

LARGEST = 2e-6
AVX512 = "avx512f avx512bw avx512cd avx512dq avx512vl"
HASWELL = "ssse3 fma cx16 movbe popcnt avx f16c bmi1 avx2 bmi2 sse4_1 sse4_2"


def benchmark() -> Any:
    spec = importlib.util.spec_from_file_location("cpu_kinds", REPOSITORY / "benchmarks" / "cpu_kinds.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("model", ["default", "fast"])
@pytest.mark.parametrize(("without", "core"), [("AVX-512", "Haswell"), ("AVX2", "Nehalem")])
def test_a_worker_with_fewer_instructions_gives_nearly_the_same_probabilities(
    without: str,
    core: str,
    model: str,
    write_voice: Callable[..., Path],
    record_property: Callable[[str, object], None],
) -> None:
    paths = [str(write_voice(f"{n}.wav", 1.0 + 0.3 * n, 110.0 + 15 * n)) for n in range(12)]
    found = benchmark().compare(model, paths, without)
    record_property(f"largest difference without {without} ({model})", found["largest difference"])
    if platform.machine() in ("x86_64", "AMD64"):
        # Otherwise nothing was masked, and this test cannot fail.
        assert found["instructions"]["openblas"] == [core]
        assert not any(name.startswith(("X86_V4", "AVX512")) for name in found["instructions"]["numpy"])
        assert without != "AVX2" or not found["instructions"]["numpy"]
    assert found["labelled"] == 12
    assert found["largest difference"] <= LARGEST
    assert found["of them no ties"] == 0


def test_a_run_resumes_on_another_kind_of_cpu_and_says_so(
    tmp_path: Path, tiny_model: str, write_voice: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("in/a.wav", "in/b.wav"):
        write_voice(name)
    job = LabelJob((str(tmp_path / "in"),), str(tmp_path / "l.csv"), model=tiny_model, engine="local", n_workers=1)

    def cpus() -> list[str]:
        return json.loads((tmp_path / "l.csv.run.json").read_text())["cpus"]

    run_label_job(dataclasses.replace(job, limit=1))
    assert cpus() == [cpu_kind()]
    monkeypatch.setattr(part_file, "cpu_kind", lambda: "another")
    summary = run_label_job(job)
    assert (summary.n_reused, summary.cpus) == (1, sorted([cpu_kind(), "another"]))
    assert cpus() == summary.cpus


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (f"vendor_id\t: Intel\ncpu family\t: 6\nmodel\t\t: 60\nflags\t\t: {HASWELL}\n\nmodel: 2", "v3 Intel 6 60"),
        (f"vendor_id\t: AMD\nflags\t\t: {HASWELL} {AVX512}\n", "v4 AMD"),
        ("vendor_id\t: GenuineIntel\nflags\t\t: ssse3 avx512f\n", "GenuineIntel"),
        ("CPU implementer\t: 0x41\nCPU part\t: 0xd0c\n", "0x41 0xd0c"),
        ("", ""),
    ],
)
def test_the_kind_of_a_cpu_is_its_instructions_and_model(tmp_path: Path, text: str, kind: str) -> None:
    (tmp_path / "cpuinfo").write_text(text)
    assert cpu_kind(tmp_path / "cpuinfo").endswith(kind)
    assert cpu_kind(tmp_path / "no such file")
