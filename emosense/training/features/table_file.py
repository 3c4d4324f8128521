"""Features of a corpus in one Parquet file: what `emosense-batch features` writes and training reads.

One row per utterance, in order of path. `features` has the flattened array and `n_frames` its number of frames (0 for a
vector). Further columns of the corpus's table are kept. The `FeatureConfig` is in the file's metadata.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any, BinaryIO, Final

from emosense.errors import UsageError
from emosense.features.config import FeatureConfig
from emosense.inputs.utterance import Utterance
from emosense.storage.cells import printable_path
from emosense.storage.locations import redact
from emosense.training.features.mapped_values import MappedValues
from emosense.training.features.parquet import WrongContentError, read_parquet, read_rows
from emosense.training.features.table import FeatureTable

_LABELS: Final = ("path", "emotion", "speaker", "sex", "corpus", "language")
_RESULTS: Final = ("error_code", "error", "n_frames", "features")
_METADATA_KEY: Final = b"emosense_features"


class FeatureTableWriter:
    """Writes a feature table batch by batch, so that the whole table is never in memory.

    Parameters
    ----------
    file : binary file
        Open for writing.
    config : FeatureConfig
        Settings of the features.
    further : sequence of str
        Names of further columns of the utterances to keep.

    Raises
    ------
    UsageError
        If a further column has a name of the feature table's own.
    """

    def __init__(self, file: BinaryIO, config: FeatureConfig, further: Sequence[str] = ()) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        taken = [name for name in further if name in _RESULTS]
        if taken:
            raise UsageError(f"the table has a column {taken[0]}, which a feature table has too: rename it")
        self._pa, self._further = pa, further
        text = [(name, pa.string()) for name in (*_LABELS, *further, "error_code", "error")]
        fields = [*text, ("n_frames", pa.int32()), ("features", pa.list_(pa.float32()))]
        metadata = {_METADATA_KEY: json.dumps(config.to_dict(), sort_keys=True).encode()}
        self._schema = pa.schema(fields, metadata=metadata)
        self._writer = pq.ParquetWriter(file, self._schema)

    def write(self, utterances: Sequence[Utterance], results: Sequence[dict[str, Any]]) -> None:
        """Append utterances.

        Parameters
        ----------
        utterances : sequence of Utterance
            Paths and labels.
        results : sequence of dict
            What `emosense.training.features.extraction.extract_recordings` returned for their recordings.
        """
        labels = [
            (printable_path(u.recording.path), u.emotion, u.speaker, u.sex, u.corpus, u.language) for u in utterances
        ]
        columns: dict[str, Any] = dict(zip(_LABELS, zip(*labels, strict=True), strict=True))
        for name in self._further:
            columns[name] = [dict(u.further).get(name, "") for u in utterances]
        for name in _RESULTS:
            columns[name] = [result[name] for result in results]
        arrays = {name: self._pa.array(columns[name], self._schema.field(name).type) for name in self._schema.names}
        self._writer.write_table(self._pa.table(arrays, schema=self._schema))

    def close(self) -> None:
        """Write the footer."""
        self._writer.close()


def is_feature_table(location: str) -> bool:
    """Whether the location is a Parquet file with features, rather than a corpus table; only its footer is read.

    Parameters
    ----------
    location : str
        Local path or URL.

    Returns
    -------
    bool
        False also for what cannot be read: reading it as a corpus says why.
    """
    if not location.lower().endswith(".parquet"):
        return False
    try:
        return _METADATA_KEY in read_parquet(location, lambda file: file.schema_arrow.metadata or {})
    except (OSError, WrongContentError):
        return False


def read_feature_table(location: str) -> FeatureTable:
    """Read a feature table, once.

    Parameters
    ----------
    location : str
        Local path or URL.

    Returns
    -------
    FeatureTable
        Without the recordings that could not be read, which are counted in `FeatureTable.by_error`.

    Raises
    ------
    UsageError
        If the file is not a feature table.
    """

    def read(file: Any) -> FeatureTable:
        metadata = file.schema_arrow.metadata or {}
        config = FeatureConfig.from_dict(json.loads(metadata[_METADATA_KEY]))
        by_error: Counter[str] = Counter()

        def is_readable(batch: Any) -> list[bool]:
            codes = batch["error_code"].to_pylist()
            by_error.update(code for code in codes if code)
            return [not code for code in codes]

        # Tables of earlier versions have neither corpus nor language.
        present = [name for name in _LABELS if name in file.schema_arrow.names or name == "path"]
        with MappedValues() as values:
            rows = read_rows(file, ["error_code", *present], is_readable, values)
            features = values.views()
        columns = dict(zip(("error_code", *present), zip(*rows, strict=True), strict=True)) if rows else {}
        paths, emotions, speakers, sexes, corpora, languages = (columns.get(name, ()) for name in _LABELS)
        return FeatureTable(
            config, paths, emotions, speakers, sexes, features,
            corpora=corpora, languages=languages, by_error=by_error,
        )  # fmt: skip

    try:
        return read_parquet(location, read)
    except (WrongContentError, FileNotFoundError, NotADirectoryError, IsADirectoryError) as err:
        raise UsageError(f"{redact(location)} is not a feature table: make one with emosense-batch features") from err
