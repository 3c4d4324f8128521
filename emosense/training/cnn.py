"""Feature sequences and labels -> a CNN, trained by gradient steps, as an ONNX graph."""

from __future__ import annotations

import functools

import numpy as np

from emosense.training import cnn_export, networks
from emosense.training.cnn_settings import CnnConfig
from emosense.training.ensemble import copies_of
from emosense.training.features.table import FeatureTable
from emosense.training.gradient_descent.training import GradientTraining, Runner, train_here
from emosense.training.gradient_descent.training_set import Taught, Validation, make_training_set
from emosense.training.trained_network import TrainedNetwork
from emosense.training.transfer.teacher import teacher_probabilities


def fit(
    table: FeatureTable,
    classes: tuple[str, ...],
    config: CnnConfig,
    *,
    seed: int,
    validation: FeatureTable | None = None,
    run: Runner = train_here,
) -> TrainedNetwork:
    """Train a CNN.

    Parameters
    ----------
    table, classes, config, seed, validation, run
        See `emosense.training.families.fit`.

    Returns
    -------
    TrainedNetwork
        Its curves have the figures of `EpochResult.record`.
    """
    labels, n_bands = table.labels(classes), table.features[0].shape[-1]
    taught = None
    if config.teacher:
        (copy,) = copies_of(config)
        answers = teacher_probabilities(table, classes, np.stack(table.copies[copy]), config.teacher.l2)
        taught = Taught(answers, config.teacher_share)
    examples, masks = make_training_set(table.features, labels, table.corpora, config, len(classes), taught)
    training = GradientTraining(
        config,
        seed,
        masks,
        build=networks.builder(config, table.features, len(classes)),
        finish=functools.partial(cnn_export.to_onnx, config=config, n_bands=n_bands),
    )
    return run(
        training, examples, None if validation is None else Validation(validation.features, validation.labels(classes))
    )
