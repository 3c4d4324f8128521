"""The tables of docs/results.md, from stored predictions: no audio, no model and no training is needed.

    python benchmarks/results.py store evaluation/cnn cnn-lj5         # keep an evaluation's predictions
    python benchmarks/results.py tables                               # write the tables again (`make results`)

`store` writes the predictions of a finished evaluation to docs/predictions/NAME.parquet: recording, speaker, corpus,
fold, seed, emotion, and the probabilities of each head in millionths. `tables` writes every block of docs/results.md
that begins with ``<!-- results TABLE: NAME NAME ... -->`` and ends with ``<!-- end of results -->``; `TABLES` has
their kinds. ``NAME+NAME`` is the ensemble of two evaluations of the same recordings: the normalised geometric mean of
their probabilities.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from emosense.arrays import Float64
from emosense.evaluation.adapted import mean_adaptation
from emosense.evaluation.by_corpus import ADAPTATIONS, as_written, corpus_scores, mean_corpus_scores
from emosense.evaluation.calibration import apply_temperature, fit_temperature
from emosense.evaluation.intervals import mean_and_sd
from emosense.evaluation.metrics import confusion_matrix, uar
from emosense.evaluation.speaker_adaptation import normalised
from emosense.evaluation.speaker_predictions import SpeakerPredictions, adapted_together
from emosense.evaluation.summary import summarise

ROOT: Final = Path(__file__).parents[1]
STORE: Final = ROOT / "docs" / "predictions"
PAGE: Final = ROOT / "docs" / "results.md"
_LABELS: Final = ("path", "speaker", "sex", "corpus", "fold", "emotion")
_KEPT: Final = ("kind", "preset", "model", "protocol", "classes", "only_folds", "emosense", "speaker_heads")
# Prefixes of the probabilities of a model's head and of its speaker head.
_HEADS: Final = ("p", "s")
_SCALE: Final = 1_000_000
# What stands in place of a corpus in the row of means.
_MEAN: Final = "**mean**"
_KEY: Final = b"emosense_evaluation"
_BLOCK: Final = re.compile(r"(<!-- results (\w+): ([\w .+-]+?) -->\n).*?(<!-- end of results -->)", re.DOTALL)


def store(folder: Path, name: str, place: Path = STORE) -> Path:
    """Keep the predictions of a finished evaluation; return the file."""
    metrics = json.loads((folder / "metrics.json").read_text())
    with open(folder / "predictions.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    about = {key: metrics[key] for key in _KEPT if key in metrics}
    about["taught"] = {record["corpus"]: record["among"] for record in metrics.get("corpora", ())}
    columns: dict[str, Any] = {key: [row.get(key, "") for row in rows] for key in _LABELS}
    # Where the recordings lay is nobody's business: folder and name tell them apart.
    columns["path"] = ["/".join(path.split("/")[-2:]) for path in columns["path"]]
    table = {key: pa.array(values).dictionary_encode() for key, values in columns.items()}
    table["seed"] = pa.array([int(row["seed"]) for row in rows], pa.int16())
    for head in _HEADS[: 1 + bool(metrics.get("speaker_heads"))]:
        for emotion in metrics["classes"]:
            shares = [round(float(row[f"{head}_{emotion}"]) * _SCALE) for row in rows]
            table[f"{head}_{emotion}"] = pa.array(shares, pa.int32())
    place.mkdir(parents=True, exist_ok=True)
    kept = pa.table(table).replace_schema_metadata({_KEY: json.dumps(about)})
    pq.write_table(kept, place / f"{name}.parquet", compression="zstd", compression_level=19)
    return place / f"{name}.parquet"


def _predictions(name: str, place: Path) -> pa.Table:
    """The stored predictions of an evaluation, or of an ensemble of several, by the model's own heads."""
    first, *others = tables = [pq.read_table(place / f"{each}.parquet") for each in name.split("+")]
    if not others:
        return first
    known = [json.loads(table.schema.metadata[_KEY]) for table in tables]
    asked = [list(zip(*(table[key].to_pylist() for key in ("path", "seed", "fold")), strict=True)) for table in tables]
    if any(set(each) != set(asked[0]) for each in asked):
        raise ValueError(f"{name}: an ensemble needs predictions for the same recordings, folds and seeds")
    tables = [
        table.take(sorted(range(len(rows)), key=rows.__getitem__)) for table, rows in zip(tables, asked, strict=True)
    ]
    columns = [f"p_{emotion}" for emotion in known[0]["classes"]]
    shares = [np.stack([np.maximum(table[key].to_numpy(), 1) for key in columns], axis=1) for table in tables]
    mean = np.exp(np.mean(np.log(shares), axis=0))
    mean *= _SCALE / mean.sum(axis=1, keepdims=True)
    joined = tables[0].select([*_LABELS, "seed"])
    for key, values in zip(columns, mean.T, strict=True):
        joined = joined.append_column(key, pa.array(values))
    about = {key: value for key, value in known[0].items() if key != "speaker_heads"}
    about["model"] = " + ".join(map(_title, known))
    return joined.replace_schema_metadata({_KEY: json.dumps(about)})


