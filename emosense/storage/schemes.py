"""The URL schemes that EmoSense knows: which package opens each, which extra installs it, and what it allows.

A scheme that has no entry here but that fsspec knows works too: it is treated as object storage.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Final, Literal

from emosense.registry import Registry

Transport = Literal["path", "http", "hub", "objects"]

_URL: Final = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*)://")


@dataclasses.dataclass(frozen=True, slots=True)
class Scheme:
    """How locations of one URL scheme are opened.

    Parameters
    ----------
    summary : str
        What is stored there, for the documentation.
    transport : str
        ``path``: the operating system, which renames and locks files. ``objects``: whole objects through fsspec, which
        cannot be renamed. ``http``: a web server. ``hub``: a repository of the Hugging Face Hub. For recordings and
        tables, ``http`` and ``hub`` go through fsspec as well.
    package : str
        Python package that fsspec needs for it; empty where fsspec needs none.
    extra : str
        Extra of EmoSense that installs the package; empty for none.
    is_read_only : bool
        Whether nothing is written there, and no model is read from there.
    driver : str
        Scheme by which fsspec knows it; empty for its own.
    """

    summary: str
    transport: Transport = "objects"
    package: str = ""
    extra: str = ""
    is_read_only: bool = False
    driver: str = ""

    @property
    def install_command(self) -> str:
        """Command that installs what the scheme needs; empty where it needs nothing."""
        if self.extra:
            return f"pip install 'emosense[{self.extra}]'"
        return f"pip install {self.package}" if self.package else ""


SCHEMES: Final[Registry[Scheme]] = Registry("storage scheme", "emosense.storage_schemes")
_S3: Final = Scheme("Amazon S3 and compatible stores", package="s3fs", extra="s3")
_GCS: Final = Scheme("Google Cloud Storage", package="gcsfs", extra="gcs")
_AZURE: Final = Scheme("Azure Blob Storage and Data Lake Gen2", package="adlfs", extra="azure", driver="abfs")
_WEB: Final = Scheme("a web server", "http", package="aiohttp", is_read_only=True)
for _name, _scheme in {
    "file": Scheme("this machine", "path"),
    "local": Scheme("this machine", "path"),
    "s3": _S3,
    "s3a": _S3,
    "gs": _GCS,
    "gcs": _GCS,
    "az": _AZURE,
    "abfs": _AZURE,
    "abfss": _AZURE,
    "wasb": _AZURE,
    "wasbs": _AZURE,
    "hf": Scheme("the Hugging Face Hub", "hub", package="huggingface_hub", extra="hub", is_read_only=True),
    "http": _WEB,
    "https": _WEB,
    "ftp": Scheme("an FTP server", is_read_only=True),
    "memory": Scheme("the memory of this process, for tests"),
}.items():
    SCHEMES.register(_name, _scheme)

_UNKNOWN: Final = Scheme("another store that fsspec knows")


def is_url(location: str) -> bool:
    """Return whether a location is a URL; ``C:`` and ``a::b`` are local names.

    Parameters
    ----------
    location : str
        Local path or URL.

    Returns
    -------
    bool
        True also for ``file://``.
    """
    return _URL.match(location) is not None


def scheme_name(url: str) -> str:
    """Return the scheme of a URL in lower case.

    Parameters
    ----------
    url : str
        A location for which `is_url` holds.

    Returns
    -------
    str
        ``s3`` for ``S3://bucket``.
    """
    return url.partition("://")[0].lower()


def scheme_of(location: str) -> Scheme:
    """Return how a location is opened.

    Parameters
    ----------
    location : str
        Local path or URL.

    Returns
    -------
    Scheme
        That of ``file`` for a path; that of object storage for a scheme without an entry.
    """
    return SCHEMES.get(scheme_name(location), _UNKNOWN) if is_url(location) else SCHEMES["file"]


def driver_url(url: str) -> str:
    """Return a URL as fsspec knows it, which has one scheme for all of those that Azure uses.

    Parameters
    ----------
    url : str
        A location for which `is_url` holds.

    Returns
    -------
    str
        ``abfs://c@a.blob.core.windows.net/x`` for ``wasbs://c@a.blob.core.windows.net/x``.
    """
    return f"{scheme_of(url).driver or scheme_name(url)}://{url.partition('://')[2]}"


def schemes_by_package() -> dict[str, tuple[Scheme, str]]:
    """Return the schemes that need a package of their own.

    Returns
    -------
    dict
        By package: one of its schemes, and the names of all as URLs begin with them (``s3://, s3a://``).
    """
    found: dict[str, tuple[Scheme, str]] = {}
    for name, scheme in SCHEMES.items():
        if scheme.package:
            before = f"{found[scheme.package][1]}, " if scheme.package in found else ""
            found[scheme.package] = scheme, f"{before}{name}://"
    return found
