"""The kind of CPU that labels: numerical libraries choose their code by it, and so the last digit of some values.

The same kind gives the same bytes. Across kinds, probabilities differ by at most 2e-6
(`tests/labelling/test_cpu_kinds.py`), so a run may resume on another kind; its manifest names all of them.
"""

from __future__ import annotations

import functools
import platform
import re
from pathlib import Path
from typing import Final

# What each level of x86-64 adds to the one before, by the names of Linux (System V ABI, AMD64, 3.1.1).
_LEVELS: Final = (
    ("x86-64-v2", {"cx16", "popcnt", "sse4_1", "sse4_2", "ssse3"}),
    ("x86-64-v3", {"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe"}),
    ("x86-64-v4", {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}),
)
_MODEL: Final = ("vendor_id", "cpu family", "model", "CPU implementer", "CPU part")


@functools.cache
def cpu_kind(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Return the kind of CPU of this machine.

    Parameters
    ----------
    cpuinfo : Path
        What Linux says about its CPUs.

    Returns
    -------
    str
        Instruction set, vendor and model, such as ``x86-64-v4 AuthenticAMD 25 17``; only the architecture where the
        system does not say more.
    """
    try:
        text = cpuinfo.read_text(errors="replace").partition("\n\n")[0]
    except OSError:
        return platform.machine()
    fields = dict(re.findall(r"^([\w ]+?)\s*: (.*)$", text, re.MULTILINE))
    flags, level = set(fields.get("flags", "").split()), platform.machine()
    for name, needed in _LEVELS:
        if not needed <= flags:
            break
        level = name
    return " ".join([level, *(fields[name] for name in _MODEL if name in fields)])
