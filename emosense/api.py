"""The Python API: labels, features and models, without the files that the command line writes.

    import emosense

    for row in emosense.label(["a.wav", "b.mp3"]):
        print(row.path, row.emotion, row.confidence)

These functions do not search folders, and they do not keep or resume work: use `emosense-batch label` for that. The row
of a recording is the same in both.
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
from emosense.evaluation.choice import EmotionChoice
from emosense.features.config import FeatureConfig, default_config
from emosense.inputs.recording import Recording, open_recording
from emosense.labelling.config import LabelConfig, Labelled, LabelSpec
from emosense.labelling.engines import LocalEngine, chunked
from emosense.models.encoder_location import with_encoder_file
from emosense.models.model import DEFAULT_MODEL, Model, read_model
from emosense.models.trial import try_model
from emosense.storage.locations import shown_location
from emosense.storage.schemes import is_url
from emosense.tables.row import Row

Path = str | os.PathLike[str]

# Few, so that the first rows come soon; a chunk costs only an entry in a queue.
_CHUNK_SIZE: Final = 8


def label(
    paths: Iterable[Path],
    model: str = DEFAULT_MODEL,
    *,
    n_workers: int = 1,
    window_s: float = 0.0,
    hop_s: float = 0.0,
    segment_by: str = "window",
    min_segment_s: float = 0.0,
    max_segment_s: float = 0.0,
    segments: bool = False,
    strict: bool = False,
    max_duration_s: float = 86_400.0,
    channels: str | int = "mix",
    track: int = 0,
    file_timeout_s: float = 60.0,
    encoder: str = "",
    emotions: Iterable[str] = (),
) -> Generator[Row, None, None]:
    """Label recordings in worker processes of this machine.

    Parameters
    ----------
    paths : iterable of str or path-like
        Recordings, local or by URL. Paths are taken from the iterable as they are needed, in another thread.
    model : str
        Name of a model that ships with EmoSense, a directory, or the URL of one in object storage.
    n_workers : int
        Worker processes, at least 1.
    window_s : float
        Length of the windows that a recording is labelled in, in seconds, at least 0.25; 0 for the model's own.
    hop_s : float
        Distance of the windows in seconds, at least 0.25, at most `window_s`; 0 for the length of the window.
    segment_by : str
        What a recording is cut into: ``window``, windows of a fixed length, or ``speech``, utterances, at pauses.
    min_segment_s, max_segment_s : float
        Least and longest length of an utterance, in seconds; 0 for 1 s, and for the model's window.
    segments : bool
        Yield the rows of the windows or utterances, with ``start_s`` and ``end_s``, in place of the recording's row. A
        recording without a label is still one row.
    strict : bool
        Treat a recording that could only be decoded in part as an error.
    max_duration_s : float
        Refuse recordings that last longer, in seconds, > 0.
    channels : str or int
        ``"mix"``: all channels together, without those that have no speech; ``"split"``: each channel on its own;
        ``"first"`` or a number, from 1: one channel.
    track : int
        Number of the audio track of a film, from 1; 0 for its default, or the first that can be decoded.
    file_timeout_s : float
        Give up a recording after so many seconds without progress, or of CPU time without finding speech, > 0.
    encoder : str
        Path or URL of the pretrained encoder that the model needs; if empty, it is looked for on this machine.
    emotions : iterable of str
        Emotions that a label may be, at least two; empty for those of the model. If only one of neutral and calm is
        given, the other counts as it. The probabilities of these emotions sum to 1, the others are 0.

    Returns
    -------
    generator of Row
        One row per path, in the order of the paths; with `segments`, one or more; with ``channels="split"``, one per
        channel, which the row's ``channel`` names. A recording that cannot be labelled is a row with
        ``status="error"``. Closing the generator ends the workers.

    Raises
    ------
    UsageError
        If a setting cannot work.
    ModelError
        If the model is refused, or its encoder is missing.
    StorageError
        While iterating, if object storage does not answer.

    Examples
    --------
    >>> import emosense
    >>> rows = list(emosense.label(["calls/1.wav", "calls/2.wav", "calls/3.wav"], n_workers=2))
    >>> [(row.path, row.status, row.error_code) for row in rows]
    [('calls/1.wav', 'ok', ''), ('calls/2.wav', 'ok', ''), ('calls/3.wav', 'error', 'missing')]
    >>> 0 < rows[0].confidence <= 1
    True
    """
    if isinstance(paths, (str, os.PathLike)):
        raise UsageError("paths must be a list of paths, not one path")
    if n_workers < 1:
        raise UsageError(f"n_workers must be at least 1, not {n_workers}")
    if not 0 < file_timeout_s < float("inf"):
        raise UsageError(f"file_timeout_s must be a positive number of seconds, not {file_timeout_s}")
    config = LabelConfig(
        window_s,
        hop_s,
        strict,
        max_duration_s,
        segment_by,
        min_segment_s,
        max_segment_s,
        channels=str(channels),
        track=track,
    )
    spec = LabelSpec(with_encoder_file(read_model(model), encoder), config, file_timeout_s)
    config.check(spec.model.description["window_s"])
    choice = _choice(emotions, spec.model.description["classes"])
    return _rows(map(_recording, paths), LocalEngine(spec, n_workers), choice, segments=segments)


def load_model(location: str = DEFAULT_MODEL, *, encoder: str = "") -> Model:
    """Load a model, to compute probabilities from features (see `extract_features`).

    Parameters
    ----------
    location : str
        Name of a model that ships with EmoSense, a directory, or the URL of one in object storage.
    encoder : str
        Path or URL of the pretrained encoder that the model needs; if empty, it is looked for on this machine when
        features are extracted.

    Returns
    -------
    Model
        Its `features` say what `extract_features` is to compute, its `probabilities` takes the list of these.

    Raises
    ------
    UsageError
        If an encoder is given and the model needs none.
    ModelError
        If there is no such model, it is damaged, it does not fit this version, or it needs another encoder.

    Examples
    --------
    >>> import emosense
    >>> model = emosense.load_model("default")
    >>> features = [emosense.extract_features("calls/1.wav", config) for config in model.features]
    >>> probabilities = model.probabilities(features)
    >>> probabilities.shape
    (8,)
    """
    files = read_model(location)
    files = with_encoder_file(files, encoder) if encoder else files
    try_model(files, location)
    return Model(files)


def extract_features(
    path: Path,
    features: str | FeatureConfig = "whisper",
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
        A feature set with its default settings (``summary``, ``functionals``, ``mfcc``, ``logmel``, ``whisper``,
        ``encoder``, or one that an installed package adds), or one of the ``features`` of a model, whose
        `probabilities` takes them as a list. `label` splits a recording that is longer than the model's ``window_s``
        into windows; this function does not.
    encoder : str
        Path or URL of an ONNX file; required by the set ``encoder``, and only used by it.
    encoder_output : str
        Name of the output of the encoder; if empty, its last one.
    encoder_normalise : bool or None
        Scale each waveform to mean 0 and variance 1 for the encoder; None does so if it takes waveforms.

    Returns
    -------
    ndarray, float32
        Shape (n_values,) or (n_frames, n_bands), depending on the set.

    Raises
    ------
    UsageError
        If there is no such set, if the set ``encoder`` has no usable encoder, or if another set has one.
    StorageError
        If the encoder or the recording cannot be fetched.
    RecordingError
        If the recording cannot be read, or has no speech.

    Examples
    --------
    >>> import emosense
    >>> emosense.extract_features("calls/1.wav", "summary").shape
    (180,)
    >>> n_frames, n_bands = emosense.extract_features("calls/1.wav", "logmel").shape
    >>> n_bands
    128
    """
    # Imported here, since labelling does not need the settings of training that it imports.
    from emosense.training.encoder_choice import EncoderChoice, with_encoder
    from emosense.training.extraction import recording_features

    choice = EncoderChoice(encoder, encoder_output, encoder_normalise)
    if isinstance(features, str):
        features = with_encoder(default_config(features), choice)
    elif choice != EncoderChoice():
        raise UsageError("the features of a model say which encoder they need: give its file to load_model")
    with open_recording(_recording(path)) as file:
        return recording_features(read_waveform(file, features.sample_rate), features)