def _title(about: dict[str, Any]) -> str:
    """What was evaluated."""
    return str(about.get("model") or f"{about['kind']} {about['preset']}")


class Stored:
    """The predictions of an evaluation, scored again."""

    def __init__(self, name: str, place: Path = STORE) -> None:
        table = _predictions(name, place)
        self.about: dict[str, Any] = json.loads(table.schema.metadata[_KEY])
        self.classes = tuple(self.about["classes"])
        rows = {key: np.array(table[key].to_pylist()) for key in (*_LABELS, "seed")}
        self.rows, shares = rows, self._probabilities(table, "p")
        second = self._second(table)
        labels = np.array([self.classes.index(emotion) for emotion in rows["emotion"]])
        self.seeds, self.by_corpus = [], []
        for seed in np.unique(rows["seed"]):
            mine = rows["seed"] == seed
            found = summarise(
                labels[mine],
                shares[mine],
                rows["speaker"][mine].tolist(),
                emotions=self.classes,
                folds=rows["fold"][mine].tolist(),
                groups={"sex": rows["sex"][mine].tolist()},
                second=second and second.select(mine),
                seed=int(seed),
            )
            self.seeds.append(found)
            corpora, speakers = rows["corpus"][mine].tolist(), rows["speaker"][mine].tolist()
            taught = self.about["taught"] or dict.fromkeys(corpora, self.classes)
            other = second and second.select(mine)
            self.by_corpus.append(
                corpus_scores(labels[mine], shares[mine], corpora, speakers, self.classes, taught, other)
            )
        self.labels, self.shares, self.second = labels, shares, second

    def _probabilities(self, table: pa.Table, head: str) -> Float64:
        shares = np.stack([table[f"{head}_{emotion}"].to_numpy() for emotion in self.classes], axis=1) / _SCALE
        return np.asarray(shares / shares.sum(axis=1, keepdims=True))

    def _second(self, table: pa.Table) -> SpeakerPredictions | None:
        """What the speaker heads predicted, if the models had them."""
        heads = self.about.get("speaker_heads")
        if not heads:
            return None
        known = {(head["seed"], head["fold"]): head for head in heads}
        of_rows = [known[key] for key in zip(self.rows["seed"].tolist(), self.rows["fold"].tolist(), strict=True)]
        of_classes, temperatures = (
            np.array([head[name] for head in of_rows], np.float64) for name in ("class_probabilities", "temperature")
        )
        return SpeakerPredictions(self._probabilities(table, "s"), of_classes, temperatures)

    @property
    def title(self) -> str:
        """What was evaluated."""
        return _title(self.about)

    def score(self, name: str) -> str:
        """A score with its deviation over the seeds, in per cent."""
        values = [seed[name]["value"] if isinstance(seed[name], dict) else seed[name] for seed in self.seeds]
        return spread([value for value in values if value is not None])


def spread(values: Sequence[float]) -> str:
    """Mean and standard deviation in per cent; a dash without values."""
    if not values:
        return "-"
    mean, sd = mean_and_sd(values)
    return f"{100 * mean:.1f}" + ("" if sd is None else f" ± {100 * sd:.1f}")


