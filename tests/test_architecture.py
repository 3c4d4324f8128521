"""From the label command to the FFT: four calls through three files, read from the code."""

from __future__ import annotations

import ast
from pathlib import Path

import emosense
from emosense.features.sets import FEATURE_SETS
from emosense.models.model import read_model

PACKAGE = Path(emosense.__file__).parent
# The engine carries the second call into a worker process, where `worker.main` makes it.
CALLS = (
    ("cli/label.py", "label", "emosense.labelling.run_job.run_label_job"),
    ("labelling/run_job.py", "run_label_job", "label_pending"),
    ("labelling/run_job.py", "label_pending", "emosense.labelling.engine_choice.open_engine"),
    ("labelling/worker.py", "main", "emosense.labelling.labeller.Labeller"),
    ("labelling/labeller.py", "label_recording", "compute"),
    ("features/spectrum.py", "log_mel", "power_blocks"),
    ("features/spectrum.py", "power_blocks", "rfft"),
)


def mentioned(file: str, function: str) -> set[str]:
    """The names in a function and in the private ones of its file that it calls; imported names with their module."""
    tree = ast.parse((PACKAGE / file).read_text())
    bodies = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    origin = {alias.asname or alias.name: f"{node.module}.{alias.name}" for node in imports for alias in node.names}
    found, waiting = set(), {function}
    while waiting:
        nodes = [node for name in waiting for node in ast.walk(bodies[name])]
        names = {str(getattr(node, "id", None) or getattr(node, "attr", "")) for node in nodes}
        waiting = {name for name in names - found if name.startswith("_") and name in bodies}
        found |= names
    return {origin.get(name, name) for name in found}


def test_the_label_command_reaches_the_fft_in_four_calls_and_three_files() -> None:
    for file, function, called in CALLS:
        assert called in mentioned(file, function), f"{function} in {file} no longer calls {called}"
    features, *_ = read_model().description["features"]
    assert FEATURE_SETS[features["set"]].function == "emosense.features.spectrum:log_mel"
