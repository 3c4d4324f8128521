"""A job whose nodes are taken away at random, and the head with the driver: the same bytes, and what is lost.

    python benchmarks/spot_loss.py -o docs/benchmarks/spot-loss.md

The nodes are processes of this machine (`ray.cluster_utils`). A node is killed and replaced; with the head the driver
is killed, and the same command runs on a new cluster.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import tempfile
from pathlib import Path

from tables import machine, markdown, write

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import soundfile
from conftest import tiny_description, tiny_graph
from made_cluster import N_NODES, run_with_losses
from made_sounds import voice

from emosense.labelling.engine_choice import CHUNK_SIZES
from emosense.labelling.job import LabelJob
from emosense.labelling.run_job import run_label_job
from emosense.models.model_files import write_model


def made_job(root: Path, n: int) -> LabelJob:
    """Recordings of a second, and a model that takes no time."""
    for name in ("in", "model"):
        (root / name).mkdir()
    for index in range(n):
        soundfile.write(root / "in" / f"{index:05d}.wav", voice(1.0, 90 + index % 200), 16_000)
    write_model(str(root / "model"), tiny_description(), tiny_graph())
    return LabelJob((str(root / "in"),), str(root / "here.csv"), model=str(root / "model"), engine="local")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output")
    parser.add_argument("--nodes", type=int, default=19)
    parser.add_argument("--heads", type=int, default=1)
    parser.add_argument("--recordings", type=int, default=800)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    state = machine()
    with tempfile.TemporaryDirectory() as folder:
        job = made_job(Path(folder), arguments.recordings)
        run_label_job(job)
        there = dataclasses.replace(job, output=f"{folder}/there.csv")
        losses = run_with_losses(there, arguments.nodes, arguments.heads, arguments.seed)
        is_same = Path(there.output).read_bytes() == Path(job.output).read_bytes()
    n_again = losses.n_labelled - arguments.recordings
    is_equal = "equal" if is_same else "DIFFERENT"
    row = [losses.n_nodes, losses.n_heads, losses.n_starts, is_equal, n_again, losses.n_in_lost_chunks]
    heads = ["nodes lost", "heads lost", "clusters", "bytes of the table", "labelled again", "in the chunks in flight"]
    body = f"{state}\n\n{arguments.recordings} recordings in chunks of {CHUNK_SIZES[0]}, {N_NODES} nodes with one CPU\n"
    write(arguments.output, "lost nodes", f"{body}each ({losses.seconds:.0f} s).\n\n" + markdown(heads, [row]))


if __name__ == "__main__":
    main()
