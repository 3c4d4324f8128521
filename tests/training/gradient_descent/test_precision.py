"""Mixed precision and GPUs, by what they set: this machine may have no GPU."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from made_tables import CLASSES, made_table

from emosense.errors import UsageError
from emosense.onnx_session import open_session
from emosense.training import cnn
from emosense.training.gradient_descent.training import GradientTraining, train_here
from emosense.training.gradient_descent.training_set import TrainingSet, Validation
from emosense.training.job import TrainJob, check_job
from emosense.training.presets import preset
from emosense.training.trained_network import TrainedNetwork
from emosense.training.training_runs_on_ray import task_options


def test_mixed_precision_computes_in_bfloat16_and_keeps_float32() -> None:
    config = dataclasses.replace(
        preset("cnn", "default"), channels=(4, 4, 4, 4, 8), epochs=1, batch_size=8, crop_frames=24, first_crop_frames=0
    )
    seen: list[tuple[set[str], set[str], str]] = []

    def run(training: GradientTraining, examples: TrainingSet, validation: Validation | None) -> TrainedNetwork:
        mixed = training.in_mixed_precision()
        model = mixed.build()
        convolutions = {layer.compute_dtype for layer in model.layers if "conv" in layer.name}
        seen.append((convolutions, {weight.dtype for weight in model.trainable_weights}, model.output.dtype))
        assert {layer.compute_dtype for layer in training.build().layers if "conv" in layer.name} == {"float32"}
        return train_here(mixed, examples, validation)

    table = made_table(config)
    network = cnn.fit(table, CLASSES, config, seed=0, run=run)
    assert seen == [({"bfloat16"}, {"float32"}, "float32")]
    assert b"bfloat16" not in network.weights
    (found,) = open_session(network.weights).run(None, {"features": table.features[0][np.newaxis]})
    assert found.sum() == pytest.approx(1, abs=1e-5)


def test_mixed_precision_is_for_gpus() -> None:
    job = TrainJob("cnn", "data", "out", mixed_precision=True)
    with pytest.raises(UsageError, match="--mixed-precision is for --gpu"):
        check_job(job, preset("cnn", "default"))


def test_networks_share_a_gpu_where_one_is_asked_for() -> None:
    hidden, shared = (task_options(share, max_retries=1) for share in (0.0, 0.25))
    assert (hidden["num_gpus"], shared["num_gpus"]) == (0.0, 0.25)
    assert hidden["runtime_env"]["env_vars"]["CUDA_VISIBLE_DEVICES"] == "-1"
    assert "CUDA_VISIBLE_DEVICES" not in shared["runtime_env"]["env_vars"]
    assert shared["runtime_env"]["env_vars"]["TF_FORCE_GPU_ALLOW_GROWTH"] == "true"
