"""The digest of code: it changes with the code, and with nothing else."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import REPOSITORY

from emosense.training.families import FAMILIES
from emosense.training.features.store import EXTRACTING_MODULES
from emosense.training.source_digest import code_only, source_digest

PACKAGE = REPOSITORY / "emosense"
# What the listed modules import and what decides no value: errors, files, settings (which are in the key by value), and
# the tables, whose rows are in it.
NOT_DECIDING = (
    "arrays", "emotions", "errors", "progress", "registry", "storage", "inputs", "models.model", "features.config",
    "features.sets", "onnx_session", "training.settings", "training.augmentation_settings", "training.cnn_settings",
    "training.mlp_settings", "training.ensemble", "training.epochs", "training.features.table",
    "training.transfer_settings", "training.gradient_descent.pace", "training.pace", "training.presets",
)  # fmt: skip


@pytest.mark.parametrize(
    ("source", "is_same"),
    [
        ('"""Another docstring."""\ndef f(x):\n    """Says more."""\n    return x + 1\n', True),
        ("# A comment.\r\ndef f(x):\r\n    return (x\r\n            + 1)\r\n", True),
        ("def f(x):\n    return x + 2\n", False),
        ("def f(x):\n    return x + 1\nN = 1\n", False),
    ],
)
def test_only_code_counts(source: str, is_same: bool) -> None:
    assert (code_only(source) == code_only('"""A docstring."""\ndef f(x):\n    return x + 1\n')) is is_same


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package, without models."""
    folder = tmp_path_factory.mktemp("copy")
    shutil.copytree(PACKAGE, folder / "emosense", ignore=shutil.ignore_patterns("*.onnx", "__pycache__"))
    return folder


def digest_in(place: Path, names: tuple[str, ...]) -> str:
    """The digest in a process whose package is in a folder or a zip file."""
    code = (
        f"import sys; sys.path.insert(0, {str(place)!r}); import emosense\nassert {str(place)!r} in emosense.__file__\n"
    )
    code += f"from emosense.training.source_digest import source_digest; print(source_digest(*{names!r}))"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_the_place_of_the_code_does_not_count(copied: Path, tmp_path: Path) -> None:
    expected = source_digest(*EXTRACTING_MODULES)
    assert digest_in(copied, EXTRACTING_MODULES) == expected
    with zipfile.ZipFile(tmp_path / "code.zip", "w") as archive:
        for file in copied.rglob("*.py"):
            archive.write(file, file.relative_to(copied))
    assert digest_in(tmp_path / "code.zip", EXTRACTING_MODULES) == expected


def test_an_edit_of_the_augmentation_changes_the_digest_of_the_cnn_only(copied: Path) -> None:
    file = copied / "emosense" / "training" / "augmentation.py"
    before = file.read_text()
    file.write_text(before.replace("FLOOR_DB: Final = -80.0", "FLOOR_DB: Final = -70.0"))
    try:
        assert file.read_text() != before
        for kind, is_same in (("cnn", False), ("mlp", True)):
            modules = FAMILIES[kind].modules
            assert (digest_in(copied, modules) == source_digest(*modules)) is is_same
    finally:
        file.write_text(before)


def file_of(name: str) -> Path:
    return PACKAGE.parent / name.replace(".", "/")


def imports_of(name: str) -> set[str]:
    """Modules of the package that a module imports."""
    found = set()
    for node in ast.walk(ast.parse(file_of(name).with_suffix(".py").read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("emosense."):
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            modules = {each for each in inner if file_of(each).with_suffix(".py").exists() or file_of(each).is_dir()}
            found |= modules or {node.module}
    return found


@pytest.mark.parametrize("kind", ["features", *FAMILIES])
def test_no_module_that_decides_a_value_is_forgotten(kind: str) -> None:
    listed = EXTRACTING_MODULES if kind == "features" else FAMILIES[kind].modules
    # All families are trained through `families`, which imports the modules of the others too.
    # The key of a changed copy has the version and the constants of its augmentation.
    steps = ("training.gradient_descent.training", "training.networks", "training.gradient_descent.training_set")
    others = (
        *(steps if kind == "mlp" else ()),
        *(("training.transfer.teacher",) if kind != "cnn" else ()),
        "training.cnn",
        "training.mlp",
        "training.transfer.transfer_model",
        "training.transfer.front_choice",
        "features.whisper",
        "evaluation",
    )
    allowed = (
        (*NOT_DECIDING, "training.features.waveform_augmentation") if kind == "features" else (*NOT_DECIDING, *others)
    )
    packages = [name for name in listed if file_of(name).is_dir()]
    inner = [
        file.relative_to(PACKAGE.parent).with_suffix("") for name in packages for file in file_of(name).rglob("*.py")
    ]
    names = [*set(listed) - set(packages), *(".".join(path.parts) for path in inner)]
    assert len(names) >= len(listed)
    for name in names:
        for imported in imports_of(name):
            is_listed = any(imported == each or imported.startswith(f"{each}.") for each in listed)
            assert is_listed or imported.removeprefix("emosense.").startswith(allowed), f"{name} imports {imported}"
