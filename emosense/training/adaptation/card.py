"""Description of an adapted model -> its card."""

from __future__ import annotations

from typing import Any

from emosense.progress import plural
from emosense.training.model_card import INTENDED_USE


def adapted_card(description: dict[str, Any]) -> str:
    """Return the card of an adapted model as Markdown.

    Parameters
    ----------
    description : dict
        Content of ``model.json``.

    Returns
    -------
    str
        The text of ``MODEL_CARD.md``.
    """
    adapted, (score,) = description["trained_on"]["adapted"], description["scores"]
    counts = ", ".join(f"{name} {n}" for name, n in adapted["emotions"].items())
    speakers = plural(adapted["n_speakers"], "speaker") if adapted["n_speakers"] else "speakers that were not named"
    interval = score["gain_interval"]
    span = f" (95 %: {100 * interval[0]:+.1f} to {100 * interval[1]:+.1f})" if interval else ""
    return "\n".join(
        (
            f"# {description['name']}",
            "",
            f"The model {adapted['base']} {adapted['base_version']}, adapted on {adapted['date']} to recognise"
            f" {', '.join(description['classes'])} in recordings like those that it was adapted to.",
            "",
            "## Intended use",
            "",
            INTENDED_USE,
            "",
            "## Training",
            "",
            f"Adapted to {plural(adapted['n_recordings'], 'recording')} of {speakers}: {counts}. Only the head was"
            f" fitted, starting from that of {adapted['base']} (digest {adapted['base_sha256']}).",
            "",
            "## Scores",
            "",
            f"**{score['protocol']}**, {score['n']} recordings: UAR {100 * score['uar']:.1f} %, accuracy"
            f" {100 * score['accuracy']:.1f} %, ECE {100 * score['ece']:.1f} %. {adapted['base']} alone, its answer"
            f" limited to the same emotions: UAR {100 * score['base_uar']:.1f} %. Gain"
            f" {100 * score['gain']:+.1f} points{span}.",
            "",
            "On recordings that differ from these, expect less.",
            "",
            "## Licence",
            "",
            description["licence"],
            "",
        )
    )
