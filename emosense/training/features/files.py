"""A file of a feature store: rows of features, each with the key of its recording, or why it has none."""

from __future__ import annotations

import dataclasses
import hashlib
import io
from collections.abc import Collection, Sequence
from typing import Any, Final

from emosense.arrays import Float32
from emosense.inputs.recording import Recording
from emosense.training.features.mapped_values import MappedValues
from emosense.training.features.parquet import read_parquet, read_rows

# Faults of the machine or the storage rather than of the recording: such results are not kept.
_PASSING: Final = frozenset(
    {"unsupported_encoding", "missing", "permission_denied", "io_error", "changed_during_read", "out_of_memory",
     "internal_error"}
)  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class StoredFeatures:
    """The features of a recording, or the error.

    Parameters
    ----------
    values : ndarray, float32
        Shape (n_values,) or (n_frames, n_bands); empty where the recording cannot be read.
    error_code, error : str
        Empty where the recording could be read.
    """

    values: Float32
    error_code: str
    error: str

    def result(self) -> dict[str, Any]:
        """Return it as `emosense.training.features.extraction.extract_recordings` gave it.

        Returns
        -------
        dict
            ``features``, ``n_frames``, ``error_code`` and ``error``.
        """
        n_frames = len(self.values) if self.values.ndim == 2 else 0
        errors = {"error_code": self.error_code, "error": self.error}
        return {"features": self.values.ravel(), "n_frames": n_frames, **errors}


def is_passing(error_code: str) -> bool:
    """Whether a recording that failed with this code may be readable the next time.

    Parameters
    ----------
    error_code : str
        Code of an error, or empty.

    Returns
    -------
    bool
        False for faults of the recording itself.
    """
    return error_code in _PASSING


def recording_key(recording: Recording) -> str:
    """Return what identifies the content of a recording: its location, size and version.

    Parameters
    ----------
    recording : Recording
        As it was listed.

    Returns
    -------
    str
        32 hexadecimal digits.
    """
    identity = repr((recording.location, recording.size, recording.version))
    return hashlib.sha256(identity.encode("utf-8", "surrogateescape")).hexdigest()[:32]


def feature_file(recordings: Sequence[Recording], results: Sequence[dict[str, Any]]) -> bytes:
    """Make a file.

    Parameters
    ----------
    recordings : sequence of Recording
        The recordings.
    results : sequence of dict
        What `emosense.training.features.extraction.extract_recordings` gave for them.

    Returns
    -------
    bytes
        The file, without the recordings with a passing fault; empty if there are no others.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [
        {"key": recording_key(recording)} | result
        for recording, result in zip(recordings, results, strict=True)
        if not is_passing(result["error_code"])
    ]
    if not rows:
        return b""
    text = [(name, pa.string()) for name in ("key", "error_code", "error")]
    schema = pa.schema([*text, ("n_frames", pa.int32()), ("features", pa.list_(pa.float32()))])
    columns = [pa.array([row[field.name] for row in rows], field.type) for field in schema]
    file = io.BytesIO()
    pq.write_table(pa.table(columns, schema=schema), file)
    return file.getvalue()


def keys_of(location: str) -> list[str]:
    """Return whose features a file holds.

    Parameters
    ----------
    location : str
        Local path or URL.

    Returns
    -------
    list of str
        Keys of recordings.
    """
    return read_parquet(location, lambda file: file.read(columns=["key"])["key"].to_pylist())


def read_features(location: str, keys: Collection[str], values: MappedValues) -> list[tuple[str, str, str]]:
    """Read the wanted rows of a file.

    Parameters
    ----------
    location : str
        Local path or URL.
    keys : collection of str
        Keys of the wanted recordings.
    values : MappedValues
        Their features are added to it, in the order of what is returned.

    Returns
    -------
    list of (str, str, str)
        Key, code and text of the error.
    """
    n_before = len(values)

    def is_wanted(batch: Any) -> list[bool]:
        return [key in keys for key in batch["key"].to_pylist()]

    def read(file: Any) -> list[tuple[Any, ...]]:
        # A remote file may be read again, from its beginning.
        values.cut(n_before)
        # Files of earlier versions have no text.
        columns = [name for name in ("key", "error_code", "error") if name in file.schema_arrow.names or name == "key"]
        return read_rows(file, columns, is_wanted, values)

    return [(*row, "")[:3] for row in read_parquet(location, read)]
