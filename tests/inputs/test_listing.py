"""What is found in a folder, what is skipped, and in which order."""

from __future__ import annotations

import collections
import contextlib
import errno
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from emosense.errors import RecordingError, StorageError, UsageError
from emosense.inputs.listing import Listing
from emosense.inputs.listing_config import ListingConfig
from emosense.inputs.names import Name, named_recording
from emosense.inputs.recording import Recording, open_recording
from emosense.inputs.walk import _walk_local


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def listed(location: Path | str, **config: bool) -> tuple[list[str], dict[str, int]]:
    with Listing() as listing:
        listing.add_input(str(location), ListingConfig(**config))
        return [os.path.relpath(r.path, location) for r in listing], dict(listing.ignored)


def add_names(listing: Listing, *locations: str) -> None:
    listing.add_names(map(Name, locations), ListingConfig())
    listing.look_up()


def test_recordings_come_in_the_order_of_their_paths_bytes(tmp_path: Path) -> None:
    names = ["a/z.wav", "a-b.wav", "a.wav", "B.wav", "é.wav", "a/1.flac", "ab/c.mp3"]
    touch(tmp_path, *names)
    assert listed(tmp_path)[0] == sorted(names, key=os.fsencode)


def test_other_files_are_counted_by_reason(tmp_path: Path) -> None:
    touch(tmp_path, "a.WAV", "b.Flac", "._a.wav", "c.wav.part", "d.crdownload", "notes.txt", "none", ".git/x.wav")
    touch(tmp_path, "@eaDir/x.wav", "x.wav/inside.wav")
    names, ignored = listed(tmp_path)
    assert names == ["a.WAV", "b.Flac", "x.wav/inside.wav"]
    assert ignored == {"hidden": 1, ".part": 1, ".crdownload": 1, ".txt": 1, "no extension": 1}


def test_a_limit_gives_the_first_and_leaves_later_folders_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["a/z.wav", "a/b/y.wav", "a-b.wav", "a.wav", "B.wav", "é/1.wav", "ab/c.mp3", "empty/x.txt", "z/late.wav"]
    touch(tmp_path, *names)
    ordered = sorted((name for name in names if name != "empty/x.txt"), key=os.fsencode)
    failing_scandir(monkeypatch, "é", errno.EIO, midway=False)
    for limit in range(1, len(ordered)):
        with Listing() as listing:
            listing.add_input(str(tmp_path), ListingConfig(), limit)
            assert [os.path.relpath(each.path, tmp_path) for each in listing] == ordered[:limit]
    with pytest.raises(StorageError, match="cannot list"):
        listed(tmp_path)


def test_sniffing_takes_every_name(tmp_path: Path) -> None:
    touch(tmp_path, "none", "a.bin", ".hidden")
    assert listed(tmp_path, any_extension=True)[0] == ["a.bin", "none"]


def test_links_out_of_the_folder_loops_and_special_files_do_not_hang_or_leak(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    touch(root, "a.wav")
    touch(outside, "secret.wav")
    (root / "out.wav").symlink_to(outside / "secret.wav")
    (root / "folder").symlink_to(outside)
    (root / "dangling.wav").symlink_to(root / "gone.wav")
    (root / "inside.wav").symlink_to(root / "a.wav")
    (root / "loop").symlink_to(root)
    touch(root, "sub/b.wav")
    (root / "again").symlink_to(root / "sub")
    touch(root, ".versions/3/c.wav")
    (root / "current").symlink_to(root / ".versions" / "3")
    (root / "zero.wav").symlink_to("/dev/zero")
    os.mkfifo(root / "fifo.wav")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(root / "socket.wav"))
        names, ignored = listed(root)
    assert names == ["a.wav", "current/c.wav", "inside.wav", "sub/b.wav"]
    assert ignored == {"link": 3, "outside": 3, "special": 2}
    assert "folder/secret.wav" in listed(root, follow_links=True)[0]


def test_names_of_every_kind_are_taken_literally(tmp_path: Path) -> None:
    names = [
        "[1].wav",
        "*.wav",
        "a::b.wav",
        "#1.wav",
        "%20.wav",
        "-rf.wav",
        "new\nline.wav",
        "back\\slash.wav",
        "{}.wav",
    ]
    touch(tmp_path, *names)
    (tmp_path / os.fsdecode(b"\xff.wav")).write_bytes(b"x")
    assert sorted(listed(tmp_path)[0]) == sorted([*names, os.fsdecode(b"\xff.wav")])