def _overview(names: Sequence[str], place: Path) -> tuple[list[str], list[list[str]]]:
    """Model, protocol and scores."""
    heads = ["model", "protocol", "emotions", "UAR", "95 % over speakers", "accuracy", "ECE", "ECE, scaled"]
    rows = []
    for each in (Stored(name, place) for name in names):
        interval = each.seeds[0]["uar"]["interval"]
        span = "-" if interval is None else f"{100 * interval[0]:.1f} to {100 * interval[1]:.1f}"
        scores = [each.score(name) for name in ("uar", "accuracy", "ece", "ece_scaled")]
        rows.append([each.title, each.about["protocol"], str(len(each.classes)), scores[0], span, *scores[1:]])
    return heads, rows


def _adaptation(names: Sequence[str], place: Path) -> tuple[list[str], list[list[str]]]:
    """UAR after adaptation to groups of a speaker's recordings."""
    heads = ["model", "not adapted", "one recording", "at most 10, mixed", "all of a speaker", "those of one emotion"]
    rows = []
    for each in (Stored(name, place) for name in names):
        reached = mean_adaptation(each.seeds)
        figures = []
        for grouping in ("none", "one", "ten", "all", "same"):
            score = reached[grouping]["uar"]
            figures.append(f"{100 * score['mean']:.1f}" + (f" ± {100 * score['sd']:.1f}" if score["sd"] else ""))
        rows.append([each.title, *figures])
    return heads, rows


def _corpora(names: Sequence[str], place: Path) -> tuple[list[str], list[list[str]]]:
    """Scores of each corpus, and their means."""
    heads = [
        "model",
        "corpus",
        "adapted to",
        "UAR, as written",
        "UAR, among its own",
        "ECE, as written",
        "ECE, calibrated",
    ]
    rows = []
    for each in (Stored(name, place) for name in names):
        records = mean_corpus_scores(each.by_corpus)
        calibrated = {record["corpus"]: _calibrated_ece(each, record["corpus"]) for record in records}
        for adaptation, text in zip(ADAPTATIONS, ("nothing", "each speaker", "the corpus"), strict=True):
            figures = [
                [
                    *(record[adaptation][name]["mean"] for name in ("uar", "uar_among", "ece")),
                    calibrated[record["corpus"]].get(adaptation),
                ]
                for record in records
            ]
            lines = [(record["corpus"], values) for record, values in zip(records, figures, strict=True)]
            if len(lines) > 1:
                known = [[value for value in column if value is not None] for column in zip(*figures, strict=True)]
                lines.append((_MEAN, [float(np.mean(column)) if column else None for column in known]))
            for corpus, values in lines:
                cells = ["-" if value is None else f"{100 * value:.1f}" for value in values]
                rows.append([each.title, corpus, text, *cells])
    return heads, rows


def _means(names: Sequence[str], place: Path) -> tuple[list[str], list[list[str]]]:
    """Means over the corpora, each left out."""
    heads, rows = _corpora(names, place)
    return [heads[0], *heads[2:]], [[row[0], *row[2:]] for row in rows if row[1] == _MEAN]


def _calibrated_ece(each: Stored, corpus: str) -> dict[str, float]:
    """ECE of one corpus, first seed, with the temperature of the predictions for the others; empty without others."""
    first, mine = each.rows["seed"] == each.rows["seed"].min(), each.rows["corpus"] == corpus
    others, rows = first & ~mine, np.flatnonzero(first & mine)
    if not others.any():
        return {}
    written = as_written(each.shares[others], each.labels[others], each.rows["corpus"][others].tolist(), each.classes)
    temperature = fit_temperature(written, each.labels[others])
    shares = apply_temperature(each.shares[rows], temperature)
    second = each.second and each.second.select(rows).scaled(temperature)
    corpora, speakers = [corpus] * len(rows), each.rows["speaker"][rows].tolist()
    taught = {corpus: each.about["taught"].get(corpus, each.classes)}
    (scores,) = corpus_scores(each.labels[rows], shares, corpora, speakers, each.classes, taught, second)
    return {adaptation: scores[adaptation]["ece"] for adaptation in ADAPTATIONS}


# Recordings of a speaker that are adapted together: at most so many, mixed; or all of so many emotions.
_GROUPINGS: Final = {
    "1 recording": (1, None), "3": (3, None), "10": (10, None), "60": (60, None), "all": (10**6, None),
    "4 emotions": (10**6, 4), "3 emotions": (10**6, 3), "2 emotions": (10**6, 2), "1 emotion": (10**6, 1),
}  # fmt: skip


