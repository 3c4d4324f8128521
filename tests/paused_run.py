"""A run in a process of its own that is paused at a file that it writes, and wakes when it is told to."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from conftest import REPOSITORY

from emosense.labelling.job import LabelJob

RENEW_EVERY_S = 0.4
# A driver that stops itself, on a file system with or without locks, with a lease that is renewed often.
DRIVER = """
import errno, fcntl, functools, runpy, sys
from emosense.labelling import label_run

def no_locks(descriptor, operation):
    raise OSError(errno.ENOLCK, "No locks available")

if sys.argv.pop(1) == "lease":
    fcntl.flock = no_locks
label_run.lock_folder = functools.partial(label_run.lock_folder, renew_every_s=float(sys.argv.pop(1)))
runpy.run_path(sys.argv.pop(1), run_name="__main__")
"""


@contextlib.contextmanager
def paused(
    job: LabelJob, limit: int, suffix: str, moment: str, mark: Path, *, has_locks: bool = True
) -> Iterator[subprocess.Popen[str]]:
    """Start a run of the first recordings that stops itself at a file, and wait until it has."""
    kind = "flock" if has_locks else "lease"
    command = [sys.executable, "-c", DRIVER, kind, str(RENEW_EVERY_S), str(REPOSITORY / "tests/signalled_driver.py")]
    command += [suffix, "1", moment, "SIGSTOP", str(mark), "label", *job.inputs, "-o", job.output, "-m", job.model]
    command += ["--engine", "local", "-j", "1", "--limit", str(limit)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as driver:
        try:
            end_s = time.monotonic() + 120
            while not (is_paused := mark.exists()) and driver.poll() is None and time.monotonic() < end_s:
                time.sleep(0.02)
            if not is_paused:
                # One that stops itself after all would never close its standard error.
                driver.kill()
            assert is_paused, driver.communicate()
            yield driver
        finally:
            driver.kill()


def resumed(driver: subprocess.Popen[str]) -> tuple[int, list[str]]:
    """Let a paused run continue; returns its exit code and the lines of its standard error."""
    os.kill(driver.pid, signal.SIGCONT)
    stderr = driver.communicate(timeout=60)[1]
    return driver.returncode, stderr.splitlines()
