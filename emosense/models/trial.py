"""A model that anybody may have made, tried in a process of its own under limits of memory and time.

`try_model` starts this module as a program, which takes the model on standard input and answers in one line of JSON.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from typing import Final

import numpy as np

from emosense.errors import EmoSenseError, ModelError
from emosense.features.encoder.embedding import load_encoders
from emosense.features.sets import extract
from emosense.models.limits import death_text, limit_memory, limited_cpu, weights_mb
from emosense.models.model import Model
from emosense.models.model_files import ModelFiles, shipped_models

COMMAND: Final = ("-P", "-m", "emosense.models.trial")
_MEMORY_MB: Final = 2048
_TIMEOUT_S: Final = 300.0


def try_model(files: ModelFiles, location: str = "") -> float:
    """Load a model and run it on a second of noise, in another process.

    Parameters
    ----------
    files : ModelFiles
        The model.
    location : str
        Where it is from: a model that ships with EmoSense is not tried.

    Returns
    -------
    float
        Sum of its probabilities; 1 for a model that ships, and for one that needs an encoder which was not looked for.

    Raises
    ------
    ModelError
        If it fails, or needs more memory or time than a model may.
    """
    if location in shipped_models():
        return 1.0
    setup = {"model": files.description, "weights": base64.b64encode(files.weights).decode(), "sha256": files.sha256}
    try:
        done = subprocess.run(
            [sys.executable, *COMMAND],
            input=json.dumps(setup).encode(),
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as err:
        raise ModelError(f"the model is not done with a second of noise after {_TIMEOUT_S:g} s") from err
    if done.returncode:
        raise ModelError(f"the model {death_text(done.returncode)}")
    answer = json.loads(done.stdout)
    if "error" in answer:
        raise ModelError(answer["error"])
    return float(answer["sum"])


def load_under_limits(files: ModelFiles, memory_mb: int) -> Model:
    """Load a model and its encoders in this process, which must be one that may die.

    Parameters
    ----------
    files : ModelFiles
        The model.
    memory_mb : int
        Memory of this process, in MB, without what weights and encoders take; 0 for no limit. It stays limited.

    Returns
    -------
    Model

    Raises
    ------
    ModelError
        If it cannot be loaded or tried.
    """
    own_mb = memory_mb and memory_mb + weights_mb(files.weights)
    with limited_cpu():
        limit_memory(own_mb)
        model = Model(files)
        # The user chose the encoder, and its sha256 is known; it takes more than everything else.
        limit_memory(0)
    encoder_mb = load_encoders(model.features) if has_encoders(model) else 0
    limit_memory(own_mb and own_mb + encoder_mb)
    return model


def has_encoders(model: Model) -> bool:
    """Say whether the encoders of a model have been found, or it needs none.

    Parameters
    ----------
    model : Model
        Loaded.

    Returns
    -------
    bool
        `emosense.models.encoder_location.with_encoder_file` finds them.
    """
    return all(config.encoder is None or config.encoder.file for config in model.features)


def main() -> None:
    """Try the model on standard input."""
    # What a library prints must not get into the answer.
    answer_to = os.dup(1)
    os.dup2(2, 1)
    setup = json.loads(sys.stdin.buffer.read())
    files = ModelFiles(setup["model"], base64.b64decode(setup["weights"]), setup["sha256"])
    try:
        model = load_under_limits(files, _MEMORY_MB)
        noise = np.random.default_rng(0).normal(0, 0.1, model.sample_rate).astype(np.float32)
        answer: dict[str, object] = {"sum": 1.0}
        if has_encoders(model):
            with limited_cpu():
                probabilities = model.probabilities([extract(noise, config) for config in model.features])
            answer = {"sum": float(probabilities.sum())}
    except EmoSenseError as err:
        answer = {"error": str(err)}
    with os.fdopen(answer_to, "w", encoding="ascii") as stream:
        json.dump(answer, stream)


if __name__ == "__main__":
    main()
