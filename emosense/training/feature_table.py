"""Features of a corpus in one Parquet file: what training reads and `emosense-batch features` writes.

One row an utterance, in order of path. The array lies flat in `features`, with its number of frames in `n_frames`
(0 for a vector); the `FeatureConfig` and the corpus's name lie in the file's metadata and so travel with the values.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from emosense.arrays import Float32
from emosense.errors import UsageError
from emosense.features.config import FeatureConfig
from emosense.inputs.corpus import Utterance
from emosense.storage.files import atomic_writer, read_bytes
from emosense.storage.locations import redact
from emosense.tables.row import printable_path

_METADATA_KEY: Final = b"emosense_features"
_CORPUS_KEY: Final = b"emosense_corpus"


@dataclasses.dataclass(frozen=True, slots=True)
class FeatureTable:
    """Utterances with their features, in order of path.

    Parameters
    ----------
    config : FeatureConfig
    paths, emotions, speakers, sexes : tuple of str
        Labels; an emotion is empty where a recording has none.
    features : list of ndarray, float32
        Shape (n_values,) or (n_frames, n_bands) each.
    copies : mapping of float to list of ndarray
        The same recordings at other speeds, for training alone.
    corpus : str
        The name of the corpus (see `Corpus`); empty where it is not known.
    by_error : Counter
        Number of recordings that are left out since they could not be read, by error code.
    """

    config: FeatureConfig
    paths: tuple[str, ...]
    emotions: tuple[str, ...]
    speakers: tuple[str, ...]
    sexes: tuple[str, ...]
    features: list[Float32]
    copies: Mapping[float, list[Float32]] = dataclasses.field(default_factory=dict)
    corpus: str = ""
    by_error: Counter[str] = dataclasses.field(default_factory=Counter)

    def __len__(self) -> int:
        """Return the number of utterances."""
        return len(self.paths)

    def select(self, rows: Sequence[int] | NDArray[np.int64]) -> FeatureTable:
        """Return the given rows, in the given order."""
        return dataclasses.replace(
            self,
            paths=tuple(self.paths[row] for row in rows),
            emotions=tuple(self.emotions[row] for row in rows),
            speakers=tuple(self.speakers[row] for row in rows),
            sexes=tuple(self.sexes[row] for row in rows),
            features=[self.features[row] for row in rows],
            copies={speed: [copy[row] for row in rows] for speed, copy in self.copies.items()},
        )

    def with_emotions(self, classes: Sequence[str]) -> FeatureTable:
        """Return the utterances of the given emotions."""
        return self.select([row for row, emotion in enumerate(self.emotions) if emotion in classes])

    def labels(self, classes: Sequence[str]) -> NDArray[np.int64]:
        """Return each utterance's place in `classes`, shape (n,)."""
        return np.array([list(classes).index(emotion) for emotion in self.emotions], np.int64)


class FeatureTableWriter:
    """Writes a feature table batch by batch, so that it never has to be in memory as a whole."""

    def __init__(self, file: BinaryIO, config: FeatureConfig, corpus: str = "") -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._pa = pa
        text = [(name, pa.string()) for name in ("path", "emotion", "speaker", "sex", "error_code", "error")]
        fields = [*text, ("n_frames", pa.int32()), ("features", pa.list_(pa.float32()))]
        metadata = {_METADATA_KEY: json.dumps(config.to_dict(), sort_keys=True).encode(), _CORPUS_KEY: corpus.encode()}
        self._schema = pa.schema(fields, metadata=metadata)
        self._writer = pq.ParquetWriter(file, self._schema)

    def write(self, utterances: Sequence[Utterance], results: Sequence[dict[str, Any]]) -> None:
        """Append utterances with what `emosense.training.extraction.extract_recordings` gave for them."""
        labels = [(printable_path(u.recording.path), u.emotion, u.speaker, u.sex) for u in utterances]
        names = ("path", "emotion", "speaker", "sex")
        columns: dict[str, Any] = dict(zip(names, zip(*labels, strict=True), strict=True))
        for name in ("error_code", "error", "n_frames", "features"):
            columns[name] = [result[name] for result in results]
        arrays = {name: self._pa.array(columns[name], self._schema.field(name).type) for name in self._schema.names}
        self._writer.write_table(self._pa.table(arrays, schema=self._schema))

    def close(self) -> None:
        """Write the footer."""
        self._writer.close()


def is_feature_table(location: str) -> bool:
    """Whether the location is a Parquet file with features, and not a corpus table."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not location.lower().endswith(".parquet"):
        return False
    try:
        return _METADATA_KEY in (pq.read_schema(pa.BufferReader(read_bytes(location))).metadata or {})
    except (OSError, pa.ArrowInvalid):
        # Who reads it as a corpus table says what is wrong with it.
        return False


def read_feature_table(location: str) -> FeatureTable:
    """Read a feature table; recordings that could not be read are left out.

    Raises
    ------
    UsageError
        If the file is no feature table.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(pa.BufferReader(read_bytes(location)))
        config = FeatureConfig.from_dict(json.loads(table.schema.metadata[_METADATA_KEY]))
    except (pa.ArrowInvalid, KeyError, TypeError, FileNotFoundError, NotADirectoryError, IsADirectoryError) as err:
        raise UsageError(f"{redact(location)} is no feature table: make one with emosense-batch features") from err
    corpus = table.schema.metadata.get(_CORPUS_KEY, b"").decode()
    by_error = Counter(code for code in table["error_code"].to_pylist() if code)
    table = table.filter(pa.compute.equal(table["error_code"], ""))
    paths, emotions, speakers, sexes = (
        tuple(table[name].to_pylist()) for name in ("path", "emotion", "speaker", "sex")
    )
    features = []
    for chunk in table.select(["n_frames", "features"]).to_batches():
        for n_frames, values in zip(chunk["n_frames"].to_pylist(), chunk["features"], strict=True):
            flat = values.values.to_numpy().astype(np.float32)
            features.append(flat.reshape(n_frames, -1) if n_frames else flat)
    return FeatureTable(config, paths, emotions, speakers, sexes, features, corpus=corpus, by_error=by_error)


def rows_with_error(location: str, codes: Collection[str]) -> list[int]:
    """Rows of a stored feature table whose recordings could not be read for one of the given reasons."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    found = pq.read_table(pa.BufferReader(read_bytes(location)), columns=["error_code"])["error_code"]
    return [row for row, code in enumerate(found.to_pylist()) if code in codes]


def replace_rows(location: str, rows: Sequence[int], other: str) -> None:
    """Put the rows of another stored table, in their order, in the place of the given rows, which are ascending."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table, new = (pq.read_table(pa.BufferReader(read_bytes(file))) for file in (location, other))
    pieces, at = [], 0
    for place, row in enumerate(rows):
        pieces += [table.slice(at, row - at), new.slice(place, 1)]
        at = row + 1
    with atomic_writer(location) as file:
        pq.write_table(pa.concat_tables([*pieces, table.slice(at)]).replace_schema_metadata(new.schema.metadata), file)
