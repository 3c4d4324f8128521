"""Faults of this machine are not blamed on the storage, and faults elsewhere not on the output."""

from __future__ import annotations

import contextlib
import errno
import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import faulty_fs
import pytest

from emosense.errors import OutputError, StorageError, UsageError
from emosense.inputs.listing import Listing
from emosense.inputs.listing_config import ListingConfig
from emosense.inputs.recording import Recording, open_recording
from emosense.storage.objects import retry
from emosense.storage.writing import atomic_writer, write_bytes


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    faulty_fs.install(tmp_path / "driver")
    (tmp_path / "bucket").mkdir()
    return tmp_path / "bucket"


@contextlib.contextmanager
def no_room() -> Iterator[None]:
    """A system that lets no file of this process grow beyond 4 kB."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@contextlib.contextmanager
def no_temporary_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def refuse(*_: object, **__: object) -> None:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    with monkeypatch.context() as patch:
        for name in ("TemporaryFile", "TemporaryDirectory", "NamedTemporaryFile"):
            patch.setattr(f"tempfile.{name}", refuse)
        yield


FULL = r"the temporary folder .* \(TMPDIR\) cannot be written: File too large"


def test_a_recording_that_has_no_room_here_stops_the_run_and_names_the_folder(bucket: Path) -> None:
    (bucket / "a.wav").write_bytes(b"x" * 100_000)
    recording = Recording("a.wav", f"faulty://{bucket}/a.wav", -1, "")
    with no_room(), pytest.raises(StorageError, match=FULL), open_recording(recording):
        pass


def test_a_table_that_has_no_room_here_on_its_way_names_the_folder(bucket: Path) -> None:
    for n_bytes in (5_000, 1_000_000):  # at the end of the block, and within it
        with no_room(), pytest.raises(StorageError, match=FULL):
            write_bytes(f"faulty://{bucket}/t.csv", b"x" * n_bytes)


def test_no_temporary_folder_is_named_whatever_needs_it(bucket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (bucket / "a.wav").write_bytes(b"x")
    url = f"faulty://{bucket}/a.wav"
    with no_temporary_folder(monkeypatch):
        with pytest.raises(StorageError, match="TMPDIR"), open_recording(Recording("a.wav", url, -1, "")):
            pass
        with pytest.raises(StorageError, match="TMPDIR"):
            write_bytes(url, b"x")
        with pytest.raises(StorageError, match="TMPDIR"):
            Listing()


def test_a_list_that_has_no_room_names_the_folder() -> None:
    rows = (Recording(f"{number:0200}", "x", 1, "v") for number in range(100_000))
    with Listing() as listing, no_room(), pytest.raises(StorageError, match=r"\(TMPDIR\) cannot hold a list"):
        listing.add(rows)


def test_a_fault_of_what_is_read_is_not_one_of_the_output(tmp_path: Path) -> None:
    says = r"t\.csv is not complete: No such file or directory: .*part"
    with pytest.raises(StorageError, match=says), atomic_writer(str(tmp_path / "t.csv")) as file:
        file.write((tmp_path / "part").read_bytes())
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    for n_bytes in (5_000, 1_000_000):
        with no_room(), pytest.raises(OutputError, match=r"cannot write .*t\.csv: File too large"):
            write_bytes(str(tmp_path / "t.csv"), b"x" * n_bytes)
    assert list(tmp_path.iterdir()) == []


class NoCredentialsError(Exception):
    """Has the name of what botocore raises."""


def test_credentials_that_are_missing_are_a_usage_error_at_once() -> None:
    calls = []

    def action() -> None:
        calls.append(1)
        raise NoCredentialsError("Unable to locate credentials")

    with pytest.raises(UsageError, match="there are no credentials for listing s3://b: Unable to locate"):
        retry(action, "listing s3://b")
    assert calls == [1]


def test_a_folder_of_a_bucket_that_is_denied_has_a_row_and_the_top_is_a_usage_error(bucket: Path) -> None:
    for name in ("a.wav", "private/b.wav", "z.wav"):
        (bucket / name).parent.mkdir(exist_ok=True)
        (bucket / name).write_bytes(b"x")
    root = f"faulty://{bucket}"
    faulty_fs.plan(bucket, "list", "private", "denied")
    with Listing() as listing:
        listing.add_input(root, ListingConfig())
        assert [recording.path for recording in listing] == [f"{root}/{n}" for n in ("a.wav", "private", "z.wav")]
    with Listing() as listing, pytest.raises(UsageError, match="check the credentials"):
        listing.add_input(f"{root}/private", ListingConfig())
