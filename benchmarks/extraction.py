"""CPU time of `emosense-batch features` on Ray Data against the same batch function in a process pool.

    python benchmarks/extraction.py RAVDESS_WAV_FOLDER --files 20000 --repeats 3 -o docs/benchmarks/extraction.md

Every command is a process of its own, measured from start to exit; the commands take turns. CPU time is that of all
processes, Ray's daemons included. Both write the same feature table.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from labelling import FEW, HERE, fill, measure
from tables import machine, markdown, write

LIMIT = 1.3


def commands(name: str, folder: Path) -> dict[str, list[str]]:
    features = [sys.executable, "-m", "emosense", "features", str(folder), "--set", name]
    return {
        f"pool, {folder.name}": [sys.executable, str(HERE / "bare.py"), "features", name, str(folder)],
        f"ray, {folder.name}": [*features, "-o", f"{folder}.parquet", "-j", "2", "--quiet"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="RAVDESS as WAV, with its Actor_* folders")
    parser.add_argument("-o", "--output", help="Markdown file (default: standard output)")
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--sets", default="summary,functionals")
    args = parser.parse_args()
    rows, verdicts = [], []
    # On the file system of the recordings, so that they can be linked.
    with tempfile.TemporaryDirectory(dir=args.folder.parent) as scratch:
        many, few = Path(scratch, "many"), Path(scratch, "few")
        fill(many, args.folder, args.files)
        fill(few, args.folder, FEW)
        for name in args.sets.split(","):
            usages = measure(commands(name, many) | commands(name, few), args.repeats)
            for engine in ("pool", "ray"):
                small, large = usages[f"{engine}, few"], usages[f"{engine}, many"]
                each_ms = (large.cpu_s - small.cpu_s) / (args.files - FEW) * 1e3
                times = large.cpu_s / usages["pool, many"].cpu_s
                rows.append((name, engine, f"{small.cpu_s:.1f}", f"{large.cpu_s:.1f}", f"{large.wall_s:.1f}",
                             f"{each_ms:.2f}", f"{times:.2f}"))  # fmt: skip
            verdicts.append((f"{name}: CPU, times the pool", f"<= {LIMIT}", f"{times:.2f}",
                             "met" if times <= LIMIT else "MISSED"))  # fmt: skip
    heads = ("set", "by, 2 workers", f"{FEW} files, CPU s", f"{args.files:,} files, CPU s", "wall s",
             "CPU ms a file after start-up", "CPU, times the pool")  # fmt: skip
    title = f"{args.files:,} recordings (links to RAVDESS at 48 kHz), {args.repeats} repeats; {machine()}"
    body = f"{title}\n\n{markdown(heads, rows)}\n{markdown(('target', 'asked', 'found', ''), verdicts)}"
    write(args.output, "features on Ray Data", body)


if __name__ == "__main__":
    main()
