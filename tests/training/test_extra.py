"""A training without its packages ends before it begins, with one sentence."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from typer.testing import CliRunner

from emosense.cli.main import app
from emosense.errors import UsageError

find_spec = importlib.util.find_spec


def test_features_without_ray_data_name_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recordings = tmp_path / "in"
    recordings.mkdir()
    (recordings / "03-01-05-01-01-01-01.wav").write_bytes(b"not read")
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "pandas" else find_spec(name, *rest)
    )
    done = CliRunner().invoke(app, ["features", str(recordings), "-o", str(tmp_path / "features.parquet")])
    assert isinstance(done.exception, UsageError)
    assert str(done.exception) == "extracting features of a corpus needs Ray Data: pip install 'emosense[train]'"
    assert list(tmp_path.iterdir()) == [recordings]


@pytest.mark.parametrize(
    "words",
    [
        ["train", "mlp", "corpus.csv"],
        ["train", "cnn", "corpus.csv"],
        ["train", "transfer", "corpus.csv"],
        ["evaluate", "corpus.csv", "--kind", "mlp"],
        ["adapt", "mine.csv"],
    ],
)
def test_the_missing_packages_and_the_extra_are_named(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = {"sklearn", "tensorflow"}
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name in absent else find_spec(name, *rest)
    )
    done = CliRunner().invoke(app, [*words, "-o", str(tmp_path / "model")])
    assert isinstance(done.exception, UsageError)
    assert str(done.exception) == "training needs sklearn, tensorflow: pip install 'emosense[train]'"
    assert list(tmp_path.iterdir()) == []
