"""Shared by the benchmarks: Markdown tables, and a description of the machine."""

from __future__ import annotations

import datetime
import os
import platform
import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path


def markdown(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [" | ".join(heads), " | ".join("---" for _ in heads)]
    lines += [" | ".join(str(cell) for cell in row) for row in rows]
    return "\n".join(f"| {line} |" for line in lines) + "\n"


def machine() -> str:
    """The processor, its cores, and its load before the benchmark."""
    model = platform.processor() or "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else ():
        if line.startswith("model name"):
            model = line.split(":")[1].strip()
            break
    load = os.getloadavg()[0]
    state = "quiet machine" if load < 0.5 + 1.1 else "LOADED machine"
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}, load {load:.1f} ({state})"


def write(output: str | None, name: str, body: str) -> None:
    """Print and write a table with the command that made it."""
    command = shlex.join(["python", *sys.argv])
    text = f"# Benchmark: {name}\n\n    {command}\n\n{datetime.date.today():%Y-%m-%d}. {body}"  # noqa: DTZ011
    if output:
        Path(output).parent.mkdir(parents=True, exist_ok=True)
        Path(output).write_text(text)
    print(text, flush=True)


def model_for_benchmarks(scratch: Path) -> tuple[str, str]:
    """Name and location of the default model, or of the tiny one of the tests if none is shipped."""
    from emosense.models.model_files import shipped_models, write_model

    if "default" in shipped_models():
        return "default", "default"
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from conftest import tiny_description, tiny_graph

    folder = scratch / "tiny"
    folder.mkdir()
    write_model(str(folder), tiny_description(), tiny_graph())
    return "tiny (random weights)", str(folder)
