"""Made tables of labels and evaluations, and the pages of their reports as a reader finds them."""

from __future__ import annotations

import dataclasses
import html.parser
import json
import math
import random
import re
import statistics
from collections.abc import Callable
from pathlib import Path

import numpy as np

from emosense.emotions import EMOTIONS
from emosense.errors import RecordingError
from emosense.evaluation.summary import summarise
from emosense.features.config import default_config
from emosense.features.sets import FEATURE_SETS
from emosense.inputs.recording import Recording
from emosense.inputs.utterance import Utterance
from emosense.reports import comparison_report, evaluation_report, label_report
from emosense.storage.cells import escape_cell
from emosense.tables.formats import OUTPUT_FORMATS, TableLayout
from emosense.tables.row import Row, error_row, labelled_row
from emosense.training.features.table_file import FeatureTableWriter

HOSTILE = (
    "calls/<script>alert(1)</script>/a\"b'&amp;.wav",
    "calls/a/new\nline\ttab.wav",
    "calls/a/\u202evaw.exe",
    "=cmd()/x.wav",
    "calls/שלום/עולם.wav",
    "calls/" + "long" * 60 + "/x.wav",
    "calls/日本語/" + "録音" * 40 + ".wav",
    "javascript:alert(1).wav",
    "calls/not-\udcff-utf8.wav",
)


NUMBER = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?")


