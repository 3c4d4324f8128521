"""Which room may import which, and what a start must not load."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "emosense"
# A room is a folder or a module at the top of the package. It imports rooms of lower levels only, so there is no cycle.
LEVELS = (
    ("_version", "arrays", "emotions", "errors", "progress"),
    ("registry",),
    ("audio", "evaluation", "onnx_session", "ray_session", "storage"),
    ("features", "inputs", "tables"),
    ("models",),
    ("labelling", "training"),
    ("crossvalidation",),
    ("api", "reports"),
    ("cli",),
    ("__init__", "__main__"),
)
LEVEL_OF = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}
# The structure stays small enough to be drawn on one page (docs/architecture.md).
MAX_TOP_MODULES, MAX_ROOMS, MAX_ROOM_IMPORTS = 12, 26, 110
# Heavy packages, and the only modules that may import them.
OWNERS = {
    "ray": r"ray_session/session|.*_on_ray",
    "tensorflow": r"training/.*",
    "keras": r"training/.*",
    "sklearn": r"(training|evaluation)/.*",
    "typer": r"cli/.*",
    "vl_convert": r"reports/figure",
    "librosa": r"",
    "pandas": r"api/tables",
    "joblib": r"",
    "pickle": r"",
}


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room_of(module: str) -> str:
    """The room of a dotted name: emosense.audio.reader and emosense.audio are in audio."""
    return module.split(".")[1]


def room_imports() -> set[tuple[str, str]]:
    """Pairs of rooms of which one imports the other; `emosense/__init__.py` imports the API only for type checkers."""
    pairs = set()
    for path in modules():
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        imported = {room_of(name) for name in imports(path) if name.startswith("emosense.")}
        pairs |= {(room, other) for other in imported if other != room and other in LEVEL_OF}
    return pairs


def test_every_room_has_a_level() -> None:
    rooms = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in modules()}
    assert rooms == LEVEL_OF.keys()


@pytest.mark.parametrize(("room", "imported"), sorted(room_imports()))
def test_rooms_import_lower_levels_only(room: str, imported: str) -> None:
    assert LEVEL_OF[imported] < LEVEL_OF[room]


def test_the_structure_stays_small(record_property: Callable[[str, object], None]) -> None:
    top = [path for path in modules() if path.parent == PACKAGE]
    n_rooms, n_imports = len(LEVEL_OF), len(room_imports())
    record_property("rooms", n_rooms)
    record_property("imports between rooms", n_imports)
    assert len(top) <= MAX_TOP_MODULES
    assert n_rooms <= MAX_ROOMS
    assert n_imports <= MAX_ROOM_IMPORTS


def test_the_tests_have_the_folders_of_the_package() -> None:
    tests = Path(__file__).parent
    folders = {folder.relative_to(tests).as_posix() for folder in tests.rglob("*/") if list(folder.glob("test_*.py"))}
    assert folders - {".", "jobs"} == {
        folder.relative_to(PACKAGE).as_posix() for folder in PACKAGE.rglob("*/") if list(folder.glob("[a-z]*.py"))
    }


@pytest.mark.parametrize("package", OWNERS)
def test_heavy_packages_are_imported_only_by_their_owners(package: str) -> None:
    for path in modules():
        if any(name.split(".")[0] == package for name in imports(path)):
            module = path.relative_to(PACKAGE).with_suffix("").as_posix()
            assert re.fullmatch(OWNERS[package], module), f"{module} imports {package}"


def loaded(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("command", ["label", "features", "train", "evaluate", "adapt"])
def test_help_loads_nothing_heavy(command: str) -> None:
    code = (
        f"import emosense.cli.main\ntry:\n    emosense.cli.main.app(['{command}', '--help'])\n"
        "except SystemExit:\n    pass"
    )
    heavy = {"numpy", "ray", "tensorflow", "keras", "sklearn", "onnxruntime", "soundfile", "scipy", "pyarrow", "pandas",
             "librosa", "fsspec"}  # fmt: skip
    assert not loaded(code) & heavy


def test_a_labelling_worker_loads_no_training_package(tiny_model: str) -> None:
    code = (
        "import emosense.labelling.worker\n"
        "from emosense.models.model import Model\nfrom emosense.models.model_files import read_model\n"
        "from emosense.labelling.recording_labeller import RecordingLabeller\n"
        "from emosense.labelling.config import LabelConfig\n"
        f"RecordingLabeller(Model(read_model({tiny_model!r})), LabelConfig())"
    )
    heavy = {"ray", "tensorflow", "keras", "sklearn", "pandas", "librosa", "onnx", "pyarrow", "fsspec", "typer", "rich",
             "av"}  # fmt: skip
    assert not loaded(code) & heavy


def test_jobs_are_thin() -> None:
    jobs = sorted((PACKAGE.parent / "jobs").glob("*.py"))
    names = ["evaluate", "extract_features", "label", "train_cnn", "train_mlp", "train_transfer"]
    assert [job.stem for job in jobs] == names
    for job in jobs:
        assert "ray job submit" in (ast.get_docstring(ast.parse(job.read_text())) or "")
        assert len(job.read_text().splitlines()) < 40
