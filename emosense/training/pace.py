"""How long the steps of a training take, from its first ones."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

# The first step has a start-up in it and says nothing about the others; the mean of this many is good to a tenth.
_TIMED_STEPS: Final = 20
_TIMED_S: Final = 1.5


class FirstSteps:
    """Times the first steps, and says once how long they take.

    Parameters
    ----------
    say : callable
        Receives the seconds from now to the end of the first step, and those that each of the others takes.
    n_timed : int
        Says it after so many steps at the latest, but not before the second.
    clock : callable
        Returns seconds.
    """

    def __init__(
        self,
        say: Callable[[float, float], None],
        n_timed: int = _TIMED_STEPS + 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._n_last = min(n_timed, _TIMED_STEPS + 1)
        self._say, self._clock = say, clock
        self._begin_s, self._first_s, self._n_done, self._is_said = clock(), 0.0, 0, False

    def step_done(self) -> None:
        """Count a step."""
        if self._is_said:
            return
        self._n_done += 1
        now_s = self._clock()
        if self._n_done == 1:
            self._first_s = now_s
            return
        timed_s = now_s - self._first_s
        if self._n_done >= self._n_last or timed_s >= _TIMED_S:
            self._is_said = True
            self._say(self._first_s - self._begin_s, timed_s / (self._n_done - 1))