class Entries(contextlib.closing[Any]):
    """What `os.scandir` returns: an iterator that is closed with its block."""

    def __iter__(self) -> Iterator[os.DirEntry[str]]:
        return iter(self.thing)

    def __enter__(self) -> Any:
        return self


def failing_scandir(monkeypatch: pytest.MonkeyPatch, folder: str, number: int, *, midway: bool) -> None:
    """Have a folder fail with an error, at once or after its first entry."""
    scandir = os.scandir

    def entries(path: str) -> Iterator[os.DirEntry[str]]:
        with scandir(path) as found:
            yield next(found)
        raise OSError(number, os.strerror(number), path)

    def opened(path: str | int) -> Any:
        if isinstance(path, int) or os.path.basename(path) != folder:
            return scandir(path)
        if midway:
            return Entries(entries(path))
        raise OSError(number, os.strerror(number), path)

    monkeypatch.setattr(os, "scandir", opened)


@pytest.mark.parametrize(("number", "midway"), [(errno.EIO, True), (errno.EACCES, True), (errno.ESTALE, False)])
@pytest.mark.parametrize("folder", ["root", "sub"])
def test_a_listing_that_fails_half_way_is_a_storage_error(
    number: int, midway: bool, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path / "root", "a.wav", "sub/b.wav", "sub/c.wav")
    failing_scandir(monkeypatch, folder, number, midway=midway)
    with pytest.raises(StorageError, match=rf"cannot list .*{folder}: {os.strerror(number)}"):
        listed(tmp_path / "root")


@pytest.mark.parametrize("number", [errno.EACCES, errno.ELOOP, errno.ENAMETOOLONG])
def test_a_folder_that_may_not_be_read_has_a_row_and_the_listing_continues(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "a.wav", "private/b.wav", "z.wav")
    failing_scandir(monkeypatch, "private", number, midway=False)
    assert listed(tmp_path) == (["a.wav", "private", "z.wav"], {})
    with pytest.raises(UsageError, match=r"cannot list .*private"):
        listed(tmp_path / "private")


def test_a_name_with_a_zero_is_a_missing_file() -> None:
    with Listing() as listing:
        add_names(listing, "a\0b.wav")
        assert [recording.size for recording in listing] == [-1]


def test_a_missing_folder_and_a_fifo_are_usage_errors(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no file or folder .*nowhere: check the path"):
        listed(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="neither a file nor a folder"):
        listed(tmp_path / "pipe")


def test_the_same_file_given_twice_is_listed_once(tmp_path: Path) -> None:
    touch(tmp_path, "a.wav")
    with Listing() as listing:
        listing.add_input(str(tmp_path), ListingConfig())
        listing.add_input(str(tmp_path / "a.wav"), ListingConfig())
        assert len(listing) == 1


def test_a_listed_name_that_is_not_there_still_counts(tmp_path: Path) -> None:
    with Listing() as listing:
        add_names(listing, str(tmp_path / "gone.wav"))
        assert [r.size for r in listing] == [-1]


def test_only_recordings_with_the_same_content_are_done() -> None:
    with Listing() as listing:
        listing.add(Recording(name, name, 1, "v1") for name in "abc")
        done = [("a", 1, "v1"), ("b", 1, "v2"), ("c", 2, "v1"), ("d", 1, "v1")]
        listing.mark_done([(*each, False) for each in done])
        assert [path for path, *_ in listing.pending()] == [b"b", b"c"]
        assert listing.n_pending() == 2
        # A newer result that is to be done again is what counts.
        listing.mark_done([("a", 1, "v1", True)])
        assert [path for path, *_ in listing.pending()] == [b"a", b"b", b"c"]


def test_a_bucket_is_listed_like_a_folder() -> None:
    fs = fsspec.filesystem("memory")
    for name in (
        "/bucket/b.wav",
        "/bucket/sub/a.flac",
        "/bucket/notes.txt",
        "/bucket/.hidden.wav",
        "/bucket/.git/c.wav",
    ):
        fs.pipe_file(name, b"x")
    try:
        with Listing() as listing:
            listing.add_input("memory://bucket", ListingConfig())
            assert [r.path for r in listing] == ["memory://bucket/b.wav", "memory://bucket/sub/a.flac"]
            assert dict(listing.ignored) == {".txt": 1, "hidden": 2}
    finally:
        fs.rm("/bucket", recursive=True)


def test_a_folder_that_cannot_be_listed_stops_the_run(tmp_path: Path) -> None:
    touch(tmp_path, "a/a.wav", "b/b.wav")
    walk = _walk_local(str(tmp_path), ListingConfig(), collections.Counter())
    first = next(walk)
    other = "b" if "/a/" in first.path else "a"
    shutil.rmtree(tmp_path / other)  # while the walk is on its way
    with pytest.raises(StorageError, match="cannot list"):
        list(walk)


def test_one_recording_under_several_names_is_listed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "in/a.wav")
    monkeypatch.chdir(tmp_path)
    with Listing() as listing:
        add_names(listing, "in/a.wav", f"{tmp_path}/in/a.wav", "in/../in/a.wav", "in/b.wav")
        listing.add_input("in", ListingConfig())
        assert [recording.path for recording in listing] == ["in/a.wav", "in/b.wav"]
        assert listing.holds("in/a.wav")
        assert not listing.holds(f"{tmp_path}/in/a.wav")


