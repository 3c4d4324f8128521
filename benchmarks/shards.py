"""Recordings as objects of their own against the same recordings in shards, on an S3 server of the loopback interface.

    python benchmarks/shards.py -o docs/benchmarks/shards.md

Every command is a process with two workers, timed from start to exit; start-up is that of a bucket with one recording.
A real store adds the time and the price of each request.
"""

from __future__ import annotations

import argparse
import io
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import processes
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile
from tables import machine, markdown, write

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from made_sounds import voice
from seaweed import object_store

RATE = 16_000
N_VOICES = 20


def recordings(n_files: int) -> dict[str, bytes]:
    voices = []
    for number in range(N_VOICES):
        file = io.BytesIO()
        soundfile.write(file, voice(3.0, 90 + 8 * number), RATE, format="WAV")
        voices.append(file.getvalue())
    return {f"{number // 500:03d}/{number:06d}.wav": voices[number % N_VOICES] for number in range(n_files)}


def tar(files: dict[str, bytes], mode: str = "w") -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return content.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return content.getvalue()


def parquet(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    records = [{"bytes": data, "path": name} for name, data in files.items()]
    pq.write_table(pa.table({"audio": records}), content, row_group_size=100)
    return content.getvalue()


SHARDS: dict[str, Callable[[dict[str, bytes]], bytes]] = {"tar": tar, "zip": zipped, "parquet": parquet}


def measure(place: str, output: str, *options: str) -> processes.Usage:
    command = [sys.executable, "-m", "emosense", "label", place, "-o", output, "-m", "fast", "-j", "2", "--restart"]
    usage = processes.run([*command, "--engine", "local", *options])
    if usage.exit_code:
        raise SystemExit(f"{' '.join(command)} ended with {usage.exit_code}: {usage.stderr}")
    return usage


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("-o", "--output", help="Markdown file (default: standard output)")
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--in-a-shard", type=int, default=500)
    args = parser.parse_args()
    files = recordings(args.files)
    names = list(files)
    batches = [names[start : start + args.in_a_shard] for start in range(0, len(names), args.in_a_shard)]
    with tempfile.TemporaryDirectory() as scratch, object_store(Path(scratch)) as fs:
        fs.pipe({f"audio/loose/{name}": data for name, data in files.items()})
        fs.pipe("audio/one/1.wav", files[names[0]])
        for kind, pack in SHARDS.items():
            for number, batch in enumerate(batches):
                fs.pipe(f"audio/{kind}/{number:04d}.{kind}", pack({name: files[name] for name in batch}))
        output = str(Path(scratch) / "out.csv")
        start = measure("s3://audio/one", output)
        found = {"an object each": measure("s3://audio/loose", output)}
        for kind in SHARDS:
            found[f".{kind}"] = measure(f"s3://audio/{kind}", output, "--inside", "archives")
    work_s = {name: usage.wall_s - start.wall_s for name, usage in found.items()}
    rows = [
        (name, f"{usage.wall_s:.1f}", f"{args.files / work_s[name]:.0f}",
         f"{(usage.cpu_s - start.cpu_s) / args.files * 1e3:.1f}", f"{work_s['an object each'] / work_s[name]:.2f}")
        for name, usage in found.items()
    ]  # fmt: skip
    heads = (f"{args.files:,} recordings of 3 s, 96 kB", "wall s", "files/s after start-up", "CPU ms per file",
             "times the rate of objects")  # fmt: skip
    text = f"Shards of {args.in_a_shard} recordings, model fast, 2 workers; SeaweedFS on the same cores; {machine()}"
    write(args.output, "shards", f"{text}\n\n{markdown(heads, rows)}")


if __name__ == "__main__":
    main()
