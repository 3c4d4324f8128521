"""The encoder that a user names -> its file: local, from the Hugging Face Hub, a web server or object storage.

``hf://`` files stay in the cache of huggingface_hub. Others are kept in ``encoders/`` of the cache folder, under their
sha256, rather than in one of fsspec's caches: after a download that broke off at half of the file, both simplecache and
filecache keep serving that half (measured with fsspec 2026.9), and a newly signed URL is fetched again.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import urllib.parse
from collections.abc import Callable
from typing import Final

from emosense.errors import OutputError, StorageError, UsageError
from emosense.features.encoder.files import MAX_BYTES, cached_encoder, has_other_files, sha256_of
from emosense.onnx_session import open_session
from emosense.progress import Progress
from emosense.storage.commits import put_file
from emosense.storage.folders import make_folder, remove
from emosense.storage.locations import redact, without_credentials
from emosense.storage.objects import fetch_object
from emosense.storage.schemes import is_url, scheme_of
from emosense.storage.writing import write_bytes

_PAUSE_S: Final = 1.0
# Presigned URLs of S3 (both versions), Google, Azure and CloudFront.
_SIGNED: Final = re.compile(r"(?i)[?&](?:x-amz-|x-goog-)?sig(?:nature)?=")

Check = Callable[[str, str], object]


def obtain_encoder(location: str, progress: Progress, check: Check | None = None) -> tuple[str, str]:
    """Return the file of an encoder that the user names; a URL is fetched once.

    Parameters
    ----------
    location : str
        Path or URL: ``hf://owner/repository/file.onnx``, http, https, or object storage.
    progress : Progress
        Receives how far a download is.
    check : callable, optional
        Takes a path and what the file is called in messages, and raises a UsageError where the file is not an encoder;
        by default, ONNX graphs are encoders.

    Returns
    -------
    tuple of str
        Absolute path, and sha256 of the content.

    Raises
    ------
    UsageError
        If there is no such file, or it is not an ONNX graph in one file.
    StorageError
        If the server or storage does not answer, or sends a damaged file.
    """
    if scheme_of(location).transport == "hub":
        return _from_hub(location, progress, check or _refuse_unusable)
    if is_url(location):
        return _fetched(location, progress, check or _refuse_unusable)
    sha256 = sha256_of(location)
    if not sha256:
        raise UsageError(
            f"no readable file at {redact(location)}: --encoder takes the path or URL of a file of at most 2 GB, "
            "in the form .onnx, or .safetensors for train transfer"
        )
    (check or _refuse_other_files)(location, redact(location))
    return os.path.abspath(location), sha256


def _from_hub(url: str, progress: Progress, check: Check) -> tuple[str, str]:
    """Fetch an encoder through huggingface_hub, which checks its size, and check the sha256 that the hub publishes."""
    from emosense.storage.hub import fetch_from_hub, recorded_sha256

    progress.message(f"{redact(url)}: looking for it on the hub and in its cache")
    for is_forced in (False, True):
        file = fetch_from_hub(url, is_forced=is_forced)
        sha256 = sha256_of(file)
        if not sha256:
            raise UsageError(f"{redact(url)} is empty or larger than 2 GB: this is not an encoder")
        # What is damaged in the cache is fetched again.
        if recorded_sha256(file) in ("", sha256):
            check(file, redact(url))
            return os.path.abspath(file), sha256
    raise StorageError(f"{redact(url)} is damaged: its sha256 is {sha256}, the hub says {recorded_sha256(file)}")


def _fetched(url: str, progress: Progress, check: Check) -> tuple[str, str]:
    """Fetch an encoder, or find what an earlier command fetched from the same address."""
    shown = without_credentials(url)
    # The signature in the query differs every time; what it signs is the path.
    address = shown.partition("?")[0] if _SIGNED.search(url) else shown
    note = cached_encoder(hashlib.sha256(address.encode()).hexdigest()[:32]).removesuffix(".onnx") + ".json"
    make_folder(os.path.dirname(note))
    try:
        lock = os.open(f"{note}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as err:
        raise OutputError(f"cannot write to {redact(os.path.dirname(note))}: {err.strerror}") from err
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        sha256 = _noted(note)
        file = cached_encoder(sha256)
        if not sha256 or sha256_of(file) != sha256:
            arrived = note.removesuffix(".json") + ".download"
            _download(url, arrived, progress)
            sha256 = sha256_of(arrived)
            file = cached_encoder(sha256)
            try:
                check(arrived, redact(url))
            except UsageError:
                # Not kept: the next start must not find it.
                remove(arrived)
                raise
            put_file(arrived, file)
            write_bytes(note, json.dumps({"url": shown, "sha256": sha256}).encode())
    finally:
        os.close(lock)
    return os.path.abspath(file), sha256


def _noted(note: str) -> str:
    """Return the sha256 that a note of an earlier download names."""
    try:
        with open(note, "rb") as content:
            sha256 = str(json.load(content)["sha256"])
    except (OSError, ValueError, LookupError, TypeError):
        return ""
    return sha256 if re.fullmatch(r"[0-9a-f]{64}", sha256) else ""


def _download(url: str, file: str, progress: Progress) -> None:
    if scheme_of(url).transport == "http":
        # Imported here: a labelling worker imports this module, never downloads, and would start 0.05 s later.
        from emosense.storage.http import fetch, request_for

        parts = urllib.parse.urlsplit(url)
        folder, _, name = parts.path.rpartition("/")
        request = request_for(parts._replace(path=folder).geturl(), urllib.parse.quote(name, safe="%"))
        fetch(request, file, "", _PAUSE_S, progress)
        return
    progress.message(f"{redact(url.rpartition('/')[2])}: downloading")
    try:
        with open(file, "wb") as target:

            def refuse_too_much() -> None:
                if target.tell() > MAX_BYTES:
                    raise MemoryError

            fetch_object(url, target, refuse_too_much)
    except (FileNotFoundError, PermissionError, IsADirectoryError) as err:
        raise UsageError(f"no readable encoder at {redact(url)}") from err
    except MemoryError as err:
        remove(file)
        raise StorageError(f"{redact(url)} has more than {MAX_BYTES:,} bytes: this is not an encoder") from err


def _refuse_other_files(file: str, shown: str) -> None:
    if has_other_files(file):
        raise UsageError(
            f"{redact(shown)} refers to other files: an encoder is one file, of at most 2 GB; export it so, or in fp16"
        )


def _refuse_unusable(file: str, shown: str) -> None:
    """Refuse a fetched file that is not an encoder."""
    _refuse_other_files(file, shown)
    try:
        open_session(file)
    except Exception as err:  # onnxruntime raises no narrower class of its own for a graph that it refuses
        raise UsageError(f"{shown} is not a usable ONNX graph: {redact(str(err))}") from err
