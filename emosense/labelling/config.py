"""What labelling is asked for and what it gives: light, so that a driver knows them without any signal processing."""

from __future__ import annotations

import dataclasses

from emosense.errors import UsageError
from emosense.tables.row import Row


@dataclasses.dataclass(frozen=True, slots=True)
class LabelConfig:
    """The parameters that change results; they belong to the key of finished work.

    Parameters
    ----------
    window_s, hop_s : float
        Length and distance of the windows that a recording is labelled in, the second no longer than the first; 0
        stands for the model's own window.
    segments : bool
        Give a row for every window as well.
    strict : bool
        Treat a recording that could be decoded in part as an error.
    max_duration_s : float
        Refuse longer recordings.
    quality : bool
        Measure how far each label can be trusted (`emosense.labelling.trust`).
    """

    window_s: float = 0.0
    hop_s: float = 0.0
    segments: bool = False
    strict: bool = False
    max_duration_s: float = 86_400.0
    quality: bool = False

    def check(self, model_window_s: float = float("inf")) -> None:
        """Refuse what no recording can be labelled with.

        Parameters
        ----------
        model_window_s : float
            The model's own window, where it is known.

        Raises
        ------
        UsageError
            Naming the setting.
        """
        from emosense.audio.reader import MIN_DURATION_S

        for name, length_s in (("window", self.window_s), ("hop", self.hop_s)):
            if length_s != 0 and not MIN_DURATION_S <= length_s < float("inf"):
                raise UsageError(f"the {name} must last {MIN_DURATION_S} s or longer, not {length_s:g} s")
        window_s = self.window_s or model_window_s
        if self.hop_s > window_s:
            raise UsageError(f"the hop cannot be longer than the window of {window_s:g} s")
        if not 0 < self.max_duration_s < float("inf"):
            raise UsageError(f"the longest duration must be a positive number of seconds, not {self.max_duration_s:g}")


@dataclasses.dataclass(frozen=True, slots=True)
class Labelled:
    """What one recording gives: its row, and the rows of its segments where they were asked for."""

    row: Row
    segments: tuple[Row, ...] = ()
