"""The columns of a table -> how its rows name recordings: by a path, or by bucket and key as inventories do."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO, Final

from emosense.inputs.names import Name

# Usual names of the column; the first one that a table has is taken.
PATH_COLUMNS: Final = ("path", "file", "filename", "file_name", "audio_filepath", "url", "uri")
# With both, objects need not be looked up.
_SIZE_COLUMNS: Final = ("size", "bytes", "size_bytes")
_VERSION_COLUMNS: Final = ("etag", "e_tag")
# The list holds sizes in 64 bits.
_SIZE_DIGITS: Final = 18
KNOWN_COLUMNS: Final = (*PATH_COLUMNS, *_SIZE_COLUMNS, *_VERSION_COLUMNS)


@dataclasses.dataclass(frozen=True, slots=True)
class NameColumns:
    """Which columns of a table name a recording, by the table's own names; empty for what it lacks.

    Parameters
    ----------
    path, size, version : str
        Location of the recording, its bytes and its etag.
    bucket, is_latest, is_deleted : str
        Columns of an inventory: the bucket, of which the path is a key; false for a version that was replaced; true
        for a deletion.
    """

    path: str
    size: str = ""
    version: str = ""
    bucket: str = ""
    is_latest: str = ""
    is_deleted: str = ""

    @property
    def all(self) -> list[str]:
        """The columns that are to be read."""
        return [name for name in dataclasses.astuple(self) if name]

    def name(self, row: Mapping[str, Any]) -> Name | None:
        """Read a row.

        Parameters
        ----------
        row : mapping
            Cells by column.

        Returns
        -------
        Name or None
            None for an empty path, a version that was replaced, and a deletion.
        """
        path, is_latest, is_deleted = (self._cell(row, each) for each in (self.path, self.is_latest, self.is_deleted))
        if not path or is_latest.lower() == "false" or is_deleted.lower() == "true":
            return None
        size, version = self._cell(row, self.size), self._cell(row, self.version).strip('"')
        location = f"s3://{self._cell(row, self.bucket)}/{path}" if self.bucket else path
        is_size = size.isdecimal() and len(size) <= _SIZE_DIGITS
        return Name(location, int(size) if is_size else -1, version, is_listed=bool(self.bucket))

    @staticmethod
    def _cell(row: Mapping[str, Any], column: str) -> str:
        return "" if not column or row[column] is None else str(row[column])


def name_columns(columns: Sequence[str]) -> NameColumns:
    """Find the columns that name recordings.

    Parameters
    ----------
    columns : sequence of str
        Of a table.

    Returns
    -------
    NameColumns

    Raises
    ------
    ValueError
        If there is neither a column of paths nor bucket and key.
    """
    # Inventories write one name as e_tag and as ETag.
    own = {name.lower().replace("_", "").strip(): name for name in columns}
    if {"bucket", "key"} <= own.keys():
        further = (own.get(name, "") for name in ("size", "etag", "bucket", "islatest", "isdeletemarker"))
        return NameColumns(own["key"], *further)
    path, size, version = (
        next((name for name in wanted if name in columns), "")
        for wanted in (PATH_COLUMNS, _SIZE_COLUMNS, _VERSION_COLUMNS)
    )
    if not path:
        raise ValueError(
            f"it has no column {', '.join(PATH_COLUMNS[:-1])} or {PATH_COLUMNS[-1]} "
            "(for an S3 Inventory, give its manifest.json)"
        )
    return NameColumns(path, size, version) if size and version else NameColumns(path)


def parquet_names(file: BinaryIO) -> Iterator[Name]:
    """Read a Parquet file whose rows name recordings.

    Parameters
    ----------
    file : binary file
        At its start.

    Yields
    ------
    Name

    Raises
    ------
    ValueError
        If it is damaged, or no column names recordings.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file) as table:
            columns = name_columns(table.schema_arrow.names)
            for batch in table.iter_batches(columns=columns.all):
                yield from filter(None, map(columns.name, batch.to_pylist()))
    except pa.ArrowException as err:
        raise ValueError(f"it is not a readable Parquet file: {err}") from err
