"""The corpora that EmoSense knows by name: what they are, and under which licence a model that was trained on them is.

A table names the corpus of each row in its column ``corpus``. An installed package adds a corpus with an entry point in
the group ``emosense.known_corpora``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Final

from emosense.inputs.utterance import TABLE
from emosense.registry import Registry

# What a licence asks for, from the mildest to the strictest.
_CONDITIONS: Final = {
    "attribution": "name the corpora",
    "share-alike": "share what is made from them under the same licence",
    "non-commercial": "no commercial use",
    "research": "research only",
    "unknown": "see the licence of the data",
}
_BY: Final = ("attribution",)
_BY_NC_SA: Final = ("attribution", "share-alike", "non-commercial")


@dataclasses.dataclass(frozen=True, slots=True)
class KnownCorpus:
    """A published corpus.

    Parameters
    ----------
    title : str
        Its name and authors, as they are cited.
    speech : str
        Language and kind of speech, in a few words.
    licence : str
        Name of the licence, such as ``CC BY-NC-SA 4.0``.
    conditions : tuple of str
        What the licence asks for: ``attribution``, ``share-alike``, ``non-commercial``, ``research``.
    """

    title: str
    speech: str
    licence: str
    conditions: tuple[str, ...]


KNOWN_CORPORA: Final = Registry[KnownCorpus]("published corpus", "emosense.known_corpora")
for _name, _corpus in {
    "ravdess": KnownCorpus(
        "RAVDESS (Livingstone & Russo 2018, doi 10.1371/journal.pone.0196391)",
        "North American English, acted by professionals in a studio",
        "CC BY-NC-SA 4.0",
        _BY_NC_SA,
    ),
    "nemo": KnownCorpus(
        "nEMO (Christop 2024, arXiv 2404.06292)", "Polish, acted in a studio", "CC BY-NC-SA 4.0", _BY_NC_SA
    ),
    "banglaser": KnownCorpus(
        "BanglaSER (Das et al. 2022, Mendeley Data t9h6p943xy)",
        "Bengali, acted by laymen on phones and laptops",
        "CC BY 4.0",
        _BY,
    ),
    "indian": KnownCorpus(
        "Indian EmoSpeech Command Dataset",
        "Indian English and Hindi command words, crowd-sourced on phones",
        "CC BY-NC-SA 4.0",
        _BY_NC_SA,
    ),
    "selvas": KnownCorpus(
        "Selvas emotional speech (emotiontts_open_db)",
        "Korean, acted",
        "CC BY-NC-SA 4.0, research only",
        (*_BY_NC_SA, "research"),
    ),
}.items():
    KNOWN_CORPORA.register(_name, _corpus)


def corpus_name(text: str) -> str:
    """Return the name of a corpus as a table's cell gives it.

    Parameters
    ----------
    text : str
        Content of the cell.

    Returns
    -------
    str
        The name of an entry of `KNOWN_CORPORA` where the cell differs from it only in case; otherwise the cell's text
        without spaces around it.
    """
    name = text.strip()
    return name.lower() if name.lower() in KNOWN_CORPORA else name


def corpus_title(name: str) -> str:
    """Return how a corpus is cited.

    Parameters
    ----------
    name : str
        Name of a corpus, known or not.

    Returns
    -------
    str
        Its title, otherwise its name.
    """
    if name in ("", TABLE):
        return "recordings of no named corpus"
    return KNOWN_CORPORA[name].title if name in KNOWN_CORPORA else name


def corpus_licence(name: str) -> str:
    """Return the licence of a corpus.

    Parameters
    ----------
    name : str
        Name of a corpus, known or not.

    Returns
    -------
    str
        Name of the licence; ``unknown`` where the corpus is.
    """
    return KNOWN_CORPORA[name].licence if name in KNOWN_CORPORA else "unknown"


def joined_licence(names: Iterable[str]) -> str:
    """Return the licence of a model that was trained on several corpora: everything that any of them asks for.

    Parameters
    ----------
    names : iterable of str
        Names of the corpora, known or not.

    Returns
    -------
    str
        Every corpus with its licence, then the conditions of all together, the mildest first.
    """
    names = sorted(set(names))
    each = "; ".join(f"{corpus_title(name)}: {corpus_licence(name)}" for name in names)
    asked = {condition for name in names for condition in _conditions(name)}
    together = "; ".join(text for condition, text in _CONDITIONS.items() if condition in asked)
    text = f"Trained on {each}. A model trained on {'them' if len(names) > 1 else 'it'}: {together}."
    if asked & {"non-commercial", "research"}:
        text += " For other use, ask the authors of the data."
    return text


def _conditions(name: str) -> tuple[str, ...]:
    return KNOWN_CORPORA[name].conditions if name in KNOWN_CORPORA else ("unknown",)
