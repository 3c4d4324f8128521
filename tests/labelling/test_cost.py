"""What a run says of its cost: counted once, by the start that did the work."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

from emosense.inputs.recording import Recording
from emosense.labelling.cost import Cost
from emosense.labelling.job import LabelJob
from emosense.labelling.run_job import run_label_job

MIB = 1 << 20


def test_requests_are_those_of_objects_and_of_parts() -> None:
    read = [Recording("a", "s3://b/a", 0, ""), Recording("b", "s3://b/b", 4 * MIB, ""), Recording("c", "/c", MIB, "")]
    read += [Recording("d", "s3://b/d", 9 * MIB, ""), Recording("e", "s3://b/e", -1, "")]
    cost = Cost.of_chunk(read, 6, "s3://b/out.csv.run")
    # A HEAD for each of four objects, and a GET for every 4 MiB.
    assert (cost.n_labelled, cost.n_bytes, cost.n_reads, cost.n_writes) == (6, 14 * MIB, 4 + 0 + 1 + 3 + 0, 1)
    assert Cost.of_chunk(read, 6, "/out.csv.run").n_writes == 0
    cost.add(Cost(1, 2.5, 10, 1, 1))
    assert cost == Cost(7, 2.5, 14 * MIB + 10, 9, 2)
    assert cost.to_dict(2.0) == {
        "labelled": 7, "per_s": 3.5, "cpu_s": 2.5, "bytes_read": 14 * MIB + 10, "requests": {"read": 9, "write": 2}
    }  # fmt: skip
    assert cost.text(2.0) == "  cost: 3.5 recordings/s, 2.5 s of CPU, 14.7 MB read, 11 requests"
    assert cost.text(140.0).startswith("  cost: 3 recordings/min, ")


def test_a_run_counts_its_workers_and_a_start_that_labels_nothing_costs_no_reading(
    tmp_path: Path, tiny_model: str, write_voice: Callable[..., Path]
) -> None:
    files = [write_voice(f"in/{index}.wav", 0.5) for index in range(3)]
    job = LabelJob((str(tmp_path / "in"),), str(tmp_path / "out.csv"), model=tiny_model, engine="local", n_workers=1)
    start_s = time.process_time()
    cost = run_label_job(job).cost
    # The worker is another process: importing NumPy alone takes it longer than this.
    assert cost.cpu_s > time.process_time() - start_s + 0.05
    assert (cost.n_labelled, cost.n_bytes, cost.n_reads) == (3, sum(path.stat().st_size for path in files), 0)
    assert json.loads((tmp_path / "out.csv.run.json").read_text())["cost"]["bytes_read"] == cost.n_bytes
    again = run_label_job(job)
    assert (again.cost.n_labelled, again.cost.n_bytes, again.cost.text(1.0)) == (0, 0, "")
