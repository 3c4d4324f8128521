"""The figures with which the shipped models can be compared, from stored predictions: `make results` runs this.

It writes `emosense/models/compared.json`, which `emosense-batch models list` and `models show` print, and the same
figures into README.md and into the card of each model.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

import numpy as np
from results import ROOT, Stored

from emosense.evaluation.by_corpus import mean_corpus_scores
from emosense.models.compared import COMPARED_FILE, HEADS, MEANING, score_cells
from emosense.models.model_files import shipped_models

# Stored predictions of each shipped model: on RAVDESS (lj5), and on corpora that it was not trained on.
PREDICTIONS: Final[dict[str, tuple[str | None, str]]] = {
    "default": ("transfer-lj5", "transfer-loco"),
    "accurate": ("transfer-base-lj5", "transfer-base-loco"),
    "fast": (None, "fast-elsewhere"),
}
# The predictions of the cross-validation of `fast` are not stored: six seeds, evaluated with the command that
# docs/results.md has beside "CNN default", at two tempos, which makes no difference. `model.json` has the scores; the
# one with --speakers is its `adaptation`.
FAST_ADAPTED: Final = 0.751
HOME: Final = "ravdess"
_BLOCK: Final = re.compile(r"(<!-- shipped models -->\n).*?(<!-- end of shipped models -->)", re.DOTALL)


def home_scores(model: str) -> dict[str, Any]:
    """Scores of a model on actors of RAVDESS that it was not trained on."""
    name, _ = PREDICTIONS[model]
    about = {"protocol": "lj5", "corpora": [HOME], "n_emotions": 8}
    if name is None:
        description = json.loads(Path(shipped_models()[model], "model.json").read_text(encoding="utf-8"))
        (score,) = [score for score in description["scores"] if score["protocol"] == "lj5"]
        kept = {key: score[key] for key in ("uar", "uar_sd", "uar_interval")}
        return about | kept | {"uar_adapted": FAST_ADAPTED}
    (seed,) = Stored(name).seeds
    adapted = seed["adaptation"]["all"]["uar"]
    return about | {
        "uar": seed["uar"]["value"], "uar_sd": None, "uar_interval": seed["uar"]["interval"], "uar_adapted": adapted
    }  # fmt: skip


def elsewhere_scores(model: str) -> dict[str, Any]:
    """Means of a model's scores over the corpora that it was not trained on, each among its own emotions."""
    stored = Stored(PREDICTIONS[model][1])
    records = [record for record in mean_corpus_scores(stored.by_corpus) if record["corpus"] != HOME]
    plain, adapted = (
        float(np.mean([record[adaptation]["uar_among"]["mean"] for record in records]))
        for adaptation in ("none", "speaker")
    )
    corpora = [record["corpus"] for record in records]
    return {"protocol": stored.about["protocol"], "corpora": corpora, "uar": plain, "uar_adapted": adapted}


def table(scores: dict[str, dict[str, Any]], link: str, home: Path) -> str:
    """A Markdown table of some models' scores, and what its columns mean."""
    lines = [f"| shipped model | {' | '.join(HEADS)} |", "|---|" + "--:|" * len(HEADS)]
    for model, of_model in scores.items():
        name = f"[`{model}`]({link.format(model)})" if (home / link.format(model)).is_file() else f"`{model}`"
        lines.append(f"| {name} | {' | '.join(score_cells(of_model))} |")
    return "\n".join([*lines, "", f"{MEANING}\n"])


def written(scores: dict[str, dict[str, Any]]) -> dict[Path, str]:
    """The files that have these scores, with their new content."""
    pages = {COMPARED_FILE: json.dumps(scores, indent=2) + "\n"}
    readme = ROOT / "README.md"
    text = table(scores, "emosense/models/{}/MODEL_CARD.md", ROOT)
    pages[readme] = _BLOCK.sub(lambda found: found[1] + text + found[2], readme.read_text(encoding="utf-8"))
    for model in scores:
        card = Path(shipped_models()[model], "MODEL_CARD.md")
        figures = table(scores, "../{}/MODEL_CARD.md", card.parent)
        block = f"<!-- shipped models -->\n{figures}<!-- end of shipped models -->"
        old = card.read_text(encoding="utf-8")
        if not _BLOCK.search(old):  # a card that `train` has just written
            old = old.replace(
                "\n## Scores\n", f"\n## Compared with the other shipped models\n\n{block}\n\n## Scores\n", 1
            )
        pages[card] = _BLOCK.sub(lambda _, block=block: block, old)  # type: ignore[misc]
    return pages


def compared() -> dict[str, dict[str, Any]]:
    """Scores of every shipped model."""
    return {model: {"home": home_scores(model), "elsewhere": elsewhere_scores(model)} for model in PREDICTIONS}


def main() -> None:
    """Write the files."""
    for file, text in written(compared()).items():
        file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
