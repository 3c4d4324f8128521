"""Scores of each corpus: how a model does on corpora that it may not have been trained on.

Two questions are asked. Is the label right that the model writes, over all labels of the corpus? A corpus without calm
has neutral for it, so calm counts as neutral there. And is it right if the model may only answer with the emotions that
the corpus has and that its training taught? Each is asked of the probabilities as they are, and of probabilities that
are adapted, without labels, to each speaker, or to the corpus as one folder (`emosense.evaluation.voice_adaptation`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emosense.evaluation.confidence import ece
from emosense.evaluation.intervals import mean_and_sd
from emosense.evaluation.metrics import confusion_matrix, uar
from emosense.evaluation.speaker_adaptation import normalised
from emosense.evaluation.speaker_predictions import SpeakerPredictions, adapted_together

Float64 = NDArray[np.float64]
Labels = NDArray[np.int64]

ADAPTATIONS: Final = {
    "none": "not adapted",
    "speaker": "adapted to each speaker",
    "folder": "adapted to the corpus as one folder",
}
SCORES: Final = ("uar", "uar_among", "ece", "ece_among")
_CALM_AS: Final = ("calm", "neutral")


def corpus_scores(
    labels: Labels,
    probabilities: Float64,
    corpora: Sequence[str],
    speakers: Sequence[str],
    emotions: Sequence[str],
    taught: Mapping[str, Collection[str]],
    second: SpeakerPredictions | None = None,
) -> list[dict[str, Any]]:
    """Score the held-out predictions of each corpus.

    Parameters
    ----------
    labels : ndarray, shape (n,), int64
        Indices into `emotions`.
    probabilities : ndarray, shape (n, n_emotions)
        Held-out predictions; each row sums to 1.
    corpora, speakers : sequence of str, length n
        Corpus and speaker of each row.
    emotions : sequence of str
        Names of the classes.
    taught : mapping of str to collection of str
        For each corpus, the emotions in the training data of the models that predicted it.
    second : SpeakerPredictions or None
        What the speaker heads of the models predict; None for models without.

    Returns
    -------
    list of dict
        One per corpus, by name: ``corpus``, ``n``, ``n_speakers``, ``emotions`` (those of its labels), ``among`` (those
        of them that training taught), and for each key of `ADAPTATIONS` the values of `SCORES`, in [0, 1]: the UAR and
        the ECE of the label as written, and those of the answer among the emotions of ``among``, None for fewer than
        two.
    """
    of_corpus, of_speaker = np.asarray(corpora), np.asarray(speakers)
    table = []
    for corpus in np.unique(of_corpus):
        rows = np.flatnonzero(of_corpus == corpus)
        truth, shares, other = labels[rows], probabilities[rows], second and second.select(rows)
        has = _present(truth, emotions)
        among = [emotion for emotion in has if emotion in taught[str(corpus)]]
        groups = {
            "none": [],
            "speaker": [np.flatnonzero(of_speaker[rows] == speaker) for speaker in np.unique(of_speaker[rows])],
            "folder": [np.arange(len(rows))],
        }
        about = {"corpus": str(corpus), "n": len(rows), "n_speakers": len(groups["speaker"])}
        table.append(
            about
            | {"emotions": has, "among": among}
            | {name: _scores(truth, shares, other, emotions, has, among, groups[name]) for name in ADAPTATIONS}
        )
    return table


def mean_corpus_scores(tables: Sequence[list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Average the tables of several seeds.

    Parameters
    ----------
    tables : sequence of list of dict
        Results of `corpus_scores` on the same rows, one per seed.

    Returns
    -------
    list of dict
        Like the first table, with ``mean`` and ``sd`` in place of each score; None where there is none.
    """
    found = []
    for rows in zip(*tables, strict=True):
        means: dict[str, Any] = {}
        for adaptation in ADAPTATIONS:
            means[adaptation] = {}
            for name in SCORES:
                values = [row[adaptation][name] for row in rows if row[adaptation][name] is not None]
                mean, sd = mean_and_sd(values) if values else (None, None)
                means[adaptation][name] = {"mean": mean, "sd": sd}
        found.append(rows[0] | means)
    return found


def _scores(
    truth: Labels,
    shares: Float64,
    second: SpeakerPredictions | None,
    emotions: Sequence[str],
    has: Sequence[str],
    among: Sequence[str],
    groups: Sequence[Labels],
) -> dict[str, float | None]:
    written = _as_written(_adapted(shares, second, groups), emotions, has)
    scores: dict[str, float | None] = {"uar": _uar(truth, written), "ece": float(ece(truth, written))}
    if len(among) < 2:
        return scores | {"uar_among": None, "ece_among": None}
    columns = [list(emotions).index(emotion) for emotion in among]
    is_asked = np.isin(truth, columns)
    # What does not count is left out before the adaptation, and its recordings after it: a folder holds them too.
    answers = _adapted(normalised(shares[:, columns]), second and second.among(columns), groups)[is_asked]
    asked = np.searchsorted(columns, truth[is_asked])
    return scores | {"uar_among": _uar(asked, answers), "ece_among": float(ece(asked, answers))}


def _adapted(shares: Float64, second: SpeakerPredictions | None, groups: Sequence[Labels]) -> Float64:
    adapted = shares.copy()
    for rows in groups:
        adapted[rows] = adapted_together(shares[rows], second and second.select(rows))
    return adapted


def as_written(probabilities: Float64, labels: Labels, corpora: Sequence[str], emotions: Sequence[str]) -> Float64:
    """Return the probabilities of the labels that are written: in a corpus without calm, calm counts as neutral.

    Parameters
    ----------
    probabilities, labels, corpora, emotions
        As in `corpus_scores`.

    Returns
    -------
    ndarray, shape (n, n_emotions)
        Where calm is the answer and its corpus lacks it, calm and neutral have changed places.
    """
    of_corpus, written = np.asarray(corpora), probabilities.copy()
    for corpus in np.unique(of_corpus):
        rows = of_corpus == corpus
        written[rows] = _as_written(probabilities[rows], emotions, _present(labels[rows], emotions))
    return written


def _present(labels: Labels, emotions: Sequence[str]) -> list[str]:
    return [emotion for index, emotion in enumerate(emotions) if (labels == index).any()]


def _as_written(shares: Float64, emotions: Sequence[str], has: Sequence[str]) -> Float64:
    """Let calm count as neutral in a corpus that lacks calm: where it is the answer, the two change places."""
    calm, neutral = _CALM_AS
    if calm in has or neutral not in has or calm not in emotions:
        return shares
    pair = [list(emotions).index(calm), list(emotions).index(neutral)]
    is_calm = shares.argmax(axis=1) == pair[0]
    written = shares.copy()
    written[np.ix_(is_calm, pair)] = shares[np.ix_(is_calm, pair[::-1])]
    return written


def _uar(truth: Labels, shares: Float64) -> float:
    return float(uar(confusion_matrix(truth, shares.argmax(axis=1), shares.shape[1])))
