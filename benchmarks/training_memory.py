"""Memory of a training worker: its shard is made up, of 1,000 to 100,000 clips, and then the default CNN takes steps.

    python benchmarks/training_memory.py -o docs/benchmarks/training-memory.md

Each case is a process that does what a worker of Ray Train does: it reads its shard, block by block, into a temporary
file, and takes the first 21 steps of an epoch over all of it. The figures are the largest anonymous memory of the
process, before the shard, with it, and in the steps; pages of the file are the system's to drop.
"""

from __future__ import annotations

import argparse
import itertools
import re
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import processes
from tables import machine, markdown, write

# Three seconds of speech, as the default CNN takes them.
SHAPE, N_CLASSES = (94, 128), 8


class StepsTaken(Exception):
    """The first steps are done."""


class Peak:
    """The largest anonymous memory of this process since it was asked the last time."""

    def __init__(self) -> None:
        self._most_mb = 0.0
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while True:
            self._look()
            threading.Event().wait(0.05)

    def _look(self) -> None:
        found = re.search(r"RssAnon:\s+(\d+)", Path("/proc/self/status").read_text())
        assert found is not None
        self._most_mb = max(self._most_mb, int(found[1]) / 1024)

    def mb(self) -> float:
        self._look()
        most_mb, self._most_mb = self._most_mb, 0.0
        return most_mb


def made_blocks(n_clips: int) -> Iterator[Any]:
    """Give the blocks of a shard as Ray Data does; the features of each are the same."""
    import pyarrow as pa

    from emosense.training.gradient_descent.shards import blocks
    from emosense.training.gradient_descent.training_set import TrainingSet

    rng = np.random.default_rng(0)
    features = [-80 * rng.random(SHAPE, np.float32) for _ in range(64)]
    targets = np.eye(N_CLASSES + 2, dtype=np.float32)[rng.integers(0, N_CLASSES, 64)]
    targets[:, -1] = 1
    (block,) = blocks(TrainingSet(features, targets, np.arange(64)))
    for first in range(0, n_clips, 64):
        numbers = pa.array(np.arange(first, min(first + 64, n_clips)))
        part = block.slice(0, len(numbers))
        yield part.set_column(part.column_names.index("number"), "number", numbers)


def work(n_clips: int) -> None:
    """Be the worker, and say what it took."""
    import keras  # noqa: F401 - its memory is none of the shard's

    from emosense.training import networks
    from emosense.training.gradient_descent.shards import read_shard
    from emosense.training.gradient_descent.training import GradientTraining, train_here
    from emosense.training.presets import preset

    config: Any = preset("cnn", "default")
    peak = Peak()
    before_mb = peak.mb()
    examples = read_shard(made_blocks(n_clips))
    shard_mb = peak.mb()
    build = networks.builder(config, examples.features[:64], N_CLASSES)
    masks = np.ones((1, N_CLASSES), np.float32)

    def stop(*_: float) -> None:
        raise StepsTaken

    try:
        train_here(GradientTraining(config, 0, masks, build, lambda _: b""), examples, None, on_pace=stop)
    except StepsTaken:
        n_bytes = sum(values.nbytes for values in itertools.islice(examples.features, 1)) * len(examples)
        print("took", n_bytes / 1e6, before_mb, shard_mb, peak.mb(), file=sys.stderr)


def row(n_clips: int) -> tuple[str, ...]:
    usage = processes.run([sys.executable, __file__, "--work", str(n_clips)])
    found = re.search(r"^took ([\d.]+) ([\d.]+) ([\d.]+) ([\d.]+)$", usage.stderr, re.MULTILINE)
    if found is None:
        raise SystemExit(usage.stderr)
    file_mb, *peaks_mb = map(float, found.groups())
    return (f"{n_clips:,}", f"{file_mb:,.0f}", *(f"{mb:.0f}" for mb in peaks_mb), f"{usage.cpu_s:.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("-o", "--output", help="Markdown file (default: standard output)")
    parser.add_argument("--clips", type=int, nargs="*", default=[1_000, 10_000, 100_000])
    parser.add_argument("--work", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        work(args.work)
        return
    heads = ("clips in the shard", "features, MB", "MB before it", "MB while it is read", "MB in the steps", "CPU s")
    table = markdown(heads, [row(n_clips) for n_clips in args.clips])
    write(args.output, "memory of a training worker", f"{machine()}\n\n{table}")


if __name__ == "__main__":
    main()
