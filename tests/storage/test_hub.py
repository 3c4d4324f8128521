"""Encoders from a hub on the loopback interface, which speaks what huggingface_hub asks of the real one."""

from __future__ import annotations

import hashlib
import http.server
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Listener, tiny_graph
from made_whisper import whisper_tensors, write_safetensors

from emosense.errors import ModelError, StorageError, UsageError
from emosense.features.encoder.download import obtain_encoder
from emosense.features.encoder.files import find_encoder
from emosense.training.presets import preset
from emosense.training.transfer.front_choice import with_front

COMMIT = "0123456789abcdef0123456789abcdef01234567"
URL = "hf://owner/encoders/onnx/encoder.onnx"


class Hub:
    """Files of one repository, and how the hub answers."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.files: dict[str, bytes] = {"onnx/encoder.onnx": tiny_graph(), "config.json": b"{}"}
        self.asked: list[tuple[str, str, str]] = []
        # What the hub reports about the content instead of the truth; where it breaks off; a status to answer with.
        self.sha256 = ""
        self.break_at = 0
        self.status = 0

    def n_fetched(self) -> int:
        return sum(method == "GET" for method, *_ in self.asked)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self, status: int, content: bytes = b"", **headers: str) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            wanted = self.headers.get("Range") or ""
            if self.path.startswith("/api/"):
                return self.answer(404)
            shown.asked.append((self.command, self.path, wanted))
            match = re.fullmatch(r"/owner/encoders/resolve/(main|v1|refs%2Fpr%2F1|[0-9a-f]{40})/(.*)", self.path)
            if shown.status:
                return self.answer(shown.status)
            if not match or match[2] not in shown.files:
                code = "EntryNotFound" if match else "RepoNotFound"
                return self.answer(404, X_Error_Code=code, X_Repo_Commit=COMMIT)
            content = shown.files[match[2]]
            digest = shown.sha256 or hashlib.sha256(content).hexdigest()
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
            headers = {"X_Repo_Commit": COMMIT, "ETag": f'"{digest}"', "X_Linked_Etag": f'"{digest}"',
                       "X_Linked_Size": str(len(content)), "Accept_Ranges": "bytes"}  # fmt: skip
            if start:
                headers["Content_Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self.answer(206 if start else 200, content[start:], **headers)
            if self.command == "GET":
                end = shown.break_at or len(content)
                if shown.break_at:
                    self.close_connection, shown.break_at = True, 0
                self.wfile.write(content[start:end])
            return None

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        shown = Hub(f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("EMOSENSE_CACHE", str(tmp_path / "cache"))
        for name, value in (
            ("ENDPOINT", shown.address),
            ("HUGGINGFACE_CO_URL_TEMPLATE", shown.address + "/{repo_id}/resolve/{revision}/{filename}"),
            ("HF_HUB_CACHE", str(tmp_path / "hub")),
            ("HF_TOKEN_PATH", str(tmp_path / "token")),
            ("HF_HUB_DISABLE_XET", True),
        ):
            monkeypatch.setattr(f"huggingface_hub.constants.{name}", value)
        try:
            yield shown
        finally:
            server.shutdown()
            thread.join()


def obtained(url: str = URL) -> tuple[str, str]:
    return obtain_encoder(url, Listener())


def test_an_encoder_is_fetched_once_to_the_cache_of_the_hub(hub: Hub, tmp_path: Path) -> None:
    graph = hub.files["onnx/encoder.onnx"]
    file, sha256 = obtained()
    assert Path(file).read_bytes() == graph
    assert sha256 == hashlib.sha256(graph).hexdigest()
    assert file.startswith(str(tmp_path / "hub" / "models--owner--encoders"))
    assert obtained() == (file, sha256)
    assert hub.n_fetched() == 1
    assert not (tmp_path / "cache").exists()


def test_safetensors_of_an_encoder_resume_and_are_checked_against_the_hub(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 10_000)
    file = write_safetensors(tmp_path / "tiny.safetensors", whisper_tensors(16))
    hub.files["model.safetensors"] = file.read_bytes()
    hub.break_at = 20_000
    config = with_front(preset("transfer", "default"), "hf://owner/encoders", Listener())
    assert config == with_front(preset("transfer", "default"), str(file), Listener())
    assert [wanted for method, path, wanted in hub.asked if method == "GET" and path.endswith("model.safetensors")] == [
        "", "bytes=20000-"
    ]  # fmt: skip


def test_safetensors_that_are_not_what_the_hub_publishes_are_refused(hub: Hub, tmp_path: Path) -> None:
    hub.files["model.safetensors"] = write_safetensors(tmp_path / "a", whisper_tensors(16)).read_bytes()
    hub.sha256 = "0" * 64
    with pytest.raises(StorageError, match="is damaged"):
        with_front(preset("transfer", "default"), "hf://owner/encoders", Listener())


def test_a_revision_is_a_tag_a_commit_or_a_pull_request(hub: Hub) -> None:
    for revision in ("v1", "refs%2Fpr%2F1", COMMIT):
        obtained(f"hf://owner/encoders@{revision}/onnx/encoder.onnx")
    # All three are one commit, so the file is fetched once; a commit that is in the cache needs no request.
    assert [path.split("/")[4] for method, path, _ in hub.asked if method == "HEAD"] == ["v1", "refs%2Fpr%2F1"]
    assert hub.n_fetched() == 1


def test_a_download_that_breaks_off_resumes_where_it_stopped(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    # Chunks of 10 MB are the unit that is kept.
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 500)
    hub.break_at = 1000
    file, _ = obtained()
    assert Path(file).read_bytes() == hub.files["onnx/encoder.onnx"]
    assert [wanted for method, _, wanted in hub.asked if method == "GET"] == ["", "bytes=1000-"]


def test_a_file_that_is_not_what_the_hub_publishes_is_refused(hub: Hub) -> None:
    hub.sha256 = "a" * 64
    with pytest.raises(StorageError, match=r"is damaged: its sha256 is [0-9a-f]{64}, the hub says aaaa"):
        obtained()
    assert hub.n_fetched() == 2


def test_a_file_that_was_damaged_in_the_cache_is_fetched_again(hub: Hub) -> None:
    file, sha256 = obtained()
    Path(os.path.realpath(file)).write_bytes(b"damaged")
    assert obtained() == (file, sha256)
    assert Path(file).read_bytes() == hub.files["onnx/encoder.onnx"]


def test_a_fetch_that_is_killed_leaves_nothing_that_is_taken_for_the_file(hub: Hub, tmp_path: Path) -> None:
    script = f"""
