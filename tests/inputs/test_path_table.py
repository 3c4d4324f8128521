"""Tables and lists of recordings as people write them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import pandas
import pytest

from emosense.errors import NothingToDo, UsageError
from emosense.inputs.names import Name
from emosense.inputs.path_table import is_table, names_in_list, names_in_table
from emosense.storage.cells import escape_cell, printable_path, quoted_cell


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with recordings in ``ship`` and a place for tables in ``lists``."""
    for name in ("ship/1.wav", "ship/ü 2.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "lists").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(found: Iterable[Name]) -> list[str]:
    return [name.location for name in found]


def written(name: str, text: str, encoding: str = "utf-8") -> str:
    place = Path("lists", name)
    place.write_bytes(text.encode(encoding))
    return str(place)


@pytest.mark.parametrize(
    ("name", "text", "encoding"),
    [
        ("t.csv", "id,PATH\r\n1,../ship/1.wav\r\n2,../ship/ü 2.wav\r\n", "utf-8-sig"),
        ("t.csv", "sep=;\nFile;id\n../ship/1.wav;1\n../ship/ü 2.wav;2\n", "utf-8"),
        ("t.CSV", "id;filename\r\n1;../ship/1.wav\r\n;\r\n2;../ship/ü 2.wav", "utf-16"),
        ("t.tsv", "audio_filepath\tid\n../ship/1.wav\t1\n../ship/ü 2.wav\t2\n", "utf-8"),
        ("l.txt", "../ship/1.wav\r\n\r\n../ship/ü 2.wav\r\n", "utf-16"),
        ("l.txt", "../ship/1.wav\n../ship/ü 2.wav", "utf-8-sig"),
        ("l.txt", "path;speaker\n../ship/1.wav;a\n../ship/ü 2.wav;b\n", "utf-8"),
    ],
)
def test_names_are_relative_to_the_table(folder: Path, name: str, text: str, encoding: str) -> None:
    assert names(names_in_table(written(name, text, encoding))) == ["lists/../ship/1.wav", "lists/../ship/ü 2.wav"]


def test_names_may_be_relative_to_the_working_directory_or_to_a_root(folder: Path) -> None:
    table = written("t.csv", "path\nship/1.wav\n1.wav\n/abs/2.wav\ns3://b/3.wav\n")
    assert names(names_in_table(table)) == ["ship/1.wav", "lists/1.wav", "/abs/2.wav", "s3://b/3.wav"]
    assert names(names_in_table(table, "ship")) == ["ship/ship/1.wav", "ship/1.wav", "/abs/2.wav", "s3://b/3.wav"]
    assert next(names_in_table(table, "s3://b/in")).location == "s3://b/in/ship/1.wav"


def test_file_urls_are_paths_with_and_without_encoded_characters(folder: Path) -> None:
    table = written("t.csv", f"uri\nfile://{folder}/ship/%C3%BC%202.wav\nfile://{folder}/ship/ü 2.wav\nfile:///no%20\n")
    assert names(names_in_table(table)) == [f"{folder}/ship/ü 2.wav"] * 2 + ["/no%20"]


def test_a_table_of_emosense_and_a_parquet_table_are_read(folder: Path) -> None:
    (folder / "=1.wav").write_bytes(b"x")
    assert names(names_in_table(written("labels.csv", '"path","emotion"\r\n"\'=1.wav","calm"\r\n'))) == ["=1.wav"]
    pandas.DataFrame({"n": [1, 2], "path": ["../ship/1.wav", None]}).to_parquet("lists/t.parquet")
    assert names(names_in_table("lists/t.parquet")) == ["lists/../ship/1.wav"]


@pytest.mark.parametrize(
    ("name", "content", "kind", "says"),
    [
        ("t.csv", b"name,emotion\na.wav,calm\n", UsageError, "it has no column path, file, .* or uri"),
        ("t.csv", b"path\na,b.wav\n", UsageError, "line 2 has more cells"),
        ("t.csv", b"path\n", NothingToDo, "names no recording"),
        ("l.txt", b"\n\n", NothingToDo, "names no recording"),
        ("t.parquet", b"PAR1", UsageError, "not a readable Parquet file"),
        ("l.txt", b"\0" * 2_000_000, UsageError, "more than 1,048,576 characters"),
    ],
)
def test_what_names_no_recording_is_refused(
    folder: Path, name: str, content: bytes, kind: type[Exception], says: str
) -> None:
    Path("lists", name).write_bytes(content)
    with pytest.raises(kind, match=says):
        names(names_in_table(f"lists/{name}"))


def test_a_missing_table_and_one_without_end_are_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no table at no\.csv"):
        names(names_in_table("no.csv"))
    os.mkfifo("t.csv")
    with pytest.raises(UsageError, match="not a regular file"):
        names(names_in_table("t.csv"))


def test_a_list_on_standard_input_may_be_of_any_kind(folder: Path) -> None:
    both = ["ship/1.wav", "ship/ü 2.wav"]
    for content in (
        "ship/1.wav\nship/ü 2.wav\n",
        "ship/1.wav\0ship/ü 2.wav\0",
        "id;Path\n1;ship/1.wav\n2;ship/ü 2.wav",
    ):
        assert names(names_in_list(content.encode())) == both
    assert names(names_in_list("ship/1.wav\r\nship/ü 2.wav\r\n".encode("utf-16"))) == both
    assert names(names_in_list("1.wav\nü 2.wav".encode(), "ship")) == both
    assert names(names_in_list(b"a\xff.wav\n")) == [os.fsdecode(b"a\xff.wav")]
    assert names(names_in_list(b"")) == []


def test_tables_are_told_from_folders(folder: Path) -> None:
    (folder / "old.csv").mkdir()
    found = [is_table(name) for name in ("s3://b/t.csv", "l.TXT", "t.parquet", "old.csv", "a.wav", "in")]
    assert found == [True, True, True, False, False, False]


def test_a_table_that_label_wrote_names_its_recordings_whatever_their_names(folder: Path) -> None:
    odd = [b"ship/a;=1+1;.wav", b"ship/\xff\xfe.wav", b"=1+1.wav", b"'=.wav", b"ship/nl\n@x.wav", b"bytes:.wav"]
    for name in odd:
        Path(os.fsdecode(name)).write_bytes(b"x")
    cells = [quoted_cell(escape_cell(printable_path(os.fsdecode(name)))) for name in odd]
    table = written("labels.csv", "path\r\n" + "\r\n".join(cells) + "\r\n")
    assert [os.fsencode(name) for name in names(names_in_table(table, str(folder)))] == [
        os.fsencode(f"{folder}/") + name for name in odd
    ]
