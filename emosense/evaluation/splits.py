"""Which rows are for training and which for testing: named protocols over the rows of a labelled corpus.

Takes one speaker and one label per row; returns `Fold` objects with ascending row indices. All protocols but
``random`` are speaker-independent: no speaker has rows on both sides of a fold. Speakers of RAVDESS are written with
two digits, "01" to "24". The order in which speakers appear does not change their folds.

Over several corpora, lj5 and eb6 test RAVDESS alone, and train on all other corpora in every fold.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emosense.errors import UsageError

PROTOCOLS: Final[Mapping[str, str]] = {
    "lj5": "Five fixed folds over the actors of RAVDESS (Luna-Jimenez et al. 2021), speaker-independent.",
    "eb6": "Six fixed folds over the actors of RAVDESS (EmoBox, Ma et al. 2024), speaker-independent.",
    "loso": "Leave one speaker out: as many folds as speakers, speaker-independent.",
    "kfold": "Folds of about as many speakers each, shuffled by the seed, speaker-independent.",
    "loco": "Leave one corpus out: as many folds as corpora, speaker-independent.",
    "random": "One stratified split of the rows, 75 % to train and 25 % to test: NOT speaker-independent.",
}

# Test actors of each fold. Sources: lj5 doi 10.3390/s21227665, eb6 arXiv 2406.07162.
_FIXED: Final[Mapping[str, tuple[tuple[int, ...], ...]]] = {
    "lj5": ((2, 5, 14, 15, 16), (3, 6, 7, 13, 18), (10, 11, 12, 19, 20), (8, 17, 21, 23, 24), (1, 4, 9, 22)),
    "eb6": ((1, 11, 20, 21), (4, 10, 12, 14), (8, 9, 19, 23), (3, 5, 7, 24), (2, 15, 16, 18), (6, 13, 17, 22)),
}
_RAVDESS_ACTORS: Final = frozenset(f"{actor:02d}" for actor in range(1, 25))
# Name of the corpus whose actors have fixed folds (`emosense.inputs.utterance.RAVDESS` lies above this level).
_RAVDESS: Final = "ravdess"
_RANDOM_TEST_SHARE: Final = 0.25


@dataclass(frozen=True, slots=True)
class Fold:
    """One division of the rows into training and test rows.

    Attributes
    ----------
    name : str
        The protocol and the number (or speaker) of the fold, such as ``lj5-1`` or ``loso-07``.
    train, test : ndarray, shape (n,), int64
        Row indices, ascending; they share no row.
    """

    name: str
    train: NDArray[np.int64]
    test: NDArray[np.int64]


def is_speaker_independent(protocol: str) -> bool:
    """Return whether no speaker has rows in both training and test.

    Parameters
    ----------
    protocol : str
        A key of `PROTOCOLS`.

    Returns
    -------
    bool
        False for ``random``.

    Raises
    ------
    UsageError
        If there is no such protocol.
    """
    _check_protocol(protocol)
    return protocol != "random"


def folds(
    protocol: str,
    speakers: Sequence[str],
    labels: NDArray[np.int64],
    *,
    seed: int = 0,
    n_folds: int = 5,
    corpora: Sequence[str] | None = None,
) -> list[Fold]:
    """Return the folds of a protocol over the rows of a corpus.

    Parameters
    ----------
    protocol : str
        A key of `PROTOCOLS`.
    speakers : sequence of str, length n
        Speaker of each row; "01" to "24" for lj5 and eb6.
    labels : ndarray, shape (n,), int64
        Class of each row; used only by ``random``.
    seed : int
        Decides the folds of ``kfold`` and ``random``; the others are fixed.
    n_folds : int
        Number of folds of ``kfold``, from 2 to the number of speakers.
    corpora : sequence of str, length n, optional
        Corpus of each row; without it, all rows are of one corpus. Speakers of different corpora have different names.

    Returns
    -------
    list of Fold
        Speakers that the corpus lacks are left out of their folds. A fold without test speakers is left out; the other
        folds keep their names.

    Raises
    ------
    UsageError
        If there is no such protocol, its speakers are missing or too few, or no training rows are left.
    ValueError
        If `speakers` and `labels` differ in length.
    """
    _check_protocol(protocol)
    if len(speakers) != len(labels):
        raise ValueError(f"{len(speakers)} speakers do not fit {len(labels)} labels: each row needs one of each")
    if protocol == "random":
        return [_random_fold(np.asarray(labels), seed)]
    of_corpus = np.asarray(corpora if corpora is not None else [""] * len(speakers), np.str_)
    if protocol == "loco":
        return _corpus_folds(of_corpus)
    # The rows that may be tested: the fixed folds are those of RAVDESS.
    is_tested = np.ones(len(speakers), np.bool_)
    if protocol in _FIXED and (of_corpus == _RAVDESS).any():
        is_tested = of_corpus == _RAVDESS
    of_row = np.asarray(speakers, dtype=np.str_)
    present = _sorted_speakers(of_row[is_tested].tolist())
    result = []
    for name, tested in _test_groups(protocol, present, seed, n_folds):
        is_test = np.isin(of_row, tested) & is_tested
        if is_test.all():
            raise UsageError(
                f"fold {name} tests on every speaker ({', '.join(present)}): no training speakers are left"
            )
        if is_test.any():
            result.append(Fold(name, np.flatnonzero(~is_test), np.flatnonzero(is_test)))
    return result


def _corpus_folds(of_corpus: NDArray[np.str_]) -> list[Fold]:
    """Leave out each corpus in turn."""
    names = np.unique(of_corpus)
    if len(names) < 2:
        raise UsageError(
            "protocol loco leaves one corpus out, and these recordings are all of one: use a table with the column "
            "corpus, or name several corpora"
        )
    return [
        Fold(f"loco-{name or 'unnamed'}", np.flatnonzero(of_corpus != name), np.flatnonzero(of_corpus == name))
        for name in names
    ]


def inner_split(speakers: Sequence[str], seed: int, share: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Divide training rows again by speaker, for early stopping, calibration or a learning curve.

    Parameters
    ----------
    speakers : sequence of str, length n
        Speaker of each *training* row; test rows must not be among them.
    seed : int
        Chooses the speakers that are held out.
    share : float, in (0, 1)
        Share of the speakers (not rows) held out, rounded, at least one and never all.

    Returns
    -------
    train, validation : ndarray, int64
        Indices into `speakers`, ascending.

    Raises
    ------
    UsageError
        If there are fewer than two speakers, or the share is not between 0 and 1.
    """
    if not 0 < share < 1:
        raise UsageError(f"the share of speakers held out must be between 0 and 1, not {share}")
    present = _sorted_speakers(speakers)
    n_held_out = min(max(round(share * len(present)), 1), len(present) - 1)
    held_out = np.random.default_rng(seed).permutation(present)[:n_held_out]
    is_validation = np.isin(np.asarray(speakers, dtype=np.str_), held_out)
    return np.flatnonzero(~is_validation), np.flatnonzero(is_validation)


