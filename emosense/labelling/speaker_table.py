"""A table of paths and speakers -> the recordings that each line may mean, with the speaker.

Read a few lines at a time, from this machine or from object storage.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

from emosense.errors import UsageError
from emosense.inputs.path_table import named_place
from emosense.storage.cells import original_path, unescape_cell
from emosense.storage.locations import absolute_location, redact
from emosense.storage.reading import open_stream
from emosense.storage.table_faults import faults_of_table
from emosense.storage.text_table import text_table

_BATCH_ROWS: Final = 4096
_COLUMNS: Final = ("path", "channel", "speaker")


def read_speaker_table(location: str, root: str = "") -> Iterator[tuple[bytes, str]]:
    """Read a table of speakers.

    A path may be written as the label table has it or as other programs do, and it may be relative to the table.

    Parameters
    ----------
    location : str
        Path or URL of a .csv or .parquet file with the columns ``path`` and ``speaker``, and perhaps ``channel``: a
        line without a channel means all channels.
    root : str
        Folder or URL that relative paths in it begin at; empty for its own folder.

    Yields
    ------
    name : bytes
        A path that the line may mean, or `channel_key` of it.
    speaker : str

    Raises
    ------
    UsageError
        If there is no such table, or it lacks a column.
    StorageError
        If object storage does not answer.
    """
    for cell, channel, speaker in _table(location):
        # As the label table has it, and as other programs write it.
        for text in {cell, unescape_cell(cell)}:
            path = original_path(text)
            for name in map(os.fsencode, {path, absolute_location(named_place(path, location, root))}):
                yield channel_key(name, channel) if channel else name, speaker


def channel_key(name: bytes, channel: int | str) -> bytes:
    """Name a channel of a recording: no path has a byte of zero.

    Parameters
    ----------
    name : bytes
        Path of the recording.
    channel : int or str
        From 1.

    Returns
    -------
    bytes
    """
    return b"%s\0%s" % (name, str(channel).encode())


def _table(location: str) -> Iterator[tuple[str, str, str]]:
    """Yield path, channel, which may be empty, and speaker of each line."""
    import pyarrow as pa

    read = _parquet_lines if location.lower().endswith(".parquet") else _csv_lines
    try:
        with faults_of_table(location), open_stream(location) as file:
            for path, channel, speaker in read(file):
                if path not in (None, "") and speaker not in (None, ""):
                    yield str(path), _text(channel), _text(speaker)
    except (KeyError, ValueError, pa.ArrowException) as err:
        raise UsageError(f"{redact(location)} is not a table with the columns path and speaker: {err}") from err


def _text(value: Any) -> str:
    is_whole = isinstance(value, float) and value.is_integer()
    return "" if value is None else str(int(value) if is_whole else value).strip()


def _csv_lines(file: BinaryIO) -> Iterator[tuple[Any, Any, Any]]:
    with text_table(file, _COLUMNS) as table:
        if not {"path", "speaker"} <= set(table.columns):
            raise KeyError("path, speaker")
        for line in table:
            yield line["path"], line.get("channel"), unescape_cell(line["speaker"])


def _parquet_lines(file: BinaryIO) -> Iterator[tuple[Any, Any, Any]]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(file) as table:
        if not {"path", "speaker"} <= set(table.schema_arrow.names):
            raise KeyError("path, speaker")
        columns = [name for name in _COLUMNS if name in table.schema_arrow.names]
        for batch in table.iter_batches(batch_size=_BATCH_ROWS, columns=columns):
            yield from ((line["path"], line.get("channel"), line["speaker"]) for line in batch.to_pylist())