class Page(html.parser.HTMLParser):
    """A page as a reader finds it: facts, tables, figures, and every element with its attributes."""

    VOID = ("meta", "br", "link", "img")

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.facts: dict[str, str] = {}
        self.tables: dict[str, list[list[str]]] = {}
        self.captions: dict[str, str] = {}
        self.texts: dict[str, list[str]] = {}
        self.figure = self.name = ""
        self.feed(self.source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {key: value or "" for key, value in attrs}
        self.elements.append((tag, values))
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "figure":
            self.figure = values["id"]
        if tag == "tr":
            self.tables[self.name].append([])
        if tag in ("th", "td"):
            self.tables[self.name][-1].append("")
        if tag == "text":
            self.texts.setdefault(f"{self.figure}{' axis' if 'minor' in values.get('class', '') else ''}", []).append(
                ""
            )
        self.fresh = tag

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"{tag} closes what is not open"
        if tag == "figure":
            self.figure = ""

    def handle_data(self, data: str) -> None:
        data = data.replace("\N{NO-BREAK SPACE}", " ")
        inner = self.open[-1] if self.open else ""
        if inner == "dt":
            self.name = data
        elif inner in ("dd", "small"):
            self.facts[self.name] = f"{self.facts.get(self.name, '')}|{data}".lstrip("|")
        elif inner == "caption":
            self.name = data
            self.tables[data] = []
        elif inner in ("th", "td"):
            self.tables[self.name][-1][-1] += data
        elif inner == "p" and "figcaption" in self.open:
            self.captions[self.figure] = data
        elif inner == "text":
            self.texts[f"{self.figure}{' axis' if self._is_axis() else ''}"][-1] += data

    def _is_axis(self) -> bool:
        return "minor" in [values for tag, values in self.elements if tag == "text"][-1].get("class", "")

    def all(self, tag: str) -> list[dict[str, str]]:
        return [values for name, values in self.elements if name == tag]

    def body(self, name: str) -> list[list[str]]:
        return self.tables[name][1:]


def made_rows(n: int = 60, seed: int = 0, names: tuple[str, ...] = ()) -> list[Row]:
    """Rows in order of path, as a run writes them: some partial, some errors."""
    rng = random.Random(seed)
    paths = sorted([f"calls/2024-{i % 3:02}/agent_{i % 7}/{i:05}.wav" for i in range(n)] + list(names))
    rows = []
    for number, path in enumerate(paths):
        if number % 11 == 5:
            rows.append(error_row(path, RecordingError(rng.choice(("empty", "undecodable")), "<b>no</b> audio & more")))
            continue
        weights = [rng.expovariate(1) ** 2 * (1 + (name == "calm")) for name in EMOTIONS]
        duration_s = rng.lognormvariate(2, 1)
        is_partial = number % 13 == 7
        decoded_s = duration_s / 2 if is_partial else duration_s
        rows.append(
            labelled_row(path, [w / sum(weights) for w in weights], duration_s, decoded_s, is_partial=is_partial)
        )
    return rows


PLAIN = TableLayout()


def write_table(path: Path, rows: list[Row], layout: TableLayout = PLAIN) -> str:
    with OUTPUT_FORMATS[path.suffix[1:]].open(str(path), layout) as write:
        write(rows)
    return str(path)


def manifest_of(rows: list[Row], **changes: object) -> dict[str, object]:
    return {
        "finished": "2026-11-24T15:18:10+00:00",
        "inputs": ["calls"],
        "model": {"name": "tiny", "sha256": "ab" * 32},
        "parameters": {"window_s": 0.0},
        "versions": {"emosense": "0.1.0", "python": "3.11.7", "platform": "linux"},
        "engine": "local",
        "counts": {"recordings": len(rows), "reused": 0, "ignored": {"txt": 3}},
        "elapsed_s": 12.5,
        "exit_code": 3,
    } | changes


def labels_page(tmp_path: Path, rows: list[Row], manifest: dict[str, object] | None = None) -> Page:
    table = write_table(tmp_path / "labels.csv", rows)
    location = None
    if manifest is not None:
        location = f"{table}.run.json"
        Path(location).write_text(json.dumps(manifest))
    label_report(table, location, str(tmp_path / "labels.html"))
    return Page(tmp_path / "labels.html")


def share(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f} %"


def time_text(value_s: float) -> str:
    """The written form of a duration below an hour, as docs/reports.md describes it."""
    if value_s < 60:
        return f"{value_s:.2f} s"
    assert value_s < 3599
    return f"{round(value_s) // 60} min {round(value_s) % 60:02} s"


@dataclasses.dataclass
class Made:
    """A made evaluation: where it lies, and its rows as the test knows them."""

    folder: Path
    classes: tuple[str, ...]
    truth: np.ndarray
    shares: np.ndarray
    speakers: list[str]
    sexes: list[str]
    seeds: np.ndarray

    @property
    def predicted(self) -> np.ndarray:
        return self.shares.argmax(axis=1)

    @property
    def n_errors(self) -> int:
        return int((self.predicted != self.truth).sum())


def made_evaluation(
    folder: Path,
    classes: tuple[str, ...] = EMOTIONS,
    *,
    skill: float = 1.2,
    n_seeds: int = 2,
    n_actors: int = 8,
    seed: int = 0,
    with_curves: bool = True,
    actor_name: Callable[[int], str] = "{:02}".format,
    **about: object,
) -> Made:
    """Write what `emosense-batch evaluate` writes, of a classifier with a given skill."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    plan = [(actor, place, k) for actor in range(1, n_actors + 1) for place in range(len(classes)) for k in range(4)]
    lines = [",".join(["path", "speaker", "sex", "seed", "fold", "emotion", "predicted", *(f"p_{c}" for c in classes)])]
    parts, seeds, curves = [], [], []
    for number in range(n_seeds):
        truth = np.array([place for _, place, _ in plan])
        logits = rng.normal(size=(len(plan), len(classes)))
        logits[np.arange(len(plan)), truth] += skill * np.where(truth == 1, 2.0, 1.0)
        shares = np.exp(2 * logits)
        shares = np.round(shares / shares.sum(axis=1, keepdims=True), 6)
        speakers, sexes = [actor_name(a) for a, _, _ in plan], ["female" if a % 2 == 0 else "male" for a, _, _ in plan]
        parts.append((truth, shares, speakers, sexes, np.full(len(plan), number)))
        folds = [f"fold{1 + actor % 2}" for actor, _, _ in plan]
        seeds.append(summarise(truth, shares, speakers, emotions=classes, folds=folds, groups={"sex": sexes},
                               n_resamples=200, seed=number))  # fmt: skip
        for (actor, place, k), row, speaker, sex, fold in zip(plan, shares, speakers, sexes, folds, strict=True):
            path = escape_cell(f"-wav/{actor:02}/{place}-{k}.wav")
            labels = [path, speaker, sex, str(number), fold, classes[place], classes[int(row.argmax())]]
            lines.append(",".join(labels + [f"{value:.6f}" for value in row]))
        curves += [{"seed": number, "fold": fold, "epochs": made_history(number + len(fold), 12 + 3 * place)}
                   for place, fold in enumerate(("fold1", "fold2"))]  # fmt: skip
    scores = {}
    for name in ("uar", "accuracy", "macro_f1", "ece", "confidence_auroc"):
        values = [s[name]["value"] if isinstance(s[name], dict) else s[name] for s in seeds]
        scores[name] = {"mean": statistics.fmean(values), "sd": statistics.stdev(values) if n_seeds > 1 else None}
    actors = range(1, n_actors + 1)
    splits = [
        {
            "seed": s,
            "fold": f"fold{f}",
            "train_speakers": [],
            "test_speakers": [actor_name(a) for a in actors if 1 + a % 2 == f],
        }
        for s in range(n_seeds)
        for f in (1, 2)
    ]
    content = {
        "kind": "cnn", "preset": "default", "protocol": "lj5", "protocol_description": "By actor.", "data": "wav",
        "speaker_independent": True, "n_seeds": n_seeds, "splits": splits, "classes": list(classes), "n": len(plan),
        "scores": scores, "seeds": seeds, "emosense": "0.1.0",
    } | about  # fmt: skip
    (folder / "metrics.json").write_text(json.dumps(content))
    (folder / "curves.json").write_text(json.dumps(curves if with_curves else []))
    (folder / "predictions.csv").write_text("\r\n".join(lines) + "\r\n", newline="")
    joined = [np.concatenate([part[place] for part in parts]) for place in (0, 1, 4)]
    return Made(folder, classes, joined[0], joined[1], parts[0][2] * n_seeds, parts[0][3] * n_seeds, joined[2])


def made_history(seed: int, n_epochs: int) -> list[dict[str, float]]:
    rng = np.random.default_rng(seed)
    return [
        {
            "epoch": epoch,
            "train_loss": 2 * math.exp(-epoch / 5),
            "train_accuracy": 1 - math.exp(-epoch / 5) * 0.9,
            "validation_loss": 1.2 + (epoch - 6) ** 2 / 50 + 0.01 * float(rng.random()),
            "validation_accuracy": 0.4 + 0.02 * float(rng.random()),
        }
        for epoch in range(1, n_epochs + 1)
    ]


def evaluation_page(made: Made, feature_table: str | None = None) -> Page:
    output = made.folder / "report.html"
    evaluation_report(str(made.folder), str(output), feature_table)
    return Page(output)


def over_seeds(made: Made, score: Callable[[np.ndarray, np.ndarray], float]) -> list[float]:
    """A score of truth and probabilities, seed by seed."""
    return [score(made.truth[made.seeds == seed], made.shares[made.seeds == seed]) for seed in np.unique(made.seeds)]


def spread(values: list[float]) -> str:
    return f"{100 * statistics.fmean(values):.1f} % ± {100 * statistics.stdev(values):.1f}"


def most_certain_half(truth: np.ndarray, shares: np.ndarray) -> float:
    order = np.argsort(-shares.max(axis=1), kind="stable")[: len(truth) // 2]
    return float((shares.argmax(axis=1) == truth)[order].mean())


def made_robustness(made: Made) -> list[dict[str, object]]:
    """Records of `emosense-batch evaluate --robustness`, from harmless to ruinous."""
    clean = json.loads((made.folder / "metrics.json").read_text())["scores"]["uar"]["mean"]
    changes = [
        ("gain -30 dB", 0.0),
        ("MP3, 64 kbit/s", 0.004),
        ("2 s of quiet room", -0.02),
        ("telephone band", -0.1),
    ]
    return [
        {
            "name": name,
            "description": f"what {name} <is>, at some length",
            "n": 256,
            "uar": {"mean": clean + change, "sd": 0.012},
            "change": {"mean": change, "sd": 0.003, "interval": [change - 0.01, change + 0.01]},
        }
        for name, change in changes
    ]


def feature_table(path: Path, shift: float, n: int = 400, *, is_skewed: bool = False) -> str:
    """Noise, except for one feature whose mean is `shift` standard deviations higher in angry than in calm speech.

    Where it is skewed, this feature is log-normal.
    """
    rng = np.random.default_rng(0)
    config = default_config("summary")
    width = len(FEATURE_SETS[config.set].names(config))
    utterances, results = [], []
    for number in range(2 * n):
        emotion = ("calm", "angry")[number % 2]
        values = rng.normal(size=width).astype(np.float32)
        values[7] += shift * (number % 2)
        if is_skewed:
            values[7] = np.exp(values[7])
        utterances.append(Utterance(Recording(f"{number}.wav", f"/{number}.wav", 1, "1"), emotion, "01", "male"))
        results.append({"error_code": "", "error": "", "n_frames": 0, "features": values})
    with path.open("wb") as file:
        writer = FeatureTableWriter(file, config)
        writer.write(utterances, results)
        writer.close()
    return str(path)


def comparison_page(a: Made, b: Made) -> Page:
    output = a.folder / "comparison.html"
    comparison_report([str(a.folder), str(b.folder)], str(output))
    return Page(output)
