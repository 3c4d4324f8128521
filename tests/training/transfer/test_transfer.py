"""A transfer model: the front of an encoder, a head on it, and one graph that labels."""

from __future__ import annotations

import csv
import dataclasses
import functools
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import Listener
from made_heads import head_graph, made_head
from made_whisper import whisper_tensors, write_safetensors
from typer.testing import CliRunner

from emosense.cli.main import app
from emosense.errors import ModelError, UsageError
from emosense.features.config import default_config
from emosense.features.sets import extract
from emosense.models.head import read_head
from emosense.models.model_files import ModelFiles
from emosense.onnx_session import open_session
from emosense.progress import Silent
from emosense.training.balance import class_mask, row_weights
from emosense.training.encoder_choice import EncoderChoice, config_with_encoder
from emosense.training.ensemble import copies_of, features_of, without_copies
from emosense.training.families import fit
from emosense.training.features.extraction import Copy, recording_features
from emosense.training.features.table import FeatureTable
from emosense.training.features.waveform_augmentation import RandomCopy
from emosense.training.gradient_descent.training import train_here
from emosense.training.presets import preset
from emosense.training.transfer import front_choice, transfer_model
from emosense.training.transfer.front_choice import load_front
from emosense.training.transfer.tuning import build, decibels
from emosense.training.transfer.whisper_graph import read_front
from emosense.training.transfer_settings import TransferConfig, TuningConfig

CLASSES = ("neutral", "happy", "angry")
WIDTH = 16


@pytest.fixture
def encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A tiny encoder of 80 bands, and a cache of the test's own."""
    monkeypatch.setenv("EMOSENSE_CACHE", str(tmp_path / "cache"))
    return str(write_safetensors(tmp_path / "tiny.safetensors", whisper_tensors(WIDTH)))


def chosen(encoder: str, name: str = "default") -> TransferConfig:
    config = config_with_encoder(preset("transfer", name), EncoderChoice(encoder), Silent())
    assert isinstance(config, TransferConfig)
    return config


def made_table(config: TransferConfig, *, with_copies: bool) -> FeatureTable:
    """Bands of noise whose height tells the classes apart."""
    rng = np.random.default_rng(0)
    emotions, waveforms = [], []
    for number in range(24):
        spectrum = np.fft.rfft(rng.normal(0, 0.1, 16_000))
        first = 600 + 2_000 * (number % 3)
        spectrum[:first] *= 0.01
        spectrum[first + 1_200 :] *= 0.01
        waveforms.append(np.fft.irfft(spectrum).astype(np.float32))
        emotions.append(CLASSES[number % 3])
    copies = {}
    for copy in copies_of(config) if with_copies else ():
        copies[copy] = [extract(w, copy.config) for w in waveforms]
    return FeatureTable(
        config.feature,
        tuple(f"{number}.wav" for number in range(24)),
        tuple(emotions),
        tuple(f"s{number // 6}" for number in range(24)),
        ("",) * 24,
        [extract(w, config.feature) for w in waveforms],
        copies,
    )


def test_a_corpus_counts_by_the_square_of_its_emotions_and_each_of_its_emotions_the_same() -> None:
    corpora, labels = ["a"] * 12 + ["b"] * 12, np.array([0] * 8 + [1] * 4 + [0, 1, 2, 3] * 3)
    allowed = class_mask(corpora, labels, 4)
    weights = row_weights(corpora, labels, allowed)
    of_a = [float(weights[:12][labels[:12] == label].sum()) for label in range(2)]
    of_b = [float(weights[12:][labels[12:] == label].sum()) for label in range(4)]
    assert of_a == pytest.approx([of_a[0]] * 2)
    assert of_b == pytest.approx([4 * of_a[0]] * 4)


def test_the_embedding_of_a_recording_is_what_the_graph_gives(encoder: str) -> None:
    config = chosen(encoder)
    assert config.embedding is not None
    table = made_table(config, with_copies=True)
    network = fit(table, CLASSES, config, seed=0)
    session = open_session(network.weights)
    stored = table.copies[Copy(config.embedding, None)]
    assert stored[0].shape == (6 * WIDTH,)
    for features, embedding in zip(table.features[:3], stored, strict=False):
        found = session.run(["embedding"], {"features": features[np.newaxis]})[0][0]
        np.testing.assert_allclose(found, embedding, atol=1e-6)


def test_the_trained_head_tells_the_classes_apart(encoder: str) -> None:
    config = chosen(encoder)
    table = made_table(config, with_copies=True)
    network = fit(table, CLASSES, config, seed=0, validation=table)
    head = read_head(network.weights)
    assert head is not None
    assert config.embedding is not None
    probabilities = head.probabilities(np.stack(table.copies[Copy(config.embedding, None)]))
    assert (probabilities.argmax(axis=1) == table.labels(CLASSES)).mean() > 0.9
    (record,) = network.history
    assert record["train_accuracy"] == record["validation_accuracy"] > 0.9


