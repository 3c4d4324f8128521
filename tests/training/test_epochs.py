"""The lines that tell how far a training is."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from conftest import Listener

from emosense.features.config import default_config
from emosense.training.epoch_lines import EpochLines, figures_text
from emosense.training.epochs import Epoch, EqualEpochs, Estimate, Listeners
from emosense.training.families import fit
from emosense.training.features.table import FeatureTable
from emosense.training.mlp_settings import MlpConfig


def lines_of(
    n_networks: int, epochs: list[tuple[float, str, int]], n_epochs: int, *, n_kept: int = 0, n_at_once: int = 1
) -> list[str]:
    """The messages for networks that take a minute each, and for epochs that end at the given seconds."""
    heard = Listener()
    times = iter([second for second, _, _ in epochs])
    lines = Listeners([EpochLines(heard, n_networks, clock=functools.partial(next, times))])
    lines.stage_begins(n_kept, n_at_once)
    for network in dict.fromkeys(network for _, network, _ in epochs):
        lines.time_estimated(Estimate(network, n_epochs, 60.0))
    for _, network, number in epochs:
        lines.epoch_done(Epoch(network, number, n_epochs, {"train_loss": 1.5}, number / n_epochs))
    lines.close()
    return heard.messages


def test_the_whole_time_is_said_before_the_first_epoch_and_each_epoch_is_a_line() -> None:
    found = lines_of(1, [(100.0, "final", 1), (110.0, "final", 2), (120.0, "final", 3)], 5)
    assert found == [
        "about 60 s: 1 network of 5 epochs",
        "final: epoch 1 of 5: loss 1.500, 48 s left",
        "final: epoch 2 of 5: loss 1.500, 30 s left",
        "final: epoch 3 of 5: loss 1.500, 20 s left",
    ]


def test_the_whole_time_depends_on_how_many_networks_there_are_are_kept_and_are_trained_at_once() -> None:
    epochs = [(0.0, "a", 1), (5.0, "b", 1)]
    # Twelve of fifteen are left: six rounds of two.
    first, line, _ = lines_of(15, epochs, 80, n_kept=3, n_at_once=2)
    assert first == "about 6 min: 12 networks of 80 epochs, 2 at a time"
    assert line.endswith("6 min left")
    # The last round of five networks has one.
    assert lines_of(5, epochs, 80, n_at_once=2)[0] == "about 3 min: 5 networks of 80 epochs, 2 at a time"
    assert lines_of(1, epochs[:1], 80, n_at_once=2)[0] == "about 60 s: 1 network of 80 epochs"


def test_networks_that_have_not_begun_count_in_the_time_left() -> None:
    # Two at a time, ten seconds an epoch each: 5 seconds an epoch; 2 + 2 epochs of these two and 2 x 4 to come.
    epochs = [(0.0, "a", 1), (5.0, "b", 1), (10.0, "a", 2), (15.0, "b", 2)]
    assert lines_of(4, epochs, 4)[-1] == "b: epoch 2 of 4: loss 1.500, 60 s left"


def test_first_epochs_that_end_together_say_nothing_of_the_time_left() -> None:
    # A minute each, two at a time: 75 % of the first round is left, and one round of a minute.
    epochs = [(0.0, "a", 1), (0.0, "b", 1), (15.0, "a", 2), (15.0, "b", 2)]
    found = lines_of(4, epochs, 4, n_at_once=2)
    assert [line.rpartition(", ")[2] for line in found[1:]] == ["2 min left", "2 min left", "3 min left", "2 min left"]


def test_a_resumed_training_has_only_the_rest_before_it() -> None:
    assert lines_of(1, [(0.0, "final", 8), (10.0, "final", 9)], 10)[-1].endswith("10 s left")


def test_the_estimate_of_a_resumed_training_is_of_its_rest() -> None:
    heard = Listener()
    times = iter([100.0, 130.0])
    lines = EpochLines(heard, 1, clock=functools.partial(next, times))
    # Half an hour is left of an hour; each of 120 epochs takes half a minute.
    lines.time_estimated(Estimate("final", 120, 1800.0, 0.5))
    for number in (61, 62):
        lines.epoch_done(Epoch("final", number, 120, {"train_loss": 1.5}, number / 120))
    assert heard.messages[0] == "about 30 min: 1 network of 120 epochs"
    assert [line.rpartition(", ")[2] for line in heard.messages[1:]] == ["30 min left", "29 min left"]


def test_a_network_that_begins_again_ends_no_thread() -> None:
    found = lines_of(1, [(0.0, "a", 1), (9.0, "a", 1), (20.0, "a", 2)], 4)
    assert found[2] == "a: epoch 1 of 4: loss 1.500"
    assert found[3].endswith("40 s left")


@pytest.mark.parametrize(
    ("figures", "text"),
    [
        ({"train_loss": 1.23456}, "loss 1.235"),
        (
            {"train_loss": 0.5, "train_accuracy": 0.8125, "validation_uar": 0.5},
            "loss 0.500, accuracy 81.2 %, UAR on other speakers 50.0 %",
        ),
    ],
)
def test_figures_are_said_in_percent(figures: dict[str, float], text: str) -> None:
    assert figures_text(figures) == text


def two_classes(learning_rate: float) -> tuple[FeatureTable, tuple[str, ...], MlpConfig]:
    """Recordings of two emotions that are easily told apart, and an MLP for them."""
    rng = np.random.default_rng(0)
    rows = [rng.normal(number % 2, 0.1, 4).astype(np.float32) for number in range(24)]
    classes = ("happy", "sad")
    table = FeatureTable(
        default_config("summary"),
        tuple(f"{number}.wav" for number in range(24)),
        tuple(classes[number % 2] for number in range(24)),
        ("s1",) * 24,
        ("",) * 24,
        rows,
        {},
    )
    config = MlpConfig(
        "made", default_config("summary"), hidden_units=4, max_iter=400, learning_rate_init=learning_rate
    )
    return table, classes, config


def test_equal_epochs_are_estimated_from_those_after_the_first() -> None:
    heard = Listener()
    lines = EpochLines(heard, 15, clock=lambda: 0.0)
    lines.stage_begins(0, 2)
    # Four seconds to start and for the first of 200 epochs, then 0.9 s for each.
    times = iter([0.0, 4.0, 4.9, 5.8, 6.7, 7.6])
    tell = EqualEpochs("a", lines.epoch_done, lines.time_estimated, clock=functools.partial(next, times))
    for number in (1, 2, 3, 4):
        tell(number, 200, {"train_loss": 1.5})
    # Eight rounds of 4 + 199 x 0.9 s, once 1.5 s have been timed.
    assert [line.partition(":")[0] for line in heard.messages] == ["a", "a", "a", "about 24 min at most", "a"]
    assert heard.messages[3] == "about 24 min at most: 15 networks of 200 epochs, 2 at a time"


def test_an_mlp_says_how_long_it_takes_at_most() -> None:
    heard = Listener()
    lines = EpochLines(heard, 1)
    tell = EqualEpochs("final", lines.epoch_done, lines.time_estimated)
    fit(*two_classes(0.003), seed=0, on_epoch=tell)
    (estimate,) = (number for number, line in enumerate(heard.messages) if not line.startswith("final: "))
    assert heard.messages[estimate].endswith("s at most: 1 network of 400 epochs")
    # Twenty passes are timed, unless they take longer than 1.5 s.
    assert 2 <= estimate <= 21
    assert " left" in heard.messages[estimate + 1]


def test_an_mlp_that_stops_early_has_no_time_left() -> None:
    told: list[tuple[int, int]] = []
    fit(*two_classes(0.1), seed=0, on_epoch=lambda number, n_epochs, _: told.append((number, n_epochs)))
    assert told[0] == (1, 400)
    assert told[-1] == (told[-2][0], told[-2][0])
    assert told[-2][0] < 400
