"""Who may import whom, and what a start must not load."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "emosense"
# From the bottom up; a module imports its own row and the rows above it in this list.
LAYERS = [
    ("emotions", "errors", "filterbanks", "progress", "spectrum", "pitch", "adaptation"),
    ("containers", "recognition", "ffmpeg", "storage", "objects", "spool", "functionals", "onnx_graphs"),
    (
        "decoding",
        "features",
        "encoders",
        "encoder_features",
        "encoder_files",
        "recordings",
        "resampling",
        "archives",
        "http_transfer",
    ),
    (
        "audio",
        "disturbances",
        "discovery",
        "listing",
        "rows",
        "tables",
        "quality",
        "labels",
        "speakers",
        "speaker_table",
    ),
    ("corpora", "models", "download"),
    ("labelling", "extraction", "feature_table", "evaluation"),
    ("worker", "isolation", "journal", "runs", "training", "reports", "exports"),
    ("pipelines",),
    ("api", "doctor"),
    ("commands",),
    ("cli",),
    ("__main__",),
]
# Heavy packages, and the only places that may import them.
OWNERS = {
    "ray": ("pipelines/",),
    "tensorflow": ("training/cnn.py",),
    "keras": ("training/cnn.py", "training/networks.py"),
    "sklearn": ("training/mlp.py",),
    "skl2onnx": ("training/mlp.py",),
    "typer": ("cli.py", "commands/"),
    "librosa": (),
    "pandas": (),
    "joblib": (),
    "pickle": (),
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


def layer(name: str) -> int:
    for number, names in enumerate(LAYERS):
        if name in names:
            return number
    raise AssertionError(f"{name} has no place in the layers: give it one")


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_modules_import_downwards_alone(path: Path) -> None:
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if room == "__init__":
        # The API is loaded when it is asked for; here it stands for type checkers.
        assert {name for name in imports(path) if name.startswith("emosense.")} <= {
            "emosense.api", "emosense.api.extract_features", "emosense.api.label", "emosense.api.load_model"
        }  # fmt: skip
        return
    for name in imports(path):
        if name.startswith("emosense.") and name != "emosense.__version__":
            imported = name.split(".")[1]
            assert layer(imported) <= layer(room), f"{room} imports {imported}"


@pytest.mark.parametrize("package", OWNERS)
def test_heavy_packages_are_imported_by_their_owners_alone(package: str) -> None:
    for path in modules():
        if any(name.split(".")[0] == package for name in imports(path)):
            assert str(path.relative_to(PACKAGE)).startswith(OWNERS[package] or "nobody")


def loaded(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.splitlines()[-1].split())


def test_help_loads_nothing_heavy() -> None:
    code = "import emosense.cli\ntry:\n    emosense.cli.app(['label', '--help'])\nexcept SystemExit:\n    pass"
    heavy = {"numpy", "ray", "tensorflow", "keras", "sklearn", "onnxruntime", "soundfile", "scipy", "pyarrow", "pandas",
             "librosa", "fsspec"}  # fmt: skip
    assert not loaded(code) & heavy


def test_a_labelling_worker_loads_no_training_package(tiny_model: str) -> None:
    code = (
        "import emosense.worker\nfrom emosense.models.artifact import Model, read_model\n"
        "from emosense.labelling import Labeller\nfrom emosense.labels import LabelConfig\n"
        f"Labeller(Model(read_model({tiny_model!r})), LabelConfig())"
    )
    heavy = {"ray", "tensorflow", "keras", "sklearn", "pandas", "librosa", "onnx", "pyarrow", "fsspec", "typer", "rich"}
    assert not loaded(code) & heavy


def test_jobs_are_thin() -> None:
    jobs = sorted((PACKAGE.parent / "jobs").glob("*.py"))
    assert [job.stem for job in jobs] == ["evaluate", "extract_features", "label", "train_cnn", "train_mlp"]
    for job in jobs:
        assert "ray job submit" in (ast.get_docstring(ast.parse(job.read_text())) or "")
        assert len(job.read_text().splitlines()) < 40
