"""The help texts name what the registries contain."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from emosense.cli.options import FeatureSet, comma_separated
from emosense.features.sets import FEATURE_SETS


def help_text(option: object) -> str:
    (described,) = get_args(option)[1:]
    return str(described.help)


def test_the_help_of_a_feature_set_names_every_one() -> None:
    assert f"Feature set: {', '.join(FEATURE_SETS)}." in help_text(FeatureSet)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ("features", "c.csv", "-o", "f.parquet", "--set", "wings"),
            "unknown feature set 'wings': choose one of summary",
        ),
        (("train", "mlp", "c.csv", "-o", "m", "--preset", "wings"), "unknown preset 'mlp-wings'"),
        (("evaluate", "c.csv", "-o", "e", "--kind", "mlp", "--preset", "telephone"), "unknown preset 'mlp-telephone'"),
    ],
)
def test_an_unknown_name_is_a_usage_error_that_lists_the_choices(
    tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    (tmp_path / "x.wav").write_bytes(b"x")
    (tmp_path / "c.csv").write_text("path,emotion,speaker\nx.wav,calm,Ann\n")
    command = [sys.executable, "-m", "emosense", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_list_is_split_at_commas_and_empty_entries_are_ignored() -> None:
    assert comma_separated("calm,happy,,") == ("calm", "happy")
    assert comma_separated("") == ()
