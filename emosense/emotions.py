"""The eight emotions, in the one order that every array, column and model uses.

The order is RAVDESS's own: code 01 is ``EMOTIONS[0]``.
Source: Livingstone & Russo 2018, doi 10.1371/journal.pone.0196391.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

EMOTIONS: Final[tuple[str, ...]] = (
    "neutral",
    "calm",
    "happy",
    "sad",
    "angry",
    "fearful",
    "disgust",
    "surprised",
)

# The four classes of the reference MLP (design.md section 1).
REFERENCE_MLP_EMOTIONS: Final[tuple[str, ...]] = ("calm", "happy", "fearful", "disgust")

# High or low arousal in the circumplex model (Russell 1980, doi 10.1037/h0077714).
HIGH_AROUSAL: Final[frozenset[str]] = frozenset({"happy", "angry", "fearful", "surprised"})

SYNONYMS: Final[dict[str, str]] = {
    "fear": "fearful",
    "anger": "angry",
    "happiness": "happy",
    "joy": "happy",
    "sadness": "sad",
    "surprise": "surprised",
    "disgusted": "disgust",
}

# A name of a user's own becomes a column of tables and a part of commands.
_OWN_EMOTION: Final = re.compile(r"[^\W_][\w-]{0,39}")


def parse_emotion(text: str) -> str:
    """Return the emotion that a label of a corpus names.

    Parameters
    ----------
    text : str
        One of `EMOTIONS` or `SYNONYMS`, in upper or lower case; surrounding spaces are ignored.

    Returns
    -------
    str
        One of `EMOTIONS`.

    Raises
    ------
    ValueError
        If the label names none of the eight emotions.
    """
    label = text.strip().lower()
    label = SYNONYMS.get(label, label)
    if label not in EMOTIONS:
        raise ValueError(f"unknown emotion {text!r}: expected one of {', '.join(EMOTIONS)}")
    return label


def parse_own_emotion(text: str) -> str:
    """Return the name of an emotion of a user's own, as models and tables write it.

    Parameters
    ----------
    text : str
        Letters, digits, ``-``, ``_`` and spaces, 40 at most.

    Returns
    -------
    str
        In lower case, with ``_`` for spaces.

    Raises
    ------
    ValueError
        If it cannot be the name of a column.
    """
    name = "_".join(text.lower().split())
    if not _OWN_EMOTION.fullmatch(name):
        raise ValueError(f"the emotion {text!r} must have letters, digits, - and _ only, 40 at most")
    return name


def own_emotions(classes: Iterable[str]) -> tuple[str, ...]:
    """Return the emotions of a user's own, which come after `EMOTIONS` in arrays, columns and models.

    Parameters
    ----------
    classes : iterable of str
        The emotions that a model distinguishes.

    Returns
    -------
    tuple of str
        Those that are not in `EMOTIONS`, in alphabetical order.
    """
    return tuple(sorted({*classes} - {*EMOTIONS}))
