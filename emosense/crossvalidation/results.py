"""Predictions of an evaluation -> scores over seeds, and the table of predictions."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Collection, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emosense.evaluation.by_corpus import corpus_scores, mean_corpus_scores
from emosense.evaluation.intervals import mean_and_sd
from emosense.evaluation.speaker_predictions import SpeakerPredictions
from emosense.evaluation.summary import summarise
from emosense.storage.cells import escape_cell
from emosense.training.features.table import FeatureTable

Float64 = NDArray[np.float64]

_DIGITS: Final = 6
SCORES: Final = ("uar", "accuracy", "macro_f1")


@dataclasses.dataclass(frozen=True, slots=True)
class Predictions:
    """Probabilities for the test rows of one fold and seed.

    Attributes
    ----------
    seed : int
        Seed of the training.
    fold : str
        Name of the fold.
    rows : ndarray, shape (n,)
        Rows of the feature table.
    probabilities : ndarray, shape (n, n_classes)
        Calibrated, if calibration was asked for.
    history : list of dict
        Learning curves: one dictionary per epoch.
    temperature : float
        The temperature that was applied; 1 for none.
    second : SpeakerPredictions or None
        What the model's speaker head predicts; None for a model without.
    """

    seed: int
    fold: str
    rows: NDArray[np.int64]
    probabilities: Float64
    history: list[dict[str, Any]]
    temperature: float = 1.0
    second: SpeakerPredictions | None = None


def over_seeds(table: FeatureTable, classes: tuple[str, ...], predictions: list[Predictions]) -> dict[str, Any]:
    """Score every seed, with mean and standard deviation over the seeds.

    Parameters
    ----------
    table : FeatureTable
        The features that were tested, with speakers and labels.
    classes : tuple[str, ...]
        The emotions that the models distinguish.
    predictions : list[Predictions]
        Predictions of all folds and seeds.

    Returns
    -------
    dict
        ``classes``, ``n``, ``scores`` (``mean`` and ``sd`` of each) and ``seeds`` (see
        `emosense.evaluation.summary.summarise`).
    """
    labels = table.labels(classes)
    seeds = []
    for seed in sorted({p.seed for p in predictions}):
        mine = [p for p in predictions if p.seed == seed]
        rows = np.concatenate([p.rows for p in mine])
        seeds.append(
            summarise(
                labels[rows],
                np.concatenate([p.probabilities for p in mine]),
                [table.speakers[row] for row in rows],
                emotions=classes,
                folds=[p.fold for p in mine for _ in p.rows],
                groups={"sex": [table.sexes[row] or "unknown" for row in rows]},
                second=SpeakerPredictions.joined([p.second for p in mine]),
                seed=seed,
            )
        )
    means = {}
    for name in (*SCORES, "ece", "ece_scaled", "confidence_auroc"):
        values = [seed[name]["value"] if isinstance(seed[name], dict) else seed[name] for seed in seeds]
        known = [value for value in values if value is not None]
        mean, sd = mean_and_sd(known) if known else (None, None)
        means[name] = {"mean": mean, "sd": sd}
    return {"classes": list(classes), "n": seeds[0]["n"], "scores": means, "seeds": seeds}


def by_corpus(
    table: FeatureTable,
    classes: tuple[str, ...],
    predictions: list[Predictions],
    taught: Mapping[str, Collection[str]],
) -> list[dict[str, Any]]:
    """Score every corpus, averaged over the seeds.

    Parameters
    ----------
    table : FeatureTable
        The features that were tested, with corpora, speakers and labels.
    classes : tuple of str
        The emotions that the models distinguish.
    predictions : list of Predictions
        Predictions of all folds and seeds.
    taught : mapping of str to collection of str
        See `emosense.evaluation.by_corpus.corpus_scores`.

    Returns
    -------
    list of dict
        See `emosense.evaluation.by_corpus.mean_corpus_scores`.
    """
    labels = table.labels(classes)
    tables = []
    for seed in sorted({p.seed for p in predictions}):
        mine = [p for p in predictions if p.seed == seed]
        rows = np.concatenate([p.rows for p in mine])
        corpora, speakers = [table.corpora[row] for row in rows], [table.speakers[row] for row in rows]
        probabilities = np.concatenate([p.probabilities for p in mine])
        second = SpeakerPredictions.joined([p.second for p in mine])
        tables.append(corpus_scores(labels[rows], probabilities, corpora, speakers, classes, taught, second))
    return mean_corpus_scores(tables)


def last_epoch(predictions: list[Predictions]) -> dict[str, float]:
    """Average the last epoch of the learning curves over all training runs.

    Parameters
    ----------
    predictions : list[Predictions]
        Predictions with learning curves.

    Returns
    -------
    dict
        Means by quantity; empty without learning curves.
    """
    last = [p.history[-1] for p in predictions if p.history]
    names = sorted({name for record in last for name in record} - {"epoch"})
    return {name: float(np.mean([record[name] for record in last])) for name in names}


def predictions_csv(table: FeatureTable, classes: tuple[str, ...], predictions: list[Predictions]) -> bytes:
    """Return the table of predictions: one row per test recording and seed, ordered by seed, fold and path.

    Parameters
    ----------
    table : FeatureTable
        The features that were tested, with paths, speakers and labels.
    classes : tuple[str, ...]
        The emotions that the models distinguish.
    predictions : list[Predictions]
        Predictions of all folds and seeds.

    Returns
    -------
    bytes
        CSV, UTF-8. The probabilities are ``p_EMOTION``; those of speaker heads are ``s_EMOTION``.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    shares = [f"p_{name}" for name in classes]
    if any(p.second for p in predictions):
        shares += [f"s_{name}" for name in classes]
    writer.writerow(["path", "speaker", "sex", "corpus", "seed", "fold", "emotion", "predicted", *shares])
    for p in sorted(predictions, key=lambda found: found.seed):
        both = p.probabilities if p.second is None else np.hstack([p.probabilities, p.second.probabilities])
        for row, probabilities in sorted(zip(p.rows.tolist(), both.tolist(), strict=True)):
            predicted = classes[int(np.argmax(probabilities[: len(classes)]))]
            who = map(escape_cell, (table.paths[row], table.speakers[row], table.sexes[row], table.corpora[row]))
            labels = (p.seed, escape_cell(p.fold), table.emotions[row], predicted)
            writer.writerow([*who, *labels, *(f"{value:.6f}" for value in probabilities)])
    return text.getvalue().encode()


def speaker_heads(predictions: list[Predictions]) -> list[dict[str, Any]]:
    """Return what adaptation knows of the speaker head of each model.

    Parameters
    ----------
    predictions : list of Predictions
        Predictions of all folds and seeds.

    Returns
    -------
    list of dict
        ``seed``, ``fold``, ``class_probabilities`` and ``temperature`` (see
        `emosense.evaluation.voice_adaptation.VoiceAdaptation`) of each model that has a speaker head and was tested on
        a row.
    """
    return [
        {
            "seed": p.seed,
            "fold": p.fold,
            "class_probabilities": p.second.class_probabilities[0].round(_DIGITS).tolist(),
            "temperature": float(p.second.temperatures[0]),
        }
        for p in predictions
        if p.second is not None and len(p.rows)
    ]