def _check_protocol(protocol: str) -> None:
    if protocol not in PROTOCOLS:
        raise UsageError(f"unknown protocol {protocol!r}: expected one of {', '.join(PROTOCOLS)}")


def _sorted_speakers(speakers: Sequence[str]) -> list[str]:
    """Return the distinct speakers, at least two."""
    present = sorted(set(speakers))
    if len(present) < 2:
        raise UsageError(f"a split by speaker needs at least 2 speakers, not {len(present)}")
    return present


def _test_groups(protocol: str, present: list[str], seed: int, n_folds: int) -> Iterator[tuple[str, list[str]]]:
    """Yield the name and the test speakers of each fold of a speaker-independent protocol."""
    if protocol == "loso":
        for speaker in present:
            yield f"loso-{speaker}", [speaker]
    elif protocol == "kfold":
        if not 2 <= n_folds <= len(present):
            raise UsageError(f"kfold needs from 2 to {len(present)} folds for {len(present)} speakers, not {n_folds}")
        shuffled = np.random.default_rng(seed).permutation(present)
        for number, group in enumerate(np.array_split(shuffled, n_folds), start=1):
            yield f"kfold-{number}", [str(speaker) for speaker in group]
    else:
        for speaker in present:
            if speaker not in _RAVDESS_ACTORS:
                raise UsageError(
                    f"protocol {protocol} is defined only for the RAVDESS actors 01 to 24 (two digits), "
                    f"and speaker {speaker!r} is not one of them: use loso or kfold"
                )
        for number, actors in enumerate(_FIXED[protocol], start=1):
            yield f"{protocol}-{number}", [f"{actor:02d}" for actor in actors]


def _random_fold(labels: NDArray[np.int64], seed: int) -> Fold:
    """Draw a quarter of each class, by largest remainder; every class keeps a training row."""
    n_test = int(np.ceil(_RANDOM_TEST_SHARE * len(labels)))
    _, class_of_row, counts = np.unique(labels, return_inverse=True, return_counts=True)
    quota = counts * _RANDOM_TEST_SHARE
    n_test_by_class = np.floor(quota).astype(np.int64)
    for index in np.argsort(np.floor(quota) - quota, kind="stable"):
        if n_test_by_class.sum() < n_test and n_test_by_class[index] < counts[index] - 1:
            n_test_by_class[index] += 1
    if not n_test_by_class.sum():
        raise UsageError(f"a random split needs a class with at least 2 rows; there are {len(labels)} rows in total")
    rng = np.random.default_rng(seed)
    is_test = np.zeros(len(labels), dtype=np.bool_)
    for index, n_drawn in enumerate(n_test_by_class):
        is_test[rng.permutation(np.flatnonzero(class_of_row == index))[:n_drawn]] = True
    return Fold("random", np.flatnonzero(~is_test), np.flatnonzero(is_test))
