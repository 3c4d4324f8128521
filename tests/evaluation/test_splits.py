from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emosense.errors import UsageError
from emosense.evaluation.splits import PROTOCOLS, Fold, folds, inner_split, is_speaker_independent

ACTORS = [f"{actor:02d}" for actor in range(1, 25)]
BY_SPEAKER = ["lj5", "eb6", "loso", "kfold"]

# Copied from the publications, not from the module.
LJ5 = ["02 05 14 15 16", "03 06 07 13 18", "10 11 12 19 20", "08 17 21 23 24", "01 04 09 22"]
EB6 = ["01 11 20 21", "04 10 12 14", "08 09 19 23", "03 05 07 24", "02 15 16 18", "06 13 17 22"]


def corpus(seed: int = 0, n_rows: int = 480, actors: list[str] = ACTORS) -> tuple[list[str], np.ndarray]:
    """Rows of all actors in a mixed order, each actor at least once."""
    rng = np.random.default_rng(seed)
    speakers = [*actors, *rng.choice(actors, size=n_rows - len(actors))]
    rng.shuffle(speakers)
    return [str(speaker) for speaker in speakers], rng.integers(0, 8, size=n_rows)


def speakers_under_test(fold: Fold, speakers: list[str]) -> set[str]:
    return {speakers[row] for row in fold.test}


@given(
    protocol=st.sampled_from(BY_SPEAKER),
    seed=st.integers(0, 1000),
    n_folds=st.integers(2, 24),
    rows=st.integers(24, 90),
)
@settings(max_examples=60, deadline=None)
def test_no_actor_is_in_training_and_test_and_every_row_is_tested_once(protocol, seed, n_folds, rows):
    speakers, labels = corpus(seed, rows)
    result = folds(protocol, speakers, labels, seed=seed, n_folds=n_folds)
    for fold in result:
        assert not speakers_under_test(fold, speakers) & {speakers[row] for row in fold.train}
        assert sorted([*fold.train, *fold.test]) == list(range(rows))
    assert sorted(row for fold in result for row in fold.test) == list(range(rows))


@pytest.mark.parametrize(("protocol", "published"), [("lj5", LJ5), ("eb6", EB6)])
def test_fixed_folds_hold_the_published_actors(protocol, published):
    speakers, labels = corpus()
    result = folds(protocol, speakers, labels)
    assert [speakers_under_test(fold, speakers) for fold in result] == [set(actors.split()) for actors in published]
    assert [fold.name for fold in result] == [f"{protocol}-{number}" for number in range(1, len(published) + 1)]


def test_row_indices_are_ascending_int64():
    speakers, labels = corpus()
    corpora = ["men" if int(speaker) % 2 else "women" for speaker in speakers]
    for protocol in PROTOCOLS:
        for fold in folds(protocol, speakers, labels, corpora=corpora):
            for rows in (fold.train, fold.test):
                assert rows.dtype == np.int64
                assert (np.diff(rows) > 0).all()


def test_loso_has_one_fold_per_speaker_whatever_their_names():
    speakers = ["eve", "adam", "eve", "x,1"]
    result = folds("loso", speakers, np.zeros(4, dtype=np.int64))
    assert [(fold.name, fold.test.tolist()) for fold in result] == [
        ("loso-adam", [1]),
        ("loso-eve", [0, 2]),
        ("loso-x,1", [3]),
    ]


def test_kfold_balances_the_number_of_speakers_and_its_seed_decides_who():
    speakers, labels = corpus()
    sizes = [len(speakers_under_test(fold, speakers)) for fold in folds("kfold", speakers, labels, n_folds=5)]
    assert sorted(sizes) == [4, 5, 5, 5, 5]
    groups = [
        [speakers_under_test(fold, speakers) for fold in folds("kfold", speakers, labels, seed=seed)]
        for seed in (1, 1, 2)
    ]
    assert groups[0] == groups[1] != groups[2]


def test_kfold_does_not_depend_on_the_order_of_the_rows():
    speakers, labels = corpus()
    turned = speakers[::-1]
    first = [speakers_under_test(fold, speakers) for fold in folds("kfold", speakers, labels, seed=3)]
    assert first == [speakers_under_test(fold, turned) for fold in folds("kfold", turned, labels, seed=3)]


def test_missing_actors_and_empty_folds_are_left_out():
    speakers = ["02", "05", "03", "22", "02"]
    result = folds("lj5", speakers, np.zeros(5, dtype=np.int64))
    assert [(fold.name, fold.test.tolist()) for fold in result] == [
        ("lj5-1", [0, 1, 4]),
        ("lj5-2", [2]),
        ("lj5-5", [3]),
    ]


@pytest.mark.parametrize("protocol", ["lj5", "eb6"])
@pytest.mark.parametrize("speaker", ["1", "25", "00", "Actor_01", "eve", ""])
def test_a_speaker_who_is_not_a_ravdess_actor_is_refused_by_name(protocol, speaker):
    with pytest.raises(UsageError, match=f"speaker '{speaker}' is not one of them"):
        folds(protocol, ["02", "03", speaker], np.zeros(3, dtype=np.int64))


@pytest.mark.parametrize("protocol", BY_SPEAKER)
def test_a_single_speaker_cannot_be_split(protocol):
    with pytest.raises(UsageError, match="at least 2 speakers"):
        folds(protocol, ["01", "01"], np.zeros(2, dtype=np.int64))


