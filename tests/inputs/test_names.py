"""Names of objects: asked about many at a time, and not at all where their list says enough."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterable
from pathlib import Path

import paged_fs
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from emosense.errors import UsageError
from emosense.inputs.listing import Listing
from emosense.inputs.listing_config import ListingConfig
from emosense.inputs.names import Name, named_recordings
from emosense.inputs.path_table import is_table, names_in_list, names_in_table
from emosense.inputs.recording import Recording

SCHEMA = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag"
HEX = "d41d8cd98f00b204e9800998ecf8427e"


def listed(names: Iterable[Name]) -> list[Recording]:
    with Listing() as listing:
        listing.add_names(names, ListingConfig())
        listing.look_up()
        return list(listing)


def test_sixty_four_objects_are_asked_about_at_a_time() -> None:
    bucket = paged_fs.fill(*(f"{number:03d}.wav" for number in range(128)))
    # Nobody gets an answer before so many have asked.
    bucket.at_once = threading.Barrier(64)
    found = list(named_recordings(f"paged://bucket/{number:03d}.wav" for number in range(128)))
    assert [each.version for each in found] == [f"{number:03d}.wav" for number in range(128)]


def test_a_table_with_size_and_etag_asks_nothing(tmp_path: Path) -> None:
    bucket = paged_fs.fill("a.wav", "b.wav")
    table = tmp_path / "t.csv"
    table.write_text('url,Size,ETag\npaged://bucket/a.wav,5,"""x"""\npaged://bucket/b.wav,,\n')
    first, second = listed(names_in_table(str(table)))
    assert (first.size, first.version) == (5, "x")
    assert (second.size, second.version) == (5, "b.wav")
    assert bucket.asked["heads"] == 1


def test_local_files_are_looked_at_whatever_a_table_says(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"x")
    (tmp_path / "t.csv").write_text("path,size,etag\na.wav,5,x\n")
    assert [each.size for each in listed(names_in_table(str(tmp_path / "t.csv")))] == [1]


def rows_of_inventory() -> list[list[str]]:
    return [
        ["b", "in/a+b%2B%C3%BC.wav", "", "true", "false", "7", "2026-01-01T00:00:00.000Z", HEX],
        ["b", "in/old.wav", "", "false", "false", "7", "2026-01-01T00:00:00.000Z", HEX],
        ["b", "in/gone.wav", "", "true", "true", "", "2026-01-01T00:00:00.000Z", ""],
        ["b", "in/notes.txt", "", "true", "false", "7", "2026-01-01T00:00:00.000Z", HEX],
        ["b", "in/", "", "true", "false", "0", "2026-01-01T00:00:00.000Z", HEX],
        ["b", ".git/a.wav", "", "true", "false", "7", "2026-01-01T00:00:00.000Z", HEX],
    ]


def write_inventory(folder: Path, kind: str) -> str:
    (folder / "data").mkdir(parents=True)
    (folder / "2026-01-01T00-00Z").mkdir()
    name = {"CSV": "1.csv.gz", "Parquet": "1.parquet"}.get(kind, "1.orc")
    lines = "".join(",".join(f'"{cell}"' for cell in row) + "\n" for row in rows_of_inventory())
    if kind == "CSV":
        (folder / "data" / name).write_bytes(gzip.compress(lines.encode()))
    elif kind == "Parquet":
        names = ["bucket", "key", "version_id", "is_latest", "is_delete_marker", "size", "last_modified_date", "e_tag"]
        columns = dict(zip(names, map(list, zip(*rows_of_inventory(), strict=True)), strict=True))
        arrays: dict[str, object] = {name: columns[name] for name in names}
        arrays["key"] = ["in/a b+ü.wav", *columns["key"][1:]]
        arrays["size"] = [int(cell) if cell else None for cell in columns["size"]]
        for flag in ("is_latest", "is_delete_marker"):
            arrays[flag] = [cell == "true" for cell in columns[flag]]
        pq.write_table(pa.table(arrays), folder / "data" / name)
    manifest = {
        "sourceBucket": "b",
        "destinationBucket": "arn:aws:s3:::lists",
        "fileFormat": kind,
        "fileSchema": SCHEMA,
        "files": [{"key": f"inventory/b/all/data/{name}", "size": 1}],
    }
    place = folder / "2026-01-01T00-00Z" / "manifest.json"
    place.write_text(json.dumps(manifest))
    return str(place)


@pytest.mark.parametrize("kind", ["CSV", "Parquet"])
def test_an_inventory_of_s3_needs_no_question(kind: str, tmp_path: Path) -> None:
    manifest = write_inventory(tmp_path / "all", kind)
    assert is_table(manifest)
    with Listing() as listing:
        listing.add_names(names_in_table(manifest), ListingConfig())
        listing.look_up()  # without a store it would fail
        assert list(listing) == [Recording("s3://b/in/a b+ü.wav", "s3://b/in/a b+ü.wav", 7, HEX)]
        assert listing.ignored == {".txt": 1, "hidden": 1}
    data = tmp_path / "all" / "data" / "1.parquet"
    if kind == "Parquet":
        assert listed(names_in_table(str(data))) == [Recording("s3://b/in/a b+ü.wav", "s3://b/in/a b+ü.wav", 7, HEX)]


def test_inventories_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    manifest = write_inventory(tmp_path / "all", "ORC")
    with pytest.raises(UsageError, match="not as orc"):
        list(names_in_table(manifest))
    other = tmp_path / "manifest.json"
    other.write_text('{"name": "a web app"}')
    with pytest.raises(UsageError, match="not the manifest of an S3 Inventory"):
        list(names_in_table(str(other)))
    manifest = write_inventory(tmp_path / "cut", "CSV")
    data = tmp_path / "cut" / "data" / "1.csv.gz"
    data.write_bytes(data.read_bytes()[:-20])
    with pytest.raises(UsageError, match="damaged"):
        list(names_in_table(manifest))


def test_the_output_of_aws_s3_ls_is_a_list() -> None:
    output = (
        b"2026-01-02 03:04:05      12345 in/a b.wav\n2026-01-02 03:04:05          0 in/\n"
        b"2026-01-02 03:04:05          3 in/x.txt\n\nTotal Objects: 3\n   Total Size: 12348\n"
    )
    recording = Recording("s3://b/in/a b.wav", "s3://b/in/a b.wav", 12345, "modified 2026-01-02 03:04:05")
    assert listed(names_in_list(output, "s3://b")) == [recording]
    with pytest.raises(UsageError, match="PRE in/"):
        names_in_list(b"2026-01-02 03:04:05 12345 a.wav\n                           PRE in/\n")


def test_a_name_given_by_hand_is_taken_whatever_it_is() -> None:
    paged_fs.fill("in/notes.txt")
    assert [each.size for each in listed([Name("paged://bucket/in/notes.txt"), Name("paged://bucket/in/no.wav")])] == [
        -1,
        12,
    ]
