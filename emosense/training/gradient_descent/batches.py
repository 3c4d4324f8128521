"""Recordings to train on -> the batches of an epoch: in random order, cut to one length, augmented and mixed.

Unless recordings are drawn by weight, an example depends on (seed, epoch, recording), and not on the worker that makes
it.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emosense.arrays import Float32
from emosense.training.augmentation import augment, fit_length, mix
from emosense.training.cnn_settings import StepsConfig
from emosense.training.gradient_descent.training_set import TrainingSet
from emosense.training.transfer_settings import TuningConfig

# The share of the epochs in which the examples grow, and by how many frames at a time.
_GROWTH, _FRAMES_STEP = 0.75, 4


class Batches:
    """The batches of one worker.

    Parameters
    ----------
    examples : TrainingSet
        Recordings of this worker.
    config : CnnConfig or TuningConfig
        Says how large batches are, and how examples are cut, augmented and mixed.
    seed : int
        Decides all randomness.
    rank : int
        Number of this worker, from 0.

    Attributes
    ----------
    n_steps : int
        Number of batches in an epoch.
    """

    def __init__(self, examples: TrainingSet, config: StepsConfig, seed: int, rank: int) -> None:
        self._examples, self._config, self._seed, self._rank = examples, config, seed, rank
        self._is_drawn: Final = isinstance(config, TuningConfig) and config.balance
        self.n_steps: Final = max(1, len(examples) // config.batch_size)

    def of_epoch(self, epoch: int) -> Iterator[tuple[Float32, Float32]]:
        """Make the batches of an epoch, each in a thread while the one before it is used.

        Parameters
        ----------
        epoch : int
            Number of the epoch, from 0.

        Yields
        ------
        inputs : ndarray, shape (n, n_frames, n_bands), float32
            Augmented examples.
        targets : ndarray, shape (n, n_classes + n_masks + 1), float32
            See `TrainingSet`.
        """
        order = self._order(epoch)
        with ThreadPoolExecutor(1, "batches") as thread:
            following = thread.submit(self._batch, order, epoch, 0)
            for step in range(self.n_steps):
                batch = following.result()
                if step + 1 < self.n_steps:
                    following = thread.submit(self._batch, order, epoch, step + 1)
                yield batch

    def _order(self, epoch: int) -> NDArray[np.intp]:
        rng, n = np.random.default_rng([self._seed, epoch]), len(self._examples)
        if not self._is_drawn:
            return rng.permutation(n)
        weights = self._examples.targets[:, -1].astype(np.float64)
        return rng.choice(n, n, p=weights / weights.sum())

    def _batch(self, order: NDArray[np.intp], epoch: int, step: int) -> tuple[Float32, Float32]:
        rows = order[step * self._config.batch_size :][: self._config.batch_size]
        n_frames = crop_length(self._config, epoch)
        sections = []
        for place, row in enumerate(rows):
            # A recording that is drawn twice is augmented in two ways.
            drawn = [step, place] if self._is_drawn else []
            rng = np.random.default_rng([self._seed, epoch, int(self._examples.numbers[row]), *drawn])
            section = self._examples.features[row]
            if self._config.augment:
                section = augment(section, rng, self._config.augment)
            sections.append(fit_length(section, rng, n_frames) if n_frames else section)
        rng = np.random.default_rng([self._seed, epoch, step, self._rank])
        targets = self._examples.targets[rows]
        if self._is_drawn:
            targets[:, -1] = 1
        return mix(np.stack(sections), targets, rng, self._config.mixup)


def crop_length(config: StepsConfig, epoch: int) -> int:
    """Return the length of the examples of an epoch.

    Parameters
    ----------
    config : CnnConfig or TuningConfig
        Has the first and the last length.
    epoch : int
        Number of the epoch, from 0.

    Returns
    -------
    int
        Number of frames; 0 for whole recordings.
    """
    first, last = config.first_crop_frames or config.crop_frames, config.crop_frames
    done = min(1.0, epoch / max(1.0, _GROWTH * config.epochs))
    return min(last, first + int((last - first) * done) // _FRAMES_STEP * _FRAMES_STEP)
