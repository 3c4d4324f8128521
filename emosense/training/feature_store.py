"""Extracted features on disk, one row per recording, so that each recording is extracted once.

A store is a folder for one feature configuration, one variant of the recordings and one state of the code. Files are
added to it and never changed, so any number of processes can write at once: at worst a recording is extracted twice.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import uuid
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, Final

from emosense.arrays import Float32
from emosense.features.config import FeatureConfig
from emosense.features.sets import FEATURE_SETS
from emosense.inputs.recording import Recording
from emosense.storage.folders import list_folder, make_folder
from emosense.storage.locations import join
from emosense.storage.writing import atomic_writer
from emosense.training.extraction import Variant
from emosense.training.parquet import read_parquet, read_rows
from emosense.training.source_digest import source_digest

# The modules that decide the values of features, besides that of the feature set itself.
EXTRACTING_MODULES: Final = (
    "emosense.audio",
    "emosense.features",
    "emosense.onnx_session",
    "emosense.training.extraction",
)
# Faults of the machine or the storage rather than of the recording: such results are not kept.
_PASSING: Final = frozenset(
    {"unsupported_encoding", "missing", "permission_denied", "io_error", "changed_during_read", "out_of_memory",
     "internal_error"}
)  # fmt: skip


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class StoredFeatures:
    """The features of a recording, or the code of the error.

    Parameters
    ----------
    values : ndarray, float32
        Shape (n_values,) or (n_frames, n_bands); empty where the recording cannot be read.
    error_code : str
        Empty where the recording could be read.
    """

    values: Float32
    error_code: str


class FeatureStore:
    """The features of recordings under one configuration.

    Parameters
    ----------
    cache : str
        Folder or URL of the feature cache, in which the store has its own folder.
    config : FeatureConfig
        Settings of the features.
    variant : Speed, Disturbance or None
        What is done to the recordings before their features are extracted.
    """

    def __init__(self, cache: str, config: FeatureConfig, variant: Variant | None) -> None:
        function_module = FEATURE_SETS[config.set].function.partition(":")[0]
        key = f"{config.key} {source_digest(*EXTRACTING_MODULES, function_module)}"
        suffix = "" if variant is None else f"-{variant.key}"
        digest = hashlib.sha256(key.encode()).hexdigest()[:24]
        self.folder: Final = join(cache, f"features-{config.set}-{digest}{suffix}")

    def missing(self, recordings: Sequence[Recording]) -> list[Recording]:
        """Return the recordings that have no row yet.

        Parameters
        ----------
        recordings : sequence of Recording
            Recordings to look for.

        Returns
        -------
        list of Recording
            Those to extract, in order, each once.
        """
        known: set[str] = set()
        for file in self._files():
            known.update(read_parquet(file, lambda parquet: parquet.read(columns=["key"])["key"].to_pylist()))
        return list({key: each for each in recordings if (key := recording_key(each)) not in known}.values())

    def read(self, recordings: Collection[Recording]) -> dict[str, StoredFeatures]:
        """Read the features of recordings.

        Parameters
        ----------
        recordings : collection of Recording
            Recordings to look for.

        Returns
        -------
        dict of str to StoredFeatures
            By `recording_key`; recordings without a row are left out.
        """
        wanted = {recording_key(each) for each in recordings}
        found: dict[str, StoredFeatures] = {}
        for file in self._files():
            read = functools.partial(_read_keys, keys=wanted - found.keys())
            found |= read_parquet(file, read)
        return found

    @contextlib.contextmanager
    def writer(self) -> Iterator[Callable[[Sequence[Recording], Sequence[dict[str, Any]]], None]]:
        """Add a file with further recordings; it appears, whole, when the block ends without an error.

        Yields
        ------
        callable
            Takes recordings and their results, as `emosense.training.extraction.extract_recordings` gives them.
            Results with a passing fault are not kept.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        schema = pa.schema(
            {"key": pa.string(), "error_code": pa.string(), "n_frames": pa.int32(), "features": pa.list_(pa.float32())}
        )
        parquet = None
        with contextlib.ExitStack() as stack:

            def write(recordings: Sequence[Recording], results: Sequence[dict[str, Any]]) -> None:
                nonlocal parquet
                rows = [
                    {"key": recording_key(recording)} | {name: result[name] for name in schema.names[1:]}
                    for recording, result in zip(recordings, results, strict=True)
                    if not is_passing(result["error_code"])
                ]
                if rows and parquet is None:
                    make_folder(self.folder)
                    file = stack.enter_context(atomic_writer(join(self.folder, f"{uuid.uuid4().hex}.parquet")))
                    parquet = stack.enter_context(contextlib.closing(pq.ParquetWriter(file, schema)))
                if parquet:
                    columns = [pa.array([row[field.name] for row in rows], field.type) for field in schema]
                    parquet.write_table(pa.table(columns, schema=schema))

            yield write

    def _files(self) -> list[str]:
        return [join(self.folder, name) for name in list_folder(self.folder) if name.endswith(".parquet")]


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


def _read_keys(file: Any, keys: Collection[str]) -> dict[str, StoredFeatures]:
    def is_wanted(batch: Any) -> list[bool]:
        return [key in keys for key in batch["key"].to_pylist()]

    rows, features = read_rows(file, ("key", "error_code"), is_wanted)
    return {key: StoredFeatures(values, code) for (key, code), values in zip(rows, features, strict=True)}
