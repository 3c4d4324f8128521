"""A corpus arrives whole over a bad network, and an archive that lies writes nothing outside its folder."""

from __future__ import annotations

import copy
import email.utils
import hashlib
import io
import os
import signal
import stat
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from commands import run_command

from emosense.errors import OutputError, StorageError, UsageError
from emosense.inputs.download import RAVDESS_SONG, RAVDESS_SPEECH, RAVDESS_URL, DownloadJob, download
from emosense.progress import Silent
from emosense.storage.zip_archive import Limits, unpack

NAME = RAVDESS_SPEECH[0]
WORK = ".emosense-download"
FILES = {
    f"Actor_{actor:02d}/03-01-0{emotion}-01-01-01-{actor:02d}.wav": np.random.default_rng(9 * actor + emotion).bytes(
        30_000
    )
    for actor in (1, 2)
    for emotion in (1, 3, 5)
}


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return buffer.getvalue()


ARCHIVE = zipped(FILES)


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


class Listener(Silent):
    """Keeps the messages to the user."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.stages: list[list[int]] = []

    def start(self, total: int) -> None:
        self.stages.append([total, 0])

    def advance(self, n_done: int, n_errors: int) -> None:
        self.stages[-1][1] += n_done

    def message(self, text: str) -> None:
        self.messages.append(text)


# ------------------------------------------------------------------------------------------------ a server with faults

# What is done with one request in place of the usual answer.
Fault = Callable[["Handler"], None]


class Server(ThreadingHTTPServer):
    daemon_threads = False
    block_on_close = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.etag, self.has_ranges = ARCHIVE, '"one"', True
        self.faults: list[Fault] = []
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.released = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/record/files"

    def header(self, name: str) -> list[str | None]:
        """Values of one header, a request each."""
        return [headers.get(name) for _, headers in self.seen]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.seen.append((self.path, dict(self.headers)))
        if self.server.faults:
            self.server.faults.pop(0)(self)
        else:
            self.give(self.server.content)

    def give(self, content: bytes, n_sent: int | None = None) -> None:
        """Answer as a good server does, with only the first bytes of the body if asked for."""
        asked = self.headers.get("Range")
        is_same = self.headers.get("If-Range") in (None, self.server.etag)
        start = int(asked[len("bytes=") : -1]) if asked and is_same and self.server.has_ranges else None
        if start is not None and start >= len(content):
            self.refuse(416, {"Content-Range": f"bytes */{len(content)}"})
            return
        self.send_response(200 if start is None else 206)
        self.send_header("ETag", self.server.etag)
        self.send_header("Content-Length", str(len(content) - (start or 0)))
        if start is not None:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        self.wfile.write(content[start or 0 :][:n_sent])

    def refuse(self, code: int, headers: dict[str, str]) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Be quiet."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield running
        finally:
            running.released.set()
            running.shutdown()
            thread.join()


def says(code: int, **headers: str) -> Fault:
    return lambda handler: handler.refuse(code, {name.replace("_", "-"): value for name, value in headers.items()})


def cut(n_sent: int) -> Fault:
    return lambda handler: handler.give(handler.server.content, n_sent)


def reset(handler: Handler) -> None:
    """Close the connection without an answer."""
    handler.close_connection = True


def job(server: Server, folder: Path, digest: str | None = None) -> DownloadJob:
    return DownloadJob(str(folder), ((NAME, digest or md5(server.content)),), server.url, pause_s=0.01)


def unpacked(folder: Path) -> dict[str, bytes]:
    """All files of the corpus, without what the download keeps for itself."""
    paths = [path for path in folder.rglob("*") if path.is_file() and WORK not in path.parts]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def kept(folder: Path) -> set[str]:
    return {path.name for path in (folder / WORK).iterdir()}


# ------------------------------------------------------------------------------------------------------- good archives


def test_a_corpus_is_downloaded_and_unpacked(server: Server, tmp_path: Path) -> None:
    progress = Listener()
    assert download(job(server, tmp_path / "new" / "ravdess"), progress) == 1
    assert unpacked(tmp_path / "new" / "ravdess") == FILES
    assert kept(tmp_path / "new" / "ravdess") == {"lock", f"{NAME}.json"}
    assert [path for path, _ in server.seen] == [f"/record/files/{NAME}"]
    # Megabytes, then files.
    assert progress.stages == [[0, 0], [6, 6]]


def test_a_complete_corpus_is_left_as_it_is(server: Server, tmp_path: Path) -> None:
    download(job(server, tmp_path), Silent())
    server.seen.clear()
    progress = Listener()
    assert download(job(server, tmp_path), progress) == 0
    assert server.seen == []
    assert progress.messages == [f"{NAME}: already complete, 6 files in {tmp_path}"]


def test_a_file_that_went_missing_comes_back_and_its_neighbours_are_not_written_again(
    server: Server, tmp_path: Path
) -> None:
    download(job(server, tmp_path), Silent())
    gone, *others = (tmp_path / name for name in FILES)
    gone.unlink()
    before = [(path.stat().st_ino, path.stat().st_mtime_ns) for path in others]
    download(job(server, tmp_path), Silent())
    assert unpacked(tmp_path) == FILES
    assert [(path.stat().st_ino, path.stat().st_mtime_ns) for path in others] == before


def test_progress_counts_megabytes(server: Server, tmp_path: Path) -> None:
    server.content = zipped({"noise.wav": np.random.default_rng(0).bytes(3_200_000)})
    server.faults = [cut(1_400_000)]
    progress = Listener()
    download(job(server, tmp_path), progress)
    # What is there already counts as done when a part is continued.
    assert progress.stages == [[3, 1], [3, 3], [1, 1]]


def test_the_published_archives_are_fetched_from_zenodo() -> None:
    assert RAVDESS_URL == "https://zenodo.org/records/1188976/files"
    assert RAVDESS_SPEECH == ("Audio_Speech_Actors_01-24.zip", "bc696df654c87fed845eb13823edef8a")
    assert RAVDESS_SONG == ("Audio_Song_Actors_01-24.zip", "5411230427d67a21e18aa4d466e6d1b9")


# --------------------------------------------------------------------------------------------------------- bad networks


def test_a_download_that_is_cut_resumes_at_the_byte_where_it_was_cut(server: Server, tmp_path: Path) -> None:
    server.faults = [cut(50_000), cut(20_000)]
    download(job(server, tmp_path), Silent())
    assert unpacked(tmp_path) == FILES
    assert server.header("Range") == [None, "bytes=50000-", "bytes=70000-"]
    assert server.header("If-Range") == [None, '"one"', '"one"']


def test_a_server_that_ignores_ranges_is_asked_for_the_whole_again(server: Server, tmp_path: Path) -> None:
    server.has_ranges = False
    server.faults = [cut(50_000)]
    download(job(server, tmp_path), Silent())
    assert unpacked(tmp_path) == FILES


def test_a_server_that_always_breaks_off_at_the_same_place_is_given_up(server: Server, tmp_path: Path) -> None:
    server.has_ranges = False
    server.faults = [cut(50_000)] * 20
    with pytest.raises(StorageError, match=r"the connection ended after 50,000 of .* run the same command again"):
        download(job(server, tmp_path), Silent())
    assert len(server.seen) == 6


def test_a_connection_that_is_cut_again_and_again_is_not_given_up_while_bytes_arrive(
    server: Server, tmp_path: Path
) -> None:
    server.faults = [cut(10_000)] * 15
    download(job(server, tmp_path), Silent())
    assert unpacked(tmp_path) == FILES


@pytest.mark.parametrize(
    "fault", [says(500), says(503), says(408), says(429), reset], ids=["500", "503", "408", "429", "reset"]
)
def test_a_passing_fault_is_tried_again(server: Server, tmp_path: Path, fault: Fault) -> None:
    server.faults = [fault, fault]
    download(job(server, tmp_path), Silent())
    assert unpacked(tmp_path) == FILES
    assert len(server.seen) == 3


@pytest.mark.parametrize("as_date", [False, True], ids=["seconds", "date"])
def test_the_server_says_how_long_to_wait(server: Server, tmp_path: Path, as_date: bool) -> None:
    # A date has whole seconds, so at least one of two is left.
    value = email.utils.formatdate(time.time() + 2, usegmt=True) if as_date else "1"
    server.faults = [says(429, Retry_After=value)]
    start_s = time.monotonic()
    download(job(server, tmp_path), Silent())
    assert 0.9 < time.monotonic() - start_s < 5.0


def test_a_fault_that_lasts_ends_with_what_is_there_kept(server: Server, tmp_path: Path) -> None:
    server.faults = [cut(50_000), *[says(503)] * 6]
    with pytest.raises(StorageError, match="cannot be fetched: the server says 503"):
        download(job(server, tmp_path), Silent())
    assert (tmp_path / WORK / f"{NAME}.part").read_bytes() == ARCHIVE[:50_000]
    download(job(server, tmp_path), Silent())
    assert unpacked(tmp_path) == FILES
    assert server.header("Range")[-1] == "bytes=50000-"


def test_an_archive_that_changed_on_the_server_is_fetched_from_its_start(server: Server, tmp_path: Path) -> None:
    def replace(handler: Handler) -> None:
        handler.give(b"\0" * 80_000, 50_000)
        server.etag = '"two"'

    server.faults = [replace]
    download(job(server, tmp_path), Silent())
    assert unpacked(tmp_path) == FILES
    assert server.header("If-Range") == [None, '"one"']


def test_a_part_that_is_longer_than_the_archive_is_fetched_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / WORK).mkdir()
    (tmp_path / WORK / f"{NAME}.part").write_bytes(bytes(len(ARCHIVE) + 1))
    download(job(server, tmp_path), Silent())
    assert unpacked(tmp_path) == FILES


def test_a_part_that_is_whole_is_not_fetched_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / WORK).mkdir()
    (tmp_path / WORK / f"{NAME}.part").write_bytes(ARCHIVE)
    progress = Listener()
    download(job(server, tmp_path), progress)
    assert unpacked(tmp_path) == FILES
    assert progress.stages == [[6, 6]]


def test_another_range_than_was_asked_for_is_not_appended(server: Server, tmp_path: Path) -> None:
    def shift(handler: Handler) -> None:
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes 0-9/{len(ARCHIVE)}")
        handler.send_header("Content-Length", "10")
        handler.end_headers()
        handler.wfile.write(ARCHIVE[:10])

    server.faults = [cut(50_000), shift]
    download(job(server, tmp_path), Silent())
    assert unpacked(tmp_path) == FILES


def test_a_wrong_hash_unpacks_nothing_and_leaves_no_archive(server: Server, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=rf"MD5 sum is {md5(ARCHIVE)}, not {'0' * 32}"):
        download(job(server, tmp_path, "0" * 32), Silent())
    assert unpacked(tmp_path) == {}
    assert kept(tmp_path) == {"lock"}


def test_a_web_page_in_place_of_the_archive_costs_nothing_that_is_there(server: Server, tmp_path: Path) -> None:
    def greet(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/html; charset=utf-8")
        handler.end_headers()
        handler.wfile.write(b"<html>Please log in</html>")

    server.faults = [cut(50_000), greet]
    with pytest.raises(StorageError, match="a web page came in place of the file"):
        download(job(server, tmp_path), Silent())
    download(job(server, tmp_path), Silent())
    assert unpacked(tmp_path) == FILES
    assert server.header("Range") == [None, "bytes=50000-", "bytes=50000-"]


def test_a_body_beyond_all_bounds_is_not_read(server: Server, tmp_path: Path) -> None:
    def boast(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(1 << 40))
        handler.end_headers()

    server.faults = [boast]
    with pytest.raises(StorageError, match="more than the limit of"):
        download(job(server, tmp_path), Silent())


@pytest.mark.parametrize(("code", "words"), [(404, "no such file"), (403, "access is denied"), (410, "410")])
def test_a_refusal_is_not_tried_again(server: Server, tmp_path: Path, code: int, words: str) -> None:
    server.faults = [says(code)]
    with pytest.raises(UsageError, match=words):
        download(job(server, tmp_path), Silent())
    assert len(server.seen) == 1


def test_a_server_that_is_not_there_is_a_fault_of_storage(tmp_path: Path) -> None:
    with Server() as closed:
        url = closed.url
    with pytest.raises(StorageError, match="Connection refused"):
        download(DownloadJob(str(tmp_path), url=url, pause_s=0.01), Silent())


# ------------------------------------------------------------------------------------------- addresses and credentials


def test_credentials_are_sent_only_to_their_host_and_never_shown(server: Server, tmp_path: Path) -> None:
    there = f"http://localhost:{server.server_port}/other/{NAME}"
    server.faults = [says(302, Location=there), says(503), *[says(503)] * 11]
    progress = Listener()
    url = server.url.replace("://", "://user:hidden%40word@") + "?token=t0psecret"
    with pytest.raises(StorageError, match=r"\?token=\*\*\*") as caught:
        download(DownloadJob(str(tmp_path), url=url, pause_s=0.01), progress)
    assert server.seen[0][0] == f"/record/files/{NAME}?token=t0psecret"
    assert server.header("Authorization")[:2] == ["Basic dXNlcjpoaWRkZW5Ad29yZA==", None]
    everything = " ".join([str(caught.value), *progress.messages])
    assert not [secret for secret in ("hidden", "t0psecret", "dXNlc") if secret in everything]


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://127.0.0.1:1/x.zip"])
def test_a_redirection_to_another_scheme_is_not_followed(server: Server, tmp_path: Path, location: str) -> None:
    server.faults = [says(302, Location=location)] * 6
    with pytest.raises((StorageError, UsageError)):
        download(job(server, tmp_path), Silent())
    assert unpacked(tmp_path) == {}


@pytest.mark.parametrize(
    "url", ["file:///etc", "ftp://host/x", "host/x", "http://", "http://host:port/x", "http://ho st/x"]
)
def test_an_address_that_cannot_be_right_is_a_usage_error(tmp_path: Path, url: str) -> None:
    with pytest.raises(UsageError, match=r"files are fetched from|the port is wrong"):
        download(DownloadJob(str(tmp_path), url=url), Silent())
    assert list(tmp_path.iterdir()) == []


def test_a_hash_that_is_none_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="32 hexadecimal digits"):
        download(DownloadJob(str(tmp_path), ((NAME, "abc"),)), Silent())


def test_a_bucket_is_no_place_to_unpack_to() -> None:
    with pytest.raises(UsageError, match="local folder"):
        download(DownloadJob("s3://bucket/ravdess"), Silent())


def test_two_downloads_do_not_fill_one_folder(server: Server, tmp_path: Path) -> None:
    refusals = []

    def start_another(handler: Handler) -> None:
        with pytest.raises(UsageError, match="another download"):
            download(job(server, tmp_path), Silent())
        refusals.append(1)
        handler.give(ARCHIVE)

    server.faults = [start_another]
    download(job(server, tmp_path), Silent())
    assert refusals == [1]
    assert unpacked(tmp_path) == FILES


# ---------------------------------------------------------------------------------------------------- hostile archives


def central(content: bytes, place: int, value: bytes, member: int = 0) -> bytes:
    """Overwrite a field of a member's entry in the directory (APPNOTE.TXT 4.3.12)."""
    start = -1
    for _ in range(member + 1):
        start = content.index(b"PK\x01\x02", start + 1)
    return content[: start + place] + value + content[start + place + len(value) :]


