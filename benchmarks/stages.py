"""Where the CPU time of a label goes: each stage of a recording in its place, then driver, isolation and table.

    python benchmarks/stages.py RAVDESS_WAV --models fast default accurate -o docs/benchmarks/stages.md

Each function of a stage is timed while recordings are labelled, less what it calls of other stages, in the thread's CPU
time; the table has the median over the repeats. Then the command labels few and many recordings with one worker: the
difference, divided by their number, is what driver and worker take for a recording. Isolation is what the worker takes
more than the stages. A process is sampled every 0.1 s, so that few recordings make these two rows uncertain.
"""

from __future__ import annotations

import os

os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")

import argparse
import collections
import contextlib
import functools
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import processes
from labelling import fill
from tables import machine, markdown, write

from emosense.audio import reader, speech
from emosense.audio.sound_file import SoundFileDecoder
from emosense.features.sets import FEATURE_SETS
from emosense.inputs.recording import Recording
from emosense.labelling import recording_labeller
from emosense.labelling.config import LabelConfig
from emosense.labelling.recording_labeller import RecordingLabeller
from emosense.labelling.recording_result import ChannelResults
from emosense.models.model import Model
from emosense.models.model_files import read_model

FEW = 48
# Function or generator -> the stage that it belongs to, from the outside in.
STAGES = {
    (RecordingLabeller, "label_recording"): "row and everything else",
    (recording_labeller, "RecordingReader"): "header: format, length, joined files",
    (reader.RecordingReader, "segments"): "windows",
    (reader.RecordingReader, "_resampled"): "resample to 16 kHz",
    (reader.RecordingReader, "_blocks"): "checks of the samples: silence, clipping",
    (SoundFileDecoder, "blocks"): "decode",
    (recording_labeller, "find_speech"): "speech: cut",
    (speech, "high_pass"): "speech: high-pass",
    (speech, "speech_frames"): "speech: detector",
    (speech, "without_hum"): "speech: search for hum",
    (Model, "predict"): "network",
    (ChannelResults, "add"): "quality and rows of segments",
    (ChannelResults, "labelled"): "row and everything else",
}


class Clock:
    """CPU time of the thread by stage; a stage that another one calls is not counted twice."""

    def __init__(self) -> None:
        self.ns: collections.Counter[str] = collections.Counter()
        self._inside = [0]

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start_ns = time.thread_time_ns()
        self._inside.append(0)
        try:
            yield
        finally:
            whole_ns = time.thread_time_ns() - start_ns
            self.ns[name] += whole_ns - self._inside.pop()
            self._inside[-1] += whole_ns

    def timed(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        """Return the function, timed; of a generator, each step is."""

        @functools.wraps(function)
        def run(*args: Any, **options: Any) -> Any:
            with self.stage(name):
                result = function(*args, **options)
            return self._steps(result, name) if isinstance(result, Iterator) else result

        return run

    def _steps(self, steps: Iterator[Any], name: str) -> Iterator[Any]:
        end = object()
        while True:
            with self.stage(name):
                value = next(steps, end)
            if value is end:
                return
            yield value


def stages_ms(model: str, paths: list[str], repeats: int) -> dict[str, float]:
    """Median CPU milliseconds of each stage for one recording."""
    clock, loaded = Clock(), Model(read_model(model))
    runs = []
    with contextlib.ExitStack() as patches:
        for (owner, name), stage in STAGES.items():
            patches.enter_context(mock.patch.object(owner, name, clock.timed(getattr(owner, name), stage)))
        timed = {
            config.set: SimpleNamespace(
                compute=clock.timed(FEATURE_SETS[config.set].compute, f"features: {config.set}")
            )
            for config in loaded.features
        }
        patches.enter_context(mock.patch.object(recording_labeller, "FEATURE_SETS", timed))
        labeller = RecordingLabeller(loaded, LabelConfig())
        for _ in range(repeats + 1):
            clock.ns.clear()
            for path in paths:
                assert labeller.label_recording(Recording(path, path, -1, "")).row.status == "ok"
            runs.append({name: ns / len(paths) / 1e6 for name, ns in clock.ns.items()})
    return {name: statistics.median(run[name] for run in runs[1:]) for name in runs[0]}


def command_ms(model: str, source: Path, n_files: int) -> tuple[float, float]:
    """CPU milliseconds of driver and worker for one recording."""
    usages = []
    with tempfile.TemporaryDirectory() as scratch:
        for n in (FEW, FEW + n_files):
            folder = Path(scratch) / str(n)
            fill(folder, source, n)
            command = [sys.executable, "-m", "emosense", "label", str(folder), "-o", f"{folder}.csv", "-m", model]
            usages.append(processes.run([*command, "-j", "1", "--engine", "local"]))
    few, many = (
        [of_process(usage, name) for name in ("emosense label", "emosense.labelling.worker")] for usage in usages
    )
    driver, worker = ((after_s - before_s) / n_files * 1e3 for before_s, after_s in zip(few, many, strict=True))
    return driver, worker


def of_process(usage: processes.Usage, name: str) -> float:
    return sum(cpu_s for command, cpu_s in usage.cpu_s_by_command.items() if name in command)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="RAVDESS as WAV of 48 kHz, with its Actor_* folders")
    parser.add_argument("-o", "--output")
    parser.add_argument("--models", nargs="+", default=["fast"])
    parser.add_argument("--files", type=int, default=48)
    parser.add_argument("--many", type=int, default=4000, help="recordings of the command")
    parser.add_argument("--repeats", type=int, default=15)
    args = parser.parse_args()
    found = sorted(args.folder.glob("Actor_*/*.wav"))
    paths = [str(path) for path in found[:: max(1, len(found) // args.files)][: args.files]]
    columns = {}
    for model in args.models:
        ms = stages_ms(model, paths, args.repeats)
        inside = sum(ms.values())
        driver, worker = command_ms(model, args.folder, args.many)
        ms = {name: ms[name] for name in sorted(ms, key=lambda name: -ms[name])}
        ms |= {"isolation: pipe and part, in the worker": max(0.0, worker - inside), "driver and table": driver}
        columns[model] = {name: f"{each:.2f} ({100 * each / (worker + driver):.0f} %)" for name, each in ms.items()}
        columns[model]["in all"] = f"{worker + driver:.2f}"
    names = list(dict.fromkeys(name for column in columns.values() for name in column if name != "in all"))
    rows = [(name, *(columns[model].get(name, "") for model in columns)) for name in (*names, "in all")]
    table = markdown(("CPU ms a recording", *columns), rows)
    write(args.output, "stages", f"{len(paths)} recordings of RAVDESS; {machine()}\n\n{table}")


if __name__ == "__main__":
    main()
