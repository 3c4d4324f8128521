"""CPU time of labelling a short recording, against an earlier version of EmoSense.

    git worktree add ../before 950243d
    python benchmarks/against.py ../before RAVDESS -o docs/benchmarks/against.md --models default=fast accurate

Each version runs in a process of its own, with its own shipped models; they take turns, so that what else the machine
does affects both. The model ``default`` of that version is called ``fast`` now.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from pathlib import Path

from tables import machine, markdown, write

HERE = Path(__file__).parents[1]
# A short recording costs at most so many times what it did.
LIMIT = 1.15
SERVE = """
import sys, time
sys.path[:0] = sys.argv[1:3]
import bare, emosense
assert emosense.__file__.startswith(sys.argv[1]), emosense.__file__
bytearray(16 << 20)
bare.start(sys.argv[3])
for line in sys.stdin:
    paths = line.rstrip("\\n").split("\\t")
    start_s = time.process_time()
    n_ok = bare.label(paths)
    print(n_ok, (time.process_time() - start_s) / len(paths) * 1e3, flush=True)
"""


class Version:
    """A checkout whose labeller waits for lists of recordings."""

    def __init__(self, checkout: Path, model: str) -> None:
        single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        self._process = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(checkout), str(checkout / "benchmarks"), model],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | single,
        )  # fmt: skip
        self.ms: list[float] = []

    def label(self, paths: list[str]) -> float:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write("\t".join(paths) + "\n")
        self._process.stdin.flush()
        n_ok, ms = self._process.stdout.readline().split()
        if int(n_ok) != len(paths):
            raise SystemExit(f"{n_ok} of {len(paths)} recordings are ok")
        return float(ms)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("before", type=Path, help="checkout of the earlier version")
    parser.add_argument("folder", type=Path, help="RAVDESS, with its Actor_* folders")
    parser.add_argument("-o", "--output", help="Markdown file (default: standard output)")
    parser.add_argument("--models", nargs="+", default=["default=fast"], help="BEFORE=NOW, or one name for both")
    parser.add_argument("--files", type=int, default=24)
    parser.add_argument("--repeats", type=int, default=20)
    args = parser.parse_args()
    found = sorted(path for path in args.folder.glob("**/*") if path.suffix.lower() in (".wav", ".flac"))
    paths = [str(path.resolve()) for path in found[:: max(1, len(found) // args.files)][: args.files]]
    rows = []
    for model in args.models:
        earlier, _, now = model.partition("=")
        versions = {"before": Version(args.before.resolve(), earlier), "now": Version(HERE, now or earlier)}
        for version in versions.values():
            version.label(paths)
        for _ in range(args.repeats):
            for version in versions.values():
                version.ms.append(version.label(paths))
        medians = (statistics.median(version.ms) for version in versions.values())
        least = [min(version.ms) for version in versions.values()]
        ratio = least[1] / least[0]
        figures = [f"{ms:.2f}" for ms in (*medians, *least, ratio)]
        rows.append((model, *figures, "met" if ratio <= LIMIT else "MISSED"))
    heads = ("model", "before, median CPU ms per recording", "now", "before, least", "now, least", "ratio of the least",
             f"<= {LIMIT}")  # fmt: skip
    title = f"{len(paths)} recordings of RAVDESS, {args.repeats} repeats in turn; {machine()}"
    write(args.output, "against", f"{title}\n\n{markdown(heads, rows)}")


if __name__ == "__main__":
    main()