def special(kind: int) -> bytes:
    content = zipped({"Actor_01/x.wav": b"/etc/passwd"})
    return central(content, 38, ((kind | 0o777) << 16).to_bytes(4, "little"))


def overlapping() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("0.wav", bytes(100_000))
        for i in range(1, 300):
            twin = copy.copy(archive.filelist[0])
            twin.filename = f"{i}.wav"
            archive.filelist.append(twin)
    return buffer.getvalue()


HOSTILE = {
    "slip": zipped({"../outside.wav": b"x"}),
    "slip_below": zipped({"Actor_01/../../outside.wav": b"x"}),
    "slip_folder": zipped({"../outside/": b""}),
    "slip_backslash": zipped({"..\\outside.wav": b"x"}),
    "absolute": zipped({"/ABSOLUTE/outside.wav": b"x"}),
    "drive": zipped({"C:/outside.wav": b"x"}),
    "drive_relative": zipped({"C:outside.wav": b"x"}),
    "unc": zipped({"//server/share/outside.wav": b"x"}),
    "no_part": zipped({"Actor_01//outside.wav": b"x"}),
    "dot": zipped({"./outside.wav": b"x"}),
    "nul": zipped({"Actor_01/outsXde.wav": b"x"}).replace(b"outsXde", b"outs\0de"),
    "line_feed": zipped({"Actor_01/out\nside.wav": b"x"}),
    "symlink": special(stat.S_IFLNK),
    "character_device": special(stat.S_IFCHR),
    "block_device": special(stat.S_IFBLK),
    "fifo": special(stat.S_IFIFO),
    "socket": special(stat.S_IFSOCK),
    "folder_by_mode": special(stat.S_IFDIR),
    "encrypted": central(zipped({"x.wav": b"x"}), 8, b"\1\0"),
    "strongly_encrypted": central(zipped({"x.wav": b"x"}), 8, b"\x41\0"),
    "unknown_method": central(zipped({"x.wav": b"x"}), 10, b"\x63\0"),
    "bzip2": zipped({"x.wav": b"x"}, zipfile.ZIP_BZIP2),
    "twice": zipped({"Xa.wav": b"x", "Xb.wav": b"y"}).replace(b"Xb", b"Xa"),
    "twice_but_for_case": zipped({"A.wav": b"x", "a.wav": b"y"}),
    "file_and_folder": zipped({"a": b"x", "a/b.wav": b"y"}),
    "bomb": zipped({"x.wav": bytes(20_000_000)}),
    "bomb_of_many": zipped({f"{i}.wav": bytes(60_000) for i in range(300)}),
    "bomb_of_one_body": overlapping(),
    "bad_second": zipped({"good.wav": b"x", "../outside.wav": b"x"}),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_is_refused_and_nothing_is_written(server: Server, tmp_path: Path, name: str) -> None:
    # As long as the name that it replaces, so that nothing else in the archive moves.
    folder = tmp_path / "dest"
    server.content = HOSTILE[name]
    with pytest.raises(StorageError, match="is refused, nothing was unpacked"):
        download(job(server, folder), Silent())
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")} == {
        "dest", f"dest/{WORK}", f"dest/{WORK}/lock",
    }  # fmt: skip
    assert not Path("/ABSOLUTE").exists()


