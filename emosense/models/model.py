"""A model -> probabilities: its graph, loaded.

Takes the features of one recording, gives the probabilities of `EMOTIONS`. Scaling, softmax and temperature are part of
the graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from emosense.arrays import Float32
from emosense.emotions import EMOTIONS
from emosense.errors import ModelError
from emosense.features.config import FeatureConfig
from emosense.features.sets import FEATURE_SETS, extract
from emosense.models.description import DESCRIPTION_FILE, WEIGHTS_FILE
from emosense.models.model_files import ModelFiles
from emosense.models.speaker_head import SPEAKER_PROBABILITIES
from emosense.onnx_session import open_session, run_outputs

# Output of a graph that measures how far a recording is from the training recordings.
DISTANCE: Final = "distance"
_SUM_TOLERANCE: Final = 1e-3


class Model:
    """A loaded model.

    Parameters
    ----------
    files : ModelFiles
        From `read_model`.

    Attributes
    ----------
    features : tuple of FeatureConfig
        The features that `probabilities` takes, all at one sample rate.
    sample_rate : int
        Hz.
    window_s : float
        Recordings longer than this are labelled window by window.
    own_emotions : tuple of str
        Classes that are not among `EMOTIONS`: names that a user gave.

    Raises
    ------
    ModelError
        If the graph is unusable or does not fit its description.
    """

    def __init__(self, files: ModelFiles) -> None:
        self.features = tuple(FeatureConfig.from_dict(values) for values in files.description["features"])
        self.sample_rate = self.features[0].sample_rate
        self.window_s = float(files.description["window_s"])
        self.own_emotions = files.own_emotions
        self._n_emotions = len(EMOTIONS) + len(self.own_emotions)
        self._positions = [(*EMOTIONS, *self.own_emotions).index(name) for name in files.description["classes"]]
        self._inputs = input_names(len(self.features))
        try:
            self._session = open_session(files.weights)
        except Exception as err:  # onnxruntime raises no narrower class of its own for a graph that it refuses
            raise ModelError(f"{WEIGHTS_FILE} is not a usable ONNX graph: {err}") from err
        outputs = {node.name for node in self._session.get_outputs()}
        self._heads = ["probabilities", *({SPEAKER_PROBABILITIES} & outputs)]
        self._measures = [*({DISTANCE} & outputs)]
        self._try()

    def _try(self) -> None:
        """Run the graph on half a second of noise, so that one that does not fit its description fails at once."""
        found = sorted(node.name for node in self._session.get_inputs())
        if found != sorted(self._inputs):
            raise ModelError(
                f"{WEIGHTS_FILE} takes {', '.join(found)}, {DESCRIPTION_FILE} describes {', '.join(self._inputs)}"
            )
        if any(FEATURE_SETS[config.set].needs_encoder for config in self.features):
            # Half a second costs an encoder half the work of a recording; it is checked when it is loaded.
            return
        noise = np.random.default_rng(0).normal(0, 0.1, self.sample_rate // 2).astype(np.float32)
        try:
            total = float(self.probabilities([extract(noise, config) for config in self.features]).sum())
        except Exception as err:  # as above; NumPy raises other classes for settings that fit no signal
            reason = str(err).partition("\n")[0]
            raise ModelError(f"{WEIGHTS_FILE} does not fit the features or classes of model.json: {reason}") from err
        if not abs(total - 1) < _SUM_TOLERANCE:
            raise ModelError(f"{WEIGHTS_FILE} gives probabilities that sum to {total:.3f}")

    def probabilities(self, features: Sequence[Float32]) -> Float32:
        """Compute the probabilities of the emotions for one recording.

        A batch would be padded or summed in another order, and a recording's row must not depend on others.

        Parameters
        ----------
        features : sequence of ndarray, float32
            One array for each of the model's `features`, from `emosense.features.sets.extract`.

        Returns
        -------
        ndarray, shape (len(EMOTIONS) + len(own_emotions),), float32
            In the order of `EMOTIONS`, then of the model's own; 0 for emotions that are not classes of the model.

        Raises
        ------
        RecordingError
            ``model_error``, if the graph fails.
        """
        return self.predict(features)[0][: self._n_emotions]

    def predict(self, features: Sequence[Float32]) -> tuple[Float32, float | None]:
        """Compute what each head gives for one recording, and how far it is from the training recordings.

        Parameters
        ----------
        features : sequence of ndarray, float32
            As in `probabilities`.

        Returns
        -------
        tuple of (ndarray, shape (n_heads * n_emotions,), float32; and float or None)
            What `probabilities` returns, then the same by the speaker head, if the model has one. The distance: at
            least 0, above 1 is unfamiliar; None if the model does not measure it.

        Raises
        ------
        RecordingError
            ``model_error``, if the graph fails.
        """
        feeds = {name: values[np.newaxis] for name, values in zip(self._inputs, features, strict=True)}
        found = run_outputs(self._session, [*self._heads, *self._measures], feeds, "model")
        n_heads = len(self._heads)
        result = np.zeros((n_heads, self._n_emotions), np.float32)
        result[:, self._positions] = np.concatenate(found[:n_heads])
        return result.ravel(), float(found[n_heads][0]) if self._measures else None


def input_names(n_features: int) -> list[str]:
    """Return the names of a graph's inputs.

    Parameters
    ----------
    n_features : int
        Number of the model's features.

    Returns
    -------
    list of str
        ``features``, or ``features_0`` and so on, in the order of the features.
    """
    return ["features"] if n_features == 1 else [f"features_{place}" for place in range(n_features)]
