"""How much CPU time a recording may take: what it yields is labels, and silence earns little."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from emosense.errors import RecordingError

# Decoding and searching a second of sound takes about 0.002 s; 64 channels at 192 kHz take a hundred times as long.
_CPU_PER_SECOND: Final = 0.01


class WorkBudget:
    """CPU time for one recording; every label renews it.

    Parameters
    ----------
    limit_s : float
        CPU seconds between two labels, in addition to 1 % of the recorded time that was searched; infinite for no
        limit.
    cpu_s : callable
        Returns the CPU seconds that this process has used.
    """

    def __init__(self, limit_s: float, cpu_s: Callable[[], float] = time.process_time) -> None:
        self._limit_s, self._cpu_s = limit_s, cpu_s
        self._since_s, self._since_cpu_s = 0.0, cpu_s()

    def check(self, position_s: float) -> None:
        """Refuse a recording whose budget is spent.

        Parameters
        ----------
        position_s : float
            How far the recording was searched, in seconds.

        Raises
        ------
        RecordingError
            ``timeout``.
        """
        spent_s = self._cpu_s() - self._since_cpu_s
        if spent_s > self._limit_s + _CPU_PER_SECOND * (position_s - self._since_s):
            raise RecordingError(
                "timeout", f"{spent_s:.0f} s of CPU time without finding speech, from {self._since_s:.0f} s on"
            )

    def renew(self, position_s: float) -> None:
        """Start again: what lies before was labelled.

        Parameters
        ----------
        position_s : float
            End of the label, in seconds.
        """
        self._since_s, self._since_cpu_s = position_s, self._cpu_s()