def _groups(labels: np.ndarray, speakers: np.ndarray, n_most: int, n_emotions: int | None) -> Iterator[np.ndarray]:
    """Rows that are adapted together."""
    rng = np.random.default_rng(0)
    for speaker in np.unique(speakers):
        rows = rng.permutation(np.flatnonzero(speakers == speaker))
        emotions = rng.permutation(np.unique(labels[rows]))
        step = n_emotions or len(emotions)
        for start in range(0, len(emotions), step):
            chosen = rows[np.isin(labels[rows], emotions[start : start + step])]
            yield from (chosen[first : first + n_most] for first in range(0, len(chosen), n_most))


def _voices(names: Sequence[str], place: Path) -> tuple[list[str], list[list[str]]]:
    """UAR by the recordings and the emotions that a speaker has: mean over corpora, each among its own emotions."""
    heads, rows = ["model", "protocol", "adapted by", "not adapted", *_GROUPINGS], []
    for each in (Stored(name, place) for name in names):
        for method, second in (("normalised scores", None), ("the speaker head", each.second)):
            if method == "the speaker head" and second is None:
                continue
            reached: dict[str, list[float]] = {name: [] for name in ("alone", *_GROUPINGS)}
            for corpus in np.unique(each.rows["corpus"]):
                for name, score in _voice_scores(each, str(corpus), second).items():
                    reached[name].append(score)
            figures = [f"{100 * np.mean(values):.1f}" for values in reached.values()]
            rows.append([each.title, each.about["protocol"], method, *figures])
    return heads, rows


def _voice_scores(each: Stored, corpus: str, second: SpeakerPredictions | None) -> dict[str, float]:
    """UAR of the recordings of one corpus, first seed, among its emotions that training taught."""
    taught = each.about["taught"].get(corpus, each.classes)
    columns = [place for place, name in enumerate(each.classes) if name in taught]
    first = each.rows["seed"] == each.rows["seed"].min()
    asked = np.flatnonzero((each.rows["corpus"] == corpus) & first & np.isin(each.labels, columns))
    labels, speakers = np.searchsorted(columns, each.labels[asked]), each.rows["speaker"][asked]
    shares, other = normalised(each.shares[asked][:, columns]), second and second.select(asked).among(columns)
    scores = {"alone": _uar(labels, shares)}
    for name, (n_most, n_emotions) in _GROUPINGS.items():
        adapted = shares.copy()
        for rows in _groups(labels, speakers, n_most, n_emotions):
            adapted[rows] = adapted_together(shares[rows], other and other.select(rows))
        scores[name] = _uar(labels, adapted)
    return scores


def _uar(labels: np.ndarray, shares: np.ndarray) -> float:
    return float(uar(confusion_matrix(labels, shares.argmax(axis=1), shares.shape[1])))


# Kinds of tables: each takes names of stored predictions and their folder, and gives heads and rows.
TABLES: Final[dict[str, Callable[[Sequence[str], Path], tuple[list[str], list[list[str]]]]]] = {
    "overview": _overview,
    "adaptation": _adaptation,
    "corpora": _corpora,
    "means": _means,
    "voices": _voices,
}


def rebuilt(text: str, place: Path = STORE) -> str:
    """Return a page with every block of results made from the stored predictions."""

    def block(match: re.Match[str]) -> str:
        heads, rows = TABLES[match[2]](match[3].split(), place)
        n_texts = next(i for i, head in enumerate(heads) if head in ("emotions", "not adapted", "UAR, as written"))
        rule = ["---" if i < n_texts else "--:" for i in range(len(heads))]
        lines = [f"| {' | '.join(cells)} |" for cells in (heads, *rows)]
        return match[1] + "\n".join([lines[0], f"|{'|'.join(rule)}|", *lines[1:]]) + "\n" + match[4]

    return _BLOCK.sub(block, text)


def main() -> None:
    """Store an evaluation, or write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    storing = commands.add_parser("store", help="keep the predictions of an evaluation")
    storing.add_argument("evaluation", type=Path, help="output folder of emosense-batch evaluate")
    storing.add_argument("name", help="name of the stored predictions")
    commands.add_parser("tables", help="write the tables of docs/results.md")
    options = parser.parse_args()
    if options.command == "store":
        file = store(options.evaluation, options.name)
        print(f"{file}: {file.stat().st_size / 1000:.0f} kB")
    else:
        PAGE.write_text(rebuilt(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
