"""The scores of an evaluation -> the text on the terminal."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from emosense.evaluation.adapted import emotions_text, mean_adaptation
from emosense.evaluation.by_corpus import SCORES
from emosense.evaluation.chosen import CALIBRATED
from emosense.progress import plural


def _adaptation(seeds: list[dict[str, Any]]) -> str:
    """Write the UAR after speaker adaptation, the mean over the seeds."""
    reached = {name: f"{100 * scores['uar']['mean']:.1f} %" for name, scores in mean_adaptation(seeds).items()}
    return (
        f"{reached['all']} to all recordings of each speaker, {reached['ten']} to 10 mixed, "
        f"{reached['one']} to one, {reached['same']} to those of one emotion"
    )


def table_text(metrics: dict[str, Any]) -> str:
    """Return the scores as a readable table.

    Parameters
    ----------
    metrics : dict[str, Any]
        Content of ``metrics.json``.

    Returns
    -------
    str
        Several lines.
    """
    lines = [*_title_lines(metrics), *_score_lines(metrics), *_confidence_lines(metrics["seeds"], metrics["scores"])]
    lines.append(f"  UAR adapted (--speakers): {_adaptation(metrics['seeds'])}{emotions_text(metrics['seeds'][0])}")
    if "leak_gap" in metrics:
        lines.append(f"  leak gap  {100 * metrics['leak_gap']['gap']['uar']:+5.1f} points of UAR over folds by speaker")
    reached = metrics["last_epoch"]
    if "validation_accuracy" in reached:
        pair = (100 * reached[f"{part}_accuracy"] for part in ("train", "validation"))
        lines.append("  last epoch: {:.1f} % accuracy in training, {:.1f} % on the test speakers".format(*pair))
    lines += ["", *_confusion_lines(metrics["classes"], _confusion(metrics))]
    if len(metrics.get("corpora", ())) > 1 or metrics["protocol"] == "given model":
        lines += ["", *_corpus_lines(metrics["corpora"])]
    if "robustness" in metrics:
        lines += ["", *_robustness_lines(metrics["robustness"])]
    return "\n".join(lines)


def _confusion(metrics: dict[str, Any]) -> NDArray[np.int64]:
    """Add up the confusion matrices of all seeds: truth in rows, prediction in columns."""
    return np.asarray(np.sum([seed["confusion"] for seed in metrics["seeds"]], axis=0))


def _title_lines(metrics: dict[str, Any]) -> list[str]:
    """Write what was evaluated, and how."""
    title = metrics.get("model") or f"{metrics['kind']} {metrics['preset']}"
    seeds, selected = metrics["seeds"], metrics.get("only_folds") or []
    protocol = metrics["protocol"] + (
        f", only fold{'s' * (len(selected) > 1)} {' and '.join(selected)}" if selected else ""
    )
    lines = [f"{title}, {protocol}: {plural(metrics['n'], 'recording')}, {plural(len(seeds), 'seed')}"]
    if metrics.get("speaker_independent") is False:
        lines.append(
            "a random split: the same speakers are in training and test, so the score does not hold for new speakers"
        )
    return lines


def _score_lines(metrics: dict[str, Any]) -> list[str]:
    """Write one line per score, with its deviation and interval, and the mean over the folds."""
    seeds, n_rows = metrics["seeds"], _confusion(metrics).sum(axis=1)
    n_tested = int((n_rows > 0).sum())
    lines = []
    for name, label in (("uar", "UAR"), ("accuracy", "accuracy"), ("macro_f1", "macro F1")):
        score, interval = metrics["scores"][name], seeds[0][name]["interval"]
        sd = "" if score["sd"] is None else f" ± {100 * score['sd']:.1f} over seeds"
        span = "" if interval is None else f"   95 % over speakers: {100 * interval[0]:.1f} to {100 * interval[1]:.1f}"
        among = f" over {n_tested} of {len(n_rows)} emotions" if name == "uar" and n_tested < len(n_rows) else ""
        lines.append(f"  {label:10}{100 * score['mean']:5.1f} %{among}{sd}{span}")
    by_fold = [seed["folds"]["uar"]["mean"] for seed in seeds if seed["folds"] and len(seed["folds"]["scores"]) > 1]
    if by_fold:
        lines.append(f"  {'by fold':10}{100 * np.mean(by_fold):5.1f} % UAR, the mean over the folds")
    return lines


def _confidence_lines(seeds: list[dict[str, Any]], scores: dict[str, Any]) -> list[str]:
    """Write the calibration errors over all emotions, and among some of them."""
    lines = []
    if scores["ece"]["mean"] is not None:
        scaled = scores["ece_scaled"]["mean"]
        after = "" if scaled is None else f", {100 * scaled:.1f} % after temperature scaling on the other folds"
        lines.append(f"  {'ECE':10}{100 * scores['ece']['mean']:5.1f} %{after}")
    chosen = [seed["chosen"] for seed in seeds if seed.get("chosen")]
    if chosen:
        mean, calibrated, attainable = (
            100 * np.mean([figures[name] for figures in chosen]) for name in ("mean", "calibrated", "attainable")
        )
        lines.append(
            f"  ECE among some emotions (--emotions): {mean:.1f} %, the mean over {chosen[0]['n_choices']} choices; "
            f"at most {100 * CALIBRATED:g} % for {calibrated:.0f} % of them (true probabilities: {attainable:.0f} %)"
        )
    return lines


def _confusion_lines(classes: list[str], confusion: NDArray[np.int64]) -> list[str]:
    """Write the confusion matrix, with the recall of each class."""
    lines = ["  " + " " * 10 + "".join(f"{name:>11}" for name in classes) + "    recall"]
    for place, (name, counts) in enumerate(zip(classes, confusion.tolist(), strict=True)):
        recall = f"{100 * counts[place] / sum(counts):9.1f}%" if sum(counts) else f"{'-':>10}"
        lines.append(f"  {name:10}" + "".join(f"{count:>11}" for count in counts) + recall)
    return lines


def _corpus_lines(records: list[dict[str, Any]]) -> list[str]:
    """Write one line per corpus and adaptation, and the means over the corpora if there are several."""
    lines = [f"  {'corpus':12} {'adapted to':12} UAR, as written   UAR, among its own   ECE, as written"]
    for adaptation, text in (("none", "nothing"), ("speaker", "each speaker"), ("folder", "the corpus")):
        rows = [(record["corpus"] or "unnamed", record[adaptation]) for record in records]
        if len(rows) > 1:
            rows.append(("mean", {name: {"mean": _mean(records, adaptation, name)} for name in SCORES}))
        for corpus, scores in rows:
            figures = [_percent(scores[name]["mean"]) for name in ("uar", "uar_among", "ece")]
            lines.append(f"  {corpus:12} {text:12} {figures[0]:>15}{figures[1]:>21}{figures[2]:>18}")
    return lines


def _mean(records: list[dict[str, Any]], adaptation: str, name: str) -> float | None:
    """Average a score over the corpora that have it."""
    values = [record[adaptation][name]["mean"] for record in records if record[adaptation][name]["mean"] is not None]
    return float(np.mean(values)) if values else None


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


def _robustness_lines(records: list[dict[str, Any]]) -> list[str]:
    """Write one line per disturbance, with the interval of its change if there are several speakers."""
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
