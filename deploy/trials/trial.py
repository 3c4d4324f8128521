"""What the trials of the deployment files share: namespaces of their own, steps, and what was seen."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import time
from collections.abc import Iterator


def enter_namespaces(*tools: str) -> None:
    """Start this program again in a network, PIDs and mounts of its own, as PID 1, or end where that cannot be.

    Parameters
    ----------
    *tools : str
        The programs that the trial needs.
    """
    needed = ("ip", "unshare", *tools)
    missing = [tool for tool in needed if shutil.which(tool) is None]
    if sys.platform != "linux" or os.geteuid() or missing:
        sys.exit(f"this needs Linux, root, {', '.join(needed)}; missing here: {', '.join(missing) or 'root'}")
    if "EMOSENSE_TRIAL" not in os.environ:
        apart = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", sys.executable]
        os.execvpe(apart[0], [*apart, *sys.argv], os.environ | {"EMOSENSE_TRIAL": "1"})


@contextlib.contextmanager
def step(name: str) -> Iterator[None]:
    """Print the name of a step, and how long it took."""
    print(f"{name} ...", flush=True)
    began_s = time.monotonic()
    yield
    print(f"  {time.monotonic() - began_s:.0f} s", flush=True)


def expect(holds: bool, what: str) -> None:
    """Say whether something holds; where it does not, end."""
    print(f"  {'seen' if holds else 'NOT SEEN'}: {what}", flush=True)
    if not holds:
        sys.exit(f"not seen: {what}")
