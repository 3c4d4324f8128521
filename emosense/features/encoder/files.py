"""Files of pretrained encoders on this machine.

An encoder is a file of some hundred megabytes that EmoSense does not ship. A model names its encoder by sha256. That
file is looked for on this machine and never fetched: only the user's own ``--encoder`` opens an address
(`emosense.features.encoder.download`).
"""

from __future__ import annotations

import hashlib
import mmap
import os
from collections.abc import Iterable
from typing import Final

from emosense.errors import ModelError
from emosense.onnx_session import refers_to_other_files
from emosense.storage.locations import join, redact
from emosense.storage.schemes import is_url, scheme_of

# No ONNX file is larger: protobuf's limit.
MAX_BYTES: Final = 2 << 30


def default_cache() -> str:
    """Return the folder for feature tables and encoders.

    Returns
    -------
    str
        ``EMOSENSE_CACHE``, else ``emosense`` in ``XDG_CACHE_HOME``, else ``~/.cache/emosense``.
    """
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.environ.get("EMOSENSE_CACHE") or os.path.join(base, "emosense")


def cached_encoder(sha256: str) -> str:
    """Return the path of an encoder in the cache folder, whether it is there or not.

    Parameters
    ----------
    sha256 : str
        Of its content, in hexadecimal digits.

    Returns
    -------
    str
        Local path.
    """
    return join(default_cache(), f"encoders/{sha256}.onnx")


def sha256_of(file: str) -> str:
    """Return the sha256 of a file that may be an encoder.

    Parameters
    ----------
    file : str
        Local path.

    Returns
    -------
    str
        In hexadecimal digits; empty where there is no regular file of 1 byte to 2 GB.
    """
    # A path in a model from elsewhere may be a FIFO or a device, which would never end, a disk image, or a file of
    # /proc, whose size is 0 whatever it holds.
    try:
        if not os.path.isfile(file) or not 0 < os.path.getsize(file) <= MAX_BYTES:
            return ""
        with open(file, "rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError:
        return ""


def find_encoder(sha256: str, places: Iterable[str]) -> str:
    """Find an encoder on this machine; nothing is fetched.

    Parameters
    ----------
    sha256 : str
        Of its content.
    places : iterable of str
        Paths and URLs where it may be; empty ones are skipped. Of an ``hf://`` URL the cache of huggingface_hub is
        searched, of other URLs nothing. The cache folder is searched last.

    Returns
    -------
    str
        Absolute path.

    Raises
    ------
    ModelError
        If it is nowhere, or has its tensors in other files.
    """
    named = [place for place in places if place]
    for place in (*named, cached_encoder(sha256)):
        file = _local_file(place)
        if file and sha256_of(file) == sha256:
            if has_other_files(file):
                raise ModelError(f"{redact(file)} refers to other files: an encoder is one file")
            return os.path.abspath(file)
    raise ModelError(
        f"the encoder {redact(''.join(named[-1:]))} with sha256 {sha256} is not on this machine: "
        "give its file with --encoder PATH, "
        f"or put it at {redact(cached_encoder(sha256))}"
    )


def _local_file(place: str) -> str:
    if scheme_of(place).transport == "hub":
        # Imported here: a labelling worker imports this module and never needs it.
        from emosense.storage.hub import cached_from_hub

        return cached_from_hub(place)
    return "" if is_url(place) else place


def has_other_files(file: str) -> bool:
    """Tell whether the tensors of a graph are in other files.

    Parameters
    ----------
    file : str
        Local path of an ONNX file.

    Returns
    -------
    bool
    """
    with open(file, "rb") as content:
        if os.fstat(content.fileno()).st_size == 0:
            return False
        with mmap.mmap(content.fileno(), 0, access=mmap.ACCESS_READ) as graph:
            return refers_to_other_files(graph)
