"""Run a command and watch its whole tree of processes: wall time, CPU time, memory."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import time
import uuid
from pathlib import Path

_EVERY_S = 0.1
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


@dataclasses.dataclass
class Usage:
    """What a command took.

    Attributes
    ----------
    cpu_s : float
        Of all its processes, Ray's daemons among them, which nobody waits for; sampled, so short by up to 0.1 s each.
    cpu_s_by_command : dict
        Of each process, by its command line; sampled.
    peak_mb : dict
        Largest resident size of each process, by its command line.
    """

    wall_s: float
    cpu_s: float
    cpu_s_by_command: dict[str, float]
    exit_code: int
    peak_mb: dict[str, float]
    stderr: str


def run(command: list[str], **environment: str) -> Usage:
    mark = f"EMOSENSE_BENCHMARK={uuid.uuid4().hex}"
    name, value = mark.split("=")
    cpu_s: dict[tuple[str, str], float] = {}
    peak_mb: dict[str, float] = {}
    start_s = time.perf_counter()
    process = subprocess.Popen(
        command, env=os.environ | environment | {name: value}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    before = os.times()
    while process.poll() is None:
        _sample(mark.encode(), cpu_s, peak_mb)
        time.sleep(_EVERY_S if time.perf_counter() - start_s > 2 else 0.01)
    wall_s = time.perf_counter() - start_s
    after = os.times()
    waited_s = after.children_user + after.children_system - before.children_user - before.children_system
    stderr = process.stderr.read().decode(errors="replace") if process.stderr else ""
    by_command: dict[str, float] = {}
    for (command_line, _), each_s in cpu_s.items():
        by_command[command_line] = by_command.get(command_line, 0.0) + each_s
    return Usage(wall_s, max(waited_s, sum(cpu_s.values())), by_command, process.returncode, peak_mb, stderr)


def _sample(mark: bytes, cpu_s: dict[tuple[str, str], float], peak_mb: dict[str, float]) -> None:
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            if mark not in (folder / "environ").read_bytes().split(b"\0"):
                continue
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            status = (folder / "status").read_text()
        except OSError:
            continue
        cpu_s[command, folder.name] = (int(fields[11]) + int(fields[12])) * _TICK_S
        for line in status.splitlines():
            if line.startswith("VmHWM"):
                peak_mb[command] = max(peak_mb.get(command, 0.0), int(line.split()[1]) / 1024)
