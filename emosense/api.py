"""The Python API: paths in, rows, features and models out; what the command line does, without its files.

    import emosense

    for row in emosense.label(["a.wav", "b.mp3"]):
        print(row.path, row.emotion, row.confidence)

Nothing is listed, kept or resumed here: that is `emosense-batch label`. A recording's row is the same in both.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator, Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emosense.audio.reader import read_waveform
from emosense.errors import UsageError
from emosense.features.config import FeatureConfig, default_config
from emosense.features.sets import extract
from emosense.inputs.recording import Recording, open_recording
from emosense.labelling.config import LabelConfig, Labelled
from emosense.labelling.engines import LocalEngine
from emosense.labelling.run_job import chunked
from emosense.labelling.worker_process import LabelSpec
from emosense.models.encoder_location import with_encoder_file
from emosense.models.model import DEFAULT_MODEL, Model, read_model
from emosense.storage.locations import without_credentials
from emosense.storage.schemes import is_url
from emosense.tables.row import Row

Path = str | os.PathLike[str]

# So few that the first rows come soon; a chunk costs a queue's entry and nothing more.
_CHUNK_SIZE: Final = 8


def label(
    paths: Iterable[Path],
    model: str = DEFAULT_MODEL,
    *,
    n_workers: int = 1,
    window_s: float = 0.0,
    hop_s: float = 0.0,
    strict: bool = False,
    max_duration_s: float = 86_400.0,
    file_timeout_s: float = 60.0,
    encoder: str = "",
) -> Generator[Row, None, None]:
    """Label recordings in worker processes of this machine.

    Parameters
    ----------
    paths : iterable of str or path-like
        Recordings, local or by URL; drawn as they are needed, in a thread of the engine's.
    model : str
        Name of a model that ships with EmoSense, a directory, or the URL of one in object storage.
    n_workers : int
        Worker processes, at least one.
    window_s, hop_s : float
        Length and distance of the windows that a recording is labelled in; 0 stands for the model's own.
    strict : bool
        Treat a recording that could be decoded in part as an error.
    max_duration_s, file_timeout_s : float
        Refuse longer recordings; give up one that makes no progress for so long.
    encoder : str
        Path or URL of the pretrained encoder of the model; where it is empty, that is looked for on this machine.

    Returns
    -------
    generator of Row
        One row a path, in the order of the paths; a path that is given twice has two. A recording that cannot be
        labelled is a row with ``status="error"``. Closing it ends the workers.

    Raises
    ------
    UsageError
        If a setting cannot work.
    ModelError
        If the model is refused, or its encoder is not there.
    StorageError
        While iterating, if object storage does not answer.

    Examples
    --------
    >>> rows = list(label(["calls/1.wav", "calls/2.wav"], n_workers=2))  # doctest: +SKIP
    """
    if isinstance(paths, (str, os.PathLike)):
        raise UsageError("paths must be a list of paths, not one path")
    if n_workers < 1:
        raise UsageError(f"n_workers must be at least 1, not {n_workers}")
    if not 0 < file_timeout_s < float("inf"):
        raise UsageError(f"file_timeout_s must be a positive number of seconds, not {file_timeout_s}")
    config = LabelConfig(window_s, hop_s, strict=strict, max_duration_s=max_duration_s)
    spec = LabelSpec(with_encoder_file(read_model(model), encoder), config, file_timeout_s)
    config.check(spec.model.description["window_s"])
    return _rows(map(_recording, paths), LocalEngine(spec, n_workers))


def load_model(location: str = DEFAULT_MODEL, *, encoder: str = "") -> Model:
    """Load a model, to compute probabilities from features (see `extract_features`).

    Parameters
    ----------
    location : str
        Name of a model that ships with EmoSense, a directory, or the URL of one in object storage.
    encoder : str
        Path or URL of the pretrained encoder of the model, for `emosense.features.sets.extract` with the model's
        ``features``; where it is empty, that is looked for on this machine when features are extracted.

    Raises
    ------
    UsageError
        If an encoder is given and the model has none.
    ModelError
        If there is no such model, a file of it is damaged, it does not fit this version, or the encoder is another.
    """
    files = read_model(location)
    return Model(with_encoder_file(files, encoder) if encoder else files)


def extract_features(
    path: Path,
    features: str | FeatureConfig = "logmel",
    *,
    encoder: str = "",
    encoder_output: str = "",
    encoder_normalise: bool | None = None,
) -> NDArray[np.float32]:
    """Extract the features of one recording, as `emosense-batch features` does.

    Parameters
    ----------
    path : str or path-like
        A recording, local or by URL.
    features : str or FeatureConfig
        A feature set with its default settings (``summary``, ``functionals``, ``mfcc``, ``logmel``, ``encoder``, or one
        that an installed package adds), or one of the ``features`` of a model, whose `probabilities` takes them as a
        list. `label` splits a recording that is longer than the model's ``window_s`` into windows; this function does
        not.
    encoder, encoder_output, encoder_normalise
        For the set ``encoder`` alone, which needs the first: path or URL of an ONNX file, the name of its output (empty
        for its last), and whether each waveform is scaled to mean 0 and variance 1 (None does so for every encoder of
        waveforms).

    Returns
    -------
    ndarray, float32
        Shape (n_values,) or (n_frames, n_bands), as the set says.

    Raises
    ------
    UsageError
        If there is no such set, or the set ``encoder`` has no usable encoder, or another set has one.
    StorageError
        If the encoder or the recording cannot be fetched.
    RecordingError
        If the recording cannot be read.
    """
    # Imported here: it leads to the settings of all models, which labelling does without.
    from emosense.training.encoder_choice import EncoderChoice, with_encoder

    choice = EncoderChoice(encoder, encoder_output, encoder_normalise)
    if isinstance(features, str):
        features = with_encoder(default_config(features), choice)
    elif choice != EncoderChoice():
        raise UsageError("the features of a model say which encoder they need: give its file to load_model")
    with open_recording(_recording(path)) as file:
        return extract(read_waveform(file, features.sample_rate), features)


def _recording(path: Path) -> Recording:
    """Name a recording: nothing was listed, so size and version are not known beforehand."""
    location = os.fspath(path)
    if is_url(location):
        return Recording(without_credentials(location), location, -1, "")
    return Recording(location, os.path.abspath(location), -1, "")


def _rows(recordings: Iterable[Recording], engine: LocalEngine) -> Generator[Row, None, None]:
    """Put what the engine gives, in any order, into the order of the recordings."""
    waiting: dict[int, list[Labelled]] = {}
    next_index = 0
    with contextlib.closing(engine.run(chunked(recordings, _CHUNK_SIZE))) as results:
        for done in results:
            waiting[done.chunk.index] = done.labelled
            while next_index in waiting:
                yield from (labelled.row for labelled in waiting.pop(next_index))
                next_index += 1
