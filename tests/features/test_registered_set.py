"""CONTRIBUTING's recipe for a feature set, as an installed package follows it: extract on Ray, train, label."""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import soundfile
from conftest import REPOSITORY
from made_sounds import voice

from emosense.emotions import EMOTIONS


def recipe(language: str) -> str:
    """The code of one language in CONTRIBUTING's section."""
    section = (REPOSITORY / "CONTRIBUTING.md").read_text().partition("## Add a feature set\n")[2].partition("\n## ")[0]
    (block,) = re.findall(rf"^   ```{language}\n(.*?)^   ```$", section, re.MULTILINE | re.DOTALL)
    return re.sub("^   ", "", block, flags=re.MULTILINE)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder with the package of the recipe, as pip would install it."""
    site = tmp_path / "site"
    info = site / "levels-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: levels\nVersion: 1\n")
    groups = tomllib.loads(recipe("toml"))["project"]["entry-points"]
    lines = [
        line for group, points in groups.items() for line in (f"[{group}]", *(f"{k} = {points[k]}" for k in points))
    ]
    (info / "entry_points.txt").write_text("\n".join(lines))
    (site / "levels.py").write_text(recipe("python"))
    return site


def run(words: list[str], folder: Path, site: Path) -> str:
    environment = os.environ | {"PYTHONPATH": str(site), "XDG_CACHE_HOME": str(folder / "cache")}
    command = [sys.executable, "-m", "emosense", *words]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_feature_set_of_an_installed_package_is_extracted_trained_on_and_labelled_with(
    tmp_path: Path, installed: Path
) -> None:
    """Emotions differ only in level, so that an MLP on levels can tell them apart."""
    (tmp_path / "recordings").mkdir()
    rows = ["path,emotion,speaker"]
    for speaker in range(4):
        for number, emotion in enumerate(EMOTIONS):
            name = f"recordings/{speaker}-{emotion}.wav"
            soundfile.write(tmp_path / name, voice(0.4, 120 + 20 * speaker) * 0.6**number, 16_000, "FLOAT")
            rows.append(f"{name},{emotion},{speaker}")
    (tmp_path / "corpus.csv").write_text("\n".join(rows))
    commands = [shlex.split(line)[1:] for line in recipe("sh").splitlines()]
    assert [words[0] for words in commands] == ["features", "train", "label"]
    for words in commands:
        run(words, tmp_path, installed)
    description = json.loads((tmp_path / "model" / "model.json").read_text())
    assert description["features"][0]["set"] == "levels"
    assert "on the level of the recording" in (tmp_path / "model" / "MODEL_CARD.md").read_text()
    with open(tmp_path / "labels.csv", newline="") as file:
        labels = list(csv.DictReader(file))
    assert len(labels) == 4 * len(EMOTIONS)
    right = [row["path"].endswith(f"-{row['emotion']}.wav") for row in labels]
    assert sum(right) / len(right) > 0.5
    assert "whisper, encoder, levels" in " ".join(run(["features", "--help"], tmp_path, installed).split())
