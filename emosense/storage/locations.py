"""Locations as text: how paths and URLs are joined, compared, and shown without credentials."""

from __future__ import annotations

import os
import re
from typing import Final

from emosense.errors import UsageError
from emosense.storage.schemes import is_url, scheme_name, scheme_of

# Stands for a credential that is not shown.
HIDDEN: Final = "***"
# Up to the last @ before the path: a password may contain one. What Azure has there is the name of a container.
_USER: Final = re.compile(r"(?i)(?P<container>\b(?:abfss?|wasbs?|az)://[^/\s@:]+@)(?![^/\s]*@)|://[^/\s]*@")
_CREDENTIAL: Final = re.compile(
    r"(?i)([?&](?:[^=&\s]*(?:key|token|secret|signature|sig|password|credential)[^=&\s]*))=[^&\s]+"
)

# What signs a URL for a while: names of parameters that tell the kind, and all that belong to it (Amazon S3, Google
# Cloud Storage, CloudFront and the older form of S3, shared access signatures of Azure).
_SIGNATURES: Final = (
    (frozenset({"x-amz-signature"}), re.compile("x-amz-.*")),
    (frozenset({"x-goog-signature"}), re.compile("x-goog-.*")),
    (
        frozenset({"signature", "expires"}),
        re.compile("signature|expires|awsaccesskeyid|googleaccessid|key-pair-id|x-amz-security-token"),
    ),
    (frozenset({"signature", "policy"}), re.compile("signature|policy|key-pair-id")),
    (frozenset({"sig", "sv"}), re.compile("sig|s[a-z]|spr|sip|sks|skv|skt|ske|skoid|sktid|srt")),
)


def local_path(location: str) -> str:
    """Return the path that a ``file://`` URL names.

    Parameters
    ----------
    location : str
        Local path or URL.

    Returns
    -------
    str
        The path; any other location unchanged.
    """
    if is_url(location) and scheme_of(location).transport == "path":
        path = location.partition("://")[2].removeprefix("localhost")
        return path if path.startswith("/") else location
    return location


def absolute_location(location: str) -> str:
    """Return the name of a location that does not depend on the working directory; links are kept.

    Parameters
    ----------
    location : str
        Local path or URL.

    Returns
    -------
    str
        Absolute path, or the URL without a slash at its end.

    Raises
    ------
    UsageError
        If the path is relative and the working directory was removed.
    """
    location = local_path(location)
    try:
        return location.rstrip("/") if is_url(location) else os.path.abspath(location)
    except FileNotFoundError as err:
        raise UsageError("the working directory was removed: change to another one") from err


def real_location(location: str) -> str:
    """Return what two names of the same place have in common, so that equal texts mean the same place.

    Parameters
    ----------
    location : str
        Local path or URL.

    Returns
    -------
    str
        Absolute path with all links followed, or the URL with its scheme in lower case and without a slash at its end.
    """
    location = absolute_location(location)
    if not is_url(location):
        return os.path.realpath(location)
    return f"{scheme_name(location)}://{location.partition('://')[2]}"


def is_within(location: str, folder: str) -> bool:
    """Return whether a location is a folder or inside it.

    Parameters
    ----------
    location, folder : str
        Local paths or URLs.

    Returns
    -------
    bool
        Links are followed on both sides.
    """
    place, top = real_location(location), real_location(folder)
    return place == top or place.startswith(f"{top}/")


def join(folder: str, name: str) -> str:
    """Join a folder's location and a name.

    Parameters
    ----------
    folder, name : str
        Local path or URL, and everything below it.

    Returns
    -------
    str
        With one slash between them.
    """
    return f"{folder.rstrip('/')}/{name}"


def check_object_name(location: str) -> None:
    """Refuse the name of an object to be written that stores and their tools understand in different ways.

    Parameters
    ----------
    location : str
        Local path or URL; only stores of objects in buckets are looked at.

    Raises
    ------
    UsageError
        If there is no bucket, or no name in it, or a step of the path is empty, ``.`` or ``..``.
    """
    scheme = scheme_of(location)
    if scheme.transport != "objects" or not scheme.package:
        return
    bucket, _, key = location.partition("://")[2].partition("/")
    if not bucket or not key.strip("/"):
        missing = "name in the bucket" if bucket else "bucket"
        raise UsageError(f"cannot write {redact(location)}: it has no {missing}")
    if any(step in ("", ".", "..") for step in key.rstrip("/").split("/")):
        raise UsageError(f"cannot write {redact(location)}: a step of its path is empty, . or ..")


def beside(table: str, path: str) -> str:
    """Return the location of a path that a table names.

    Parameters
    ----------
    table, path : str
        Location of the table, and a path or URL in it.

    Returns
    -------
    str
        Relative paths are taken from the folder of the table.
    """
    folder = table.rpartition("/")[0]
    return path if is_url(path) or os.path.isabs(path) or not folder else join(folder, path)


def without_credentials(text: str) -> str:
    """Replace user names, passwords, keys and tokens of all URLs in a text.

    Parameters
    ----------
    text : str
        A location, or a sentence with locations in it.

    Returns
    -------
    str
        With ``***`` in place of each.
    """
    text = _USER.sub(lambda match: match[0] if match["container"] else f"://{HIDDEN}@", text)
    return _CREDENTIAL.sub(rf"\1={HIDDEN}", text)


def shown_location(location: str) -> str:
    """Return a location as tables and manifests have it.

    Parameters
    ----------
    location : str
        Local path or URL.

    Returns
    -------
    str
        Without credentials, and without what signs a URL for a while: a new signature is the same place.
    """
    return without_credentials(_without_signature(location) if is_url(location) else location)


def _without_signature(url: str) -> str:
    start, mark, query = url.partition("?")
    names = {part.partition("=")[0].lower() for part in query.split("&")}
    for markers, signs in _SIGNATURES:
        if markers <= names:
            left = [part for part in query.split("&") if not signs.fullmatch(part.partition("=")[0].lower())]
            return start + (mark + "&".join(left) if left else "")
    return url


def redact(text: str) -> str:
    """Make a text fit for terminals and logs: without credentials, and on one line.

    Parameters
    ----------
    text : str
        Any text, such as a file name from outside.

    Returns
    -------
    str
        Control characters, with which a file name could control a terminal or forge a line, are escaped.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in without_credentials(text))
