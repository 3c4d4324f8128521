"""Errors keep their class between processes, and the documentation lists every code."""

from __future__ import annotations

import pytest
from conftest import REPOSITORY

from emosense import errors
from emosense.errors import ERROR_CODES, EmoSenseError, RecordingError, StorageError, from_wire, to_wire

CLASSES = [EmoSenseError, *EmoSenseError.__subclasses__()]


@pytest.mark.parametrize(
    ("code", "name", "exit_code"),
    [
        ("internal", "EmoSenseError", 1),
        ("usage", "UsageError", 2),
        ("too_many_errors", "TooManyErrors", 4),
        ("storage", "StorageError", 5),
        ("output", "OutputError", 6),
        ("model", "ModelError", 7),
        ("nothing_to_do", "NothingToDo", 9),
    ],
)
def test_an_error_keeps_its_class_text_and_exit_code_between_processes(code: str, name: str, exit_code: int) -> None:
    sent = to_wire(getattr(errors, name)("no space left"))
    assert sent == (code, "no space left")
    received = from_wire(*sent)
    assert (type(received).__name__, str(received), received.exit_code) == (name, "no space left", exit_code)


def test_every_error_is_in_the_tree_and_has_a_code_of_its_own() -> None:
    drawn = errors.__doc__ or ""
    assert [kind.__name__ for kind in CLASSES if f" {kind.__name__} " not in drawn] == []
    codes = [kind.wire_code for kind in CLASSES if kind is not RecordingError]
    assert len(set(codes)) == len(codes) == 7


def test_the_error_of_a_recording_crosses_as_an_internal_error() -> None:
    assert type(from_wire(*to_wire(RecordingError("corrupt", "no frame")))) is EmoSenseError


@pytest.mark.parametrize("code", ["", "SystemExit", "traceback", "RecordingError", "StorageError"])
def test_an_unknown_code_is_an_internal_error_that_keeps_the_text(code: str) -> None:
    received = from_wire(code, "what happened")
    assert type(received) is EmoSenseError
    assert received.exit_code == 1
    assert str(received).endswith("what happened")


def test_a_class_without_a_code_crosses_as_its_base() -> None:
    class Throttled(StorageError):
        pass

    assert type(from_wire(*to_wire(Throttled("503")))) is StorageError


def test_the_documentation_has_every_error_code_with_its_meaning() -> None:
    lines = (REPOSITORY / "docs" / "rows.md").read_text().splitlines()
    assert [code for code, text in ERROR_CODES.items() if f"| `{code}` | {text} |" not in lines] == []
