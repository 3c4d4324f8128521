"""Where the files of pretrained encoders lie: named by the user, or kept in the cache folder under their sha256.

An encoder is some hundred megabytes that EmoSense does not ship. A model names its encoder by sha256; the file is
looked for and never fetched, since only the user's own command may make this machine open an address.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import mmap
import os
import re
import urllib.parse
from collections.abc import Iterable
from typing import Final

from emosense.errors import ModelError, OutputError, StorageError, UsageError
from emosense.onnx_session import open_session, refers_to_other_files
from emosense.progress import Progress
from emosense.storage.files import make_folder, remove, write_bytes
from emosense.storage.locations import join, redact, without_credentials
from emosense.storage.objects import fetch_object
from emosense.storage.schemes import is_url

_PAUSE_S: Final = 1.0
# No ONNX file is larger: protobuf's limit.
_MAX_BYTES: Final = 2 << 30
# Presigned URLs of S3 (both versions), Google, Azure and CloudFront.
_SIGNED: Final = re.compile(r"(?i)[?&](?:x-amz-|x-goog-)?sig(?:nature)?=")


def default_cache() -> str:
    """Folder for feature tables and encoders: EMOSENSE_CACHE, else the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.environ.get("EMOSENSE_CACHE") or os.path.join(base, "emosense")


def cached_encoder(sha256: str) -> str:
    """Place of an encoder in the cache folder, whether it is there or not."""
    return join(default_cache(), f"encoders/{sha256}.onnx")


def sha256_of(file: str) -> str:
    """Sha256 of a regular file that may be an encoder, in hexadecimal digits; empty if there is none."""
    # What a model from elsewhere names may be a FIFO or a device, which would never end, a disk's image, or a file of
    # /proc, whose size is 0 whatever it holds.
    try:
        if not os.path.isfile(file) or not 0 < os.path.getsize(file) <= _MAX_BYTES:
            return ""
        with open(file, "rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError:
        return ""


def find_encoder(sha256: str, places: Iterable[str]) -> str:
    """Return the absolute path of an encoder.

    Parameters
    ----------
    sha256 : str
        What its content must have.
    places : iterable of str
        Where it may be; the cache folder comes last. URLs and places without it are passed over.

    Raises
    ------
    ModelError
        If it is nowhere, or has its tensors in other files.
    """
    named = [place for place in places if place]
    for place in (*named, cached_encoder(sha256)):
        if not is_url(place) and sha256_of(place) == sha256:
            if _has_other_files(place):
                raise ModelError(f"{redact(place)} refers to other files: an encoder is one file")
            return os.path.abspath(place)
    raise ModelError(
        f"the encoder {redact(''.join(named[-1:]))} with sha256 {sha256} is not on this machine: "
        "give its file with --encoder PATH, "
        f"or put it at {redact(cached_encoder(sha256))}"
    )


def obtain_encoder(location: str, progress: Progress) -> tuple[str, str]:
    """Return the absolute path and the sha256 of an encoder that the user names; a URL is fetched once.

    Parameters
    ----------
    location : str
        Path or URL (http, https, or object storage). What came from a URL is kept in the cache folder.

    Raises
    ------
    UsageError
        If there is no such file, or it is no ONNX graph in one file.
    StorageError
        If the server or storage does not answer.
    """
    if is_url(location):
        return _fetched(location, progress)
    sha256 = sha256_of(location)
    if not sha256:
        raise UsageError(
            f"no file that can be read at {redact(location)}: --encoder takes path or URL of an .onnx of at most 2 GB"
        )
    _refuse_other_files(location, location)
    return os.path.abspath(location), sha256


def _fetched(url: str, progress: Progress) -> tuple[str, str]:
    """Fetch an encoder, or find what an earlier command has fetched from the same address."""
    shown = without_credentials(url)
    # A signature in the query is another one every time, and what it signs is the path.
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
            _refuse_unusable(arrived, redact(url))
            os.replace(arrived, file)
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
    if url.split("://")[0].lower() in ("http", "https"):
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
                if target.tell() > _MAX_BYTES:
                    raise MemoryError

            fetch_object(url, target, refuse_too_much)
    except (FileNotFoundError, PermissionError, IsADirectoryError) as err:
        raise UsageError(f"no encoder that can be read at {redact(url)}") from err
    except MemoryError as err:
        remove(file)
        raise StorageError(f"{redact(url)} has more than {_MAX_BYTES:,} bytes: this is no ONNX file") from err


def _has_other_files(file: str) -> bool:
    with open(file, "rb") as content:
        if os.fstat(content.fileno()).st_size == 0:
            return False
        with mmap.mmap(content.fileno(), 0, access=mmap.ACCESS_READ) as graph:
            return refers_to_other_files(graph)


def _refuse_other_files(file: str, shown: str) -> None:
    if _has_other_files(file):
        raise UsageError(
            f"{redact(shown)} refers to other files: an encoder is one file, of at most 2 GB; export it so, or in fp16"
        )


def _refuse_unusable(file: str, shown: str) -> None:
    """Refuse what was fetched before it is kept, so that the next start does not find it again."""
    try:
        _refuse_other_files(file, shown)
        open_session(file)
    except Exception as err:  # onnxruntime raises no narrower class of its own for a graph that it refuses
        remove(file)
        if isinstance(err, UsageError):
            raise
        raise UsageError(f"{shown} is not a usable ONNX graph: {redact(str(err))}") from err
