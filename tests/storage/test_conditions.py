"""Uploads on a condition, against drivers whose stores compare as their documentation says."""

from __future__ import annotations

import enum
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from s3fs.errors import translate_boto_error

from emosense.storage import commits, conditions
from emosense.storage.commits import ReplacedMeanwhile, put_object, version_of


class _Store:
    """One object, with a version that each upload changes."""

    def __init__(self) -> None:
        self.content, self.version = b"", 0

    def info(self, _path: str) -> dict[str, Any]:
        if not self.version:
            raise FileNotFoundError
        return {"type": "file", "ETag": f'"{self.version}"', "etag": f'"{self.version}"', "generation": self.version}

    def split_path(self, path: str) -> tuple[str, str, None]:
        bucket, _, key = path.removeprefix("/").partition("/")
        return bucket, key, None

    def keep(self, content: bytes, *, is_as_seen: bool, refusal: Exception) -> None:
        if not is_as_seen:
            raise refusal
        self.content, self.version = content, self.version + 1


class _S3(_Store):
    """Pieces are joined in order of their numbers; an upload that is not ended is left over."""

    def __init__(self) -> None:
        super().__init__()
        self.uploads: dict[str, dict[int, bytes]] = {}

    def put_file(self, file: str, _path: str, mode: str = "", **settings: str) -> None:
        self._keep(Path(file).read_bytes(), "*" if mode else None, settings.get("IfMatch"))

    def _keep(self, content: bytes, none_match: str | None, match: str | None) -> None:
        is_as_seen = not (none_match and self.version) and match in (None, f'"{self.version}"')
        error = ClientError({"Error": {"Code": "PreconditionFailed", "Message": ""}}, "PutObject")
        self.keep(content, is_as_seen=is_as_seen, refusal=translate_boto_error(error))

    def call_s3(self, method: str, **settings: Any) -> dict[str, Any]:
        if method == "create_multipart_upload":
            self.uploads["u"] = {}
            return {"UploadId": "u"}
        pieces = self.uploads[settings["UploadId"]]
        if method == "upload_part":
            pieces[settings["PartNumber"]] = settings["Body"]
            return {"ETag": "of a piece"}
        if method == "complete_multipart_upload":
            numbers = [part["PartNumber"] for part in settings["MultipartUpload"]["Parts"]]
            self._keep(b"".join(pieces[number] for number in numbers), None, settings["IfMatch"])
        del self.uploads["u"]
        return {}


class _Gcs(_Store):
    """A resumable upload, of which the store keeps a part of each piece; the condition is compared at its end."""

    base = "http://127.0.0.1/storage/v1/"

    def put_file(self, file: str, _path: str, mode: str = "") -> None:
        self._keep(Path(file).read_bytes(), "0" if mode else None)

    def _keep(self, content: bytes, match: str | None) -> None:
        self.keep(content, is_as_seen=match in (None, str(self.version)), refusal=FileExistsError("path"))

    def call(self, _method: str, place: str, **settings: Any) -> tuple[dict[str, str], bytes]:
        if place == f"{self.base.replace('/storage', '/upload/storage')}b/bucket/o":
            assert (settings["uploadType"], settings["name"]) == ("resumable", "a/table")
            self.received, self.match = b"", str(settings["ifGenerationMatch"])
            return {"Location": "http://127.0.0.1/session"}, b""
        assert place == "http://127.0.0.1/session"
        span, _, total = settings["headers"]["Content-Range"].removeprefix("bytes ").partition("/")
        assert span == f"{len(self.received)}-{len(self.received) + len(settings['data']) - 1}"
        if len(self.received) + len(settings["data"]) < int(total):
            self.received += settings["data"][:-1]
            return {"Range": f"bytes=0-{len(self.received) - 1}"}, b""
        self._keep(self.received + settings["data"], self.match)
        return {}, json.dumps({"name": "a/table"}).encode()


class _MatchConditions(enum.Enum):
    IfNotModified = 2


class _Azure(_Store):
    def put_file(
        self, file: str, _path: str, mode: str = "", etag: str = "", match_condition: enum.Enum | None = None
    ) -> None:
        if mode == "create":
            self.keep(Path(file).read_bytes(), is_as_seen=not self.version, refusal=FileExistsError("exists"))
            return
        is_as_seen = match_condition is None or etag == f'"{self.version}"'
        refusal = RuntimeError("ConditionNotMet")
        refusal.status_code = 412  # type: ignore[attr-defined]
        self.keep(Path(file).read_bytes(), is_as_seen=is_as_seen, refusal=refusal)


@pytest.fixture(params=[("s3", _S3), ("gs", _Gcs), ("abfs", _Azure)], ids=["s3", "gs", "abfs"])
def store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[str, Any]:
    scheme, kind = request.param
    fs = kind()
    monkeypatch.setattr(commits, "filesystem", lambda location: (fs, location.partition("://")[2]))
    monkeypatch.setattr(conditions, "_PIECE_BYTES", 4)
    monkeypatch.setitem(sys.modules, "azure.core", SimpleNamespace(MatchConditions=_MatchConditions))  # type: ignore[arg-type]
    return f"{scheme}://bucket/a/table", fs


@pytest.mark.parametrize("content", [b"new", b"a table in several pieces"])
def test_only_what_was_seen_is_replaced(store: tuple[str, Any], tmp_path: Path, content: bytes) -> None:
    (place, fs), file = store, tmp_path / "file"
    assert version_of(place) is None
    file.write_bytes(b"first")
    put_object(str(file), place, None)
    seen = version_of(place)
    file.write_bytes(content)
    put_object(str(file), place, seen)
    file.write_bytes(b"of a run that was paused")
    for version in (seen, None):
        with pytest.raises(ReplacedMeanwhile, match="another run has written it meanwhile"):
            put_object(str(file), place, version)
    assert (fs.content, fs.version) == (content, 2)
    put_object(str(file), place)
    assert fs.content == b"of a run that was paused"


def test_pieces_of_an_upload_that_fails_are_not_left_in_the_bucket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fs, file = _S3(), tmp_path / "file"
    monkeypatch.setattr(conditions, "_PIECE_BYTES", 4)
    file.write_bytes(b"a table in several pieces")
    with pytest.raises(OSError, match="Errno 22"):
        conditions.conditions_of("s3://bucket/table").put(fs, str(file), "bucket/table", '"9"')  # type: ignore[union-attr]
    assert fs.uploads == {}
