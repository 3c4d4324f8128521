"""The lines that tell how far a training is."""

from __future__ import annotations

import functools

import pytest
from conftest import Listener

from emosense.training.epochs import Epoch, EpochLines, Listeners, figures_text


def lines_of(n_networks: int, epochs: list[tuple[float, str, int]], n_epochs: int) -> list[str]:
    """The messages for epochs that end at the given seconds."""
    heard = Listener()
    times = iter([second for second, _, _ in epochs])
    lines = Listeners([EpochLines(heard, n_networks, clock=functools.partial(next, times))])
    for _, network, number in epochs:
        lines.epoch_done(Epoch(network, number, n_epochs, {"train_loss": 1.5}))
    lines.close()
    return heard.messages


def test_each_epoch_is_a_line_and_the_whole_time_is_said_once_it_is_known() -> None:
    found = lines_of(1, [(100.0, "final", 1), (110.0, "final", 2), (120.0, "final", 3)], 5)
    assert found == [
        "final: epoch 1 of 5: loss 1.500",
        "about 30 s for 1 network",
        "final: epoch 2 of 5: loss 1.500, 30 s left",
        "final: epoch 3 of 5: loss 1.500, 20 s left",
    ]


def test_networks_that_have_not_begun_count_in_the_time_left() -> None:
    # Two at a time, ten seconds an epoch each: 5 seconds an epoch; 2 + 2 epochs of these two and 2 x 4 to come.
    epochs = [(0.0, "a", 1), (5.0, "b", 1), (10.0, "a", 2), (15.0, "b", 2)]
    assert lines_of(4, epochs, 4)[-1] == "b: epoch 2 of 4: loss 1.500, 60 s left"


def test_a_resumed_training_has_only_the_rest_before_it() -> None:
    assert lines_of(1, [(0.0, "final", 8), (10.0, "final", 9)], 10)[-1].endswith("10 s left")


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
