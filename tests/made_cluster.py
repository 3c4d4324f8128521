"""A Ray cluster of several nodes on this machine, whose nodes and head are taken away while a job runs."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import random
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from conftest import REPOSITORY

from emosense.labelling.engine_choice import CHUNK_SIZES
from emosense.labelling.job import LabelJob

N_NODES = 2
_NODE = {"object_store_memory": 100_000_000, "include_dashboard": False}
# A job whose workers log what they label, so that repeated work can be counted.
_DRIVER = """
import functools, sys
from emosense.errors import EmoSenseError
from emosense.labelling import run_job
from emosense.labelling.config import LabelSpec
from emosense.labelling.job import LabelJob

worker, log, folder, output, model, address = sys.argv[1:]
run_job.LabelSpec = functools.partial(LabelSpec, worker=(worker, log))
try:
    sys.exit(run_job.run_label_job(LabelJob((folder,), output, model=model, engine="ray", address=address)).exit_code)
except EmoSenseError as err:
    print(err, file=sys.stderr)
    sys.exit(err.exit_code)
"""


@contextlib.contextmanager
def made_cluster() -> Iterator[Any]:
    """A head without work, and two nodes with one CPU each; with a token, as docs/cluster.md recommends."""
    if "RAY_AUTH_MODE" not in os.environ:
        assert "ray" not in sys.modules, "Ray reads its token when it is imported"
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    from ray.cluster_utils import Cluster

    # Where Ray's test cluster writes its address, whatever its own folder is, without making it.
    os.makedirs("/tmp/ray", exist_ok=True)
    folder = tempfile.mkdtemp(prefix="emosense-", dir="/tmp")
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "temp_dir": folder, **_NODE})
    try:
        for _ in range(N_NODES):
            nodes.add_node(num_cpus=1, **_NODE)
        nodes.wait_for_nodes()
        yield nodes
    finally:
        nodes.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


@dataclasses.dataclass(slots=True)
class Losses:
    """What was taken away, and what it cost."""

    n_nodes: int = 0
    n_heads: int = 0
    n_starts: int = 0
    n_labelled: int = 0
    seconds: float = 0.0

    @property
    def n_in_lost_chunks(self) -> int:
        """Most recordings that may be labelled again: a node loses the chunk that it labels; with the head, all do."""
        return CHUNK_SIZES[0] * (self.n_nodes + N_NODES * self.n_heads)


def run_with_losses(job: LabelJob, n_nodes: int, n_heads: int, seed: int) -> Losses:
    """Run a job to its end while nodes are killed and replaced, and the head with the driver, in a random order.

    Each loss waits until the run has written a part since the one before.
    """
    chance = random.Random(seed)
    plan = ["node"] * n_nodes + ["head"] * n_heads
    chance.shuffle(plan)
    losses, start_s = Losses(), time.monotonic()
    log = Path(f"{job.output}.log")
    while True:
        with made_cluster() as nodes:
            losses.n_starts += 1
            command = [sys.executable, "-c", _DRIVER, str(REPOSITORY / "tests" / "counting_worker.py"), str(log)]
            command += [*job.inputs, job.output, job.model, nodes.address]
            with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as driver:
                _take_away(nodes, driver, plan, losses, chance, job)
                code, stderr = driver.returncode, driver.stderr.read() if driver.stderr else ""
        if code in (0, 3):
            losses.n_labelled = len(log.read_bytes().splitlines())
            losses.seconds = time.monotonic() - start_s
            return losses
        # A lost head, or a chunk that was lost several times: the same command again.
        assert code in (-9, 5), stderr
        assert losses.n_starts < 10


def _take_away(
    nodes: Any, driver: subprocess.Popen[str], plan: list[str], losses: Losses, chance: random.Random, job: LabelJob
) -> None:
    folder = Path(f"{job.output}.run")
    n_before = len(list(folder.glob("*.parquet")))
    while driver.poll() is None:
        time.sleep(0.05)
        if not plan or len(list(folder.glob("*.parquet"))) == n_before:
            continue
        time.sleep(chance.uniform(0.0, 0.5))
        if plan.pop(0) == "head":
            driver.kill()
            losses.n_heads += 1
            driver.wait()
            return
        lost = chance.choice(sorted(nodes.worker_nodes, key=lambda node: node.unique_id))
        nodes.remove_node(lost, allow_graceful=False)
        losses.n_nodes += 1
        nodes.add_node(num_cpus=1, **_NODE)
        n_before = len(list(folder.glob("*.parquet")))
