"""An engine in this process that labels at once, for tests of what a run keeps: the label follows from the content."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path

import pytest

from emosense.errors import RecordingError
from emosense.inputs.recording import Recording, open_recording
from emosense.labelling import run_job
from emosense.labelling.chunk_writer import ChunkWriter, KeptChunk
from emosense.labelling.chunks import Chunk
from emosense.labelling.config import LabelSpec
from emosense.labelling.engine_choice import ChosenEngine
from emosense.labelling.job import LabelJob
from emosense.labelling.labelled import Labelled
from emosense.tables.row import error_row, labelled_row

PART = 4


class InstantEngine:
    """Labels chunks where it is called."""

    def __init__(self, writer: ChunkWriter) -> None:
        self._writer, self._is_stopped = writer, False

    def stop(self) -> None:
        self._is_stopped = True

    def run(self, chunks: Iterable[Chunk]) -> Generator[KeptChunk, None, None]:
        for chunk in chunks:
            if self._is_stopped:
                return
            yield self._writer.keep(chunk, [label(recording) for recording in chunk.recordings])


def label(recording: Recording) -> Labelled:
    try:
        with open_recording(recording) as file:
            digest = hashlib.sha256(file.read()).digest()
    except RecordingError as err:
        return Labelled(error_row(recording.path, err))
    total = sum(digest[:8])
    return Labelled(labelled_row(recording.path, [value / total for value in digest[:8]], 1.0, 1.0))


@contextlib.contextmanager
def open_instant_engine(
    _job: LabelJob, _spec: LabelSpec, writer: ChunkWriter, _n_pending: int, _on_position: object
) -> Iterator[ChosenEngine]:
    yield ChosenEngine("local", InstantEngine(writer), PART)


def small_job(tmp_path: Path, tiny_model: str, patch: pytest.MonkeyPatch, n: int = 20) -> LabelJob:
    """A job of small files, labelled by this engine."""
    (tmp_path / "in").mkdir()
    for index in range(n):
        (tmp_path / "in" / f"{index:02d}.wav").write_bytes(f"recording {index}".encode())
    (tmp_path / "out").mkdir()
    patch.setattr(run_job, "open_engine", open_instant_engine)
    return LabelJob((str(tmp_path / "in"),), str(tmp_path / "out" / "labels.csv"), model=tiny_model)