def test_without_copies_the_recordings_are_encoded_in_the_training(encoder: str) -> None:
    config = chosen(encoder)
    with_copies = made_table(config, with_copies=True)
    alone = without_copies(config)
    assert isinstance(alone, TransferConfig)
    assert copies_of(alone) == ()
    # Two copies that are the recordings themselves give the same optimum.
    one, other = (
        fit(with_copies, CLASSES, config, seed=0),
        fit(made_table(alone, with_copies=False), CLASSES, alone, seed=0),
    )
    first, second = read_head(one.weights), read_head(other.weights)
    assert first is not None
    assert second is not None
    np.testing.assert_allclose(first.weight, second.weight, atol=0.02)


def test_the_network_is_trained_on_recordings_and_changed_copies_of_them(encoder: str) -> None:
    config = chosen(encoder)
    assert config.embedding is not None
    expected = (None, RandomCopy(0), RandomCopy(1))
    assert features_of(config) == {config.feature: tuple(Copy(config.embedding, each) for each in expected)}


def test_only_the_layers_that_are_pooled_are_kept(encoder: str) -> None:
    config = chosen(encoder, "layer-1")
    assert config.embedding is not None
    assert config.embedding.encoder is not None
    front = read_front(Path(config.embedding.encoder.file).read_bytes())
    assert front is not None
    assert (front.n_layers, front.n_positions) == (1, 500)


@pytest.mark.parametrize(
    ("name", "size"), [("layer-2", 2 * WIDTH), ("mean", 3 * WIDTH), ("mean-sd", 6 * WIDTH), ("all-frames", 3 * WIDTH)]
)
def test_presets_pool_other_layers_and_values(encoder: str, name: str, size: int) -> None:
    config = chosen(encoder, name)
    assert config.embedding is not None
    waveform = np.random.default_rng(0).normal(0, 0.1, 8_000).astype(np.float32)
    assert recording_features(waveform, dataclasses.replace(config.embedding, speech_only=False)).shape == (size,)


def test_an_encoder_with_too_few_layers_is_refused(encoder: str, tmp_path: Path) -> None:
    short = write_safetensors(tmp_path / "short.safetensors", whisper_tensors(WIDTH, n_layers=2))
    with pytest.raises(UsageError, match="has 2 layers and 1500 positions, the network needs 3 and 500"):
        chosen(str(short), "layer-3")


def test_an_encoder_that_is_no_whisper_is_refused(encoder: str, tmp_path: Path) -> None:
    tensors = whisper_tensors(WIDTH)
    del tensors["layers.1.fc1.weight"]
    broken = write_safetensors(tmp_path / "broken.safetensors", tensors)
    with pytest.raises(UsageError, match=r"broken\.safetensors cannot be used: .*layers\.1\.fc1\.weight is missing"):
        chosen(str(broken))
    with pytest.raises(UsageError, match="no readable file"):
        chosen(str(tmp_path / "nowhere.safetensors"))


def test_options_of_onnx_encoders_are_refused(encoder: str) -> None:
    with pytest.raises(UsageError, match="not for Whisper's weights"):
        config_with_encoder(preset("transfer", "default"), EncoderChoice(encoder, output="x"), Silent())


