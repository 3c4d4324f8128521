"""The content of a part (`emosense.labelling.run.part_file`) -> which content was labelled, and the rows."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from emosense.inputs.recording import Listed
from emosense.labelling.labelled import Labelled
from emosense.labelling.run.finished import Finished, as_segment, is_tried_again
from emosense.labelling.run.part_file import HEADER, NAME, part_schema
from emosense.storage.cells import original_path
from emosense.tables.columns import QUALITY_COLUMNS
from emosense.tables.row import Row

if TYPE_CHECKING:
    import pyarrow as pa

# Path, size and version of what was labelled, and whether another start labels it again.
Identity = tuple[str, int, str, bool]
_IDENTITY: Final = ("path", "size", "version", "error_code")
_PLAIN: Final = ("duration_s", "decoded_s", "status", "error_code", "speech_s", "n_segments", "agreement")


@dataclasses.dataclass(frozen=True, slots=True)
class PartFile:
    """A part that was read, and is what its name says.

    Parameters
    ----------
    table : pyarrow.Table
        Its columns, or those that say which content was labelled.
    generation, index : int
        Where it was written.
    settings, decoders, cpu : str
        What its header has.
    """

    table: pa.Table
    generation: int
    index: int
    settings: str
    decoders: str
    cpu: str

    @classmethod
    def of(cls, name: str, content: bytes, own_emotions: tuple[str, ...], *, is_whole: bool = True) -> PartFile:
        """Read the content of a part.

        Parameters
        ----------
        name : str
            Name of the file.
        content : bytes
            What lies there.
        own_emotions : tuple of str
            Emotions of the model beside `EMOTIONS`.
        is_whole : bool
            Whether all columns are read; otherwise only those for `identities`.

        Returns
        -------
        PartFile

        Raises
        ------
        ValueError
            If it is damaged: not what a worker has written under this name.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        match = NAME.fullmatch(name)
        if match is None or hashlib.sha256(content).hexdigest()[:12] != match[3]:
            raise ValueError("digest differs")
        try:
            file = pq.ParquetFile(pa.BufferReader(content))
            schema = file.schema_arrow
            header = json.loads(schema.metadata[HEADER])
            generation, index = map(int, header["part"])
            settings, decoders, cpu = str(header["settings"]), str(header["decoders"]), str(header.get("cpu", ""))
            table = file.read(None if is_whole else list(_IDENTITY), use_threads=False)
        except (pa.ArrowException, LookupError, TypeError, RecursionError) as err:
            raise ValueError("no part") from err
        is_known = schema.remove_metadata().equals(part_schema(own_emotions))
        if not table.num_rows or not is_known or any(table.column(column).null_count for column in _IDENTITY):
            raise ValueError("other columns")
        return cls(table, generation, index, settings, decoders, cpu)

    def identities(self) -> list[Identity]:
        """Return which content was labelled.

        Returns
        -------
        list of (str, int, str, bool)
            Path, size and version, and whether another start of the run labels it again; for each row.
        """
        paths, sizes, versions, codes = (self.table.column(name).to_pylist() for name in _IDENTITY)
        again = {
            path
            for path, code, size in zip(paths, codes, sizes, strict=True)
            if code and is_tried_again(code, size, self.decoders)
        }
        is_again = (path in again for path in paths)
        return list(zip(map(original_path, paths), sizes, map(original_path, versions), is_again, strict=True))

    def is_of(self, listed: Sequence[Listed]) -> bool:
        """Return whether it has a single row for each of these recordings, and no other.

        Parameters
        ----------
        listed : sequence of (bytes, bytes or None, int, str, str)
            Recordings, as the list holds them.

        Returns
        -------
        bool
        """
        import pyarrow as pa

        if self.table.num_rows != len(listed) or self.table.column("channel").null_count != len(listed):
            return False
        paths = self.table.column("path").cast(pa.binary()).to_pylist()
        sizes, versions = (self.table.column(name).to_pylist() for name in ("size", "version"))
        own = zip(paths, sizes, versions, strict=True)
        return all(
            mine == (path, size, version) for mine, (path, _, size, version, *_) in zip(own, listed, strict=True)
        )

    def finished(self, own_emotions: tuple[str, ...]) -> list[Finished]:
        """Return the labelled recordings.

        Parameters
        ----------
        own_emotions : tuple of str
            Emotions of the model beside `EMOTIONS`.

        Returns
        -------
        list of Finished
            In order of path.
        """
        columns = {name: self.table.column(name).to_pylist() for name in self.table.column_names}
        found: list[Finished] = []
        results: list[Labelled] = []
        rows = _rows(columns, own_emotions)
        for row, segments, size, version in zip(
            rows, columns["segments"], columns["size"], map(original_path, columns["version"]), strict=True
        ):
            kept = (as_segment(row),) if segments is None else tuple(map(Row.from_json, json.loads(segments)))
            # Further channels of a recording follow its first one.
            results = [] if row.channel in (None, 1) else results
            results.append(Labelled(row, kept))
            entry = Finished(row.path, size, version, Labelled.of_channels(results), self.decoders)
            if len(results) > 1:
                found[-1] = entry
            else:
                found.append(entry)
        return found


def _rows(columns: dict[str, list[Any]], own_emotions: tuple[str, ...]) -> Iterable[Row]:
    probability_names = [name for name in columns if name.startswith("p_")]
    probabilities = zip(*(columns[name] for name in probability_names), strict=True)
    quality = zip(*(columns[name] for name in QUALITY_COLUMNS), strict=True)
    plain = zip(*(columns[name] for name in _PLAIN), strict=True)
    texts = (map(original_path, columns[name]) for name in ("path", "error"))
    others = (columns[name] for name in ("channel", "speaker_probabilities"))
    for path, error, channel, speaker, found, figures, values in zip(
        *texts, *others, probabilities, quality, plain, strict=True
    ):
        is_labelled = found[0] is not None
        yield Row(
            path,
            found if is_labelled else (),
            error=error,
            channel=channel,
            quality=figures if any(figure is not None for figure in figures) else (),
            own_emotions=own_emotions if is_labelled else (),
            speaker_probabilities=tuple(json.loads(speaker)) if speaker else (),
            **dict(zip(_PLAIN, values, strict=True)),
        )
