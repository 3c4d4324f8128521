"""A published corpus -> its folder: archives are fetched over HTTP, checked by hash, and unpacked.

A download that was stopped resumes: its data is kept in a hidden folder of the corpus. A range request fetches the rest
of an archive, the unpacking of a complete one continues, and an archive that has been unpacked leaves a receipt.
Credentials in a URL are sent only to its host, and never shown.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import re
from collections.abc import Iterator
from typing import Final

from emosense.errors import OutputError, StorageError, UsageError
from emosense.progress import Progress
from emosense.storage.folders import make_folder, remove
from emosense.storage.http import fetch, md5_of, request_for
from emosense.storage.locations import redact
from emosense.storage.schemes import is_url
from emosense.storage.writing import write_bytes
from emosense.storage.zip_archive import Member, make_real_folder, unpack

# Zenodo record 1188976 (Livingstone and Russo, 2018, CC BY-NC-SA 4.0), and the MD5 sums that it publishes. MD5 detects
# damage but would not stop an attacker, which is why `emosense.storage.zip_archive` trusts no member.
RAVDESS_URL: Final = "https://zenodo.org/records/1188976/files"
RAVDESS_SPEECH: Final = ("Audio_Speech_Actors_01-24.zip", "bc696df654c87fed845eb13823edef8a")
RAVDESS_SONG: Final = ("Audio_Song_Actors_01-24.zip", "5411230427d67a21e18aa4d466e6d1b9")

_WORK_FOLDER: Final = ".emosense-download"


@dataclasses.dataclass(frozen=True, slots=True)
class DownloadJob:
    """What to download, and where to put it.

    Parameters
    ----------
    folder : str
        Local path of the corpus.
    archives : tuple of (name, md5)
        File names, and MD5 sums in hexadecimal digits.
    url : str
        Folder of the archives, ``http`` or ``https``.
    pause_s : float
        Seconds to wait after the first failure; doubled after each further one.
    """

    folder: str
    archives: tuple[tuple[str, str], ...] = (RAVDESS_SPEECH,)
    url: str = RAVDESS_URL
    pause_s: float = 1.0


def download(job: DownloadJob, progress: Progress) -> int:
    """Fetch and unpack the archives of a corpus that are not there yet.

    Parameters
    ----------
    job : DownloadJob
        What to download.
    progress : Progress
        Counts megabytes, then files.

    Returns
    -------
    int
        Number of archives that were fetched or unpacked.

    Raises
    ------
    UsageError
        If an address or a hash is malformed, or another download is writing to the folder.
    StorageError
        If the server does not answer, or an archive is damaged or refused; a rerun resumes.
    OutputError
        If the folder cannot be written.
    """
    for name, md5 in job.archives:
        if not re.fullmatch(r"[0-9a-f]{32}", md5):
            raise UsageError(f"the MD5 sum of {name} has 32 hexadecimal digits, not {redact(md5)!r}")
    if is_url(job.folder):
        raise UsageError(f"archives are unpacked to a local folder, not to {redact(job.folder)}")
    requests = [request_for(job.url, name) for name, _ in job.archives]
    n_new = 0
    with _locked(job.folder) as work:
        for (name, md5), request in zip(job.archives, requests, strict=True):
            path = os.path.join(work, name)
            members = _unpacked(path + ".json", md5, job.folder)
            if members:
                progress.message(f"{name}: already complete, {len(members):,} files in {redact(job.folder)}")
                continue
            n_new += 1
            if md5_of(path) != md5:
                fetch(request, path, md5, job.pause_s, progress)
            _unpack(path, md5, job.folder, progress)
    return n_new


@contextlib.contextmanager
def _locked(folder: str) -> Iterator[str]:
    """Lock the folder, so that no two downloads write the same files; yield its hidden folder."""
    make_folder(folder)
    work = os.path.join(folder, _WORK_FOLDER)
    make_real_folder(work)
    try:
        descriptor = os.open(os.path.join(work, "lock"), os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    except OSError as err:
        raise OutputError(f"cannot write to {redact(work)}: {err.strerror}") from err
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as err:
            raise UsageError(f"another download is writing to {redact(folder)}: wait for it to finish") from err
        yield work
    finally:
        os.close(descriptor)


def _unpacked(receipt: str, md5: str, folder: str) -> list[Member]:
    """Return the files of an unpacked archive, by its receipt; none if a file is missing."""
    try:
        with open(receipt, "rb") as file:
            content = json.load(file)
        members = [Member(str(name), int(size)) for name, size in content["members"]]
        is_whole = all(os.path.getsize(os.path.join(folder, member.name)) == member.size for member in members)
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return members if is_whole and content["md5"] == md5 else []


def _unpack(path: str, md5: str, folder: str, progress: Progress) -> None:
    name = os.path.basename(path)
    progress.message(f"{name}: unpacking to {redact(folder)}")
    try:
        members = unpack(path, folder, path + ".member", progress)
    except StorageError:
        remove(path)
        raise
    receipt = {"md5": md5, "members": [dataclasses.astuple(member) for member in members]}
    write_bytes(path + ".json", json.dumps(receipt).encode())
    remove(path)
    progress.message(f"{name}: {len(members):,} files are in {redact(folder)}")
