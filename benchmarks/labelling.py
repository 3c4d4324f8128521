"""Rate and start-up time of `emosense-batch label` with both engines, against the same work in a plain process pool.

    python benchmarks/labelling.py RAVDESS_WAV_FOLDER --files 20000 --repeats 3 -o docs/benchmarks/labelling.md

Every command is a process, timed from start to exit; the commands are repeated in turn. Start-up is the time for ten
files with the same engine; the rate is that of the remaining files.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

import processes
from tables import machine, markdown, model_for_benchmarks, write

HERE = Path(__file__).parent
FEW = 10
# Longest times: as a multiple of the pool (90 % of its rate), of the plain work with its imports, and of starting Ray.
LIMITS = {"local": 1.11, "ray": 1.11, "auto, 10 files": 3.0, "ray, 10 files": 1.3}


def fill(folder: Path, source: Path, n_files: int) -> None:
    """Link the recordings of RAVDESS until there are enough; hard links, since symbolic ones would be skipped."""
    originals = sorted(source.glob("Actor_*/*.wav"))
    for index in range(n_files):
        target = folder / f"{index // 1000:04d}" / f"{index:07d}.wav"
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(originals[index % len(originals)], target)
        except OSError:
            target.write_bytes(originals[index % len(originals)].read_bytes())


def commands(model: str, many: Path, few: Path, output: Path) -> dict[str, list[str]]:
    label = [sys.executable, "-m", "emosense", "label"]
    bare = [sys.executable, str(HERE / "bare.py")]
    found = {}
    for size, folder in (("many", many), ("few", few)):
        found[f"pool, {size}"] = [*bare, "pool", model, str(folder)]
        for engine in ("local", "ray"):
            end = ["-o", str(output / f"{engine}-{size}.csv"), "-m", model, "--restart", "-j", "2"]
            found[f"{engine}, {size}"] = [*label, str(folder), *end, "--engine", engine]
    found["local 1 worker, many"] = [*found["local, many"][:-3], "1", "--engine", "local"]
    found["auto, few"] = [*label, str(few), "-o", str(output / "auto.csv"), "-m", model, "--restart"]
    found["inline, few"] = [*bare, "inline", model, str(few)]
    found["ray start only"] = [*bare, "ray"]
    return found


def measure(found: dict[str, list[str]], repeats: int) -> dict[str, processes.Usage]:
    usages: dict[str, list[processes.Usage]] = {name: [] for name in found}
    for _ in range(repeats):
        for name, command in found.items():
            usage = processes.run(command)
            if usage.exit_code:
                raise SystemExit(f"{' '.join(command)} ended with {usage.exit_code}: {usage.stderr}")
            usages[name].append(usage)
            print(f"{name}: {usage.wall_s:.2f} s, CPU {usage.cpu_s:.2f} s", file=sys.stderr)
    for several in usages.values():
        several[0].wall_s = statistics.median(usage.wall_s for usage in several)
        several[0].cpu_s = statistics.median(usage.cpu_s for usage in several)
    return {name: several[0] for name, several in usages.items()}


def report(usages: dict[str, processes.Usage], n_files: int) -> str:
    rows, work_s, cpu_ms = [], {}, {}
    for name in ("pool", "local", "ray", "local 1 worker"):
        few = usages[f"{name.split()[0]}, few"]
        many = usages[f"{name}, many"]
        work_s[name] = many.wall_s - few.wall_s
        cpu_ms[name] = (many.cpu_s - few.cpu_s) / (n_files - FEW) * 1e3
        rate = (n_files - FEW) / work_s[name]
        rows.append((name, f"{few.wall_s:.2f}", f"{few.cpu_s:.2f}", f"{many.wall_s:.2f}", f"{rate:.0f}",
                     f"{cpu_ms[name]:.2f}", f"{work_s[name] / work_s['pool']:.2f}",
                     f"{cpu_ms[name] / cpu_ms['pool']:.2f}"))  # fmt: skip
    heads = ("engine, 2 workers", f"{FEW} files, wall s", "CPU s", f"{n_files:,} files, wall s",
             "files/s after start-up", "CPU ms per file", "wall, times the pool", "CPU, times the pool")  # fmt: skip
    pairs = {
        "local": work_s["local"] / work_s["pool"],
        "ray": work_s["ray"] / work_s["pool"],
        "auto, 10 files": usages["auto, few"].wall_s / usages["inline, few"].wall_s,
        "ray, 10 files": usages["ray, few"].wall_s / usages["ray start only"].wall_s,
    }
    verdicts = [(name, f"<= {LIMITS[name]}", f"{ratio:.2f}", "met" if ratio <= LIMITS[name] else "MISSED")
                for name, ratio in pairs.items()]  # fmt: skip
    small = [(name, f"{usage.wall_s:.2f}", f"{usage.cpu_s:.2f}") for name, usage in usages.items()
             if name in ("auto, few", "inline, few", "ray, few", "ray start only")]  # fmt: skip
    return "\n".join((
        markdown(heads, rows), markdown(("ten files, process start to exit", "wall s", "CPU s"), small),
        markdown(("target: multiple of the plain work", "required", "measured", ""), verdicts),
        change_over(usages, work_s, cpu_ms["local"]),
    ))  # fmt: skip


def change_over(usages: dict[str, processes.Usage], work_s: dict[str, float], cpu_ms: float) -> str:
    """From which size of job starting Ray pays, by CPU time, since other processes affect wall time."""
    dearer_s = usages["ray, few"].wall_s - usages["local, few"].wall_s
    n_files = dearer_s * 1e3 / cpu_ms
    return (
        f"Starting Ray takes {dearer_s:.1f} s longer than the local engine: the time of {n_files:,.0f} files per "
        f"core. From {10 * n_files:,.0f} files per core on, that is less than a tenth of the run.\n\n"
        f"Two workers do {work_s['local 1 worker'] / work_s['local']:.2f} times the work of one.\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="RAVDESS as WAV, with its Actor_* folders")
    parser.add_argument("-o", "--output", help="Markdown file (default: standard output)")
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    # Next to the recordings, so that they can be linked.
    with tempfile.TemporaryDirectory(dir=args.folder.parent) as scratch:
        many, few = Path(scratch, "many"), Path(scratch, "few")
        fill(many, args.folder, args.files)
        fill(few, args.folder, FEW)
        name, model = model_for_benchmarks(Path(scratch))
        usages = measure(commands(model, many, few, Path(scratch)), args.repeats)
    title = f"{args.files:,} recordings (links to RAVDESS at 48 kHz), {args.repeats} repeats, model {name}; {machine()}"
    write(args.output, "labelling", f"{title}\n\n{report(usages, args.files)}")


if __name__ == "__main__":
    main()
