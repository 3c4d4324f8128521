"""A cluster of several nodes on this machine gives the local bytes, even when they go; a local Ray is shut."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import soundfile
from made_cluster import N_NODES, made_cluster, n_parts, run_with_losses
from made_sounds import voice

from emosense.errors import StorageError
from emosense.labelling.chunk_writer import KeptChunk
from emosense.labelling.engine_choice import CHUNK_SIZES
from emosense.labelling.job import LabelJob
from emosense.labelling.label_run import LabelRun
from emosense.labelling.run_job import run_label_job

N_RECORDINGS = 160
# More than twenty losses and the start let through, so that the run is still going when the last loss comes.
N_RECORDINGS_OF_LOSSES = 480


def made_folder(root: Path, n: int) -> Path:
    for index in range(8):
        soundfile.write(root / f"{index:03d}.wav", voice(3.0, 90 + 20 * index), 16_000)
    for index in range(8, n):
        os.link(root / f"{index % 8:03d}.wav", root / f"{index:03d}.wav")
    for index in range(9, n, 10):
        (root / f"{index:03d}.wav").unlink()
        (root / f"{index:03d}.wav").write_bytes(b"no audio at all")
    return root


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with made_cluster() as nodes:
        yield nodes


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings of three seconds, of which every tenth cannot be labelled; twenty parts."""
    return made_folder(tmp_path_factory.mktemp("in"), N_RECORDINGS)


@pytest.fixture(scope="module")
def job(folder: Path, tiny_model: str) -> LabelJob:
    return LabelJob((str(folder),), "", model=tiny_model, engine="local", n_workers=2)


