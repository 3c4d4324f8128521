"""One file over HTTP: a download resumes where it stopped, is retried after passing faults, and checked by its hash."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.client
import os
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Final

from emosense.errors import OutputError, StorageError, UsageError
from emosense.progress import Progress
from emosense.storage.commits import put_file
from emosense.storage.folders import remove
from emosense.storage.locations import redact
from emosense.storage.retry_after import retry_after_s
from emosense.storage.schemes import scheme_of
from emosense.storage.writing import write_bytes

_BLOCK_BYTES: Final = 1 << 18
_MAX_BYTES: Final = 2 << 30
_TIMEOUT_S: Final = 60.0
# Failures in a row, without a new byte, after which a rerun has to resume.
_N_TRIES: Final = 6
_MAX_PAUSE_S: Final = 120.0
_PASSING_STATUS: Final = (408, 425, 429, 500, 502, 503, 504)
_NETWORK_FAULTS: Final = (OSError, http.client.HTTPException)


class _PassingFault(Exception):
    """The server or the network failed for now; a server may say how long to wait."""

    def __init__(self, text: str, wait_s: float = 0.0) -> None:
        super().__init__(text)
        self.wait_s = wait_s


def request_for(url: str, name: str) -> urllib.request.Request:
    """Prepare the request for a file below a URL.

    Parameters
    ----------
    url : str
        Folder, ``http`` or ``https``; its query is kept, its credentials become a header.
    name : str
        Name of the file, quoted.

    Returns
    -------
    Request
        For `fetch`.

    Raises
    ------
    UsageError
        If the URL has another scheme, no host or a wrong port.
    """
    parts = urllib.parse.urlsplit(url)
    try:
        port = f":{parts.port}" if parts.port else ""
    except ValueError as err:
        raise UsageError(f"the port is wrong in {redact(url)}") from err
    if scheme_of(url).transport != "http" or not re.fullmatch(r"[\w.:-]+", parts.hostname or "", re.ASCII):
        raise UsageError(f"files are fetched from http:// and https:// addresses, not from {redact(url)}")
    host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else parts.hostname
    path, query = (urllib.parse.quote(text, safe="/%:=&+,;@~!$'()*?") for text in (parts.path, parts.query))
    address = urllib.parse.urlunsplit((parts.scheme, f"{host}{port}", f"{path.rstrip('/')}/{name}", query, ""))
    request = urllib.request.Request(address, headers={"User-Agent": "emosense", "Accept-Encoding": "identity"})  # noqa: S310 - the scheme was checked
    if parts.username is not None:
        secret = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
        # Not sent to the host of a redirection.
        request.add_unredirected_header("Authorization", "Basic " + base64.b64encode(secret.encode()).decode())
    return request


def fetch(request: urllib.request.Request, path: str, md5: str, pause_s: float, progress: Progress) -> None:
    """Fetch a file, resuming after every passing fault, and check it.

    Parameters
    ----------
    request : Request
        From `request_for`.
    path : str
        Local path at which the complete file appears; until then it is at ``path.part``.
    md5 : str
        MD5 sum in hexadecimal digits; empty to check nothing.
    pause_s : float
        Seconds to wait after the first failure; doubled after each further one.
    progress : Progress
        Counts megabytes.

    Raises
    ------
    UsageError
        If the server refuses the request.
    StorageError
        If the server does not answer, or the file is damaged or too large.
    OutputError
        If the file cannot be written.
    """
    name, part = os.path.basename(path), path + ".part"
    n_most, n_failures = _size(part), 0
    progress.message(f"{name}: downloading" + (f", resuming after {n_most / 1e6:.0f} MB" if n_most else ""))
    while True:
        try:
            _transfer(request, part, progress)
            break
        except _PassingFault as fault:
            # A server that ignores ranges and always breaks off at the same byte makes no progress.
            n_failures = 1 if _size(part) > n_most else n_failures + 1
            n_most = max(n_most, _size(part))
            if n_failures == _N_TRIES:
                kept = f"{_size(part) / 1e6:.0f} MB are kept, run the same command again to resume"
                raise StorageError(f"{redact(request.full_url)} cannot be fetched: {fault}; {kept}") from fault
            wait_s = min(max(fault.wait_s, pause_s * 2 ** (n_failures - 1)), _MAX_PAUSE_S)
            progress.message(f"{name}: {fault}; trying again in {wait_s:.0f} s")
            time.sleep(wait_s)
    found = md5_of(part)
    remove(part + ".version")
    if md5 and found != md5:
        remove(part)
        raise StorageError(f"{name} is damaged or another file: its MD5 sum is {found}, not {md5}; it was removed")
    put_file(part, path)


def _transfer(request: urllib.request.Request, part: str, progress: Progress) -> None:
    """Fetch the rest of a part in one request, or as much of it as arrives."""
    n_have, version = _size(part), _read_text(part + ".version")
    for header in ("Range", "If-range"):
        request.remove_header(header)
    if n_have:
        request.add_header("Range", f"bytes={n_have}-")
        if version:
            request.add_header("If-range", version)
    try:
        response = _web_opener().open(request, timeout=_TIMEOUT_S)
    except urllib.error.HTTPError as err:
        with err:
            if err.code == 416 and err.headers.get("Content-Range") == f"bytes */{n_have}":
                return
            raise _http_fault(err, part, redact(request.full_url)) from err
    except _NETWORK_FAULTS as err:
        raise _PassingFault(_words(err)) from err
    with response:
        if response.headers.get_content_type() == "text/html":
            # From a proxy, or a log-in page: it must not replace a part.
            raise StorageError(f"a web page came in place of the file from {redact(request.full_url)}")
        is_rest = response.status == 206
        if is_rest and not (response.headers.get("Content-Range") or "").startswith(f"bytes {n_have}-"):
            remove(part)
            raise _PassingFault("the server sent another range than the one requested")
        _write_part(response, part, n_have if is_rest else 0, progress)


def _write_part(response: http.client.HTTPResponse, part: str, n_have: int, progress: Progress) -> None:
    """Append what a response holds to the first `n_have` bytes of a part."""
    length = response.headers.get("Content-Length") or ""
    expected = n_have + int(length) if re.fullmatch(r"[0-9]{1,18}", length) else None
    if (expected or 0) > _MAX_BYTES:
        raise StorageError(f"the server announces {expected:,} bytes, more than the limit of {_MAX_BYTES:,}")
    try:
        with open(part, "ab") as file:
            file.truncate(n_have)
            write_bytes(part + ".version", _version(response).encode())
            progress.start(round((expected or 0) / 1e6))
            progress.advance(round(n_have / 1e6), 0)
            while block := _next_block(response):
                file.write(block)
                n_before, n_have = n_have, n_have + len(block)
                progress.advance(round(n_have / 1e6) - round(n_before / 1e6), 0)
                if n_have > _MAX_BYTES:
                    raise StorageError(f"the server sends more than the limit of {_MAX_BYTES:,} bytes")
    except OSError as err:
        raise OutputError(f"cannot write {redact(part)}: {err.strerror}") from err
    if expected is not None and n_have < expected:
        raise _PassingFault(f"the connection ended after {n_have:,} of {expected:,} bytes")


def _next_block(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read1(_BLOCK_BYTES)
    except _NETWORK_FAULTS as err:
        raise _PassingFault(_words(err)) from err


def _version(response: http.client.HTTPResponse) -> str:
    """Return what If-Range may contain: a strong etag, else the modification time (RFC 9110, 13.1.5)."""
    etag = response.headers.get("ETag") or ""
    version = etag if etag.startswith('"') else response.headers.get("Last-Modified") or ""
    return version if version.isascii() and version.isprintable() else ""


def _http_fault(err: urllib.error.HTTPError, part: str, url: str) -> Exception:
    """Return a lasting refusal as `UsageError`, a passing one as `_PassingFault`."""
    if err.code == 416:
        remove(part)
        return _PassingFault("the file on the server has changed, it is fetched from the start")
    if err.code in _PASSING_STATUS:
        return _PassingFault(f"the server says {err.code} {redact(str(err.reason))}", retry_after_s(err.headers))
    hint = {404: "there is no such file", 401: "check the credentials", 403: "access is denied"}.get(
        err.code, err.reason
    )
    return UsageError(f"{url} is refused with {err.code}: {redact(str(hint))}")


def _words(err: Exception) -> str:
    reason = getattr(err, "reason", None) or err
    return redact(getattr(reason, "strerror", None) or str(reason) or type(reason).__name__)


def _size(path: str) -> int:
    return os.path.getsize(path) if os.path.exists(path) else 0


def _read_text(path: str) -> str:
    with contextlib.suppress(OSError, ValueError), open(path, encoding="ascii") as file:
        return file.read()
    return ""


def md5_of(path: str) -> str:
    """Return the MD5 sum of a file.

    Parameters
    ----------
    path : str
        Local path.

    Returns
    -------
    str
        In hexadecimal digits; empty if there is no such file.
    """
    if not os.path.exists(path):
        return ""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _web_opener() -> urllib.request.OpenerDirector:
    """Open only http and https, through the environment's proxies: a redirection cannot lead to another scheme."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler, urllib.request.UnknownHandler, urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler, urllib.request.HTTPDefaultErrorHandler, urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPErrorProcessor,
    ):  # fmt: skip
        opener.add_handler(handler())
    return opener
