"""The eight emotions, in the one order that every array, column and model uses.

The order is RAVDESS's own: code 01 is ``EMOTIONS[0]``.
Source: Livingstone & Russo 2018, doi 10.1371/journal.pone.0196391.
"""

from __future__ import annotations

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
