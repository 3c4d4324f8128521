"""Checks of the machine: folders and disk space, CPUs, memory."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from emosense.cli.check import Check, Status

# A list of six million recordings: 171 bytes each, measured with paths of 51 characters on S3.
_LOW_DISK_BYTES: Final = 1 << 30
# A worker with a model and a recording uses 95 MB (measured with 10 s at 48 kHz).
_WORKER_BYTES: Final = 200_000_000
# cgroup v1 writes "no limit" as a number near 2**63.
_UNLIMITED_BYTES: Final = 1 << 60


def check_folder(name: str, find: Callable[[], str], if_not_writable: Status) -> Check:
    """Write a temporary file to a folder and check the free space.

    Parameters
    ----------
    name : str
        What the folder is for.
    find : callable
        Returns the folder, or raises `OSError`.
    if_not_writable : {'broken', 'warning'}
        Status if the folder cannot be used.

    Returns
    -------
    Check
        ``ok`` with the free space, ``warning`` if there is less than 1 GiB, or `if_not_writable`.
    """
    try:
        folder = find()
    except OSError as err:  # the current folder was deleted, or no temporary folder is writable
        return Check(name, if_not_writable, f"not found: {err.strerror}", "use another folder, or set TMPDIR")
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"0")
        free = shutil.disk_usage(folder).free
    except OSError as err:
        detail = f"{folder} is not writable: {err.strerror}"
        return Check(name, if_not_writable, detail, "use another folder, or set TMPDIR")
    detail = f"{folder}, {free / 1e9:.1f} GB free"
    if free < _LOW_DISK_BYTES:
        return Check(name, "warning", detail, "free some space, or set TMPDIR")
    return Check(name, "ok", detail)


def check_cpus(n_usable: int, quota: float | None) -> Check:
    """Say how many workers a run starts, and why.

    Parameters
    ----------
    n_usable : int
        CPUs that the process may use.
    quota : float or None
        CPU time of the container, in CPUs; None if it is not limited.

    Returns
    -------
    Check
        Always ``ok``.
    """
    limit = "" if quota is None else f"; the container is limited to {quota:g}"
    return Check("CPUs", "ok", f"{n_usable} usable{limit}")


def check_memory(limit: int | None, n_cpus: int) -> Check:
    """Compare the memory that the process may use with the memory of one worker per CPU.

    Parameters
    ----------
    limit : int or None
        Bytes that the process may use; None if unknown.
    n_cpus : int
        Number of workers that would be started.

    Returns
    -------
    Check
        ``ok``, or ``warning`` with the number of workers that fit.
    """
    if limit is None:
        return Check("memory", "ok", "no limit found")
    detail = f"{limit / 1e9:.1f} GB for {n_cpus} workers"
    if limit < n_cpus * _WORKER_BYTES:
        return Check("memory", "warning", detail, f"label with -j {max(1, limit // _WORKER_BYTES)}")
    return Check("memory", "ok", detail)


def memory_limit(root: Path = Path("/sys/fs/cgroup"), meminfo: Path = Path("/proc/meminfo")) -> int | None:
    """Return the smaller of the container's memory limit and the machine's memory.

    Parameters
    ----------
    root : Path
        Folder of the cgroup.
    meminfo : Path
        The kernel's table of memory.

    Returns
    -------
    int or None
        Bytes; None if neither is known.
    """
    limits = []
    words = _words(root / "memory.max") or _words(root / "memory/memory.limit_in_bytes")
    if words and words[0] != "max" and int(words[0]) < _UNLIMITED_BYTES:
        limits.append(int(words[0]))
    words = _words(meminfo)
    if "MemTotal:" in words:
        limits.append(1024 * int(words[words.index("MemTotal:") + 1]))
    return min(limits, default=None)


def _words(path: Path) -> list[str]:
    with contextlib.suppress(OSError):
        return path.read_text().split()
    return []
