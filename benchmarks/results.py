"""The tables of docs/results.md, from stored predictions: no audio, no model and no training is needed.

    python benchmarks/results.py store evaluation/cnn cnn-default     # keep an evaluation's predictions
    python benchmarks/results.py tables                               # write the tables again (`make results`)

`store` writes the predictions of a finished evaluation to docs/predictions/NAME.parquet: recording, speaker, corpus,
fold, seed, emotion, and the probabilities in millionths. `tables` writes every block of docs/results.md that begins
with ``<!-- results TABLE: NAME NAME ... -->`` and ends with ``<!-- end of results -->``; `TABLES` has their kinds.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from emosense.evaluation.adapted import mean_adaptation
from emosense.evaluation.by_corpus import ADAPTATIONS, corpus_scores, mean_corpus_scores
from emosense.evaluation.intervals import mean_and_sd
from emosense.evaluation.summary import summarise

ROOT: Final = Path(__file__).parents[1]
STORE: Final = ROOT / "docs" / "predictions"
PAGE: Final = ROOT / "docs" / "results.md"
_LABELS: Final = ("path", "speaker", "sex", "corpus", "fold", "emotion")
_KEPT: Final = ("kind", "preset", "model", "protocol", "classes", "only_folds", "emosense")
_SCALE: Final = 1_000_000
_KEY: Final = b"emosense_evaluation"
_BLOCK: Final = re.compile(r"(<!-- results (\w+): ([\w .-]+?) -->\n).*?(<!-- end of results -->)", re.DOTALL)


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
    for emotion in metrics["classes"]:
        shares = [round(float(row[f"p_{emotion}"]) * _SCALE) for row in rows]
        table[f"p_{emotion}"] = pa.array(shares, pa.int32())
    place.mkdir(parents=True, exist_ok=True)
    kept = pa.table(table).replace_schema_metadata({_KEY: json.dumps(about)})
    pq.write_table(kept, place / f"{name}.parquet", compression="zstd", compression_level=19)
    return place / f"{name}.parquet"


class Stored:
    """The predictions of an evaluation, scored again."""

    def __init__(self, name: str, place: Path = STORE) -> None:
        table = pq.read_table(place / f"{name}.parquet")
        self.about: dict[str, Any] = json.loads(table.schema.metadata[_KEY])
        self.classes = tuple(self.about["classes"])
        rows = {key: np.array(table[key].to_pylist()) for key in (*_LABELS, "seed")}
        shares = np.stack([table[f"p_{emotion}"].to_numpy() for emotion in self.classes], axis=1) / _SCALE
        shares /= shares.sum(axis=1, keepdims=True)
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
                seed=int(seed),
            )
            self.seeds.append(found)
            corpora, speakers = rows["corpus"][mine].tolist(), rows["speaker"][mine].tolist()
            taught = self.about["taught"] or dict.fromkeys(corpora, self.classes)
            self.by_corpus.append(corpus_scores(labels[mine], shares[mine], corpora, speakers, self.classes, taught))

    @property
    def title(self) -> str:
        """What was evaluated."""
        return str(self.about.get("model") or f"{self.about['kind']} {self.about['preset']}")

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
    heads = ["model", "corpus", "adapted to", "UAR, as written", "UAR, among its own", "ECE, as written"]
    rows = []
    for each in (Stored(name, place) for name in names):
        records = mean_corpus_scores(each.by_corpus)
        for adaptation, text in zip(ADAPTATIONS, ("nothing", "each speaker", "the corpus"), strict=True):
            figures = [[record[adaptation][name]["mean"] for name in ("uar", "uar_among", "ece")] for record in records]
            lines = [(record["corpus"], values) for record, values in zip(records, figures, strict=True)]
            if len(lines) > 1:
                known = [[value for value in column if value is not None] for column in zip(*figures, strict=True)]
                lines.append(("**mean**", [float(np.mean(column)) if column else None for column in known]))
            for corpus, values in lines:
                cells = ["-" if value is None else f"{100 * value:.1f}" for value in values]
                rows.append([each.title, corpus, text, *cells])
    return heads, rows


# Kinds of tables: each takes names of stored predictions and their folder, and gives heads and rows.
TABLES: Final[dict[str, Callable[[Sequence[str], Path], tuple[list[str], list[list[str]]]]]] = {
    "overview": _overview,
    "adaptation": _adaptation,
    "corpora": _corpora,
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
