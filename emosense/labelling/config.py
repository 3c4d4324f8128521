"""Settings of labelling, free of imports for signal processing, which a driver does not need."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from emosense.audio.channels import SPLIT, channel_setting
from emosense.errors import UsageError

if TYPE_CHECKING:
    from emosense.models.model_files import ModelFiles

SEGMENT_BY: Final = ("window", "speech")
_LEAST_UTTERANCE_S: Final = 1.0


@dataclasses.dataclass(frozen=True, slots=True)
class LabelConfig:
    """The settings that change results; finished work is reused only if they are the same.

    Parameters
    ----------
    window_s : float
        Length of the windows that a recording is labelled in, in seconds; 0 for the model's own.
    hop_s : float
        Distance of the windows in seconds, at most `window_s`; 0 for the length of the window.
    strict : bool
        Treat a recording that could only be decoded in part as an error.
    max_duration_s : float
        Refuse recordings that last longer, in seconds.
    segment_by : str
        What a recording is cut into: ``window``, windows of a fixed length; ``speech``, utterances, at pauses.
    min_segment_s, max_segment_s : float
        Least and longest length of an utterance, in seconds; 0 for 1 s, and for the model's window.
    channels : str
        ``mix``: one label of all channels; ``split``: one of each; ``first`` or a number, from 1: of that channel.
    track : int
        Number of the audio track of a film, from 1; 0 for its default, or the first that can be decoded.

    Raises
    ------
    UsageError
        If there is no such choice of channels.
    """

    window_s: float = 0.0
    hop_s: float = 0.0
    strict: bool = False
    max_duration_s: float = 86_400.0
    segment_by: str = "window"
    min_segment_s: float = 0.0
    max_segment_s: float = 0.0
    channels: str = "mix"
    track: int = 0

    def __post_init__(self) -> None:
        """Write one choice of channels in one way."""
        object.__setattr__(self, "channels", channel_setting(self.channels))

    @property
    def splits_channels(self) -> bool:
        """Whether each channel has a row of its own."""
        return self.channels == SPLIT

    def check(self, model_window_s: float = float("inf")) -> None:
        """Refuse settings that cannot work.

        Parameters
        ----------
        model_window_s : float
            The model's own window in seconds; infinite if it is not known yet.

        Raises
        ------
        UsageError
            Naming the setting.
        """
        from emosense.audio.reader import MIN_DURATION_S

        for name, length_s in (("window", self.window_s), ("hop", self.hop_s)):
            if length_s != 0 and not MIN_DURATION_S <= length_s < float("inf"):
                raise UsageError(f"the {name} must be at least {MIN_DURATION_S} s, not {length_s:g} s")
        window_s = self.window_s or model_window_s
        if self.hop_s > window_s:
            raise UsageError(f"the hop cannot be longer than the window of {window_s:g} s")
        if self.track < 0:
            raise UsageError(f"audio tracks are counted from 1, not {self.track}")
        if not 0 < self.max_duration_s < float("inf"):
            raise UsageError(f"the maximum duration must be a positive number of seconds, not {self.max_duration_s:g}")
        self._check_utterances(model_window_s)

    def utterance_range_s(self, model_window_s: float) -> tuple[float, float]:
        """Return the least and the longest length of an utterance.

        Parameters
        ----------
        model_window_s : float
            The model's own window in seconds.

        Returns
        -------
        least_s, longest_s : float
            Seconds.
        """
        longest_s = self.max_segment_s or model_window_s
        return self.min_segment_s or min(_LEAST_UTTERANCE_S, longest_s / 2), longest_s

    def _check_utterances(self, model_window_s: float) -> None:
        if self.segment_by not in SEGMENT_BY:
            raise UsageError(f"recordings are cut by {' or '.join(SEGMENT_BY)}, not by {self.segment_by!r}")
        if self.segment_by == "window":
            if self.min_segment_s or self.max_segment_s:
                raise UsageError("a least or longest length of segments needs --segment-by speech")
            return
        if self.window_s or self.hop_s:
            raise UsageError("windows have a length and a hop, utterances do not: omit them with --segment-by speech")
        from emosense.audio.reader import MIN_DURATION_S

        least_s, longest_s = self.utterance_range_s(model_window_s)
        if not MIN_DURATION_S <= least_s < float("inf"):
            raise UsageError(f"utterances must last at least {MIN_DURATION_S} s, not {least_s:g} s")
        if least_s > longest_s / 2 or self.max_segment_s == float("inf"):
            raise UsageError(
                "the longest utterance must be at least twice as long as the shortest: "
                f"{least_s:g} to {longest_s:g} s does not work"
            )


@dataclasses.dataclass(frozen=True, slots=True)
class LabelSpec:
    """What a worker needs; the same for every worker of a run.

    Parameters
    ----------
    model : ModelFiles
        Read and checked once by the driver, then sent to the workers.
    config : LabelConfig
        The settings that change results.
    file_timeout_s : float
        Give up a recording after so many seconds without progress, or of CPU time without finding speech.
    memory_mb : int
        Limit on the worker's data in MiB; 0 for none.
    worker : tuple of str
        Arguments of the Python interpreter that start a worker; ``-P`` keeps it from importing modules from the
        working directory.
    """

    model: ModelFiles
    config: LabelConfig
    file_timeout_s: float = 60.0
    memory_mb: int = 2048
    worker: tuple[str, ...] = ("-P", "-m", "emosense.labelling.worker")
