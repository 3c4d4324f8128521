"""Files of the Hugging Face Hub, through huggingface_hub: its cache, its retries, its credentials.

``hf://owner/repository/path`` names a file, ``hf://owner/repository@revision/path`` one at a branch, tag or commit.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
from collections.abc import Iterator
from typing import Any

from emosense.errors import StorageError, UsageError
from emosense.storage.locations import redact
from emosense.storage.schemes import SCHEMES


def fetch_from_hub(url: str, *, is_forced: bool = False) -> str:
    """Fetch a file to the cache of huggingface_hub, unless it is there and unchanged.

    Without a connection the cached file is used.

    Parameters
    ----------
    url : str
        ``hf://`` URL of a file in a model repository.
    is_forced : bool
        Fetch it even if it is there.

    Returns
    -------
    str
        Path in the cache; the file never appears there before it is complete.

    Raises
    ------
    UsageError
        If the URL does not name a file, there is no such file, access is denied, or huggingface_hub is not installed.
    StorageError
        If the hub does not answer and the file is not in the cache.
    """
    try:
        from huggingface_hub import errors, hf_hub_download
    except ImportError as err:
        raise UsageError(f"cannot open hf:// locations: install {SCHEMES['hf'].install_command}") from err

    repository, revision, path = _parts(url)
    try:
        with _silenced():
            return hf_hub_download(repository, path, revision=revision, force_download=is_forced)
    except errors.LocalEntryNotFoundError as err:
        raise StorageError(f"the hub does not answer, and {redact(url)} is not in its cache") from err
    except (errors.GatedRepoError, errors.RepositoryNotFoundError) as err:
        text = "there is no such repository, or it asks for an access token (HF_TOKEN) and accepted terms"
        raise UsageError(f"cannot fetch {redact(url)}: {text}") from err
    except (errors.EntryNotFoundError, errors.RevisionNotFoundError) as err:
        raise UsageError(f"cannot fetch {redact(url)}: the repository has no such file or revision") from err
    except errors.HFValidationError as err:
        raise UsageError(f"{redact(url)} does not name a file: use hf://owner/repository/path") from err
    # The hub's client raises the errors of the HTTP library that its version uses.
    except Exception as err:
        raise StorageError(f"cannot fetch {redact(url)}: {redact(str(err).partition(chr(10))[0])}") from err


def cached_from_hub(url: str) -> str:
    """Find a file in the cache of huggingface_hub, without a connection.

    Parameters
    ----------
    url : str
        ``hf://`` URL of a file in a model repository.

    Returns
    -------
    str
        Its path; empty if it is not there, or huggingface_hub is not installed.
    """
    try:
        from huggingface_hub import try_to_load_from_cache

        repository, revision, path = _parts(url)
        found = try_to_load_from_cache(repository, path, revision=revision)
    except (ImportError, UsageError, ValueError):
        return ""
    return found if isinstance(found, str) else ""


def recorded_sha256(file: str) -> str:
    """Return the sha256 that the hub has published for a file in the cache.

    Parameters
    ----------
    file : str
        Path that `fetch_from_hub` returned.

    Returns
    -------
    str
        In hexadecimal digits; empty for a small file, for which the hub publishes a Git hash.
    """
    # In the cache a file is a link to its content, whose name is the digest.
    name = os.path.basename(os.path.realpath(file))
    return name if re.fullmatch(r"[0-9a-f]{64}", name) else ""


@contextlib.contextmanager
def _silenced() -> Iterator[None]:
    """Keep huggingface_hub from writing to standard error."""
    from huggingface_hub import utils

    bars: Any = utils  # its functions are public, and not declared for type checkers
    were_disabled = bars.are_progress_bars_disabled()
    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    bars.disable_progress_bars()
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
        if not were_disabled:
            bars.enable_progress_bars()


def _parts(url: str) -> tuple[str, str | None, str]:
    """Return repository, revision and path of a URL."""
    match = re.fullmatch(r"hf://([^/@]+/[^/@]+)(?:@([^/]+))?/(.+)", url, re.IGNORECASE)
    if not match:
        raise UsageError(f"{redact(url)} does not name a file: use hf://owner/repository/path")
    return match[1], match[2] and match[2].replace("%2F", "/"), match[3]
