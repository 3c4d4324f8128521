"""The second head of a model, for recordings that are adapted to a speaker (`emosense.evaluation.voice_adaptation`).

A graph that has one has the output ``speaker_probabilities`` beside those of `emosense.models.head`, and four more
tensors. Both heads share the mean and the scale of the embeddings. What the speaker head gives is not calibrated:
calibration comes after the adaptation.
"""

from __future__ import annotations

import dataclasses
from typing import Final

import numpy as np

from emosense.arrays import Float32
from emosense.models.head import Head, read_tensors

SPEAKER_PROBABILITIES: Final = "speaker_probabilities"
SPEAKER_LOGITS: Final = "speaker_logits"
SPEAKER_TENSORS: Final = (
    "speaker_head_weight",
    "speaker_head_bias",
    "speaker_head_class_logits",
    "speaker_head_temperature",
)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class SpeakerHead:
    """A head on embeddings from which the shift of the speaker's voice is removed.

    Parameters
    ----------
    weight : ndarray, shape (n_dims, n_classes), float32
        As in `Head`.
    bias : ndarray, shape (n_classes,), float32
        As in `Head`.
    class_logits : ndarray, shape (n_classes, 2, n_classes), float32
        Logits that the head of the model and this one give for the mean embedding of each class in training, before
        calibration.
    temperature : ndarray, shape (1,), float32
        That of the head of the model; above 0.

    Raises
    ------
    ValueError
        If the shapes do not fit, or a value is not finite.
    """

    weight: Float32
    bias: Float32
    class_logits: Float32
    temperature: Float32

    def __post_init__(self) -> None:
        """Refuse tensors from which nothing can be computed."""
        n_classes = len(self.bias)
        if self.weight.ndim != 2 or self.weight.shape[1] != n_classes:
            raise ValueError("weight and bias of a speaker head have shapes that do not fit")
        if self.class_logits.shape != (n_classes, 2, n_classes):
            raise ValueError(f"the class logits of a speaker head must have the shape {(n_classes, 2, n_classes)}")
        if not all(np.isfinite(values).all() for values in (self.weight, self.bias, self.class_logits)):
            raise ValueError("the values of a speaker head must be finite")
        if self.temperature.shape != (1,) or not 0 < self.temperature[0] < np.inf:
            raise ValueError("the temperature of a speaker head must be one positive number")

    def on(self, head: Head) -> Head:
        """Return this head as one of its own.

        Parameters
        ----------
        head : Head
            The head of the same graph, whose mean and scale are shared.

        Returns
        -------
        Head
        """
        return Head(head.mean, head.scale, self.weight, self.bias)

    def sharpened(self, temperature: float) -> SpeakerHead:
        """Return the speaker head for a head to which `emosense.training.head_graph.sharpened` was applied.

        Parameters
        ----------
        temperature : float
            Above 0.

        Returns
        -------
        SpeakerHead
        """
        return dataclasses.replace(self, temperature=self.temperature * np.float32(temperature))


def read_speaker_head(weights: bytes) -> SpeakerHead | None:
    """Read the speaker head out of a model's graph.

    Parameters
    ----------
    weights : bytes
        Content of ``model.onnx``.

    Returns
    -------
    SpeakerHead or None
        None if the graph has none.

    Raises
    ------
    ValueError
        If the graph is damaged, or the head is of another type than float32 or of shapes that do not fit.
    """
    found = read_tensors(weights, SPEAKER_TENSORS)
    return None if found is None else SpeakerHead(*(found[name] for name in SPEAKER_TENSORS))
