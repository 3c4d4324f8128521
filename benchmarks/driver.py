"""What the driver of a labelling run costs: chunks handed out, a run of millions that is resumed, and its table.

    python benchmarks/driver.py -o docs/benchmarks/driver.md

The workers are simulated: threads that sleep for as long as labelling and one PUT would take, and answer with counts as
real ones do. Ray's tasks are real, but only sleep. So the CPU time of this process is that of the driver. A resumed run
and the table, read real parts from the disk. Nothing is decoded.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import hashlib
import io
import itertools
import json
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tables import machine, markdown, write

from emosense.emotions import EMOTIONS
from emosense.inputs.listing import Listing
from emosense.inputs.recording import Recording
from emosense.labelling.chunk_writer import ChunkWriter, KeptChunk
from emosense.labelling.chunks import Chunk, chunked
from emosense.labelling.config import LabelConfig, LabelSpec
from emosense.labelling.cost import Cost
from emosense.labelling.engine_choice import CHUNK_SIZES
from emosense.labelling.engines import Engine, LocalEngine
from emosense.labelling.job import LabelJob
from emosense.labelling.label_on_ray import RayEngine
from emosense.labelling.label_run import LabelRun
from emosense.labelling.labelled import Labelled
from emosense.labelling.manifest import result_settings
from emosense.labelling.run.finished import as_segment
from emosense.labelling.run.part_file import HEADER, KeptPart
from emosense.labelling.run.parts import RunFolder
from emosense.labelling.summary import Summary
from emosense.models.model_files import ModelFiles
from emosense.progress import Silent
from emosense.ray_session import ray_session
from emosense.storage.folder_lock import lock_folder
from emosense.tables.row import labelled_row

_, CHUNK = CHUNK_SIZES
ROWS = 512
# One worker labels 240 recordings of 3.7 s a second (docs/performance.md).
LABEL_S = CHUNK / 240
PUT_S = 0.05
SPEC = LabelSpec(ModelFiles({"name": "none", "classes": []}, b"", "0"), LabelConfig())


class SimulatedWorker(ChunkWriter):
    """Takes as long as a real one, and makes no rows."""

    def __call__(self, _labeller: object, chunk: Chunk, _is_stopped: Callable[[], bool]) -> KeptChunk:
        time.sleep(LABEL_S + PUT_S)
        return counted(chunk)


class BriefTask(ChunkWriter):
    """A task of Ray that ends at once: the driver then works as fast as it can."""

    def __call__(self, _labeller: object, chunk: Chunk, _is_stopped: Callable[[], bool]) -> KeptChunk:
        return counted(chunk)


def counted(chunk: Chunk) -> KeptChunk:
    first, last = Recording.of_listed(chunk.listed[0]), Recording.of_listed(chunk.listed[-1])
    part = KeptPart(f"0000-{chunk.index:08d}-0123456789ab.parquet", first.path, last.path)
    return KeptChunk(chunk.index, part, Cost(len(chunk.listed)), 0, ((last, ""),))


def milliseconds(cpu_s: float, n_chunks: int) -> str:
    return f"{1000 * cpu_s / n_chunks * ROWS / CHUNK:.2f}"


def recordings(n: int) -> Iterator[Recording]:
    """Objects as a bucket lists them."""
    for index in range(n):
        url = f"s3://bucket/calls/{index // 1000:06d}/recording-{index:09d}.wav"
        yield Recording(url, url, 123_456, hashlib.md5(url.encode()).hexdigest())


@contextlib.contextmanager
def opened(folder: str, listing: Listing) -> Iterator[LabelRun]:
    job = LabelJob(("calls",), f"{folder}/labels.csv")
    with lock_folder(f"{job.output}.run", print) as lock:
        parts = RunFolder(job.output, result_settings(SPEC), print)
        parts.open(restart=False)
        yield LabelRun(job, listing, None, parts, lock, Silent(), Summary())


def drive(engine: Engine[KeptChunk], run: LabelRun, listing: Listing) -> tuple[int, float, float]:
    """Chunks that were kept, and the seconds of CPU and of the clock that it took; CPU without that of the start."""
    clock_s, n_chunks = time.monotonic(), 0
    for chunk in engine.run(chunked(listing.pending(), CHUNK)):
        if not n_chunks:
            cpu_s = time.process_time()
        run.keep(chunk)
        n_chunks += 1
    return n_chunks, (time.process_time() - cpu_s) * n_chunks / (n_chunks - 1), time.monotonic() - clock_s


def simulated(n_workers: int, n_rounds: int) -> list[object]:
    n_chunks = n_workers * n_rounds
    with tempfile.TemporaryDirectory() as folder, Listing() as listing:
        listing.add(recordings(n_chunks * CHUNK))
        with opened(folder, listing) as run:

            @contextlib.contextmanager
            def no_worker(_spec: LabelSpec, _is_cancelled: Callable[[], bool]) -> Iterator[None]:
                yield

            engine = LocalEngine(SPEC, SimulatedWorker(run.folder.place), n_workers, no_worker)  # type: ignore[arg-type]
            done, cpu_s, clock_s = drive(engine, run, listing)
    busy = n_rounds * (LABEL_S + PUT_S) / clock_s
    return [f"{n_workers:,} simulated workers", f"{done * CHUNK:,}", milliseconds(cpu_s, done), f"{busy:.0%}"]


def on_ray(n_chunks: int) -> list[object]:
    with tempfile.TemporaryDirectory() as folder, Listing() as listing, ray_session(None, 2):
        listing.add(recordings(n_chunks * CHUNK))
        with opened(folder, listing) as run:
            engine = RayEngine(SPEC, BriefTask(run.folder.place), None, n_chunks)
            done, cpu_s, _ = drive(engine, run, listing)
    return ["Ray, 2 workers, tasks that do nothing", f"{done * CHUNK:,}", milliseconds(cpu_s, done), ""]


def resumed(n: int, share: float) -> list[object]:
    with tempfile.TemporaryDirectory() as folder, Listing() as listing:
        listing.add(recordings(n))
        with opened(folder, listing) as run:
            whole = int(share * n) // CHUNK
            n_bytes = write_parts(run, itertools.islice(chunked(listing.pending(), CHUNK), whole))
        cpu_s = time.process_time()
        with opened(folder, listing) as run:
            n_left = run.reuse()
            first = next(chunked(listing.pending(), CHUNK))
            cpu_s = time.process_time() - cpu_s
        following = next(itertools.islice(recordings(n), whole * CHUNK, None))
        assert (n - n_left, run.summary.n_reused, first.recordings[0]) == (whole * CHUNK, whole * CHUNK, following)
    return [f"{n:,}", f"{run.summary.n_reused / n:.1%}", f"{n_bytes / run.summary.n_reused:.0f}", f"{cpu_s:.1f}",
            f"{1e6 * cpu_s / n:.1f}"]  # fmt: skip


def write_parts(run: LabelRun, chunks: Iterator[Chunk]) -> int:
    """Write parts as a run leaves them, and return their bytes: the first as workers do, the others are made of it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    first = next(chunks)
    kept = run.writer.keep(first, labelled(first)).part
    assert kept is not None
    folder, n_bytes = Path(run.folder.place.folder), 0
    table = pq.read_table(folder / kept.name)
    header = json.loads(table.schema.metadata[HEADER])
    for chunk in chunks:
        header["part"][1] = chunk.index
        part = table
        for name in ("path", "version"):
            values = pa.array([getattr(each, name) for each in chunk.recordings])
            part = part.set_column(part.column_names.index(name), part.schema.field(name), values)
        file = io.BytesIO()
        metadata = {HEADER: json.dumps(header).encode()}
        pq.write_table(part.replace_schema_metadata(metadata), file, compression="zstd", use_dictionary=False)
        digest = hashlib.sha256(file.getvalue()).hexdigest()[:12]
        n_bytes += (folder / f"{header['part'][0]:04d}-{chunk.index:08d}-{digest}.parquet").write_bytes(file.getvalue())
    return n_bytes + (folder / kept.name).stat().st_size


