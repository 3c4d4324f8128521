"""The recipes of CONTRIBUTING.md, run as they stand there, in a folder with recordings and nothing else.

A ``python`` block after "This is `name.py`" is saved under that name, any other is run. The entry points of a ``toml``
block are installed as pip does. A ``sh`` block is run.
"""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

import pytest
import soundfile
from conftest import REPOSITORY
from made_sounds import voice

from emosense.emotions import EMOTIONS

SPEAKERS = ("ann", "ben", "cid")
# A heading, its recipe's text and the code blocks with their language.
_BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_FILE_NAME = re.compile(r"This is\s+`(\w+\.py)`")


def recipes() -> dict[str, str]:
    """The text of every recipe, by its heading; recipes of one subject in several ways count one by one."""
    page = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
    found = {}
    for section in re.split(r"^## ", page, flags=re.MULTILINE)[1:]:
        title, _, text = section.partition("\n")
        if title.startswith("Add "):
            for part in re.split(r"^### ", text, flags=re.MULTILINE):
                way, _, rest = part.partition("\n") if not part.startswith("\n") else ("", "", part)
                found[" ".join(filter(None, (title, way)))] = rest
    return found


RECIPES = recipes()
# Another test that runs a recipe is named in it.
RUNNABLE = [title for title, text in RECIPES.items() if "```" in text and "runs this recipe" not in text]


def test_every_kind_of_extension_has_a_recipe() -> None:
    titles = " ".join(RECIPES)
    for kind in ("a feature set", "a corpus With a table", "a corpus With a reader", "a model", "an output format"):
        assert f"Add {kind}" in titles
    assert {"Add a corpus With a table", "Add a corpus With a reader of its file names", "Add a model"} <= set(RUNNABLE)


@pytest.mark.parametrize("title", sorted(RECIPES.keys() - {"Add a corpus", *RUNNABLE}))
def test_a_recipe_that_is_not_run_here_is_run_by_the_test_that_it_names(title: str) -> None:
    (test,) = re.findall(r"`(tests/[\w/]+\.py)` runs this recipe", RECIPES[title])
    assert "CONTRIBUTING.md" in (REPOSITORY / test).read_text()


def write_recordings(folder: Path) -> None:
    """Write recordings of all emotions by each speaker, named as the recipes expect; the emotions differ in pitch."""
    rows = []
    for index, speaker in enumerate(SPEAKERS):
        for number, emotion in enumerate(EMOTIONS):
            samples = voice(0.6, pitch_hz=100 + 40 * number + 5 * index)
            names = [f"recordings/{speaker}/{emotion}-1.wav"]
            names += [f"wren/{speaker}_{emotion[:3].upper()}_1.wav"] if emotion in ("happy", "sad", "angry") else []
            for name in names:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(folder / name, samples, 16_000)
            rows.append((names[0], emotion, speaker))
    with open(folder / "corpus.csv", "w", newline="") as file:
        csv.writer(file).writerows([("path", "emotion", "speaker"), *rows])


def install(entry_points: str, folder: Path) -> None:
    """Declare entry points as an installed package does."""
    info = folder / "recipe-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: recipe\nVersion: 1\n")
    groups = tomllib.loads(entry_points)["project"]["entry-points"]
    lines = [f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in points.items()) for group, points in groups.items()]
    (info / "entry_points.txt").write_text("".join(lines))


def run_recipe(text: str, folder: Path) -> None:
    """Run the code blocks of a recipe in order."""
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([str(folder), str(REPOSITORY)]),
        "EMOSENSE_CACHE": str(folder / "cache"),
    }
    for block in _BLOCK.finditer(text):
        language, code = block[2], textwrap.dedent(block[3])
        file_name = _FILE_NAME.search(text[: block.start()].rstrip().rpartition("\n\n")[2])
        if language == "toml":
            install(code, folder)
            continue
        if language == "python" and file_name:
            (folder / file_name[1]).write_text(code)
            continue
        command = {"python": [sys.executable, "-c", code], "sh": ["bash", "-euo", "pipefail", "-c", code]}[language]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("title", RUNNABLE)
def test_a_recipe_works_as_it_is_written(title: str, tmp_path: Path) -> None:
    write_recordings(tmp_path)
    if title == "Add a corpus With a table":
        (tmp_path / "corpus.csv").unlink()  # the recipe writes it
    run_recipe(RECIPES[title], tmp_path)
    tables = [path for path in tmp_path.glob("*.csv") if path.name != "corpus.csv"]
    assert tables, "a recipe ends with labels"
    for table in tables:
        rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
        assert {row["status"] for row in rows} == {"ok"}
        assert len(rows) == len(SPEAKERS) * (3 if table.name == "wren.csv" else len(EMOTIONS))
    for description in tmp_path.glob("models/*/model.json"):
        assert json.loads(description.read_text())["trained_on"]["speakers"] == list(SPEAKERS)


def test_code_that_fails_in_a_recipe_is_seen(tmp_path: Path) -> None:
    run_recipe("This is `one.py`:\n\n```python\nONE = 1\n```\n\n```python\nfrom one import ONE\n```\n", tmp_path)
    with pytest.raises(AssertionError, match="no_such_command"):
        run_recipe("```sh\nno_such_command\n```\n", tmp_path)
