"""What storage says, in the words that a user can act on; web servers are real ones, on loopback."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from emosense.errors import Interrupted, StorageError, UsageError
from emosense.inputs.listing import Listing
from emosense.inputs.listing_config import ListingConfig
from emosense.inputs.names import named_recording
from emosense.inputs.recording import open_recording
from emosense.labelling.stopping import Stop
from emosense.storage.folders import exists, list_folder, remove
from emosense.storage.locations import local_path
from emosense.storage.objects import filesystem, retry
from emosense.storage.reading import read_bytes
from emosense.storage.writing import write_bytes

CONTENT = bytes(range(256)) * 40


class Answers(BaseHTTPRequestHandler):
    """Answers ``/503/x`` with that status, and ``/chunked/x`` with content whose length it does not say."""

    protocol_version = "HTTP/1.1"
    n_answers = 0

    def do_GET(self) -> None:
        kind = self.path.split("/")[1]
        if kind == "busy-once":
            Answers.n_answers += 1
            if Answers.n_answers <= 2:  # HEAD, and GET after it
                self.send_response(429)
                self.send_header("Retry-After", "1")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            kind = "chunked"
        if kind != "chunked":
            self.send_response(int(kind))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(CONTENT), CONTENT))

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    """The address of a web server that ends with the test."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as answering:
        answering.daemon_threads = True
        thread = threading.Thread(target=answering.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{answering.server_port}"
        answering.shutdown()
        thread.join()


@pytest.mark.parametrize("status", [404, 410])
def test_a_web_page_that_is_not_there_is_missing(server: str, status: int) -> None:
    with pytest.raises(UsageError, match="there is nothing at"), Listing() as listing:
        listing.add_input(f"{server}/{status}/x.wav", ListingConfig())
    assert named_recording(f"{server}/{status}/x.wav").size == -1
    assert not exists(f"{server}/{status}/x.wav")


@pytest.mark.parametrize("status", [401, 403])
def test_a_web_page_that_may_not_be_read_is_denied(server: str, status: int) -> None:
    with pytest.raises(UsageError, match="is denied: check the credentials"), Listing() as listing:
        listing.add_input(f"{server}/{status}/x.wav", ListingConfig())


@pytest.mark.parametrize("status", [429, 503])
def test_a_web_server_that_is_busy_for_long_is_a_storage_fault(server: str, status: int) -> None:
    with pytest.raises(StorageError, match=f"does not answer while .*HTTP status {status}"):
        named_recording(f"{server}/{status}/x.wav")


def test_a_web_server_says_how_long_to_wait(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emosense.storage.objects._RETRY_DELAYS_S", (0.0,))
    start_s = time.monotonic()
    assert named_recording(f"{server}/busy-once/x.wav").size == -1
    assert time.monotonic() - start_s >= 1
    monkeypatch.setattr("emosense.storage.objects._RETRY_FOR_S", 0.5)
    monkeypatch.setattr(Answers, "n_answers", -100)
    with pytest.raises(StorageError, match="HTTP status 429"):
        named_recording(f"{server}/busy-once/x.wav")


def test_a_web_server_that_is_down_is_a_storage_fault() -> None:
    with pytest.raises(StorageError, match="does not answer while listing http"), Listing() as listing:
        listing.add_input("http://127.0.0.1:1/x.wav", ListingConfig())


def test_a_web_page_of_unknown_length_is_read(server: str) -> None:
    recording = named_recording(f"{server}/chunked/x.wav")
    assert recording.size == -1
    with open_recording(recording) as file:
        assert file.read() == CONTENT


@pytest.mark.parametrize(
    ("url", "error", "says"),
    [
        ("bogus://x", UsageError, "cannot open bogus:// locations: the scheme is unknown"),
        ("reference://x", UsageError, "cannot open reference:// locations"),
        ("ftp://127.0.0.1:1/x", StorageError, "does not answer while opening ftp://127.0.0.1:1/x"),
    ],
)
def test_a_location_that_cannot_be_opened_is_one_sentence(url: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        filesystem(url)


def test_a_scheme_whose_driver_is_missing_says_which_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "paramiko", None)
    with pytest.raises(UsageError, match=r"cannot open sftp:// locations: .*paramiko"):
        filesystem("sftp://127.0.0.1/x")


def test_a_file_url_is_the_file(tmp_path: Path) -> None:
    url = f"file://{tmp_path}/new/a b#1%20.bin"
    assert local_path(url) == f"{tmp_path}/new/a b#1%20.bin"
    assert local_path("s3://bucket/x") == "s3://bucket/x"
    os.mkdir(tmp_path / "new")
    write_bytes(url, b"content")
    assert (tmp_path / "new" / "a b#1%20.bin").read_bytes() == read_bytes(url) == b"content"
    assert exists(url)
    assert list_folder(f"file://{tmp_path}/new") == ["a b#1%20.bin"]
    os.mkfifo(tmp_path / "new" / "pipe.wav")
    (tmp_path / "new" / "a.wav").write_bytes(b"x")
    with Listing() as listing:
        listing.add_input(f"file://{tmp_path}/new", ListingConfig())
        assert [recording.path for recording in listing] == [f"{tmp_path}/new/a.wav"]
        assert listing.ignored["special"] == 1
    remove(url)
    assert not exists(url)


def test_a_signal_is_no_fault_to_try_again_after() -> None:
    tries = []

    def action() -> None:
        tries.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)

    with pytest.raises(Interrupted) as raised, Stop().installed():
        retry(action, "listing")
    assert raised.value.exit_code == 130
    assert len(tries) == 1
