"""Limits of memory and time on this process, within which a model that anybody may have made is loaded and tried."""

from __future__ import annotations

import contextlib
import math
import resource
import signal
import sys
from collections.abc import Iterator
from typing import Final

# Loading and trying a model takes well under a second of CPU time.
MODEL_CPU_S: Final = 20
# onnxruntime holds the weights and, for a while, the file's content and the weights in another layout.
_COPIES_OF_WEIGHTS: Final = 3


def limit_memory(memory_mb: int) -> None:
    """Make allocations beyond a limit fail here, before the kernel kills processes of the whole machine.

    Parameters
    ----------
    memory_mb : int
        Limit in MB, which can be changed again; 0 for none.
    """
    if sys.platform == "linux":
        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        most = math.inf if hard == resource.RLIM_INFINITY else hard
        wanted = memory_mb << 20 if memory_mb else math.inf
        soft = min(wanted, most)
        resource.setrlimit(resource.RLIMIT_DATA, (resource.RLIM_INFINITY if soft == math.inf else int(soft), hard))


def weights_mb(weights: bytes) -> int:
    """Return the memory that the weights of a model may take.

    Parameters
    ----------
    weights : bytes
        Its graph.

    Returns
    -------
    int
        In MB.
    """
    return _COPIES_OF_WEIGHTS * len(weights) >> 20


@contextlib.contextmanager
def limited_cpu() -> Iterator[None]:
    """Have the system end this process with SIGXCPU if the block takes more than `MODEL_CPU_S` of CPU time.

    Yields
    ------
    None
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    most = math.ceil(usage.ru_utime + usage.ru_stime) + MODEL_CPU_S
    if hard == resource.RLIM_INFINITY or most < hard:
        signal.signal(signal.SIGXCPU, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CPU, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def death_text(status: int) -> str:
    """Say why a process that loaded or tried a model has ended.

    Parameters
    ----------
    status : int
        Its exit status; the negative number of a signal.

    Returns
    -------
    str
        The rest of a sentence that begins with the model.
    """
    if status == -signal.SIGXCPU:
        return f"is not done with half a second of noise after {MODEL_CPU_S} s of CPU time"
    cause = signal.Signals(-status).name if status < 0 else f"exit status {status}"
    return f"ends the process that tries it with {cause}" + (
        ", as the kernel does when memory runs out" if status == -signal.SIGKILL else ""
    )