import os, huggingface_hub.file_download as module
from emosense.features.encoder.download import obtain_encoder
from emosense.progress import Silent
module.shutil.move = lambda *_: os._exit(9)
module._chmod_and_move = lambda *_: os._exit(9)
obtain_encoder({URL!r}, Silent())
"""
    environment = {"HF_ENDPOINT": hub.address, "HF_HUB_CACHE": str(tmp_path / "hub"), "HF_HUB_DISABLE_XET": "1"}
    killed = subprocess.run([sys.executable, "-c", script], env=os.environ | environment, timeout=60)
    assert killed.returncode == 9
    assert find(hub) == ""
    file, _ = obtained()
    assert Path(file).read_bytes() == hub.files["onnx/encoder.onnx"]


def find(hub: Hub, url: str = URL) -> str:
    try:
        return find_encoder(hashlib.sha256(hub.files["onnx/encoder.onnx"]).hexdigest(), [url])
    except ModelError:
        return ""


def test_without_a_connection_the_cached_file_is_used(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find(hub) == ""
    file, sha256 = obtained()
    n_asked = len(hub.asked)
    assert find(hub) == file
    assert len(hub.asked) == n_asked
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert obtained() == (file, sha256)
    with pytest.raises(StorageError, match=r"does not answer, and hf://owner/encoders/other\.onnx is not in its cache"):
        obtained("hf://owner/encoders/other.onnx")
    assert len(hub.asked) == n_asked


def test_a_model_never_opens_the_hub(hub: Hub) -> None:
    assert find(hub) == ""
    assert hub.asked == []


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("hf://owner/encoders/none.onnx", "no such file or revision"),
        ("hf://owner/nothing/e.onnx", "there is no such repository, or it asks for an access token"),
        ("hf://owner/encoders", "does not name a file: use hf://owner/repository/path"),
        ("hf://o w n/encoders/e.onnx", "does not name a file"),
        ("hf://owner/encoders/config.json", "is not a usable ONNX graph"),
    ],
)
def test_what_cannot_be_an_encoder_is_one_sentence(hub: Hub, url: str, says: str) -> None:
    with pytest.raises(UsageError, match=says) as refused:
        obtained(url)
    assert "\n" not in str(refused.value)


def test_a_hub_that_is_not_well_is_a_storage_fault(hub: Hub) -> None:
    hub.status = 501
    with pytest.raises(StorageError, match=r"hf://owner/encoders/onnx/encoder\.onnx"):
        obtained()


def test_the_download_draws_nothing_of_its_own(hub: Hub, capfd: pytest.CaptureFixture[str]) -> None:
    progress: Any = Listener()
    obtain_encoder(URL, progress)
    assert capfd.readouterr() == ("", "")
    assert len(progress.messages) == 1


def test_without_huggingface_hub_the_install_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UsageError, match=r"^cannot open hf:// locations: .*pip install 'emosense\[hub\]'$"):
        obtained()
    with pytest.raises(ModelError, match="is not on this machine"):
        find_encoder("0" * 64, [URL])