def labelled(chunk: Chunk) -> list[Labelled]:
    """Rows of one segment, with probabilities that do not compress."""
    chance = random.Random(chunk.index)
    rows = (
        labelled_row(each.path, [chance.random() for _ in EMOTIONS], chance.uniform(3, 5), chance.uniform(3, 5),
                     speech_s=chance.uniform(1, 3))
        for each in chunk.recordings
    )  # fmt: skip
    return [Labelled(row, (as_segment(row),)) for row in rows]


def assembled(n: int, name: str) -> list[object]:
    """Write the table of a run in which everything is labelled."""
    with tempfile.TemporaryDirectory() as folder, Listing() as listing:
        listing.add(recordings(n))
        with opened(folder, listing) as run:
            for chunk in chunked(listing.pending(), CHUNK):
                run.keep(run.writer.keep(chunk, labelled(chunk)))
            run.job = dataclasses.replace(run.job, output=f"{folder}/{name}")
            cpu_s = time.process_time()
            run.write_tables()
            cpu_s = time.process_time() - cpu_s
        assert run.summary.n_recordings == n
    return [name, f"{n:,}", f"{cpu_s:.1f}", f"{1e6 * cpu_s / n:.1f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output")
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=2, help="chunks that each simulated worker labels")
    parser.add_argument("--ray", type=int, default=500, metavar="CHUNKS")
    parser.add_argument("--resume", type=int, nargs="*", default=[1_000_000, 10_000_000], metavar="RECORDINGS")
    parser.add_argument("--rows", type=int, default=200_000, help="rows of the table that is assembled")
    arguments = parser.parse_args()
    state = machine()
    driver = [simulated(arguments.workers, arguments.rounds), on_ray(arguments.ray)]
    resume = [resumed(n, 0.99) for n in arguments.resume]
    table = [assembled(arguments.rows, name) for name in ("labels/", "labels.csv")]
    body = f"{state}\n\nA chunk has {CHUNK} recordings; a simulated worker sleeps {LABEL_S:.2f} s for its labels and\n"
    body += f"{PUT_S} s for its part.\n\n"
    body += markdown(["chunks from", "recordings", f"driver, CPU ms per {ROWS} recordings", "workers busy"], driver)
    body += "\nA run that is resumed, until the first chunk is handed out:\n\n"
    body += markdown(["recordings", "done before", "bytes a row in parts", "CPU s", "microseconds a recording"], resume)
    body += "\nThe table, assembled:\n\n"
    body += markdown(["output", "rows", "CPU s", "microseconds a row"], table)
    write(arguments.output, "the driver", body)


if __name__ == "__main__":
    main()