def _recording(path: Path) -> Recording:
    """Describe a recording that was not listed: its size and version are not known."""
    location = os.fspath(path)
    if is_url(location):
        return Recording(shown_location(location), location, -1, "")
    return Recording(location, os.path.abspath(location), -1, "")


def _choice(emotions: Iterable[str], classes: list[str]) -> EmotionChoice | None:
    """Parse the emotions that the user gave, if any."""
    if isinstance(emotions, str):
        raise UsageError("emotions must be a list of names, not one name")
    if not (names := tuple(emotions)):
        return None
    choice = EmotionChoice.parse(names, classes)
    choice.check(classes)
    return choice


def _rows(
    recordings: Iterable[Recording], engine: LocalEngine, choice: EmotionChoice | None, *, segments: bool
) -> Generator[Row, None, None]:
    """Yield the results of the engine, which come in any order, in the order of the recordings."""
    waiting: dict[int, list[Labelled]] = {}
    next_index = 0
    with contextlib.closing(engine.run(chunked(recordings, _CHUNK_SIZE))) as results:
        for done in results:
            waiting[done.chunk.index] = done.labelled
            while next_index in waiting:
                for labelled in waiting.pop(next_index):
                    for result in labelled.by_channel:
                        chosen = result.with_emotions(choice) if choice else result
                        yield from (segments and chosen.segments) or (chosen.row,)
                next_index += 1
