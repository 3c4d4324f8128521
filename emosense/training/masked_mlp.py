"""scikit-learn's MLP, which tells its passes and takes the probability of each row among some of the classes only.

scikit-learn has no such loss. Its forward pass is the one place where the masks have to be known: loss and gradient
follow from the probabilities that it returns. The number of a row's mask is its last value, so small that no weight can
make use of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.neural_network import MLPClassifier

from emosense.arrays import Float64

_STEP: Final = 1e-12
# A row whose classes have no probability at all keeps a finite gradient.
_SMALLEST: Final = 1e-12


class MaskedMLPClassifier(MLPClassifier):  # type: ignore[misc] # scikit-learn has no types
    """An `MLPClassifier`, with the same parameters, that `fit_masked` trains; `fit` trains it like any other.

    Attributes
    ----------
    on_pass : callable or None
        Receives the number of passes that are done, from 1, and the mean loss of the last one.
    """

    on_pass: Callable[[int, float], None] | None = None
    _masks: NDArray[np.bool_] | None = None

    def fit_masked(
        self, values: Float64, labels: NDArray[np.int64], mask: NDArray[np.bool_], sample_weight: Any = None
    ) -> Self:
        """Train.

        Parameters
        ----------
        values : ndarray, shape (n, n_values), float64
            Inputs.
        labels : ndarray, shape (n,), int64
            Class indices, each of which occurs; more than two classes.
        mask : ndarray, shape (n, n_classes), bool
            The classes among which the probability of a row's class is taken; its own is one of them.
        sample_weight : ndarray, shape (n,), or None
            Weight of each row.

        Returns
        -------
        MaskedMLPClassifier
            Itself, to be used like an `MLPClassifier` that was fitted.
        """
        self._masks, number = np.unique(mask, axis=0, return_inverse=True)
        self.fit(np.column_stack([values, number * _STEP]), labels, sample_weight=sample_weight)
        self.coefs_[0] = self.coefs_[0][:-1]
        self.n_features_in_ -= 1
        self._masks = None
        return self

    def _update_no_improvement_count(self, *arguments: Any) -> None:
        """Report a pass: scikit-learn calls this after each."""
        if self.on_pass is not None:
            self.on_pass(self.n_iter_, float(self.loss_))
        super()._update_no_improvement_count(*arguments)

    def _forward_pass(self, activations: list[Any]) -> list[Any]:
        """Return the activations of all layers, the last with probabilities among the classes of each row."""
        activations = super()._forward_pass(activations)
        if self._masks is None:
            return activations
        number = np.rint(activations[0][:, -1] / _STEP).astype(np.int64)
        probabilities = activations[-1] * self._masks[number]
        activations[-1] = probabilities / np.maximum(probabilities.sum(axis=1, keepdims=True), _SMALLEST)
        return activations
