"""Description of a model -> its card, in the sections of Mitchell et al. 2019 (doi 10.1145/3287560.3287596)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from emosense.emotions import EMOTIONS
from emosense.features.sets import FEATURE_SETS
from emosense.inputs.utterance import RAVDESS
from emosense.progress import plural
from emosense.training.families import FAMILIES
from emosense.training.held_out_score import is_at_chance
from emosense.training.presets import PRESETS, model_name

_MAX_SPEAKERS_NAMED: Final = 40

INTENDED_USE: Final = """\
Research on emotional speech, and sorting large collections of recordings for people to listen to. A label says what the
voice sounds like to a model of acted speech. It does not say what a person feels.

**Not for** judging people: not at work or in school, not for hiring, credit, insurance, policing or medicine, and not
for any decision about one person. In the European Union, inferring emotions at work and in education is prohibited
(Regulation (EU) 2024/1689, article 5)."""

_RAVDESS_LIMITS = """\
- RAVDESS is acted: professional actors, two sentences, North American English, a studio, one microphone. Spontaneous
  speech, other languages, telephone lines and noise give different and mostly worse results.
- The actors are adults; children and old people are not represented.
- Neutral and calm sound alike, and so do sad and calm: most confusions are between these, and at normal intensity.
- Confidence is calibrated on RAVDESS. On other recordings it tends to be too high.
  Use `--min-confidence`, and listen."""

_OTHER_LIMITS = """\
- A model knows only what it was trained on: other languages, rooms, microphones and kinds of speech give different and
  mostly worse results."""


def model_card(description: dict[str, Any]) -> str:
    """Return the card as Markdown.

    Parameters
    ----------
    description : dict
        Content of ``model.json``.

    Returns
    -------
    str
        The text of ``MODEL_CARD.md``.
    """
    trained_on = description["trained_on"]
    corpora = trained_on["corpora"]
    is_ravdess = [corpus["name"] for corpus in corpora] == [RAVDESS]
    lines = [
        f"# {description['name']}",
        "",
        f"{_family(description)} that recognises {', '.join(description['classes'])}.",
        "",
        "## Intended use",
        "",
        INTENDED_USE,
        "",
        "## Limits",
        "",
        _RAVDESS_LIMITS if is_ravdess else _OTHER_LIMITS,
        "",
        "## Training",
        "",
        f"{trained_on['n_recordings']} recordings of {len(trained_on['speakers'])} speakers"
        f"{_names(trained_on['speakers'])}, seed {trained_on['seed']}, {trained_on['date']}."
        " `model.json` has settings and features, `curves.json` the learning curves.",
        "",
        *_corpora(corpora),
        f"Preset `{trained_on['preset']}`:"
        f" {PRESETS[model_name(description['kind'], trained_on['preset'])].description}{_epochs(trained_on)}.",
        "",
        "## Scores",
        "",
        *_scores(description["scores"], len(description["classes"])),
        "## Licence",
        "",
        description["licence"],
        "",
    ]
    return "\n".join(lines)


def trained_text(description: dict[str, Any]) -> str:
    """Return what the terminal says of a trained model.

    Parameters
    ----------
    description : dict
        Content of ``model.json``.

    Returns
    -------
    str
        Its name, preset, epochs and scores; a model at chance says so.
    """
    trained_on, n_classes = description["trained_on"], len(description["classes"])
    about = f"model {description['name']} ({description['kind']} {trained_on['preset']}{_epochs(trained_on)})"
    scores = []
    for score in description["scores"]:
        text = f"{score['protocol']}: UAR {score['uar']:.1%}, ECE {score['ece']:.1%}"
        if is_at_chance(score, n_classes):
            text += f", no better than chance ({1 / n_classes:.1%})"
        scores.append(text)
    return f"{about}; {'; '.join(scores) or 'no score was measured'}"


def _names(speakers: Sequence[str]) -> str:
    """List the speakers, if there are few."""
    return f" ({', '.join(speakers)})" if len(speakers) <= _MAX_SPEAKERS_NAMED else ""


def _epochs(trained_on: dict[str, Any]) -> str:
    """State the epochs; several networks together have none."""
    return f"; {plural(trained_on['epochs'], 'epoch')}" if trained_on["epochs"] else ""


def _corpora(corpora: Sequence[dict[str, Any]]) -> list[str]:
    """One row per corpus: its licence, and how much of it was used."""
    lines = ["| corpus | language | recordings | speakers | emotions | licence |", "|---|---|--:|--:|---|---|"]
    for corpus in corpora:
        emotions = ", ".join(f"{name} {corpus['emotions'][name]}" for name in EMOTIONS if name in corpus["emotions"])
        counts = f"{corpus['n_recordings']} | {corpus['n_speakers']}"
        language = ", ".join(corpus["languages"])
        lines.append(f"| {corpus['title']} | {language} | {counts} | {emotions} | {corpus['licence']} |")
    return [*lines, ""]


def _family(description: dict[str, Any]) -> str:
    kind = description["kind"]
    family = "The geometric mean of several networks" if kind == "ensemble" else FAMILIES[kind].description
    return f"{family} on {' and '.join(map(_described, description['features']))}"


def _described(features: dict[str, Any]) -> str:
    encoder = features.get("encoder")
    source = f" (sha256 {encoder['sha256']}, under a licence of its own)" if encoder else ""
    return FEATURE_SETS[features["set"]].description + source


def _scores(scores: list[dict[str, Any]], n_classes: int) -> list[str]:
    """One paragraph per score, with the tables by sex and speaker where they are known."""
    if not scores:
        return ["No score was measured.", ""]
    lines = []
    for score in scores:
        sd = f" ± {100 * score['uar_sd']:.1f} over {score['n_seeds']} seeds" if score.get("uar_sd") is not None else ""
        interval = score.get("uar_interval")
        span = f" (95 % over speakers: {100 * interval[0]:.1f} to {100 * interval[1]:.1f})" if interval else ""
        calibration = f", ECE {100 * score['ece']:.1f} %" if "ece" in score else ""
        lines += [
            f"**{score['protocol']}**, {score['n']} recordings: UAR {100 * score['uar']:.1f} %{sd}{span},"
            f" accuracy {100 * score['accuracy']:.1f} %{calibration}.",
            "",
        ]
        if is_at_chance(score, n_classes):
            lines += [f"**No better than chance** ({100 / n_classes:.1f} %): do not use this model.", ""]
        if score.get("groups") and score.get("n_seeds", 1) > 1:
            lines += ["By sex and by speaker, for the first seed:", ""]
        for group, title in (("sex", "Sex"), ("speaker", "Speaker")):
            if group in score.get("groups", {}):
                lines += [f"| {title} | recordings | UAR | accuracy |", "|---|--:|--:|--:|"]
                for row in score["groups"][group]:
                    figures = f"{100 * row['uar']:.1f} | {100 * row['accuracy']:.1f}"
                    lines.append(f"| {row['group']} | {row['n']} | {figures} |")
                lines.append("")
    return lines