def test_a_fold_without_training_speakers_is_refused():
    with pytest.raises(UsageError, match=r"lj5-1 tests on every speaker \(02, 05\)"):
        folds("lj5", ["02", "05"], np.zeros(2, dtype=np.int64))


@pytest.mark.parametrize("n_folds", [-1, 1, 4])
def test_kfold_refuses_fewer_than_two_folds_and_more_than_speakers(n_folds):
    with pytest.raises(UsageError, match=f"from 2 to 3 folds for 3 speakers, not {n_folds}"):
        folds("kfold", ["a", "b", "c"], np.zeros(3, dtype=np.int64), n_folds=n_folds)


def test_an_unknown_protocol_is_refused_with_the_list_of_known_ones():
    with pytest.raises(UsageError, match="'holdout': expected one of lj5, eb6, loso, kfold, loco, random"):
        folds("holdout", ["a", "b"], np.zeros(2, dtype=np.int64))
    with pytest.raises(UsageError, match="unknown protocol 'LJ5'"):
        is_speaker_independent("LJ5")


def test_speakers_and_labels_of_different_length_are_refused():
    with pytest.raises(ValueError, match="2 speakers do not fit 3 labels"):
        folds("loso", ["a", "b"], np.zeros(3, dtype=np.int64))


def test_only_the_random_protocol_is_not_speaker_independent_and_its_description_says_so():
    assert [name for name in PROTOCOLS if is_speaker_independent(name)] == [*BY_SPEAKER, "loco"]
    assert "NOT speaker-independent" in PROTOCOLS["random"]


@given(
    counts=st.lists(st.integers(1, 40), min_size=1, max_size=8).filter(lambda c: max(c) > 1), seed=st.integers(0, 99)
)
@settings(max_examples=60, deadline=None)
def test_random_split_is_stratified_and_leaves_every_class_a_training_row(counts, seed):
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    (fold,) = folds("random", ["one"] * len(labels), labels, seed=seed)
    assert sorted([*fold.train, *fold.test]) == list(range(len(labels)))
    n_tested = np.bincount(labels[fold.test], minlength=len(counts))
    assert (np.abs(n_tested - np.array(counts) / 4) <= 1).all()
    assert (n_tested < counts).all()


def test_random_split_tests_a_quarter_and_shares_actors_between_the_sides():
    speakers, labels = corpus()
    (fold,) = folds("random", speakers, labels)
    assert (fold.name, len(fold.test), len(fold.train)) == ("random", 120, 360)
    assert speakers_under_test(fold, speakers) & {speakers[row] for row in fold.train}


def test_random_split_follows_its_seed():
    speakers, labels = corpus()
    first, again, other = (folds("random", speakers, labels, seed=seed)[0].test.tolist() for seed in (4, 4, 5))
    assert first == again != other


@pytest.mark.parametrize("labels", [[], [0], [0, 1, 2]])
def test_random_split_refuses_rows_if_none_can_be_tested(labels):
    with pytest.raises(UsageError, match="a class with at least 2 rows"):
        folds("random", ["a"] * len(labels), np.array(labels, dtype=np.int64))


@given(n_speakers=st.integers(2, 24), share=st.floats(0.01, 0.99), seed=st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_inner_split_holds_out_whole_speakers_and_never_all(n_speakers, share, seed):
    speakers, _ = corpus(seed, 60, ACTORS[:n_speakers])
    train, validation = inner_split(speakers, seed, share)
    assert sorted([*train, *validation]) == list(range(60))
    trained, held_out = ({speakers[row] for row in rows} for rows in (train, validation))
    assert not trained & held_out
    assert 1 <= len(held_out) < n_speakers
    assert abs(len(held_out) - share * n_speakers) <= 1


def test_inner_split_refuses_a_single_speaker_and_an_impossible_share():
    with pytest.raises(UsageError, match="at least 2 speakers"):
        inner_split(["a", "a"], 0, 0.5)
    for share in (0.0, 1.0, float("nan")):
        with pytest.raises(UsageError, match="between 0 and 1"):
            inner_split(["a", "b"], 0, share)


def two_corpora() -> tuple[list[str], np.ndarray, list[str]]:
    """RAVDESS, and a corpus whose speakers have names of RAVDESS's actors that are missing here."""
    speakers, labels = corpus(actors=ACTORS[:20], n_rows=200)
    return [*speakers, *["23", "24"] * 20], np.append(labels, np.zeros(40, np.int64)), ["ravdess"] * 200 + ["nemo"] * 40


def test_loco_leaves_out_one_corpus_at_a_time():
    speakers, labels, corpora = two_corpora()
    result = folds("loco", speakers, labels, corpora=corpora)
    assert [(fold.name, fold.test.tolist()) for fold in result] == [
        ("loco-nemo", list(range(200, 240))),
        ("loco-ravdess", list(range(200))),
    ]
    for fold in result:
        assert sorted([*fold.train, *fold.test]) == list(range(240))


def test_loco_needs_several_corpora():
    speakers, labels = corpus()
    for corpora in (None, ["one"] * len(speakers)):
        with pytest.raises(UsageError, match="these recordings are all of one"):
            folds("loco", speakers, labels, corpora=corpora)


def test_fixed_folds_over_several_corpora_test_ravdess_and_train_on_the_others():
    speakers, labels, corpora = two_corpora()
    result = folds("lj5", speakers, labels, corpora=corpora)
    assert sorted(row for fold in result for row in fold.test) == list(range(200))
    for fold in result:
        assert set(range(200, 240)) <= set(fold.train.tolist())
