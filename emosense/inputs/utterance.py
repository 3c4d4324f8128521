"""A recording with its labels: what corpora consist of."""

from __future__ import annotations

import dataclasses
from typing import Final

from emosense.inputs.recording import Recording

RAVDESS: Final = "ravdess"
# Names of what no published corpus is known for.
TABLE: Final = "table"
UNLABELLED: Final = "unlabelled"


@dataclasses.dataclass(frozen=True, slots=True)
class Utterance:
    """A recording with its labels.

    Parameters
    ----------
    recording : Recording
        The recording.
    emotion : str
        One of `EMOTIONS`, or empty where a recording has no label.
    speaker : str
        Name of the speaker; folds are split by it.
    sex : str
        ``male``, ``female``, or empty if unknown.
    corpus : str
        Name of its corpus: of an entry of `emosense.inputs.corpus.CORPORA`, or as the table gives it; ``table`` or
        ``unlabelled`` where it is not known.
    language : str
        Language of the recording as its table gives it, such as ``pl``; empty if unknown.
    further : tuple of (name, value)
        Further columns of its table.
    """

    recording: Recording
    emotion: str
    speaker: str
    sex: str = ""
    corpus: str = ""
    language: str = ""
    further: tuple[tuple[str, str], ...] = ()
