"""Objects whose bytes change on their way: read again, and never taken for what is stored."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.spec import AbstractFileSystem

from emosense.errors import StorageError
from emosense.storage import object_md5, objects

STORED, DAMAGED = b"RIFF" * 100, b"RIFF" * 99 + b"RIFE"
MD5 = hashlib.md5(STORED)
FORMS = {
    "ETag": f'"{MD5.hexdigest()}"',
    "md5Hash": base64.b64encode(MD5.digest()).decode(),
    "content_md5": MD5.digest(),
}


class _Stream(io.BytesIO):
    details: dict[str, Any]


class DamagingFileSystem(AbstractFileSystem):  # type: ignore[misc]
    """One object; each read gives the next of `answers`, the last one for ever."""

    protocol = "damaging"
    answers: tuple[bytes, ...] = ()
    stated: dict[str, Any] = {}  # noqa: RUF012
    n_reads = 0

    def open(self, path: str, mode: str = "rb", **_: Any) -> _Stream:
        cls = type(self)
        stream = _Stream(cls.answers[min(cls.n_reads, len(cls.answers) - 1)])
        cls.n_reads += 1
        stream.details = {"size": len(STORED), **cls.stated}
        return stream


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[bytes, int]]:
    """Returns what is read, and how often."""
    fsspec.register_implementation("damaging", DamagingFileSystem, clobber=True)
    monkeypatch.setattr(objects, "_RETRY_DELAYS_S", (0.0, 0.0, 0.0))
    monkeypatch.setattr(object_md5, "_WITHOUT_MD5", set())

    def answer(stated: dict[str, Any], *answers: bytes) -> tuple[bytes, int]:
        DamagingFileSystem.stated, DamagingFileSystem.answers, DamagingFileSystem.n_reads = stated, answers, 0
        with (tmp_path / "copy").open("w+b") as file:
            objects.fetch_object("damaging://bucket/a.wav", file)
            file.seek(0)
            return file.read(), DamagingFileSystem.n_reads

    return answer


@pytest.mark.parametrize("form", FORMS)
def test_damaged_bytes_are_read_again(form: str, read: Callable[..., tuple[bytes, int]]) -> None:
    assert read({form: FORMS[form]}, STORED) == (STORED, 1)
    assert read({form: FORMS[form]}, DAMAGED, STORED) == (STORED, 2)


def test_bytes_that_are_damaged_each_time_are_a_storage_fault(read: Callable[..., tuple[bytes, int]]) -> None:
    answers = [DAMAGED[:-1] + bytes([digit]) for digit in range(4)]
    with pytest.raises(StorageError, match=f"reading damaging://bucket/a.wav.*{MD5.hexdigest()}"):
        read({"ETag": FORMS["ETag"]}, *answers)


def test_an_etag_that_is_not_of_the_content_costs_one_read_a_bucket(read: Callable[..., tuple[bytes, int]]) -> None:
    encrypted = {"ETag": f'"{"0123456789abcdef" * 2}"'}
    assert read(encrypted, STORED) == (STORED, 2)
    assert read(encrypted, STORED) == (STORED, 1)


@pytest.mark.parametrize("etag", ["", '"0123456789abcdef0123456789abcdef-2"', 'W/"12"', '"5f3c9a"'])
def test_an_etag_of_another_form_says_nothing(etag: str, read: Callable[..., tuple[bytes, int]]) -> None:
    assert read({"ETag": etag}, STORED) == (STORED, 1)
