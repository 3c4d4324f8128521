"""Pretrained encoders as a feature set, on tiny random ones that are built here: what they take, give and refuse."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import librosa
import numpy as np
import onnx
import pytest
from conftest import load_table, tiny_description, tiny_graph
from made_sounds import harmonic_tone as voice
from onnx import TensorProto, helper, numpy_helper
from typer.testing import CliRunner, Result

from emosense.api import extract_features, label, load_model
from emosense.audio.speech import speech_of
from emosense.audio.waveform import read_waveform
from emosense.cli.main import app
from emosense.crossvalidation.evaluate import evaluate
from emosense.crossvalidation.job import EvaluateJob
from emosense.errors import ModelError, RecordingError, StorageError, UsageError
from emosense.features.config import FeatureConfig, default_config
from emosense.features.encoder.config import EncoderConfig
from emosense.features.encoder.download import obtain_encoder
from emosense.features.encoder.embedding import MIN_SAMPLES, whisper_log_mel
from emosense.features.encoder.files import cached_encoder, find_encoder, sha256_of
from emosense.features.encoder.onnx_encoder import PIECE_SAMPLES
from emosense.features.sets import FEATURE_SETS, extract
from emosense.inputs.corpus import read_corpus
from emosense.models.encoder_location import with_encoder_file
from emosense.models.model_files import ModelFiles, read_model, write_model
from emosense.progress import Silent
from emosense.training.encoder_choice import EncoderChoice, config_with_encoder, with_encoder
from emosense.training.features.corpus_extraction import extract_corpus
from emosense.training.features.extraction import extract_recordings
from emosense.training.features.source import FeatureSource
from emosense.training.features.table_file import read_feature_table
from emosense.training.presets import preset

N_DIMS = 6
KERNEL, STRIDE = 400, 320


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test's own, for child processes too."""
    monkeypatch.setenv("EMOSENSE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def kernels(n_channels: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, width**-0.5, (N_DIMS, n_channels, width)).astype(np.float32)


def graph_bytes(
    nodes: list[onnx.NodeProto],
    shape: list[int | str],
    outputs: dict[str, int],
    weights: dict[str, np.ndarray],
    *,
    name: str = "input_values",
    kind: int = TensorProto.FLOAT,
    more_inputs: tuple[onnx.ValueInfoProto, ...] = (),
) -> bytes:
    """A graph with one input and outputs of the given numbers of axes."""
    graph = helper.make_graph(
        nodes,
        "encoder",
        [helper.make_tensor_value_info(name, kind, shape), *more_inputs],
        [helper.make_tensor_value_info(key, TensorProto.FLOAT, [None] * rank) for key, rank in outputs.items()],
        [numpy_helper.from_array(value, key) for key, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def waveform_graph(seed: int = 0, n_samples: int | str = "samples", *, is_masked: bool = False) -> bytes:
    """Waveform in: a strided convolution and its absolute value, as `frames_of` computes; then a second output."""
    mask = helper.make_tensor_value_info("attention_mask", TensorProto.INT64, ["batch", "samples"])
    nodes = [
        helper.make_node("Unsqueeze", ["input_values", "axis"], ["channel"]),
        helper.make_node("Conv", ["channel", "kernels"], ["convolved"], strides=[STRIDE]),
        helper.make_node("Abs", ["convolved"], ["loudness"]),
        helper.make_node("Transpose", ["loudness"], ["last_hidden_state"], perm=[0, 2, 1]),
        helper.make_node("Neg", ["last_hidden_state"], ["negative"]),
        helper.make_node("ReduceMean", ["negative"], ["pooled"], axes=[1], keepdims=0),
    ]
    weights = {"kernels": kernels(1, KERNEL, seed), "axis": np.array([1], np.int64)}
    outputs = {"last_hidden_state": 3, "negative": 3, "pooled": 2}
    if is_masked:
        nodes.append(helper.make_node("Cast", ["attention_mask"], ["seen"], to=TensorProto.FLOAT))
        outputs["seen"] = 2
    return graph_bytes(nodes, ["batch", n_samples], outputs, weights, more_inputs=(mask,) if is_masked else ())


def mel_graph(n_bands: int = 80, n_frames: int = 3000, shape: list[int | str] | None = None) -> bytes:
    """Log-mel in, half as many frames out, as Whisper's encoder has them; `shape` is what the graph declares."""
    nodes = [
        helper.make_node("Conv", ["input_features", "kernels"], ["convolved"], strides=[2], pads=[1, 1]),
        helper.make_node("Add", ["convolved", "positions"], ["placed"]),
        helper.make_node("Transpose", ["placed"], ["hidden"], perm=[0, 2, 1]),
    ]
    # As Whisper's learnt positions do, this fixes the number of frames.
    weights = {"kernels": kernels(n_bands, 3), "positions": np.zeros((1, N_DIMS, n_frames // 2), np.float32)}
    shape = shape or ["batch", n_bands, n_frames]
    return graph_bytes(nodes, shape, {"hidden": 3}, weights, name="input_features")


def config_of(folder: Path, graph: bytes, output: str = "", normalise: bool | None = None) -> FeatureConfig:
    file = folder / f"{hashlib.sha256(graph).hexdigest()[:8]}.onnx"
    file.write_bytes(graph)
    return with_encoder(default_config("encoder"), EncoderChoice(str(file), output, normalise))


def frames_of(waveform: np.ndarray, seed: int = 0) -> np.ndarray:
    """What `waveform_graph` computes, with numpy."""
    windows = np.lib.stride_tricks.sliding_window_view(waveform.astype(np.float64), KERNEL)[::STRIDE]
    return np.abs(windows @ kernels(1, KERNEL, seed)[:, 0].astype(np.float64).T)


def pooled(frames: np.ndarray) -> np.ndarray:
    return np.concatenate([frames.mean(axis=0), np.sqrt(np.mean((frames - frames.mean(axis=0)) ** 2, axis=0))])


def scaled(waveform: np.ndarray) -> np.ndarray:
    wide = waveform.astype(np.float64)
    return (wide - np.mean(wide)) / np.sqrt(np.mean((wide - np.mean(wide)) ** 2) + 1e-7)


def test_a_waveform_encoder_gives_mean_and_standard_deviation_over_its_frames(tmp_path: Path) -> None:
    config, waveform = config_of(tmp_path, waveform_graph()), voice(1.3)
    found = extract(waveform, config)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, pooled(frames_of(scaled(waveform))), rtol=1e-4)
    assert len(FEATURE_SETS[config.set].names(config)) == len(found) == 2 * N_DIMS


def test_the_normalised_waveform_hides_the_gain_and_can_be_left_as_it_is(tmp_path: Path) -> None:
    waveform = voice(1.0)
    config = config_of(tmp_path, waveform_graph())
    np.testing.assert_allclose(extract(waveform * 0.1, config), extract(waveform, config), rtol=1e-3)
    plain = config_of(tmp_path, waveform_graph(), normalise=False)
    np.testing.assert_allclose(extract(waveform, plain), pooled(frames_of(waveform)), rtol=1e-4)


def test_the_output_is_the_last_hidden_state_or_the_one_that_is_named(tmp_path: Path) -> None:
    waveform = voice(1.0)
    named = config_of(tmp_path, waveform_graph(), "negative")
    assert named.encoder is not None
    assert named.encoder.output == "negative"
    np.testing.assert_allclose(
        extract(waveform, named)[:N_DIMS], -pooled(frames_of(scaled(waveform)))[:N_DIMS], rtol=1e-4
    )
    with pytest.raises(UsageError, match="no output 'pooled' of 3 axes: choose one of last_hidden_state, negative"):
        config_of(tmp_path, waveform_graph(), "pooled")


@pytest.mark.parametrize("n_samples", [1, 80, 399, MIN_SAMPLES - 1])
def test_a_recording_that_is_too_short_for_the_convolutions_is_padded(tmp_path: Path, n_samples: int) -> None:
    config, waveform = config_of(tmp_path, waveform_graph()), voice(0.2)[-n_samples:]
    padded = np.concatenate([scaled(waveform), np.zeros(MIN_SAMPLES - n_samples)])
    np.testing.assert_allclose(extract(waveform, config), pooled(frames_of(padded)), rtol=1e-3, atol=1e-6)


def test_a_long_recording_is_encoded_in_even_pieces_and_pooled_over_all_frames(tmp_path: Path) -> None:
    config = config_of(tmp_path, waveform_graph())
    waveform = np.concatenate([voice(20.0, 120.0), 0.3 * voice(11.0, 200.0)])
    assert len(waveform) > PIECE_SAMPLES
    halves = np.split(scaled(waveform), 2)
    expected = pooled(np.concatenate([frames_of(half) for half in halves]))
    np.testing.assert_allclose(extract(waveform, config), expected, rtol=1e-4)


def test_an_encoder_of_fixed_length_counts_only_what_the_recording_covers(tmp_path: Path) -> None:
    config, waveform = config_of(tmp_path, waveform_graph(n_samples=32_000)), voice(1.0)
    frames = frames_of(np.concatenate([scaled(waveform), np.zeros(16_000)]))
    assert len(frames) == 99
    np.testing.assert_allclose(extract(waveform, config), pooled(frames[:50]), rtol=1e-4)


def test_an_encoder_with_an_attention_mask_is_given_one(tmp_path: Path) -> None:
    waveform = voice(1.0)
    masked, plain = (config_of(tmp_path, waveform_graph(is_masked=mask)) for mask in (True, False))
    np.testing.assert_array_equal(extract(waveform, masked), extract(waveform, plain))


def reference_log_mel(waveform: np.ndarray, n_bands: int, n_samples: int = PIECE_SAMPLES) -> np.ndarray:
    """Whisper's published front end with librosa's parts: shape (n_bands, n_frames)."""
    padded = np.pad(waveform, (0, n_samples - len(waveform)))
    spectrum = librosa.stft(padded, n_fft=400, hop_length=160, window="hann", center=True, pad_mode="reflect")
    mel = librosa.filters.mel(sr=16_000, n_fft=400, n_mels=n_bands) @ np.abs(spectrum[:, :-1]) ** 2
    log = np.log10(np.clip(mel, 1e-10, None))
    return (np.maximum(log, log.max() - 8.0) + 4.0) / 4.0


@pytest.mark.parametrize("n_bands", [80, 128])
def test_the_log_mel_is_whispers(n_bands: int) -> None:
    config = dataclasses.replace(default_config("encoder"), n_mels=n_bands)
    # The first samples are loud, where the mirrored end differs from zeros.
    waveform = np.concatenate([voice(2.0)[800:], np.random.default_rng(0).normal(0, 0.01, 16_000)]).astype(np.float32)
    found = whisper_log_mel(waveform, config, PIECE_SAMPLES)
    assert found.shape == (n_bands, 3000)
    np.testing.assert_allclose(found, reference_log_mel(waveform, n_bands), atol=2e-4)


@pytest.mark.parametrize("shape", [None, ["batch", "feature_size", "frames"]], ids=["whole", "open"])
@pytest.mark.parametrize("n_bands", [80, 128])
def test_a_log_mel_encoder_is_recognised_and_pooled_over_the_recording(
    tmp_path: Path, n_bands: int, shape: list[int | str] | None
) -> None:
    config, waveform = config_of(tmp_path, mel_graph(n_bands, shape=shape)), voice(1.0)
    assert config.encoder is not None
    assert (config.encoder.input, config.n_mels, config.encoder.normalise) == ("log-mel", n_bands, False)
    mel = np.pad(reference_log_mel(waveform, n_bands).astype(np.float64), ((0, 0), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(mel, 3, axis=1)[:, ::2]
    frames = np.einsum("bfk,dbk->fd", windows, kernels(n_bands, 3).astype(np.float64))
    assert len(frames) == 1500
    np.testing.assert_allclose(extract(waveform, config), pooled(frames[:50]), rtol=1e-3, atol=1e-3)


def test_a_log_mel_recording_longer_than_the_encoder_takes_is_cut_in_pieces(tmp_path: Path) -> None:
    config = config_of(tmp_path, mel_graph(n_frames=100))
    waveform = voice(2.5)
    parts = [extract(waveform[start : start + 16_000], config) for start in (0, 16_000, 32_000)]
    means = np.average([part[:N_DIMS] for part in parts], axis=0, weights=[50, 50, 25])
    np.testing.assert_allclose(extract(waveform, config)[:N_DIMS], means, rtol=1e-4)


IDENTITY = [helper.make_node("Identity", ["input_values"], ["out"])]


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (b"no graph", "not a usable ONNX graph"),
        (graph_bytes(IDENTITY, [1, 2, 3, 4], {"out": 4}, {}), r"input has the shape \[1, 2, 3, 4\]: an encoder takes"),
        (graph_bytes(IDENTITY, ["b", 1024, 128], {"out": 3}, {}), r"input has the shape \['b', 1024, 128\]"),
        (graph_bytes(IDENTITY, ["b", "samples"], {"out": 2}, {}), r"outputs are out .*gives \(batch, frames, dims\)"),
        (graph_bytes(
            [helper.make_node("Cast", ["ids"], ["out"], to=TensorProto.FLOAT)], ["b", 80, 3], {"out": 3}, {},
            name="ids", kind=TensorProto.INT64,
        ), r"inputs ids tensor\(int64\), and one of floats"),
        (mel_graph(64, shape=["batch", "bands", 3000]), "cannot be run on log-mel"),
        (mel_graph(64), r"input has the shape \['batch', 64, 3000\]"),
    ],
    ids=["none", "four-axes", "frames-first", "no-frames", "integers", "bands-at-a-run", "bands"],
)  # fmt: skip
def test_a_graph_that_is_no_encoder_is_refused_with_what_is_needed(tmp_path: Path, graph: bytes, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        config_of(tmp_path, graph)


def with_other_file(graph: bytes) -> bytes:
    model = onnx.load_from_string(graph)
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights.bin")
    return bytes(model.SerializeToString())


def test_a_graph_with_tensors_in_other_files_is_refused(tmp_path: Path) -> None:
    graph = with_other_file(waveform_graph())
    with pytest.raises(UsageError, match="refers to other files"):
        config_of(tmp_path, graph)
    (place,) = tmp_path.glob("*.onnx")
    with pytest.raises(ModelError, match="refers to other files"):
        find_encoder(hashlib.sha256(graph).hexdigest(), [str(place)])


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (EncoderChoice(), "needs an encoder: give an ONNX file with --encoder"),
        (EncoderChoice("no/such.onnx"), "no readable file at no/such.onnx"),
        (EncoderChoice(os.devnull), "no readable file at"),
        (EncoderChoice("sth://bucket/encoder.onnx"), "the scheme is unknown"),
        (EncoderChoice("memory://no/such.onnx"), "no readable encoder at memory"),
    ],
)
def test_a_choice_that_cannot_work_is_refused(choice: EncoderChoice, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        with_encoder(default_config("encoder"), choice)


def test_an_encoder_is_refused_where_nothing_takes_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not for logmel"):
        with_encoder(default_config("logmel"), EncoderChoice("x.onnx"))
    with pytest.raises(UsageError, match="not for an ensemble"):
        config_with_encoder(preset("ensemble", "default"), EncoderChoice("x.onnx"), Silent())
    assert config_with_encoder(preset("mlp", "default"), EncoderChoice(), Silent()) == preset("mlp", "default")
    (tmp_path / "mel.onnx").write_bytes(mel_graph())
    with pytest.raises(UsageError, match="is for encoders of waveforms"):
        with_encoder(default_config("encoder"), EncoderChoice(str(tmp_path / "mel.onnx"), normalise=True))
    with pytest.raises(UsageError, match="needs an encoder"):
        extract(voice(0.3), default_config("encoder"))


def test_the_key_depends_on_content_and_settings_and_not_on_the_place(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    config, moved = (config_of(folder, waveform_graph()) for folder in (tmp_path, tmp_path / "elsewhere"))
    assert config.encoder is not None
    assert moved.encoder is not None
    assert config.encoder.location != moved.encoder.location
    assert (config.key, config) == (moved.key, moved)
    others = [
        config_of(tmp_path, waveform_graph(seed=1)),
        config_of(tmp_path, waveform_graph(), "negative"),
        config_of(tmp_path, waveform_graph(), normalise=False),
    ]
    assert len({config.key, *(other.key for other in others)}) == 4
    assert FeatureConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_the_other_sets_keep_their_keys() -> None:
    # They name the files in cache folders.
    assert {name: default_config(name).key for name in ("summary", "functionals", "mfcc", "logmel")} == {
        "summary": "9595d174a142e0e4",
        "functionals": "5c9c9e16e4d63ba3",
        "mfcc": "53e48245835b9f11",
        "logmel": "d7587b3b4ab98876",
    }
    assert "encoder" not in default_config("logmel").to_dict()


@pytest.mark.parametrize(
    "change", [{"sha256": "../../secret"}, {"sha256": None}, {"location": 5}, {"novelty": 1}], ids=str
)
def test_an_encoder_that_cannot_be_one_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    values = config_of(tmp_path, waveform_graph()).to_dict()
    with pytest.raises(UsageError):
        FeatureConfig.from_dict(values | {"encoder": values["encoder"] | change})


def test_an_encoder_that_fails_on_a_recording_is_that_recordings_error(
    tmp_path: Path, write_voice: Callable[..., Path]
) -> None:
    from emosense.inputs.recording import Recording

    nodes = [
        helper.make_node("Unsqueeze", ["input_values", "axis"], ["row"]),
        helper.make_node("Log", ["row"], ["out"]),
    ]
    graph = graph_bytes(nodes, ["batch", "samples"], {"out": 3}, {"axis": np.array([1], np.int64)})
    file = tmp_path / "log.onnx"
    file.write_bytes(graph)
    chosen = EncoderConfig(hashlib.sha256(graph).hexdigest(), "waveform", "out", 1, location=str(file))
    config = dataclasses.replace(default_config("encoder"), encoder=chosen)
    with pytest.raises(RecordingError, match="not finite"):
        extract(voice(0.5), config)
    path = str(write_voice())
    (result,) = extract_recordings([Recording(path, path, -1, "")], config)
    assert result["error_code"] == "model_error"


def model_with(config: FeatureConfig) -> ModelFiles:
    return ModelFiles(tiny_description(features=[config.to_dict()]), b"", "0" * 64)


def test_a_model_finds_its_encoder_at_its_place_in_the_cache_or_as_given(tmp_path: Path) -> None:
    config = config_of(tmp_path, waveform_graph())
    assert config.encoder is not None
    files = model_with(config)

    def found(given: str = "") -> str:
        return str(with_encoder_file(files, given).description["features"][0]["encoder"]["file"])

    place = Path(config.encoder.location)
    assert place.is_absolute()
    assert found() == str(place)
    moved, cached = tmp_path / "moved.onnx", Path(cached_encoder(config.encoder.sha256))
    place.rename(moved)
    with pytest.raises(ModelError, match=f"{config.encoder.sha256} is not on this machine.*--encoder PATH"):
        found()
    assert found(str(moved)) == str(moved)
    cached.parent.mkdir(parents=True)
    moved.rename(cached)
    assert found() == str(cached)
    # Another file at the place that the model names is skipped; given with --encoder, it is refused.
    place.write_bytes(waveform_graph(seed=1))
    assert found() == str(cached)
    with pytest.raises(ModelError, match=f"another encoder: its sha256 is [0-9a-f]+, the model needs {cached.stem}"):
        found(str(place))
    with pytest.raises(UsageError, match="this model has no encoder"):
        with_encoder_file(model_with(default_config("logmel")), str(place))


def test_the_place_of_a_local_encoder_is_kept_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "encoder.onnx").write_bytes(waveform_graph())
    monkeypatch.chdir(tmp_path)
    config = with_encoder(default_config("encoder"), EncoderChoice("encoder.onnx"))
    stored = FeatureConfig.from_dict(json.loads(json.dumps(config.to_dict())))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert stored.encoder is not None
    assert stored.encoder.location == str(tmp_path / "encoder.onnx")
    assert extract(voice(0.5), stored).shape == (2 * N_DIMS,)


def test_a_file_that_can_be_no_encoder_is_never_hashed(tmp_path: Path) -> None:
    # 3 GB of holes, whose hash would take seconds, and an endless number of bytes of size 0.
    with open(tmp_path / "large.onnx", "wb") as file:
        file.truncate(3 << 30)
    (tmp_path / "empty.onnx").write_bytes(b"")
    assert sha256_of(str(tmp_path / "large.onnx")) == ""
    assert sha256_of(str(tmp_path / "empty.onnx")) == ""
    assert sha256_of("/proc/self/status") == ""
    with pytest.raises(UsageError, match=r"large\.onnx: .* of at most 2 GB"):
        obtain_encoder(str(tmp_path / "large.onnx"), Silent())
    with pytest.raises(ModelError, match="is not on this machine"):
        find_encoder(hashlib.sha256(b"").hexdigest(), [str(tmp_path / "empty.onnx")])


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"input": "log-mel"}, ModelError, "takes a waveform, the configuration says log-mel"),
        ({"n_dims": 7}, RecordingError, "the encoder gives 6 dims, the configuration says 7"),
    ],
)
def test_an_encoder_that_is_not_as_the_configuration_says_is_refused(
    tmp_path: Path, change: dict[str, object], error: type[Exception], message: str
) -> None:
    config = config_of(tmp_path, waveform_graph())
    assert config.encoder is not None
    changed = dataclasses.replace(config, encoder=dataclasses.replace(config.encoder, **change))
    with pytest.raises(error, match=message):
        extract(voice(0.5), changed)


@contextlib.contextmanager
def server(content: bytes, kind: str = "application/octet-stream") -> Iterator[tuple[str, list[str]]]:
    """A web server on the loopback that gives one content at every address; yields it with the paths asked for."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        try:
            yield f"http://user:secret@127.0.0.1:{httpd.server_port}", asked
        finally:
            httpd.shutdown()
            thread.join()


def test_an_encoder_from_the_web_is_fetched_once_and_kept_by_its_hash(cache: Path) -> None:
    graph = waveform_graph()
    sha256 = hashlib.sha256(graph).hexdigest()
    with server(graph) as (address, asked):
        url = f"{address}/models/wav2vec%202.onnx?download=true"
        file, found = obtain_encoder(url, Silent())
        config = with_encoder(default_config("encoder"), EncoderChoice(url))
        assert asked == ["/models/wav2vec%202.onnx?download=true"]
        # A damaged file in the cache is fetched again.
        Path(file).write_bytes(b"damaged")
        assert obtain_encoder(url, Silent()) == (file, found)
        assert len(asked) == 2
    assert (file, found) == (str(cache / "encoders" / f"{sha256}.onnx"), sha256)
    assert Path(file).read_bytes() == graph
    assert config.encoder is not None
    assert config.encoder.location.startswith("http://***@127.0.0.1")
    assert not any(b"secret" in kept.read_bytes() for kept in cache.rglob("*") if kept.is_file())


def test_a_presigned_url_is_the_same_encoder_whatever_its_signature(cache: Path) -> None:
    with server(waveform_graph()) as (address, asked):
        signed = f"{address}/e.onnx?X-Amz-Date={{0}}&X-Amz-Signature={{0}}"
        first = obtain_encoder(signed.format("1"), Silent())
        assert obtain_encoder(signed.format("2"), Silent()) == first
        assert len(asked) == 1
        # Another address, or a query that may choose another file, is fetched.
        obtain_encoder(f"{address}/f.onnx?X-Amz-Signature=1", Silent())
        for name in ("a", "b"):
            obtain_encoder(f"{address}/get?file={name}", Silent())
        assert len(asked) == 4


def test_a_web_page_in_place_of_an_encoder_is_named_as_one(cache: Path) -> None:
    with server(b"<html>", "text/html") as (address, _), pytest.raises(StorageError, match="in place of the file from"):
        obtain_encoder(f"{address}/encoder.onnx", Silent())


def test_what_is_no_encoder_on_the_web_is_refused_and_not_kept(cache: Path) -> None:
    for content, message in ((b"no graph", "not a usable ONNX graph"), (with_other_file(mel_graph()), "other files")):
        with server(content) as (address, _), pytest.raises(UsageError, match=message):
            obtain_encoder(f"{address}/encoder.onnx", Silent())
        assert not [file for file in (cache / "encoders").iterdir() if file.suffix != ".lock"]


def test_an_encoder_in_object_storage_is_fetched_once(cache: Path) -> None:
    import fsspec

    graph = waveform_graph(seed=5)
    fsspec.filesystem("memory").pipe("/test-encoders/encoder.onnx", graph)
    file, sha256 = obtain_encoder("memory://test-encoders/encoder.onnx", Silent())
    assert (Path(file).read_bytes(), sha256) == (graph, hashlib.sha256(graph).hexdigest())
    fsspec.filesystem("memory").rm("/test-encoders/encoder.onnx")
    assert obtain_encoder("memory://test-encoders/encoder.onnx", Silent()) == (file, sha256)


def test_the_url_that_a_model_names_is_never_opened(tmp_path: Path) -> None:
    graph = waveform_graph()
    with server(graph) as (address, asked):
        chosen = EncoderConfig(
            hashlib.sha256(graph).hexdigest(), "waveform", "negative", 6, location=f"{address}/e.onnx"
        )
        config = dataclasses.replace(default_config("encoder"), encoder=chosen)
        folder = tmp_path / "model"
        folder.mkdir()
        write_model(str(folder), tiny_description(features=[config.to_dict()]), tiny_graph())
        with pytest.raises(ModelError, match="is not on this machine"):
            with_encoder_file(read_model(str(folder)))
        with pytest.raises(ModelError, match="is not on this machine"):
            extract(voice(0.5), config)
        assert asked == []


# From features to labels, on a corpus of made voices whose pitch is the emotion.


@pytest.fixture
def corpus_folder(tmp_path: Path, write_voice: Callable[..., Path]) -> Path:
    for actor in (1, 2, 3, 4):
        for emotion in (2, 3, 4):
            name = f"corpus/Actor_{actor:02d}/03-01-{emotion:02d}-01-01-01-{actor:02d}.wav"
            write_voice(name, duration_s=0.5 + 0.1 * actor, pitch_hz=40 * emotion**2 + actor)
    return tmp_path / "corpus"


CLASSES = ("calm", "happy", "sad")


def run(*arguments: object) -> Result:
    """Run a command in this process, which has a running Ray."""
    return CliRunner().invoke(app, [*map(str, arguments)], catch_exceptions=False)


def test_ray_gives_the_local_values_and_they_are_cached(
    running_ray: None, corpus_folder: Path, tmp_path: Path, cache: Path
) -> None:
    config = config_of(tmp_path, waveform_graph())
    source = FeatureSource(str(corpus_folder), str(cache), n_workers=2)
    table = load_table(source, config)
    recordings = [utterance.recording for utterance in read_corpus(str(corpus_folder)).utterances]
    # Sequentially and in reverse: the features of a recording do not depend on its neighbours.
    local = [result["features"] for result in extract_recordings(recordings[::-1], config)][::-1]
    np.testing.assert_array_equal(np.stack(table.features), np.stack(local))
    # Each of the two tasks wrote a file.
    kept = {file: file.stat().st_mtime_ns for file in cache.glob("features-encoder-*/*.parquet")}
    assert len(kept) == 2
    (tmp_path / "moved").mkdir()
    moved = config_of(tmp_path / "moved", waveform_graph())
    np.testing.assert_array_equal(np.stack(load_table(source, moved).features), np.stack(local))
    assert {file: file.stat().st_mtime_ns for file in cache.glob("features-encoder-*/*.parquet")} == kept
    stored = FeatureSource(str(tmp_path / "f.parquet"), "")
    extract_corpus(read_corpus(str(corpus_folder)), config, stored.data)
    with pytest.raises(UsageError, match="holds encoder_normalise True, needed is False"):
        load_table(stored, config_of(tmp_path, waveform_graph(), normalise=False))
    with pytest.raises(UsageError, match="holds set encoder, needed is logmel"):
        load_table(stored, default_config("logmel"))


def linear_model(folder: Path, config: FeatureConfig) -> str:
    """A model with random weights on the features of an encoder."""
    nodes = [
        helper.make_node("MatMul", ["features", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    weights = {"weights": np.random.default_rng(0).normal(0, 1, (2 * N_DIMS, 8)).astype(np.float32)}
    graph = graph_bytes(nodes, ["batch", 2 * N_DIMS], {"probabilities": 2}, weights, name="features")
    folder.mkdir()
    write_model(str(folder), tiny_description(features=[config.to_dict()]), graph)
    return str(folder)


def test_an_error_in_ray_data_is_the_error_itself(running_ray: None, corpus_folder: Path, tmp_path: Path) -> None:
    config = config_of(tmp_path, waveform_graph())
    assert config.encoder is not None
    gone = dataclasses.replace(config.encoder, sha256="0" * 64, file="", location="")
    source = FeatureSource(str(corpus_folder), str(tmp_path / "features"), n_workers=2)
    with pytest.raises(ModelError, match=f"with sha256 {gone.sha256} is not on this machine"):
        load_table(source, dataclasses.replace(config, encoder=gone))
    assert not [*(tmp_path / "features").rglob("*.parquet*")]


def test_robustness_and_feature_tables_keep_the_encoder_that_was_given(
    running_ray: None, corpus_folder: Path, tmp_path: Path, cache: Path
) -> None:
    config = config_of(tmp_path, waveform_graph())
    assert config.encoder is not None
    folder, given = linear_model(tmp_path / "model", config), tmp_path / "given.onnx"
    # The file that the model names is gone: it is where --encoder says, and nowhere else.
    Path(config.encoder.location).rename(given)
    job = EvaluateJob(
        str(corpus_folder), str(tmp_path / "e"), model=folder, robustness=True, encoder=EncoderChoice(str(given))
    )
    metrics = evaluate(job, Silent())
    assert {(record["n"], record["n_lost"]) for record in metrics["robustness"]} == {(12, 0)}
    source = FeatureSource(str(corpus_folder), str(cache))
    stored = FeatureSource(str(tmp_path / "f.parquet"), "")
    extract_corpus(read_corpus(str(corpus_folder)), config_of(tmp_path, waveform_graph()), stored.data)
    moved = dataclasses.replace(config, encoder=dataclasses.replace(config.encoder, file=str(given)))
    for found in (load_table(source, moved), load_table(stored, moved)):
        assert found.config.encoder is not None
        assert found.config.encoder.file == str(given)


def test_the_api_and_verify_take_the_encoder(corpus_folder: Path, tmp_path: Path) -> None:
    config = config_of(tmp_path, waveform_graph())
    assert config.encoder is not None
    path = next(corpus_folder.rglob("*.wav"))
    with open(path, "rb", buffering=0) as file:
        waveform = speech_of(read_waveform(file, config.sample_rate), config.sample_rate)
    given = tmp_path / "given.onnx"
    Path(config.encoder.location).rename(given)
    features = extract_features(path, "encoder", encoder=str(given))
    moved = dataclasses.replace(config, encoder=dataclasses.replace(config.encoder, file=str(given)))
    np.testing.assert_array_equal(features, extract(waveform, moved))
    negative = extract_features(path, "encoder", encoder=str(given), encoder_output="negative", encoder_normalise=False)
    np.testing.assert_allclose(negative[:N_DIMS], -pooled(frames_of(waveform))[:N_DIMS], rtol=1e-4)
    with pytest.raises(UsageError, match="needs an encoder"):
        extract_features(path, "encoder")
    with pytest.raises(UsageError, match="not for logmel"):
        extract_features(path, "logmel", encoder=str(given))
    folder = linear_model(tmp_path / "model", config)
    with pytest.raises(ModelError, match="is not on this machine"):
        label([path], folder)
    (row,) = label([path], folder, encoder=str(given))
    assert row.status == "ok"
    loaded = load_model(folder, encoder=str(given))
    found = loaded.probabilities([extract(waveform, one) for one in loaded.features])
    np.testing.assert_allclose(found, row.probabilities, atol=1e-6)
    with pytest.raises(UsageError, match="this model has no encoder"):
        load_model(encoder=str(given))
    command = [sys.executable, "-m", "emosense", "models", "verify", folder]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (refused.returncode, "--encoder PATH" in refused.stderr) == (7, True)
    verified = run("models", "verify", folder, "--encoder", given)
    assert verified.exit_code == 0
    assert "probabilities sum to 1.0" in verified.stderr


def test_a_linear_probe_is_evaluated_by_speaker(running_ray: None, corpus_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "encoder.onnx").write_bytes(waveform_graph())
    choice = EncoderChoice(str(tmp_path / "encoder.onnx"))
    job = EvaluateJob(
        str(corpus_folder), str(tmp_path / "evaluation"), kind="mlp", preset="encoder-linear", protocol="loso",
        emotions=CLASSES, encoder=choice,
    )  # fmt: skip
    assert evaluate(job, Silent())["scores"]["uar"]["mean"] > 0.9


def test_a_linear_probe_is_a_softmax_regression() -> None:
    from emosense.training import mlp, mlp_export

    config = dataclasses.replace(preset("mlp", "encoder-linear"), classes=CLASSES)
    assert isinstance(config, mlp.MlpConfig)
    labels = np.arange(60) % 3
    values = np.random.default_rng(0).normal(0, 1, (60, 8)) + labels[:, np.newaxis]
    pipeline = mlp.fit_pipeline(values, labels, config, seed=0)
    scaler, network = pipeline[0], pipeline[-1]
    assert [layer.shape for layer in network.coefs_] == [(8, 3)]
    logits = (values - scaler.mean_) / scaler.scale_ @ network.coefs_[0] + network.intercepts_[0]
    exponents = np.exp(logits - logits.max(axis=1, keepdims=True))
    expected = exponents / exponents.sum(axis=1, keepdims=True)
    import onnxruntime

    session = onnxruntime.InferenceSession(mlp_export.to_onnx(pipeline, 8, 3))
    (found,) = session.run(["probabilities"], {"features": values.astype(np.float32)})
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_commands_go_from_a_url_to_labels(
    running_ray: None, corpus_folder: Path, tmp_path: Path, cache: Path
) -> None:
    graph = waveform_graph()
    sha256 = hashlib.sha256(graph).hexdigest()
    table, model, labels = tmp_path / "features.parquet", tmp_path / "model", tmp_path / "labels.csv"
    with server(graph) as (address, _):
        encoder = ("--encoder", f"{address}/encoder.onnx", "--progress", "plain")
        done = run("features", corpus_folder, "--set", "encoder", *encoder, "-o", table)
        assert (done.exit_code, done.stdout) == (0, "")
        assert f"waveform in, {N_DIMS} dims out (last_hidden_state), sha256 {sha256}" in done.stderr
        assert len(read_feature_table(str(table))) == 12
        wanted = ("--emotions", ",".join(CLASSES), "--validation", 0.25)
        done = run("train", "mlp", table, "--preset", "encoder", *encoder, *wanted, "-o", model)
        assert done.exit_code == 0
        assert "secret" not in (model / "model.json").read_text() + done.stderr
    label = ("label", corpus_folder, "-m", model, "--engine", "local", "-j", 1, "--quality", "-o")
    assert run(*label, labels).exit_code == 0
    with open(labels, newline="") as file:
        rows = list(csv.DictReader(file))
    names = {"02": "calm", "03": "happy", "04": "sad"}
    assert [row["emotion"] for row in rows] == [names[Path(row["path"]).name[6:8]] for row in rows]
    # Without the cache the model is refused by name, until its file is given.
    (cache / "encoders" / f"{sha256}.onnx").rename(tmp_path / "mine.onnx")
    command = [sys.executable, "-m", "emosense", *map(str, label), str(tmp_path / "none.csv")]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (refused.returncode, refused.stdout) == (7, "")
    assert sha256 in refused.stderr
    assert "--encoder PATH" in refused.stderr
    again = tmp_path / "again.csv"
    assert run(*label, again, "--encoder", tmp_path / "mine.onnx").exit_code == 0
    assert again.read_bytes() == labels.read_bytes()
