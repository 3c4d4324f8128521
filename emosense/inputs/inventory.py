"""What a store says about all its objects at once -> names with size and version, so that nobody asks for each.

An S3 Inventory by its ``manifest.json``, and the output of ``aws s3 ls --recursive``.
"""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import os
import re
import urllib.parse
import zlib
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, Final

from emosense.inputs.name_columns import name_columns, parquet_names
from emosense.inputs.names import Name
from emosense.inputs.recording import MODIFIED
from emosense.storage.locations import join
from emosense.storage.reading import open_stream, read_json
from emosense.storage.schemes import is_url, scheme_name
from emosense.storage.text_table import MAX_LINE

MANIFEST: Final = "manifest.json"
# Date, size and key, of which the key alone may contain spaces.
_LS_LINE: Final = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) +(\d+) (.+)")
# What --summarize adds at the end.
_LS_SUMMARY: Final = re.compile(r"\s*(Total Objects|Total Size): \d+")
_ARN: Final = "arn:aws:s3:::"
_GZIP: Final = b"\x1f\x8b"


def is_manifest(location: str) -> bool:
    """Return whether a location is the manifest of an inventory, by its name.

    Parameters
    ----------
    location : str
        Local path or URL.

    Returns
    -------
    bool
    """
    return location.replace(os.sep, "/").rpartition("/")[2] == MANIFEST


def manifest_names(location: str) -> Iterator[Name]:
    """Read the inventory that a manifest describes.

    Parameters
    ----------
    location : str
        Local path or URL of a ``manifest.json``. The files that it names are read from the bucket that it names, or
        from the folder ``data`` beside that of a local manifest, as S3 stores them.

    Yields
    ------
    Name

    Raises
    ------
    ValueError
        If it is not the manifest of an inventory as CSV or Parquet, or a file of it is damaged.
    OSError
        As the storage reports.
    """
    manifest = read_json(location)
    try:
        kind = manifest["fileFormat"].lower()
        schema = [name.strip() for name in manifest["fileSchema"].split(",")] if kind == "csv" else []
        bucket = manifest["destinationBucket"].removeprefix(_ARN)
        keys = [str(each["key"]) for each in manifest["files"]]
    except (KeyError, TypeError, AttributeError) as err:
        raise ValueError("it is not the manifest of an S3 Inventory") from err
    if kind not in ("csv", "parquet"):
        raise ValueError(f"an inventory is read as CSV or Parquet, not as {kind}")
    for key in keys:
        with open_stream(_data_file(location, bucket, key)) as file:
            yield from parquet_names(file) if kind == "parquet" else _csv_names(file, schema)


def _data_file(manifest: str, bucket: str, key: str) -> str:
    if is_url(manifest):
        return f"{scheme_name(manifest)}://{bucket}/{key}"
    folder, name = os.path.dirname(os.path.abspath(manifest)), os.path.basename(key)
    there = join(os.path.dirname(folder), f"data/{name}")
    return there if os.path.exists(there) else join(folder, f"data/{name}")


def _csv_names(file: BinaryIO, schema: list[str]) -> Iterator[Name]:
    """Read a CSV without a header, packed or not."""
    columns = name_columns(schema)
    is_packed = file.read(len(_GZIP)) == _GZIP
    file.seek(0)
    csv.field_size_limit(MAX_LINE)
    with contextlib.ExitStack() as stack:
        content: Any = stack.enter_context(gzip.open(file)) if is_packed else file
        try:
            for cells in csv.reader(io.TextIOWrapper(content, "utf-8", newline="")):
                if len(cells) != len(schema):
                    raise ValueError(f"a line has {len(cells)} cells, the schema {len(schema)}")
                row = dict(zip(schema, cells, strict=True))
                # In a CSV, S3 writes keys with %2B for +, and + for a space.
                row[columns.path] = urllib.parse.unquote_plus(row[columns.path], errors="surrogateescape")
                if name := columns.name(row):
                    yield name
        except (csv.Error, EOFError, gzip.BadGzipFile, zlib.error, UnicodeError) as err:
            raise ValueError(f"a file of the inventory is damaged: {err}") from err


def is_ls_line(line: str) -> bool:
    """Return whether a line is one of ``aws s3 ls --recursive``.

    Parameters
    ----------
    line : str
        Without its end.

    Returns
    -------
    bool
    """
    return _LS_LINE.fullmatch(line) is not None


def ls_names(lines: Iterable[str]) -> Iterator[Name]:
    """Read the output of ``aws s3 ls --recursive``.

    Parameters
    ----------
    lines : iterable of str
        Without their ends.

    Yields
    ------
    Name
        Its location is the key alone, and its version the time of the last change: there is no etag.

    Raises
    ------
    ValueError
        With a line that is of another kind.
    """
    for line in lines:
        if match := _LS_LINE.fullmatch(line):
            yield Name(match[3], int(match[2]), f"{MODIFIED}{match[1]}", is_listed=True)
        elif not _LS_SUMMARY.fullmatch(line):
            raise ValueError(f"{line[:80]!r} is not a line of aws s3 ls --recursive, as those before it are")