def test_urls_that_differ_in_what_is_not_shown_are_two_recordings() -> None:
    urls = [f"memory://hidden/a.wav?file_key={number}" for number in (1, 2)]
    with Listing() as listing:
        add_names(listing, *urls, *urls)
        first, second = listing
    assert first.path == "memory://hidden/a.wav?file_key=***"
    assert second.path.startswith(f"{first.path}#")
    assert {first.location, second.location} == set(urls)


def test_a_limit_that_is_larger_than_any_list_keeps_all_of_it(tmp_path: Path) -> None:
    with Listing() as listing:
        listing.add([named_recording(str(tmp_path / f"{index}.wav")) for index in range(3)])
        listing.truncate(10**30)
        assert len(listing) == 3


@contextlib.contextmanager
def nobody() -> Iterator[None]:
    """The rights of a user who is not root."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_what_this_user_may_not_read_is_a_row_and_the_listing_continues(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, write_voice: Callable[..., Path]
) -> None:
    files = {name: write_voice(f"in/{name}") for name in ("a.wav", "closed.wav", "shut/b.wav", "z.wav")}
    base = tmp_path_factory.getbasetemp()
    for folder in (base.parent, base, tmp_path):
        folder.chmod(folder.stat().st_mode | 0o011)
    (tmp_path / "in").chmod(0o755)
    files["closed.wav"].chmod(0)
    files["shut/b.wav"].parent.chmod(0)
    codes = {}
    try:
        with nobody(), Listing() as listing:
            listing.add_input(str(tmp_path / "in"), ListingConfig())
            for recording in listing:
                try:
                    with open_recording(recording):
                        codes[os.path.basename(recording.path)] = ""
                except RecordingError as err:
                    codes[os.path.basename(recording.path)] = err.code
    finally:
        files["shut/b.wav"].parent.chmod(0o755)
    assert codes == {"a.wav": "", "closed.wav": "permission_denied", "shut": "permission_denied", "z.wav": ""}


def test_what_the_kernel_makes_up_is_no_recording(tmp_path: Path, write_voice: Callable[..., Path]) -> None:
    write_voice("in/a.wav")
    (tmp_path / "in" / "mem.wav").symlink_to("/proc/self/mem")
    with Listing() as listing:
        listing.add_input(str(tmp_path / "in"), ListingConfig(follow_links=True))
        assert [os.path.basename(recording.path) for recording in listing] == ["a.wav"]
        assert listing.ignored["special"] == 1
        with pytest.raises(UsageError, match="/proc/self/mem is neither a file nor a folder"):
            listing.add_input("/proc/self/mem", ListingConfig())
    with pytest.raises(RecordingError) as raised, open_recording(named_recording("/proc/self/mem")):
        raise AssertionError
    assert raised.value.code == "not_a_file"
