"""The help texts name what the registries contain, in groups of options."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest
import typer
from commands import run_command
from typer.testing import CliRunner

from emosense.cli.groups import options_by_group
from emosense.cli.main import app
from emosense.cli.options import FeatureSet, comma_separated
from emosense.features.sets import FEATURE_SETS

PROGRAM: Any = typer.main.get_command(app)


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
    done = run_command(*arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_list_is_split_at_commas_and_empty_entries_are_ignored() -> None:
    assert comma_separated("calm,happy,,") == ("calm", "happy")
    assert comma_separated("") == ()


@pytest.mark.parametrize("name", sorted(PROGRAM.commands))
def test_the_help_of_a_long_command_has_groups_and_loses_no_option(name: str) -> None:
    command = PROGRAM.commands[name]
    options = [each for each in getattr(command, "params", ()) if each.param_type_name == "option" and not each.hidden]
    groups = options_by_group(options)
    assert (len(groups) > 4) == (len(options) > 12)
    assert sorted(each.name for members in groups.values() for each in members) == sorted(each.name for each in options)
    text = CliRunner().invoke(app, [name, "--help"], terminal_width=80).output
    titles = [line.removesuffix(":") for line in text.splitlines() if line.endswith(":") and line[0] != " "]
    if options:
        assert [title for title in titles if title != "Arguments"][: len(groups)] == [*groups]
    assert all(max(each.opts, key=len) in text for each in options)


def test_a_flag_that_is_off_has_no_default_in_the_help() -> None:
    text = CliRunner().invoke(app, ["label", "--help"]).output
    assert "--quality / --no-quality" in text
    assert "no-quality]" not in text
    assert "[default: auto]" in text


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("label --engi", ["--engine"]),
        ("label -m ", ["accurate", "default", "fast"]),
        ("label -m models/", []),
        ("label -f aud", ["audacity", "audformat"]),
        ("train tr", ["transfer"]),
        ("features --set log", ["logmel"]),
    ],
)
def test_the_tab_key_offers_names(words: str, offered: list[str]) -> None:
    given = {"_EMOSENSE_BATCH_COMPLETE": "complete_bash", "COMP_WORDS": f"emosense-batch {words}"}
    done = CliRunner().invoke(
        app, [], prog_name="emosense-batch", env={**given, "COMP_CWORD": str(len(words.split(" ")))}
    )
    assert sorted(done.output.split()) == offered


@pytest.mark.parametrize("command", [(), ("models",)])
def test_the_list_of_commands_cuts_no_sentence(command: tuple[str, ...]) -> None:
    shown = CliRunner().invoke(app, [*command, "--help"], terminal_width=80).output.partition("Commands:")[2]
    lines = [line for line in shown.splitlines() if line.strip()]
    assert len(lines) > 3
    assert [line for line in lines if not line.endswith(".")] == []
    assert "..." not in shown
