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

import counting_worker

from emosense.labelling.engine_choice import CHUNK_SIZES
from emosense.labelling.job import LabelJob

N_NODES = 2
# Between two losses so many recordings may be begun that each node ends the chunk that it labels, and begins another:
# a run of more than this many a loss is still going when the last loss comes, however fast the machine is.
N_PER_LOSS = CHUNK_SIZES[0] * N_NODES + 4
# A node is missed within a second or two, not within fifteen, as by default.
_SYSTEM = {"health_check_initial_delay_ms": 1000, "health_check_period_ms": 500, "health_check_failure_threshold": 4}
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
    nodes = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "temp_dir": folder, "_system_config": _SYSTEM, **_NODE}
    )
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


class _Schedule:
    """The losses to come in a random order, and how many recordings may be begun before the next of them."""

    def __init__(self, n_nodes: int, n_heads: int, seed: int, log: str) -> None:
        self.chance = random.Random(seed)
        self.to_come = ["node"] * n_nodes + ["head"] * n_heads
        self.chance.shuffle(self.to_come)
        self.losses = Losses()
        self._log = log

    def let_through(self) -> None:
        """Let the workers begin the recordings up to the next loss; after the last one, all."""
        n_allowed = counting_worker.n_begun(self._log) + N_PER_LOSS if self.to_come else sys.maxsize
        counting_worker.allow(self._log, n_allowed)


def run_with_losses(job: LabelJob, n_nodes: int, n_heads: int, seed: int) -> Losses:
    """Run a job to its end while nodes are killed and replaced, and the head with the driver, in a random order.

    Each loss waits until the run has written a part since the one before, and the run waits for each loss.
    """
    assert len(list(Path(job.inputs[0]).iterdir())) > N_PER_LOSS * (n_nodes + n_heads + 1)
    log, start_s = f"{job.output}.log", time.monotonic()
    schedule = _Schedule(n_nodes, n_heads, seed, log)
    losses = schedule.losses
    while True:
        with made_cluster() as nodes:
            losses.n_starts += 1
            command = [sys.executable, "-c", _DRIVER, counting_worker.__file__, log]
            command += [*job.inputs, job.output, job.model, nodes.address]
            with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as driver:
                _take_away(nodes, driver, schedule, job.output)
                code, stderr = driver.returncode, driver.stderr.read() if driver.stderr else ""
        if code in (0, 3):
            losses.n_labelled = counting_worker.n_begun(log)
            losses.seconds = time.monotonic() - start_s
            return losses
        # A lost head, or a chunk that was lost several times: the same command again.
        assert code in (-9, 5), stderr
        assert losses.n_starts < 10


def n_parts(output: str) -> int:
    """Count the parts that a run has written so far."""
    return len(list(Path(f"{output}.run").glob("*.parquet")))


def _take_away(nodes: Any, driver: subprocess.Popen[str], schedule: _Schedule, output: str) -> None:
    n_before = n_parts(output)
    schedule.let_through()
    while driver.poll() is None:
        time.sleep(0.05)
        if not schedule.to_come or n_parts(output) == n_before:
            continue
        time.sleep(schedule.chance.uniform(0.0, 0.5))
        if schedule.to_come.pop(0) == "head":
            driver.kill()
            driver.wait()
            schedule.losses.n_heads += 1
            return
        lost = schedule.chance.choice(sorted(nodes.worker_nodes, key=lambda node: node.unique_id))
        nodes.remove_node(lost, allow_graceful=False)
        schedule.losses.n_nodes += 1
        nodes.add_node(num_cpus=1, **_NODE)
        n_before = n_parts(output)
        schedule.let_through()