def test_an_absolute_name_does_not_reach_a_folder_that_may_be_written(server: Server, tmp_path: Path) -> None:
    sentinel = tmp_path / "sentinel.wav"
    server.content = zipped({str(sentinel): b"x"})
    with pytest.raises(StorageError, match="its name is absolute"):
        download(job(server, tmp_path / "dest"), Silent())
    assert not sentinel.exists()


@pytest.mark.parametrize("limits", [Limits(n_members=5), Limits(n_bytes=179_999)], ids=["members", "bytes"])
def test_an_archive_beyond_the_limits_is_refused(tmp_path: Path, limits: Limits) -> None:
    archive = tmp_path / "a.zip"
    archive.write_bytes(ARCHIVE)
    with pytest.raises(StorageError, match="refused"):
        unpack(str(archive), str(tmp_path / "dest"), str(tmp_path / "part"), Silent(), limits)
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]
    (tmp_path / "dest").mkdir()
    unpack(str(archive), str(tmp_path / "dest"), str(tmp_path / "part"), Silent(), Limits(6, 180_000))
    assert unpacked(tmp_path / "dest") == FILES


@pytest.mark.parametrize("linked", ["Actor_01", f"Actor_01/{next(iter(FILES)).split('/')[1]}", WORK])
def test_a_link_in_the_folder_is_not_followed_out_of_it(server: Server, tmp_path: Path, linked: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    link = tmp_path / "dest" / linked
    link.parent.mkdir(parents=True)
    link.symlink_to(outside / "sentinel" if linked.endswith(".wav") else outside)
    with pytest.raises(OutputError, match="exists and is not"):
        download(job(server, tmp_path / "dest"), Silent())
    assert list(outside.iterdir()) == []


def test_a_file_that_is_not_the_archives_is_never_replaced(server: Server, tmp_path: Path) -> None:
    mine = tmp_path / next(iter(FILES))
    mine.parent.mkdir()
    mine.write_bytes(b"mine")
    with pytest.raises(OutputError, match="exists and is not from the archive: move it away"):
        download(job(server, tmp_path), Silent())
    assert mine.read_bytes() == b"mine"
    mine.unlink()
    server.seen.clear()
    download(job(server, tmp_path), Silent())
    assert unpacked(tmp_path) == FILES
    assert server.seen == []


@pytest.mark.parametrize("content", [b"", b"<html>404</html>", ARCHIVE[:-100], ARCHIVE[100:]], ids=range(4))
def test_what_is_no_whole_archive_is_called_damaged(server: Server, tmp_path: Path, content: bytes) -> None:
    server.content = content
    with pytest.raises(StorageError, match="is damaged"):
        download(job(server, tmp_path), Silent())
    assert unpacked(tmp_path) == {}


def test_a_member_with_a_wrong_checksum_does_not_appear(server: Server, tmp_path: Path) -> None:
    place = len(ARCHIVE) // 2
    server.content = ARCHIVE[:place] + bytes([ARCHIVE[place] ^ 1]) + ARCHIVE[place + 1 :]
    with pytest.raises(StorageError, match="is damaged"):
        download(job(server, tmp_path), Silent())
    there = unpacked(tmp_path)
    assert 0 < len(there) < len(FILES)
    assert there.items() <= FILES.items()
    assert kept(tmp_path) == {"lock"}


def test_500_mutated_archives_are_unpacked_or_refused_and_write_nothing_outside(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    small = zipped({f"Actor_0{i}/{i}.wav": random.bytes(200) for i in range(1, 4)})
    directory = small.index(b"PK\x01\x02")
    (tmp_path / "dest").mkdir()
    outcomes = {"unpacked": 0, "refused": 0}
    for i in range(500):
        damaged = np.frombuffer(small, np.uint8).copy()
        places = random.integers(directory if i % 2 else 0, len(small), 1 + i % 4)
        damaged[places] = random.integers(0, 256, len(places))
        archive = tmp_path / "a.zip"
        archive.write_bytes(damaged.tobytes())
        try:
            unpack(str(archive), str(tmp_path / "dest"), str(tmp_path / "part"), Silent())
            outcomes["unpacked"] += 1
        except (StorageError, OutputError):
            outcomes["refused"] += 1
    assert {path.name for path in tmp_path.iterdir()} == {"dest", "a.zip"}
    assert min(outcomes.values()) > 50, outcomes


# ------------------------------------------------------------------------------------------------------- stopped, rerun


class Stopping(Listener):
    """Ctrl-C after the third file."""

    def advance(self, n_done: int, n_errors: int) -> None:
        super().advance(n_done, n_errors)
        if self.stages[-1] == [6, 3]:
            raise KeyboardInterrupt


def test_an_interrupted_unpacking_is_completed_without_another_request(server: Server, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        download(job(server, tmp_path), Stopping())
    assert len(unpacked(tmp_path)) == 3
    server.seen.clear()
    download(job(server, tmp_path), Silent())
    assert unpacked(tmp_path) == FILES
    assert server.seen == []


def command(server: Server, folder: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "emosense", "download", "ravdess", str(folder), "--url", server.url, *options]


def test_a_killed_download_resumes_from_what_it_has(server: Server, tmp_path: Path) -> None:
    def stall(handler: Handler) -> None:
        handler.give(ARCHIVE, 50_000)
        server.released.wait(30)

    server.faults = [stall]
    part = tmp_path / WORK / f"{NAME}.part"
    line = command(server, tmp_path, "--md5", md5(ARCHIVE))
    with subprocess.Popen(line, stderr=subprocess.DEVNULL) as process:
        end_s = time.monotonic() + 30
        while not (part.exists() and part.stat().st_size == 50_000):
            assert time.monotonic() < end_s
            assert process.poll() is None
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
    server.released.set()
    done = subprocess.run(line, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert unpacked(tmp_path) == FILES
    assert server.header("Range") == [None, "bytes=50000-"]


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--md5", md5(ARCHIVE)], 0, "6 files are in"),
        (["--md5", "0" * 32], 5, "is damaged or another file"),
        (["--song", "--md5", "0" * 32], 2, "give --md5 2 times"),
        (["--song", "--md5", md5(ARCHIVE), "--md5", md5(ARCHIVE).upper()], 0, "Audio_Song_Actors_01-24.zip: 6 files"),
        (["-q", "--md5", md5(ARCHIVE)], 0, ""),
    ],
)
def test_the_command_says_what_it_did_and_ends_with_its_code(
    server: Server, tmp_path: Path, options: list[str], code: int, words: str
) -> None:
    done = run_command("download", "ravdess", tmp_path, "--url", server.url, *options)
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert words in done.stderr
    assert bool(done.stderr) == bool(words)
    assert unpacked(tmp_path) == (FILES if code == 0 else {})
