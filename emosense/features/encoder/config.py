"""The settings of a pretrained encoder, and the numbers of Whisper's front end. Loads no numeric library."""

from __future__ import annotations

import dataclasses
import re
from typing import Any, Final, Literal

from emosense.errors import UsageError

SAMPLE_RATE: Final = 16_000
WHISPER_N_FFT: Final = 400
WHISPER_HOP: Final = 160
InputKind = Literal["waveform", "log-mel", "frames"]


@dataclasses.dataclass(frozen=True, slots=True)
class EncoderConfig:
    """Which encoder, and how it is used; a part of `emosense.features.config.FeatureConfig`.

    Parameters
    ----------
    sha256 : str
        Digest of the file, 64 hexadecimal digits.
    input : str
        ``waveform``, ``log-mel``, or ``frames`` where the graph pools frames of the feature set ``whisper`` itself.
    output : str
        Name of the graph's output.
    n_dims : int
        Number of values per frame; the feature vector has twice as many, or as many where the graph pools.
    normalise : bool
        Whether each recording's waveform is scaled to mean 0 and variance 1 first.
    location : str
        Absolute path or URL that the user gave, without credentials. Values do not depend on it.
    file : str
        Path of the file on this machine; not stored.

    Raises
    ------
    UsageError
        If a value is not a string, or the digest has another form.
    """

    sha256: str
    input: InputKind
    output: str
    n_dims: int
    normalise: bool = False
    location: str = dataclasses.field(default="", compare=False, repr=False)
    file: str = dataclasses.field(default="", compare=False, repr=False)

    def __post_init__(self) -> None:
        """Check the values that become part of a file's name."""
        if not all(isinstance(value, str) for value in (self.sha256, self.output, self.location, self.file)):
            raise UsageError("sha256, output and location of an encoder must be strings")
        if not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            raise UsageError("the sha256 of an encoder must be 64 hexadecimal digits")

    def settings(self) -> dict[str, Any]:
        """Return the settings that decide the values.

        Returns
        -------
        dict
            Everything but ``location`` and ``file``.
        """
        return {name: value for name, value in dataclasses.asdict(self).items() if name not in ("location", "file")}

    def to_dict(self) -> dict[str, Any]:
        """Return what is stored.

        Returns
        -------
        dict
            Everything but ``file``.
        """
        return self.settings() | {"location": self.location}
