"""CPU time of labelling a short recording, or of its features, against an earlier version of EmoSense.

    git worktree add ../before 950243d
    python benchmarks/against.py ../before RAVDESS -o docs/benchmarks/against.md --models default=fast
    git worktree add ../before-sets 63f945c
    python benchmarks/against.py ../before-sets RAVDESS -o docs/benchmarks/against-sets.md --sets whisper logmel

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
# What features of speech should take of what they took: half, and three quarters where less of it is the FFT.
SET_LIMITS = {"whisper": 0.5, "logmel": 0.5, "functionals": 0.75, "summary": 0.75}
START = """
import sys, time
sys.path[:0] = sys.argv[1:3]
import bare, emosense
assert emosense.__file__.startswith(sys.argv[1]), emosense.__file__
bytearray(16 << 20)
"""
LABEL = """
bare.start(sys.argv[3])
def prepared(paths):
    return paths
label = bare.label
"""
FEATURES = """
try:
    from emosense.audio.waveform import read_waveform
except ModuleNotFoundError:  # earlier versions
    from emosense.audio.reader import read_waveform
from emosense.audio.speech import speech_of
from emosense.features.config import default_config
from emosense.features.sets import FEATURE_SETS
config = default_config(sys.argv[3])
def prepared(paths):
    for path in paths:
        with open(path, "rb", buffering=0) as file:
            waveform = read_waveform(file, config.sample_rate)
        yield speech_of(waveform, config.sample_rate) if config.speech_only else waveform
def label(waveforms):
    return len([FEATURE_SETS[config.set].compute(each, config) for each in waveforms])
"""
SERVE = """
for line in sys.stdin:
    paths = list(prepared(line.rstrip("\\n").split("\\t")))
    start_s = time.process_time()
    n_ok = label(paths)
    print(n_ok, (time.process_time() - start_s) / len(paths) * 1e3, flush=True)
"""


class Version:
    """A checkout whose labeller waits for lists of recordings."""

    def __init__(self, checkout: Path, work: str, name: str) -> None:
        single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        self._process = subprocess.Popen(
            [sys.executable, "-c", START + work + SERVE, str(checkout), str(checkout / "benchmarks"), name],
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
    parser.add_argument("--sets", nargs="+", default=[], choices=SET_LIMITS, help="features instead of labels")
    parser.add_argument("--files", type=int, default=24)
    parser.add_argument("--repeats", type=int, default=20)
    args = parser.parse_args()
    found = sorted(path for path in args.folder.glob("**/*") if path.suffix.lower() in (".wav", ".flac"))
    paths = [str(path.resolve()) for path in found[:: max(1, len(found) // args.files)][: args.files]]
    rows = []
    for model in [] if args.sets else args.models:
        earlier, _, now = model.partition("=")
        versions = Version(args.before.resolve(), LABEL, earlier), Version(HERE, LABEL, now or earlier)
        rows.append((model, *compared(versions, paths, args.repeats, LIMIT)))
    for name in args.sets:
        versions = Version(args.before.resolve(), FEATURES, name), Version(HERE, FEATURES, name)
        rows.append((name, *compared(versions, paths, args.repeats, SET_LIMITS[name])))
    heads = ("features of the speech" if args.sets else "model", "before, median CPU ms per recording", "now",
             "before, least", "now, least", "ratio of the least", "asked", "")  # fmt: skip
    title = f"{len(paths)} recordings of RAVDESS, {args.repeats} repeats in turn; {machine()}"
    write(args.output, "against", f"{title}\n\n{markdown(heads, rows)}")


def compared(versions: tuple[Version, Version], paths: list[str], repeats: int, limit: float) -> list[str]:
    """Medians, least times and their ratio, and whether that is met."""
    for version in versions:
        version.label(paths)
    for _ in range(repeats):
        for version in versions:
            version.ms.append(version.label(paths))
    medians = [statistics.median(version.ms) for version in versions]
    least = [min(version.ms) for version in versions]
    ratio = least[1] / least[0]
    return [*(f"{ms:.2f}" for ms in (*medians, *least, ratio)), f"<= {limit}", "met" if ratio <= limit else "MISSED"]


if __name__ == "__main__":
    main()