def test_without_an_encoder_the_front_of_the_shipped_model_is_taken(
    encoder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = chosen(encoder)
    shipped = fit(made_table(config, with_copies=True), CLASSES, config, seed=0).weights
    monkeypatch.setattr(front_choice, "read_model", lambda _: ModelFiles({}, shipped, ""))
    again = chosen("")
    assert again == config
    monkeypatch.setattr(front_choice, "read_model", lambda _: ModelFiles({}, head_graph(made_head()), ""))
    with pytest.raises(UsageError, match="needs the weights of a Whisper encoder: give --encoder"):
        chosen("")


def test_a_front_that_is_gone_from_the_cache_is_named(encoder: str) -> None:
    config = chosen(encoder)
    assert config.embedding is not None
    assert config.embedding.encoder is not None
    table = made_table(config, with_copies=True)
    Path(config.embedding.encoder.file).unlink()
    with pytest.raises(ModelError, match=r"with sha256 \w+ is not on this machine"):
        fit(table, CLASSES, config, seed=0)


def test_the_command_trains_in_ray_train_and_its_model_labels(
    encoder: str, write_voice: Callable[..., Path], tmp_path: Path
) -> None:
    rows = [
        (str(write_voice(f"in/{number}.wav", 0.6, 100 + 60 * number)), CLASSES[number % 3], f"s{number % 2}")
        for number in range(6)
    ]
    with open(tmp_path / "corpus.csv", "w", newline="") as file:
        csv.writer(file).writerows([("path", "emotion", "speaker"), *rows])
    model, output = tmp_path / "model", tmp_path / "labels.csv"
    runner = CliRunner()
    words = ["train", "transfer", str(tmp_path / "corpus.csv"), "--encoder", encoder, "-o", str(model),
             "--preset", "no-copies", "--validation", "0", "--emotions", ",".join(CLASSES)]  # fmt: skip
    done = runner.invoke(app, words)
    assert done.exit_code == 0, done.output
    text = (model / "model.json").read_text()
    description = json.loads(text)
    assert description["kind"] == "transfer"
    assert description["features"] == [default_config("whisper").to_dict()]
    assert len(description["trained_on"]["settings"]["embedding"]["encoder"]["sha256"]) == 64
    assert str(tmp_path) not in text
    assert "OpenAI's are under the MIT licence, Copyright (c) 2022 OpenAI" in description["licence"]
    assert "linear head on Whisper's log-mel frames" in (model / "MODEL_CARD.md").read_text()
    done = runner.invoke(app, ["label", str(tmp_path / "in"), "-m", str(model), "-o", str(output), "--engine", "local"])
    assert done.exit_code == 0, done.output
    with open(output, newline="") as file:
        labels = list(csv.DictReader(file))
    assert [row["status"] for row in labels] == ["ok"] * 6
    assert {row["emotion"] for row in labels} <= set(CLASSES)


def tuned(encoder: str, **changes: object) -> TransferConfig:
    tuning = TuningConfig(blocks=1, epochs=3, batch_size=6, learning_rate=1e-2, crop_frames=60)
    return dataclasses.replace(chosen(encoder, "fine-tuned"), copies=0, tuning=dataclasses.replace(tuning, **changes))


def test_before_its_first_step_a_tuned_network_is_the_head_on_the_front(encoder: str) -> None:
    config = tuned(encoder, epochs=0)
    assert config.tuning is not None
    table = made_table(config, with_copies=False)
    frozen = fit(table, CLASSES, dataclasses.replace(config, tuning=None), seed=0)
    head = read_head(frozen.weights)
    assert head is not None
    network = build(load_front(config), head, config, config.tuning)
    session = open_session(frozen.weights)
    for features, in_db in zip(table.features[:3], decibels(table), strict=False):
        assert -80.001 <= in_db.min() < in_db.max() <= 0
        expected = session.run(["probabilities"], {"features": features[np.newaxis]})[0]
        np.testing.assert_allclose(network(in_db[np.newaxis]).numpy(), expected, atol=1e-4)


def test_fine_tuning_changes_the_last_block_and_the_head_only(encoder: str) -> None:
    config = tuned(encoder)
    table = made_table(config, with_copies=False)
    network = fit(table, CLASSES, config, seed=0, validation=table)
    before, after = load_front(config).tensors, read_front(network.weights)
    assert after is not None
    changed = {name for name, values in before.items() if not np.array_equal(values, after.tensors[name])}
    assert changed
    assert all(name.startswith("layers.1.") for name in changed)
    assert [record["epoch"] for record in network.history] == [1, 2, 3]
    assert network.history[-1]["validation_uar"] > 0.8


def test_a_tuned_front_goes_a_share_of_the_way_to_where_its_training_ended(encoder: str) -> None:
    config = tuned(encoder, blocks=None, share=1.0)
    table = made_table(config, with_copies=False)
    frozen = fit(table, CLASSES, dataclasses.replace(config, tuning=None), seed=0)
    whole, part = (fit(table, CLASSES, tuned(encoder, blocks=None, share=share), seed=0) for share in (1.0, 0.25))
    fronts = [read_front(network.weights) for network in (frozen, whole, part)]
    begin, end, between = (front.tensors for front in fronts if front)
    changed = {name for name in begin if not np.array_equal(begin[name], end[name])}
    assert changed == {name for name in begin if name != "embed_positions.weight"}
    for name in begin:
        # Weights are kept in half precision.
        np.testing.assert_allclose(between[name], 0.75 * begin[name] + 0.25 * end[name], rtol=2e-3, atol=2e-4)
    heads = [read_head(network.weights) for network in (frozen, whole, part)]
    weights = [head.weight for head in heads if head]
    np.testing.assert_allclose(weights[2], 0.75 * weights[0] + 0.25 * weights[1], atol=1e-5)


def test_a_resumed_tuning_ends_with_the_weights_of_an_uninterrupted_one(encoder: str) -> None:
    config = tuned(encoder, epochs=2)
    table = made_table(config, with_copies=False)
    states = []
    keep = functools.partial(train_here, on_epoch=lambda _, snapshot: states.append(snapshot()))
    whole = transfer_model.fit(table, CLASSES, config, seed=0, run=keep)
    resumed = transfer_model.fit(table, CLASSES, config, seed=0, run=functools.partial(train_here, state=states[0]))
    assert resumed.weights == whole.weights


def test_the_front_is_described_to_the_user(encoder: str) -> None:
    listener = Listener()
    config_with_encoder(preset("transfer", "default"), EncoderChoice(encoder), listener)
    assert listener.messages[-1].startswith(f"encoder: blocks 1 to 3 of {encoder}, width {WIDTH}, sha256 ")
