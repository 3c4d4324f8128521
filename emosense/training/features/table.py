"""Features of a corpus in memory, with the labels of its recordings: what every training takes."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from emosense.arrays import Float32
from emosense.features.config import FeatureConfig
from emosense.training.features.extraction import Copy


@dataclasses.dataclass(frozen=True, slots=True)
class FeatureTable:
    """Utterances with their features, in order of path.

    Parameters
    ----------
    config : FeatureConfig
        Settings of the features.
    paths, emotions, speakers, sexes : tuple of str
        Labels; an emotion is empty where a recording has none.
    features : list of ndarray, float32
        Shape (n_values,) or (n_frames, n_bands) each.
    copies : mapping of Copy to list of ndarray
        Further features of the same recordings, for training only.
    corpora, languages : tuple of str
        Corpus and language of each utterance (see `Utterance`); empty strings where they are not given.
    by_error : Counter
        Number of recordings that could not be read and are left out, by error code.
    """

    config: FeatureConfig
    paths: tuple[str, ...]
    emotions: tuple[str, ...]
    speakers: tuple[str, ...]
    sexes: tuple[str, ...]
    features: list[Float32]
    copies: Mapping[Copy, list[Float32]] = dataclasses.field(default_factory=dict)
    corpora: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    by_error: Counter[str] = dataclasses.field(default_factory=Counter)

    def __post_init__(self) -> None:
        """Give every utterance a corpus and a language."""
        for name in ("corpora", "languages"):
            if not getattr(self, name):
                object.__setattr__(self, name, ("",) * len(self.paths))

    def __len__(self) -> int:
        """Return the number of utterances."""
        return len(self.paths)

    def select(self, rows: Sequence[int] | NDArray[np.int64]) -> FeatureTable:
        """Return some of the rows.

        Parameters
        ----------
        rows : sequence of int
            Row numbers.

        Returns
        -------
        FeatureTable
            In the order of `rows`.
        """
        return dataclasses.replace(
            self,
            paths=tuple(self.paths[row] for row in rows),
            emotions=tuple(self.emotions[row] for row in rows),
            speakers=tuple(self.speakers[row] for row in rows),
            sexes=tuple(self.sexes[row] for row in rows),
            corpora=tuple(self.corpora[row] for row in rows),
            languages=tuple(self.languages[row] for row in rows),
            features=[self.features[row] for row in rows],
            copies={copy: [values[row] for row in rows] for copy, values in self.copies.items()},
        )

    def with_emotions(self, classes: Sequence[str]) -> FeatureTable:
        """Return the utterances of some emotions.

        Parameters
        ----------
        classes : sequence of str
            Emotions to keep.

        Returns
        -------
        FeatureTable
            In the same order.
        """
        return self.select([row for row, emotion in enumerate(self.emotions) if emotion in classes])

    @property
    def speakers_of_corpora(self) -> list[str]:
        """Speaker of each row with the corpus: speakers of two corpora may have the same name."""
        return [f"{corpus}/{speaker}" for corpus, speaker in zip(self.corpora, self.speakers, strict=True)]

    def labels(self, classes: Sequence[str]) -> NDArray[np.int64]:
        """Return the class index of each utterance.

        Parameters
        ----------
        classes : sequence of str
            Has every emotion of the table.

        Returns
        -------
        ndarray, shape (n_utterances,), int64
            Indices into `classes`.
        """
        return np.array([list(classes).index(emotion) for emotion in self.emotions], np.int64)
