"""Memory of driver and worker: a million listed files, an hour of speech, and a FLAC that unpacks to 22 GB.

    python benchmarks/memory.py RAVDESS -o docs/benchmarks/memory.md --models default fast

Every case is a separate command; a figure is the peak resident size of its process. The hour is RAVDESS, clip after
clip, half of it pauses; it is cut into windows of the model's own length, into windows of 3 s, and at its pauses.
"""

from __future__ import annotations

import argparse
import csv
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import processes
import soundfile
from tables import machine, markdown, write

HOUR_S = 3600
LIMIT_MB = 150
REAL_TIME = 500


def list_synthetic(n_files: int) -> None:
    """What the driver holds in memory for a job: the list, read once in chunks."""
    from emosense.inputs.listing import Listing
    from emosense.inputs.recording import Recording
    from emosense.labelling.chunks import chunked

    start_s = time.perf_counter()
    paths = (f"/data/corpus/{index // 1000:06d}/recording-{index:08d}.wav" for index in range(n_files))
    with Listing() as listing:
        listing.add(Recording(path, path, 123_456, "1700000000000000000") for path in paths)
        listed_s = time.perf_counter() - start_s
        n_seen = sum(len(chunk.listed) for chunk in chunked(listing.pending(), 512))
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(n_seen, round(peak_mb, 1), round(listed_s, 2), round(time.perf_counter() - start_s, 2), file=sys.stderr)


def write_hour(path: Path, source: Path) -> None:
    """Write one hour of RAVDESS clips in a row."""
    clips = sorted(path for path in source.glob("Actor_*/*") if path.suffix in (".wav", ".flac"))
    with soundfile.SoundFile(path, "w", 48_000, 1, "PCM_16") as file:
        index = 0
        while file.tell() < HOUR_S * 48_000:
            samples, _ = soundfile.read(clips[index % len(clips)], dtype="int16", always_2d=True)
            file.write(samples[: HOUR_S * 48_000 - file.tell(), :1])
            index += 7


def write_bomb(path: Path) -> None:
    """Write an hour of 8 channels at 192 kHz, silent except for a click: 6 MB that unpack to 22 GB of float32."""
    block = np.zeros((192_000, 8), np.int16)
    block[1000] = 1
    with soundfile.SoundFile(path, "w", 192_000, 8, "PCM_16", format="FLAC") as file:
        for _ in range(HOUR_S):
            file.write(block)
            block[1000] = 0


def label(path: Path, model: str, output: Path, *options: str) -> tuple[processes.Usage, dict[str, str]]:
    command = [sys.executable, "-m", "emosense", "label", str(path), "-o", str(output), "-m", model, "--restart"]
    usage = processes.run([*command, *options])
    with open(output, newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    return usage, row


def peak_mb(usage: processes.Usage, part: str) -> float:
    return max((size for command, size in usage.peak_mb.items() if part in command), default=0.0)


def listing_rows(sizes: list[int]) -> list[tuple[str, ...]]:
    rows = []
    for size in sizes:
        usage = processes.run([sys.executable, __file__, "--list", str(size)])
        n_seen, size_mb, listed_s, walked_s = usage.stderr.split()
        if int(n_seen) != size:
            raise SystemExit(f"{n_seen} of {size} files came back")
        rows.append((f"{size:,}", size_mb, listed_s, walked_s))
    return rows


def recording_rows(source: Path, scratch: Path, models: list[str], *, bomb: bool) -> list[tuple[str, ...]]:
    hour = scratch / "hour.wav"
    write_hour(hour, source)
    segments = ("--segments", str(scratch / "segments.csv"))
    cases: list[tuple[str, Path, tuple[str, ...]]] = [
        ("one hour, 48 kHz WAV", hour, ()),
        ("the same, --window 3 --hop 3 --segments", hour, ("--window", "3", "--hop", "3", *segments)),
        ("the same, --segment-by speech --segments", hour, ("--segment-by", "speech", *segments)),
    ]
    if bomb:
        cases.append(("FLAC, 8 x 192 kHz x 1 h", scratch / "bomb.flac", ()))
        write_bomb(scratch / "bomb.flac")
    return [
        (name, model, *label_row(path, model, scratch / "out.csv", options))
        for model in models
        for name, path, options in cases
    ]


def label_row(path: Path, model: str, output: Path, options: tuple[str, ...]) -> tuple[str, ...]:
    usage, row = label(path, model, output, "-j", "1", *options)
    worker_mb, driver_mb = peak_mb(usage, "emosense.labelling.worker"), peak_mb(usage, "emosense label")
    return (
        f"{path.stat().st_size / 1e6:.0f}",
        f"{row['status']} {row['error_code']}".strip(),
        f"{worker_mb:.0f}",
        f"{driver_mb:.0f}",
        f"{usage.wall_s:.1f}",
        f"{usage.cpu_s:.1f}",
        f"{HOUR_S / usage.cpu_s:.0f}",
        "met" if worker_mb < LIMIT_MB else "MISSED",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, nargs="?", help="RAVDESS, with its Actor_* folders")
    parser.add_argument("-o", "--output", help="Markdown file (default: standard output)")
    parser.add_argument("--sizes", type=int, nargs="*", default=[10_000, 1_000_000])
    parser.add_argument("--models", nargs="+", default=["default"])
    parser.add_argument("--no-bomb", action="store_true", help="leave the FLAC out: writing it takes a minute")
    parser.add_argument("--list", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.list:
        list_synthetic(args.list)
        return
    heads = ("recording", "model", "file MB", "row", "worker MB", "driver MB", "wall s", "CPU s",
             f"times real time on one core (asked: {REAL_TIME})", f"worker < {LIMIT_MB} MB")  # fmt: skip
    listed = markdown(("files", "driver MB", "listed, s", "and read back in order, s"), listing_rows(args.sizes))
    with tempfile.TemporaryDirectory() as scratch:
        recordings = recording_rows(args.folder, Path(scratch), args.models, bomb=not args.no_bomb)
    write(args.output, "memory", f"{machine()}\n\n{listed}\n{markdown(heads, recordings)}")


if __name__ == "__main__":
    main()
