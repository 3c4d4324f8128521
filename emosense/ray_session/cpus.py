"""How many CPUs this process may use, by its affinity and by the quota of its container."""

from __future__ import annotations

import math
import os
from pathlib import Path


def usable_cpus(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Count the CPUs that this process may use.

    Parameters
    ----------
    cgroup : Path
        Folder of the cgroup.

    Returns
    -------
    int
        The CPUs of the process's affinity, or as many as the quota of its container fills if these are fewer.
    """
    n_cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cgroup_cpus(cgroup)
    return n_cpus if quota is None else max(1, min(n_cpus, math.ceil(quota)))


def cgroup_cpus(cgroup: Path = Path("/sys/fs/cgroup")) -> float | None:
    """Return the CPU time that a container allows.

    Parameters
    ----------
    cgroup : Path
        Folder of the cgroup, of version 1 or 2.

    Returns
    -------
    float or None
        CPUs; None if there is no limit or no cgroup.
    """
    words = _words(cgroup / "cpu.max") or [
        *_words(cgroup / "cpu/cpu.cfs_quota_us"),
        *_words(cgroup / "cpu/cpu.cfs_period_us"),
    ]
    if len(words) != 2 or words[0] in ("max", "-1"):
        return None
    return int(words[0]) / int(words[1])


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []
