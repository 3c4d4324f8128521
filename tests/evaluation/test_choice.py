"""The probabilities of chosen emotions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from emosense.emotions import EMOTIONS
from emosense.errors import UsageError
from emosense.evaluation.choice import EmotionChoice

FOUR = EmotionChoice.parse(["angry", "happy", "neutral", "sad"])
# neutral, calm, happy, sad, angry, fearful, disgust, surprised
SHARES = [0.1, 0.2, 0.05, 0.25, 0.1, 0.1, 0.1, 0.1]


def test_names_come_in_any_order_and_with_synonyms() -> None:
    assert EmotionChoice.parse(["sad", "Anger", " joy "]).emotions == ("happy", "sad", "angry")


@pytest.mark.parametrize(("names", "message"), [(["bored", "sad"], "bored"), (["sad", "sadness"], "at least two")])
def test_a_choice_needs_two_known_emotions(names: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        EmotionChoice.parse(names)


def test_probabilities_are_those_given_that_the_emotion_is_chosen() -> None:
    # Calm counts as neutral: 0.3, 0.05, 0.25 and 0.1 of 0.7.
    np.testing.assert_allclose(FOUR.apply(SHARES), np.array([30, 0, 5, 25, 10, 0, 0, 0]) / 70)


@pytest.mark.parametrize(
    ("names", "neutral", "calm"),
    [("neutral,sad", 0.3, 0), ("calm,sad", 0, 0.3), ("neutral,calm,sad", 0.1, 0.2), ("happy,sad", 0, 0)],
)
def test_neutral_and_calm_count_as_each_other_only_where_one_is_chosen(names: str, neutral: float, calm: float) -> None:
    choice = EmotionChoice.parse(names.split(","))
    total = neutral + calm + 0.25 + (0.05 if "happy" in names else 0)
    assert choice.apply(SHARES)[:2] == pytest.approx([neutral / total, calm / total])
    assert choice.answer("calm") == ("calm" if calm else "neutral" if neutral else None)


def test_chosen_emotions_without_any_probability_have_equal_shares() -> None:
    assert EmotionChoice.parse(["happy", "sad"]).apply([1.0, *[0.0] * 7]).tolist() == [0, 0, 0.5, 0.5, 0, 0, 0, 0]


@given(
    arrays(np.float64, (3, 8), elements=st.floats(0.001, 1)),
    st.sets(st.sampled_from(EMOTIONS), min_size=2),
)
def test_any_choice_gives_a_distribution_in_the_same_order(shares: np.ndarray, names: set[str]) -> None:
    choice = EmotionChoice.parse(names)
    found = choice.apply(shares)
    np.testing.assert_allclose(found.sum(axis=1), 1)
    assert not found[:, ~np.isin(EMOTIONS, choice.emotions)].any()
    kept = np.isin(EMOTIONS, [name for name in choice.emotions if name not in ("neutral", "calm")])
    ratio = found[:, kept] / shares[:, kept]
    np.testing.assert_allclose(ratio, np.broadcast_to(ratio[:, :1], ratio.shape))
    np.testing.assert_allclose(choice.apply_to_classes(shares, EMOTIONS), found[:, np.isin(EMOTIONS, choice.emotions)])


def test_a_model_that_does_not_know_an_emotion_is_refused() -> None:
    FOUR.check(["calm", "happy", "sad", "angry"])
    with pytest.raises(UsageError, match="'angry': choose from calm, happy, sad"):
        FOUR.check(["calm", "happy", "sad"])
