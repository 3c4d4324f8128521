"""What labelling is asked for and what it gives: light, so that a driver knows them without any signal processing."""

from __future__ import annotations

import dataclasses

from emosense.rows import Row


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
        Measure how far each label can be trusted (`emosense.quality`).
    """

    window_s: float = 0.0
    hop_s: float = 0.0
    segments: bool = False
    strict: bool = False
    max_duration_s: float = 86_400.0
    quality: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Labelled:
    """What one recording gives: its row, and the rows of its segments where they were asked for."""

    row: Row
    segments: tuple[Row, ...] = ()
