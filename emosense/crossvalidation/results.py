"""Predictions of an evaluation -> scores over seeds, the table of predictions, and the text that is shown."""

from __future__ import annotations

import csv
import dataclasses
import io
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emosense.evaluation.adapted import mean_adaptation
from emosense.evaluation.intervals import mean_and_sd
from emosense.evaluation.summary import summarise
from emosense.progress import plural
from emosense.tables.row import escape_cell
from emosense.training.feature_table import FeatureTable

Float64 = NDArray[np.float64]

SCORES: Final = ("uar", "accuracy", "macro_f1")


@dataclasses.dataclass(frozen=True, slots=True)
class Predictions:
    """Probabilities for the test rows of one fold and seed.

    Attributes
    ----------
    rows : ndarray, shape (n,)
        Rows of the feature table.
    probabilities : ndarray, shape (n, n_classes)
    history : list of dict
        Learning curves: what was known after every epoch.
    """

    seed: int
    fold: str
    rows: NDArray[np.int64]
    probabilities: Float64
    history: list[dict[str, Any]]
    temperature: float = 1.0


def over_seeds(table: FeatureTable, classes: tuple[str, ...], predictions: list[Predictions]) -> dict[str, Any]:
    """Summarise every seed, and the mean and standard deviation over the seeds."""
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


def last_epoch(predictions: list[Predictions]) -> dict[str, float]:
    """Mean over all fits of what the last epoch reached on training and test speakers."""
    last = [p.history[-1] for p in predictions if p.history]
    names = sorted({name for record in last for name in record} - {"epoch"})
    return {name: float(np.mean([record[name] for record in last])) for name in names}


def predictions_csv(table: FeatureTable, classes: tuple[str, ...], predictions: list[Predictions]) -> bytes:
    """One row a test recording, seed and fold, in order of seed, fold and path."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(
        ["path", "speaker", "sex", "seed", "fold", "emotion", "predicted", *(f"p_{name}" for name in classes)]
    )
    for p in sorted(predictions, key=lambda found: found.seed):
        for row, probabilities in sorted(zip(p.rows.tolist(), p.probabilities.tolist(), strict=True)):
            predicted = classes[int(np.argmax(probabilities))]
            who = map(escape_cell, (table.paths[row], table.speakers[row], table.sexes[row]))
            labels = (p.seed, escape_cell(p.fold), table.emotions[row], predicted)
            writer.writerow([*who, *labels, *(f"{value:.6f}" for value in probabilities)])
    return text.getvalue().encode()


def _adaptation(seeds: list[dict[str, Any]]) -> str:
    """Say what adapting to the speakers brings, the mean over the seeds."""
    reached = {name: f"{100 * scores['uar']['mean']:.1f} %" for name, scores in mean_adaptation(seeds).items()}
    return (
        f"{reached['all']} to all recordings of each speaker, {reached['ten']} to 10 mixed, "
        f"{reached['one']} to one, {reached['same']} to those of one emotion"
    )


def table_text(metrics: dict[str, Any]) -> str:
    """Return the scores as a readable table."""
    title = metrics.get("model") or f"{metrics['kind']} {metrics['preset']}"
    seeds, taken = metrics["seeds"], metrics.get("only_folds") or []
    protocol = metrics["protocol"] + (f", fold{'s' * (len(taken) > 1)} {' and '.join(taken)} alone" if taken else "")
    lines = [f"{title}, {protocol}: {plural(metrics['n'], 'recording')}, {plural(len(seeds), 'seed')}"]
    matrix = np.sum([seed["confusion"] for seed in seeds], axis=0)
    n_rows = matrix.sum(axis=1)
    n_tested = int((n_rows > 0).sum())
    if metrics.get("speaker_independent") is False:
        lines.append("a random split: the same speakers are in training and test, so this score does not transfer")
    for name, label in (("uar", "UAR"), ("accuracy", "accuracy"), ("macro_f1", "macro F1")):
        score, interval = metrics["scores"][name], seeds[0][name]["interval"]
        sd = "" if score["sd"] is None else f" ± {100 * score['sd']:.1f} over seeds"
        span = "" if interval is None else f"   95 % over speakers: {100 * interval[0]:.1f} to {100 * interval[1]:.1f}"
        among = f" over {n_tested} of {len(n_rows)} emotions" if name == "uar" and n_tested < len(n_rows) else ""
        lines.append(f"  {label:10}{100 * score['mean']:5.1f} %{among}{sd}{span}")
    by_fold = [seed["folds"]["uar"]["mean"] for seed in seeds if seed["folds"] and len(seed["folds"]["scores"]) > 1]
    if by_fold:
        lines.append(f"  {'by fold':10}{100 * np.mean(by_fold):5.1f} % UAR, the mean over the folds")
    if metrics["scores"]["ece"]["mean"] is not None:
        scaled = metrics["scores"]["ece_scaled"]["mean"]
        after = "" if scaled is None else f", {100 * scaled:.1f} % with a temperature of the other folds' speakers"
        lines.append(f"  {'ECE':10}{100 * metrics['scores']['ece']['mean']:5.1f} %{after}")
    lines.append(f"  UAR adapted (--speakers): {_adaptation(seeds)}")
    if "leak_gap" in metrics:
        lines.append(f"  leak gap  {100 * metrics['leak_gap']['gap']['uar']:+5.1f} points of UAR over folds by speaker")
    reached = metrics["last_epoch"]
    if "validation_accuracy" in reached:
        pair = (100 * reached[f"{part}_accuracy"] for part in ("train", "validation"))
        lines.append("  last epoch: {:.1f} % accuracy in training, {:.1f} % on the speakers left out".format(*pair))
    lines.append("")
    lines.append("  " + " " * 10 + "".join(f"{name:>11}" for name in metrics["classes"]) + "    recall")
    for name, counts in zip(metrics["classes"], matrix.tolist(), strict=True):
        recall = f"{100 * counts[metrics['classes'].index(name)] / sum(counts):9.1f}%" if sum(counts) else f"{'-':>10}"
        lines.append(f"  {name:10}" + "".join(f"{count:>11}" for count in counts) + recall)
    if "robustness" in metrics:
        lines += ["", *_robustness_lines(metrics["robustness"])]
    return "\n".join(lines)


def _robustness_lines(records: list[dict[str, Any]]) -> list[str]:
    """One line a disturbance, with the interval of its change where there are several speakers."""
    lines = [f"  {'disturbed':24}    UAR   change   95 % over speakers"]
    for record in records:
        n_lost, n_all = record["n_lost"], record["n"] + record["n_lost"]
        if record["uar"]["mean"] is None:
            lines.append(f"  {record['name']:24}none of {plural(n_all, 'recording')} can be labelled")
            continue
        interval = record["change"]["interval"]
        span = "" if interval is None else f"   {100 * interval[0]:+.1f} to {100 * interval[1]:+.1f}"
        span += f"   without {n_lost} of {plural(n_all, 'recording')}, which cannot be labelled" if n_lost else ""
        score = f"{100 * record['uar']['mean']:5.1f} %   {100 * record['change']['mean']:+5.1f}"
        lines.append(f"  {record['name']:24}{score}{span}")
    return lines
