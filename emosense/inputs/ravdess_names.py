"""The file names of RAVDESS: seven numbers, and what each of them means.

Other corpora use names of the same form with other codes (BanglaSER), so every number is checked against its range.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Final

_FORM: Final = re.compile(r"(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)\.(?:wav|flac)", re.IGNORECASE)


class CodeError(ValueError):
    """A name has the form of RAVDESS and a number that RAVDESS does not have."""


@dataclasses.dataclass(frozen=True, slots=True)
class RavdessName:
    """The seven fields of a RAVDESS file name (Livingstone & Russo 2018, doi 10.1371/journal.pone.0196391).

    Parameters
    ----------
    modality : int
        1 full audio-video, 2 video only, 3 audio only.
    channel : int
        1 speech, 2 song.
    emotion : int
        1 to 8, in the order of `EMOTIONS`.
    intensity : int
        1 normal, 2 strong; neutral is always normal.
    statement, repetition : int
        1 or 2.
    actor : int
        1 to 24; odd numbers are male.
    """

    modality: int
    channel: int
    emotion: int
    intensity: int
    statement: int
    repetition: int
    actor: int

    @property
    def speaker(self) -> str:
        """The actor as two digits."""
        return f"{self.actor:02d}"

    @property
    def sex(self) -> str:
        """``male`` or ``female``."""
        return "male" if self.actor % 2 else "female"


def parse_ravdess_name(name: str) -> RavdessName:
    """Read the fields of a RAVDESS file name.

    Parameters
    ----------
    name : str
        Without its folder: ``03-01-06-01-02-01-12.wav``.

    Returns
    -------
    RavdessName
        All seven fields.

    Raises
    ------
    ValueError
        If the name has another form.
    CodeError
        If a field is out of range; the message names it.
    """
    match = _FORM.fullmatch(name)
    if not match:
        raise ValueError("not a RAVDESS name: seven numbers of two digits, as in 03-01-06-01-02-01-12.wav")
    parsed = RavdessName(*(int(field) for field in match.groups()))
    ranges = {"modality": 3, "channel": 2, "emotion": 8, "intensity": 2, "statement": 2, "repetition": 2, "actor": 24}
    for field, highest in ranges.items():
        value = getattr(parsed, field)
        if not 1 <= value <= highest:
            raise CodeError(f"{field} is {value:02d}, expected 01 to {highest:02d}")
    if parsed.emotion == 1 and parsed.intensity == 2:
        raise CodeError("neutral has no strong intensity")
    return parsed
