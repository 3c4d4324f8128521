"""From the label command to the FFT: four calls through three files, read from the code."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import emosense
from emosense.features.sets import FEATURE_SETS
from emosense.models.model_files import read_model

PACKAGE = Path(emosense.__file__).parent
# Every function or method on the way, each of which makes the next call itself. `compute` of a feature set is the
# function that its entry names.
LABELLING = (
    ("cli/label.py", "label", "emosense.labelling.run_job.run_label_job"),
    ("labelling/run_job.py", "run_label_job", "emosense.labelling.engine_choice.open_engine"),
    ("labelling/recording_labeller.py", "label_recording", "compute"),
)
FEATURES = {
    "default": (("features/whisper.py", "whisper", "rfft"),),
    "fast": (("features/spectrum.py", "log_mel", "power_blocks"), ("features/spectrum.py", "power_blocks", "rfft")),
}
# The engine carries the second call into a worker process, which makes it there.
WORKER = ("labelling/worker.py", "label_readable", "label_recording")
MAX_CALLS, MAX_FILES = 4, 3


def called(file: str, function: str) -> set[str]:
    """What the body of a function or method calls itself, not what others call for it; imported names in full."""
    tree = ast.parse((PACKAGE / file).read_text())
    (body,) = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == function)
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    origin = {alias.asname or alias.name: f"{node.module}.{alias.name}" for node in imports for alias in node.names}
    calls = [node.func for node in ast.walk(body) if isinstance(node, ast.Call)]
    names = {str(getattr(node, "id", None) or getattr(node, "attr", "")) for node in calls}
    return {origin.get(name, name) for name in names}


@pytest.mark.parametrize("model", FEATURES)
def test_the_label_command_reaches_the_fft_in_four_calls_and_three_files(model: str) -> None:
    calls = (*LABELLING, *FEATURES[model])
    for file, function, name in (*calls, WORKER):
        assert name in called(file, function), f"{function} in {file} does not call {name} itself"
    features, *_ = read_model(model).description["features"]
    file, function, _ = FEATURES[model][0]
    assert FEATURE_SETS[features["set"]].function == f"emosense.{file[:-3].replace('/', '.')}:{function}"
    # The command makes the first call; its own file is where a reader starts.
    _command, *functions = calls
    assert len(functions) <= MAX_CALLS
    assert len({file for file, _, _ in functions}) <= MAX_FILES
