"""Labels in Python: the rows that the command line writes.

    import emosense

    with emosense.Labeller() as labeller:
        row = labeller.label("a.wav")

A labeller does not search folders, and it does not keep or resume work: use `emosense-batch label` for that.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator, Iterable
from typing import Self

from emosense.api.answer import Answer
from emosense.api.idle_workers import IdleWorkers
from emosense.api.recordings import Path, Waveform, recording_of
from emosense.api.side_by_side import labelled_in_order
from emosense.errors import UsageError
from emosense.labelling.config import LabelConfig, LabelSpec
from emosense.labelling.labelled import Labelled
from emosense.models.encoder_location import with_encoder_file
from emosense.models.model_files import DEFAULT_MODEL, read_model
from emosense.tables.row import Row


class Labeller:
    """Labels recordings in worker processes of this machine, which stay between calls.

    It is a context manager: the workers end with its block. Calls from several threads, or from a thread of
    `asyncio.to_thread`, run side by side.

    Parameters
    ----------
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

    Raises
    ------
    UsageError
        If a setting cannot work.
    ModelError
        If the model is refused, or its encoder is missing.

    Examples
    --------
    >>> import emosense, soundfile
    >>> waveform, sample_rate = soundfile.read("calls/1.wav")
    >>> with emosense.Labeller("default") as labeller:
    ...     row = labeller.label("calls/1.wav")
    ...     same = labeller.label(waveform, sample_rate=sample_rate)
    ...     rows = list(labeller.label_many(["calls/1.wav", "calls/2.wav"]))
    >>> row == rows[0] and row.probabilities == same.probabilities
    True
    """

    def __init__(
        self,
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
    ) -> None:
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
        self._spec = LabelSpec(with_encoder_file(read_model(model), encoder), config, file_timeout_s)
        config.check(self._spec.model.description["window_s"])
        self._answer = Answer.of(emotions, self._spec.model.description["classes"], segments)
        self._n_workers = n_workers
        self._workers = IdleWorkers(n_workers)

    def __enter__(self) -> Self:
        """Return the labeller itself; the first worker starts with the first recording."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the workers."""
        self.close()

    @property
    def own_emotions(self) -> tuple[str, ...]:
        """Emotions of the model that have names of a user's own."""
        return self._spec.model.own_emotions

    def close(self) -> None:
        """End the workers that are idle now, and the others once they are."""
        self._workers.close()

    def label(self, recording: Path | bytes | Waveform, *, sample_rate: int | None = None, name: str = "") -> Row:
        """Label one recording.

        Parameters
        ----------
        recording : str, path-like, bytes, or ndarray of shape (n_samples,) or (n_samples, n_channels)
            A path or URL, the bytes of a file in any format, or a waveform: floats in [-1, 1], or integers of 16 or 32
            bits.
        sample_rate : int, optional
            Of a waveform, in Hz; required for one.
        name : str
            The ``path`` of the row, if bytes or a waveform are given.

        Returns
        -------
        Row
            Of the whole recording; with ``status="error"`` if it cannot be labelled.

        Raises
        ------
        UsageError
            If a waveform has another shape or type, or the labeller is closed or splits channels.
        StorageError
            If object storage does not answer.
        """
        if self._spec.config.splits_channels:
            raise UsageError("channels='split' gives a row for each channel: use label_rows")
        (labelled,) = self._labelled(recording, sample_rate, name).by_channel
        return self._answer.row(labelled)

    def label_rows(
        self, recording: Path | bytes | Waveform, *, sample_rate: int | None = None, name: str = ""
    ) -> list[Row]:
        """Label one recording, with all the rows that `label_many` gives for it.

        Parameters
        ----------
        recording : str, path-like, bytes, or ndarray of shape (n_samples,) or (n_samples, n_channels)
            See `label`.
        sample_rate : int, optional
            Of a waveform, in Hz; required for one.
        name : str
            The ``path`` of the rows, if bytes or a waveform are given.

        Returns
        -------
        list of Row
            Of its segments if the labeller has ``segments=True``, and of each channel with ``channels="split"``.

        Raises
        ------
        UsageError
            If a waveform has another shape or type, or the labeller is closed.
        StorageError
            If object storage does not answer.
        """
        return list(self._answer.rows(self._labelled(recording, sample_rate, name)))

    def label_many(self, paths: Iterable[Path], *, progress: bool = False) -> Generator[Row, None, None]:
        """Label recordings side by side.

        Parameters
        ----------
        paths : iterable of str or path-like
            Recordings, local or by URL. They are taken from the iterable as they are needed, in another thread.
        progress : bool
            Show a progress bar, in a terminal or a notebook.

        Returns
        -------
        generator of Row
            One row per path, in the order of the paths; with ``segments``, one or more; with ``channels="split"``, one
            per channel. Closing the generator stops the work.

        Raises
        ------
        UsageError
            If one path is given in place of a list, or the labeller is closed.
        StorageError
            While iterating, if object storage does not answer.
        """
        if isinstance(paths, (str, os.PathLike)):
            raise UsageError("paths must be a list of paths, not one path: give [path]")
        self._check_open()
        return self._many(paths, progress)

    def _many(self, paths: Iterable[Path], progress: bool) -> Generator[Row, None, None]:
        results = labelled_in_order(self._spec, paths, self._workers, self._n_workers, progress)
        with contextlib.closing(results):
            for labelled in results:
                yield from self._answer.rows(labelled)

    def _labelled(self, given: Path | bytes | Waveform, sample_rate: int | None, name: str) -> Labelled:
        self._check_open()
        with (
            recording_of(given, sample_rate, name) as recording,
            self._workers.lend(self._spec, lambda: False) as worker,
        ):
            (labelled,) = worker.label_batch([recording])
            return labelled

    def _check_open(self) -> None:
        if self._workers.is_closed:
            raise UsageError("this labeller is closed")
