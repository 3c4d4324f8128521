"""Public functions, methods and classes document their parameters, results and errors in numpydoc's form.

numpydoc reads the code; pyproject.toml has the checks. Exempt are private names, Protocol classes (their docstrings say
what an implementation must do), methods that a Protocol of the same module documents, properties, and the command
functions, whose options carry their help.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest
from numpydoc.hooks.validate_docstrings import parse_config, process_file

from emosense.cli.main import app

REPOSITORY = Path(__file__).parents[1]
PACKAGE = REPOSITORY / "emosense"


def commands() -> set[str]:
    """The functions that the command line calls, as numpydoc names them: module.function."""
    groups = [app, *(group.typer_instance for group in app.registered_groups)]
    callbacks = [command.callback for group in groups if group for command in group.registered_commands]
    return {f"{callback.__module__.rsplit('.', 1)[-1]}.{callback.__name__}" for callback in callbacks if callback}


def exempt(path: Path) -> Iterator[tuple[int, int]]:
    """The lines of Protocol classes, of the methods that implement them, of properties, and of inner functions."""
    functions = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)]
    for function in functions:
        inner = (node for node in ast.walk(function) if isinstance(node, ast.FunctionDef) and node is not function)
        yield from ((node.lineno, node.end_lineno or node.lineno) for node in inner)
    classes = {node.name: node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ClassDef)}
    bases = {name: {ast.unparse(base).split("[")[0] for base in node.bases} for name, node in classes.items()}
    protocols = {name for name in classes if "Protocol" in bases[name]}
    for name, node in classes.items():
        methods = [item for item in node.body if isinstance(item, ast.FunctionDef)]
        documented = {
            item.name for base in protocols & bases[name] for item in classes[base].body if hasattr(item, "name")
        }
        for item in [node] if name in protocols else methods:
            marks = [ast.unparse(mark) for mark in item.decorator_list]
            if item.name in protocols | documented or any(mark.endswith(("property", ".setter")) for mark in marks):
                yield item.lineno - len(marks), item.end_lineno or item.lineno


def dataclass_lines(path: Path) -> set[int]:
    """The lines at which dataclasses begin: numpydoc does not see the parameters that their fields are."""
    classes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ClassDef)]
    return {node.lineno for node in classes if any("dataclass" in ast.unparse(mark) for mark in node.decorator_list)}


def findings(path: Path) -> list[str]:
    """What numpydoc finds in a module, the exempt left out."""
    skipped, dataclasses = list(exempt(path)), dataclass_lines(path)
    found = []
    for place, name, code, text in process_file(path, parse_config(REPOSITORY)):
        line = int(place.rsplit(":", 1)[1])
        if code == "PR02" and line in dataclasses:
            continue
        if name not in commands() and not any(first <= line <= last for first, last in skipped):
            found.append(f"{path.name}:{line}: {name}: {code} {text}")
    return found


@pytest.mark.parametrize("module", [path.relative_to(PACKAGE).as_posix() for path in sorted(PACKAGE.rglob("*.py"))])
def test_docstrings_are_whole(module: str) -> None:
    assert findings(PACKAGE / module) == []


@pytest.mark.parametrize(
    ("docstring", "codes"),
    [
        ("", ["GL08"]),
        ("Scale.", ["PR01", "RT01"]),
        ("Scale.\n\n    Parameters\n    ----------\n    y : float\n        A value.\n", ["PR01", "PR02", "RT01"]),
        ("Scale.\n\n    Parameters\n    ----------\n    x : float\n        A value.\n", ["RT01"]),
    ],
)
def test_a_docstring_that_lacks_something_is_found(tmp_path: Path, docstring: str, codes: list[str]) -> None:
    body = f'    """{docstring}"""\n' if docstring else ""
    (tmp_path / "made.py").write_text(f'"""Made."""\n\n\ndef scale(x: float) -> float:\n{body}    return x\n')
    assert [finding.split()[2] for finding in findings(tmp_path / "made.py")] == codes


def test_private_names_protocols_and_properties_are_exempt(tmp_path: Path) -> None:
    (tmp_path / "made.py").write_text(
        dedent('''
            """Made."""
            from typing import Protocol

            def _scale(x): return x

            class Reader(Protocol):
                def read(self, path): ...

            class WavReader(Reader):
                """Reads WAV."""

                def read(self, path): return path

            class Signal:
                """A signal."""

                def __len__(self): return 1

                @property
                def duration_s(self) -> float:
                    """Its duration."""
                    return 1.0
        ''').lstrip()
    )
    assert findings(tmp_path / "made.py") == []
