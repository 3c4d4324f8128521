"""A complete file is put in place only over what it may replace, and its name is durable."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from s3fs.errors import translate_boto_error

from emosense.errors import OutputError
from emosense.storage import commits
from emosense.storage.commits import ReplacedMeanwhile, only_over, put_object, version_of
from emosense.storage.folders import make_folder
from emosense.storage.reading import read_own
from emosense.storage.writing import write_bytes


def test_a_file_is_replaced_only_if_it_is_the_one_that_was_seen(tmp_path: Path) -> None:
    place = str(tmp_path / "table")
    assert version_of(place) is None
    write_bytes(place, b"first", only_over(None))
    seen = version_of(place)
    with pytest.raises(ReplacedMeanwhile, match="another run has written it meanwhile"):
        write_bytes(place, b"late", only_over(None))
    write_bytes(place, b"second", only_over(seen))
    # Of the same size as well: only its identity tells the new file from the old one.
    for version in (seen, None):
        with pytest.raises(OutputError):
            write_bytes(place, b"late!!", only_over(version))
    assert Path(place).read_bytes() == b"second"
    assert os.listdir(tmp_path) == ["table"]


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP])
def test_a_file_system_without_links_still_refuses_a_name_that_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def link(_source: str, _target: str) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", link)
    place = str(tmp_path / "table")
    write_bytes(place, b"first", only_over(None))
    with pytest.raises(ReplacedMeanwhile):
        write_bytes(place, b"late", only_over(None))
    assert (Path(place).read_bytes(), os.listdir(tmp_path)) == (b"first", ["table"])


class _StoreThatRefuses:
    """An S3 store whose answer to an upload is an error."""

    def __init__(self, code: str) -> None:
        self._code = code

    def put_file(self, _file: str, _path: str, **_conditions: str) -> None:
        raise translate_boto_error(ClientError({"Error": {"Code": self._code, "Message": ""}}, "PutObject"))


@pytest.mark.parametrize(
    ("code", "version", "expected"),
    [
        # AWS, for an object that is gone; other stores compare the tag of nothing.
        ("NoSuchKey", '"seen"', ReplacedMeanwhile),
        ("404", '"seen"', ReplacedMeanwhile),
        ("PreconditionFailed", '"seen"', ReplacedMeanwhile),
        ("PreconditionFailed", None, ReplacedMeanwhile),
        ("NoSuchBucket", '"seen"', FileNotFoundError),
        ("NoSuchKey", commits.ANY, FileNotFoundError),
    ],
)
def test_an_object_that_is_gone_is_not_the_one_that_was_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, version: str | None, expected: type[Exception]
) -> None:
    monkeypatch.setattr(commits, "filesystem", lambda location: (_StoreThatRefuses(code), location))
    (tmp_path / "table").write_bytes(b"late")
    with pytest.raises(expected):
        put_object(str(tmp_path / "table"), "s3://bucket/table", version)


def test_content_name_and_new_folders_are_synced_in_this_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real_sync, real_replace, steps = os.fsync, os.replace, []

    def fsync(descriptor: int) -> None:
        steps.append(f"sync {os.path.basename(os.readlink(f'/proc/self/fd/{descriptor}')).partition('.tmp-')[0]}")
        real_sync(descriptor)

    def replace(source: str, target: str) -> None:
        steps.append("rename")
        real_replace(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    make_folder(str(tmp_path / "a" / "b"))
    write_bytes(str(tmp_path / "a" / "b" / "table"), b"content")
    assert steps == [f"sync {tmp_path.name}", "sync a", "sync table", "rename", "sync b"]


def test_what_a_stranger_put_in_the_place_of_a_file_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "own").write_bytes(b"12345678")
    (tmp_path / "link").symlink_to(tmp_path / "own")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    assert read_own(str(tmp_path / "own"), 8) == b"12345678"
    for name, max_bytes in (("own", 7), ("link", 8), ("folder", 8), ("fifo", 8), ("none", 8)):
        with pytest.raises(OSError, match=r".+"):
            read_own(str(tmp_path / name), max_bytes)
