"""Figures with which the shipped models can be compared: the same protocols for each, at home and elsewhere.

``compared.json`` has them; `benchmarks/shipped_models.py` makes it from stored predictions. At home are speakers of
RAVDESS that a model was not trained on, with eight emotions. Elsewhere are corpora that it was not trained on: the mean
over them, each among the emotions that it has.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

COMPARED_FILE: Final = Path(__file__).with_name("compared.json")
HEADS: Final = ("at home", "with --speakers", "elsewhere", "with --speakers")
MEANING: Final = (
    "UAR, the recall averaged over the emotions. At home: speakers of RAVDESS that the model was not trained on, with "
    "8 emotions (chance is 12.5 %, human listeners reach 62 %). Elsewhere: the mean over 4 corpora that it was not "
    "trained on, among the 4 to 6 emotions of each (chance is 17 to 25 %). With --speakers: all recordings of a "
    "speaker are adapted together."
)


@cache
def compared_scores() -> dict[str, dict[str, Any]]:
    """Return the comparable scores of the shipped models.

    Returns
    -------
    dict
        By the name of the model: ``home`` and ``elsewhere``, each with ``protocol``, ``corpora``, ``uar`` and
        ``uar_adapted`` in [0, 1]; ``home`` also has ``n_emotions``, ``uar_sd`` over seeds and ``uar_interval``, each
        `None` where it was not measured.
    """
    scores: dict[str, dict[str, Any]] = json.loads(COMPARED_FILE.read_text(encoding="utf-8"))
    return scores


def score_cells(scores: dict[str, Any]) -> Sequence[str]:
    """Return the scores of a model as text, in the order of `HEADS`.

    Parameters
    ----------
    scores : dict
        ``home`` and ``elsewhere`` of one model.

    Returns
    -------
    sequence of str
        Per cent.
    """
    return [f"{100 * scores[place][name]:.1f} %" for place in ("home", "elsewhere") for name in ("uar", "uar_adapted")]
