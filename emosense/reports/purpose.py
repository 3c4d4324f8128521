"""What the labels of a report are for, and what they are not for: a section of every report of labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from emosense.reports import page
from emosense.reports.markup import Markup
from emosense.reports.number_text import percent

_ARE: Final = (
    "A label is the emotion that most resembles the voice, among the emotions that actors played in the training data. "
    "It is not what a person feels. Use labels to sort, search and compare many recordings, and listen before you rely "
    "on one."
)
_LAW: Final = (
    "In the European Union, Regulation (EU) 2024/1689, Article 5(1)(f), prohibits systems that infer emotions of "
    "people at the workplace and in education, except for medical or safety reasons. Do not use labels for decisions "
    "about a person."
)
_UNFAMILIAR: Final = "Recordings marked unfamiliar are unlike the training data: expect more wrong labels there."


def purpose(model: Mapping[str, Any]) -> Markup:
    """Say what labels can be used for.

    Parameters
    ----------
    model : mapping
        ``model`` of the run's manifest; empty if there is none. Its ``score`` and ``licence`` are quoted.

    Returns
    -------
    Markup
        A section.
    """
    sentences = [_ARE]
    score = model.get("score") or {}
    if score.get("accuracy") is not None:
        is_by_corpus = score["protocol"] == "loco"
        held_out = "corpora that were" if is_by_corpus else "speakers who were"
        protocol = "one corpus left out at a time" if is_by_corpus else f"protocol {score['protocol']}"
        sentences.append(
            f"On {held_out} not in its training data, the model {model['name']} was right in "
            f"{percent(float(score['accuracy']))} of {score['n']:,} recordings ({protocol}). Expect less for "
            "other languages, microphones and rooms, and for feelings that are not acted."
        )
    sentences += [_UNFAMILIAR, _LAW]
    if licence := model.get("licence"):
        sentences.append(f"Licence of the model: {licence}")
    return page.section("What the labels are for", *map(page.paragraph, sentences))