@pytest.fixture(scope="module")
def expected(job: LabelJob, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    output = tmp_path_factory.mktemp("fresh") / "out.csv"
    run_label_job(dataclasses.replace(job, output=str(output)))
    return output.read_bytes()


def test_a_cluster_gives_the_bytes_of_this_machine(
    cluster: Any, job: LabelJob, expected: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked_for: list[int] = []
    monkeypatch.setattr("ray.autoscaler.sdk.request_resources", lambda num_cpus: asked_for.append(num_cpus))
    output = tmp_path / "out.csv"
    summary = run_label_job(dataclasses.replace(job, output=str(output), engine="ray", address=cluster.address))
    # An autoscaler is asked for all nodes at once, and no longer at the end: two workers for twenty chunks.
    assert asked_for == [2, 0]
    assert (summary.engine, summary.n_recordings, summary.by_status["error"]) == ("ray", N_RECORDINGS, 16)
    assert output.read_bytes() == expected


def test_another_token_is_a_wrong_argument_that_is_named(cluster: Any, job: LabelJob, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "emosense", "label", *job.inputs, "-o", str(tmp_path / "out.csv"), "-m", job.model,
               "--engine", "ray", "--address", cluster.address]  # fmt: skip
    stranger = os.environ | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 64}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=stranger)
    assert done.returncode == 2, done.stderr
    assert "refuses this token, or the lack of one: set RAY_AUTH_MODE=token" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_input_that_is_unmounted_ends_the_run_of_a_cluster_and_a_rerun_finishes_it(
    cluster: Any, job: LabelJob, folder: Path, expected: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = dataclasses.replace(job, output=str(tmp_path / "out.csv"), engine="ray", address=cluster.address)
    elsewhere, keep = folder.with_name("elsewhere"), LabelRun.keep

    def keep_and_unmount(run: LabelRun, chunk: KeptChunk) -> None:
        keep(run, chunk)
        if not elsewhere.exists():
            folder.rename(elsewhere)
            folder.mkdir()

    with monkeypatch.context() as during:
        during.setattr(LabelRun, "keep", keep_and_unmount)
        with pytest.raises(StorageError, match="the same command resumes"):
            run_label_job(job)
    assert not Path(job.output).exists()
    folder.rmdir()
    elsewhere.rename(folder)
    summary = run_label_job(job)
    assert 8 <= summary.n_reused < N_RECORDINGS
    assert Path(job.output).read_bytes() == expected


def test_a_node_that_is_lost_costs_no_row_and_doubles_none(
    cluster: Any, job: LabelJob, expected: bytes, tmp_path: Path, record_property: Any
) -> None:
    output = tmp_path / "out.csv"
    parts_before: list[int] = []

    def lose_a_node() -> None:
        end_s = time.monotonic() + 60
        while time.monotonic() < end_s:
            n_before = n_parts(str(output))
            if n_before >= 2:
                parts_before.append(n_before)
                cluster.remove_node(cluster.list_all_nodes()[-1], allow_graceful=False)
                return
            threading.Event().wait(0.02)

    loser = threading.Thread(target=lose_a_node)
    loser.start()
    summary = run_label_job(dataclasses.replace(job, output=str(output), engine="ray", address=cluster.address))
    loser.join()
    assert parts_before
    assert parts_before[0] < N_RECORDINGS // 8  # the node was lost while there was work left
    assert summary.n_recordings == N_RECORDINGS
    assert output.read_bytes() == expected
    assert json.loads(Path(f"{output}.run.json").read_text())["counts"]["recordings"] == N_RECORDINGS
    record_property("nodes lost", 1)


def test_a_cluster_of_two_nodes_gives_the_bytes_of_this_machine(
    cluster: Any, job: LabelJob, expected: bytes, tmp_path: Path
) -> None:
    while len(cluster.list_all_nodes()) > 2:
        cluster.remove_node(cluster.list_all_nodes()[-1])
    output = tmp_path / "out.csv"
    run_label_job(dataclasses.replace(job, output=str(output), engine="ray", address=cluster.address))
    assert output.read_bytes() == expected


HOST = """
import os, sys
from emosense.ray_session import ray_session
with ray_session(None, 1):
    import ray
    print(ray.get_runtime_context().gcs_address, os.environ["RAY_AUTH_TOKEN"], flush=True)
    sys.stdin.readline()
"""
GUEST = """
import logging, ray, sys
try:
    ray.init(address=sys.argv[1], log_to_driver=False, logging_level=logging.CRITICAL)
except Exception as err:
    sys.exit(f"refused: {type(err).__name__}")
print("inside", len(ray.nodes()))
"""


def test_a_local_ray_refuses_connections_without_its_token_and_leaves_no_token_file(tmp_path: Path) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environment = clean | {"HOME": str(tmp_path), "RAY_USAGE_STATS_ENABLED": "0"}
    host = subprocess.Popen(
        [sys.executable, "-c", HOST], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
    )
    assert host.stdin is not None
    assert host.stdout is not None
    try:
        address, token = host.stdout.readline().split()
        command = [sys.executable, "-c", GUEST, address]
        stranger, guest = (
            subprocess.Popen(
                command, env=environment | extra, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
            for extra in ({"RAY_AUTH_MODE": "disabled"}, {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token})
        )
        for visitor, code in ((stranger, 1), (guest, 0)):
            says = visitor.communicate(timeout=120)
            assert visitor.returncode == code, says
            assert ("refused" in says[1]) == bool(code)
        assert not command_lines_with(token)
    finally:
        host.communicate("\n", timeout=60)
    assert host.returncode == 0
    assert [path.name for path in tmp_path.rglob("*") if "token" in path.name] == []


def command_lines_with(text: str) -> list[str]:
    """Command lines that contain a text; every user of the machine can read them."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found += [str(path)] if text in path.read_text(errors="replace") else []
        except OSError:  # it has ended
            continue
    return found


def test_twenty_losses_of_nodes_and_the_head_at_random_leave_the_same_bytes(
    job: LabelJob, tmp_path: Path, record_property: Any
) -> None:
    (tmp_path / "in").mkdir()
    folder = made_folder(tmp_path / "in", N_RECORDINGS_OF_LOSSES)
    here = dataclasses.replace(job, inputs=(str(folder),), output=str(tmp_path / "here.csv"))
    run_label_job(here)
    there = dataclasses.replace(here, output=str(tmp_path / "there.csv"))
    losses = run_with_losses(there, n_nodes=19, n_heads=1, seed=1)
    assert Path(there.output).read_bytes() == Path(here.output).read_bytes()
    assert (losses.n_nodes, losses.n_heads) == (19, 1)
    n_again, most = losses.n_labelled - N_RECORDINGS_OF_LOSSES, losses.n_in_lost_chunks
    assert most == CHUNK_SIZES[0] * (19 + N_NODES)
    record_property("nodes and heads lost, recordings labelled again, at most", [19, 1, n_again, most])
    assert n_again <= most
