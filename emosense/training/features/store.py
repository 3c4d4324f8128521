"""Extracted features on disk, one row per recording, so that each recording is extracted once.

A store is a folder for one feature configuration, one variant of the recordings and one state of the code. Files are
added to it and never changed, so any number of processes can write at once: at worst a recording is extracted twice.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import secrets
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from emosense.features.config import FeatureConfig
from emosense.features.sets import FEATURE_SETS
from emosense.inputs.recording import Recording
from emosense.storage.folders import exists, list_folder, make_folder, remove
from emosense.storage.locations import absolute_location, join
from emosense.storage.schemes import is_url
from emosense.storage.writing import write_bytes
from emosense.training.features.extraction import Variant
from emosense.training.features.files import StoredFeatures, feature_file, keys_of, read_features, recording_key
from emosense.training.features.mapped_values import MappedValues
from emosense.training.source_digest import source_digest

# The modules that decide the values of features, besides that of the feature set itself.
EXTRACTING_MODULES: Final = (
    "emosense.audio",
    "emosense.features",
    "emosense.onnx_session",
    "emosense.training.features.extraction",
)
_FILES_AT_ONCE: Final = 16
_NAME: Final = re.compile(r"features-.+-[0-9a-f]{24}(-.+)?")


class FeatureStore:
    """The features of recordings under one configuration.

    Parameters
    ----------
    cache : str
        Folder or URL of the feature cache, in which the store has its own folder.
    config : FeatureConfig
        Settings of the features.
    variant : Speed, Disturbance or None
        What is done to the recordings before their features are extracted.
    """

    def __init__(self, cache: str, config: FeatureConfig, variant: Variant | None) -> None:
        function_module = FEATURE_SETS[config.set].function.partition(":")[0]
        key = f"{config.key} {source_digest(*EXTRACTING_MODULES, function_module)}"
        suffix = "" if variant is None else f"-{variant.key}"
        digest = hashlib.sha256(key.encode()).hexdigest()[:24]
        # Workers have working directories of their own.
        self.folder: Final = join(absolute_location(cache), f"features-{config.set}-{digest}{suffix}")
        # By this file a machine knows the folder of the process that reads it from one of the same name.
        self._marker: Final = join(self.folder, f"marker-{secrets.token_hex(8)}")

    def missing(self, recordings: Sequence[Recording]) -> list[Recording]:
        """Return the recordings that have no row yet.

        Parameters
        ----------
        recordings : sequence of Recording
            Recordings to look for.

        Returns
        -------
        list of Recording
            Those to extract, in order, each once.
        """
        # A remote file takes several requests, and each task of an extraction has written one.
        with ThreadPoolExecutor(_FILES_AT_ONCE) as threads:
            known = {key for keys in threads.map(keys_of, self._files()) for key in keys}
        return list({key: each for each in recordings if (key := recording_key(each)) not in known}.values())

    def read(self, recordings: Collection[Recording]) -> dict[str, StoredFeatures]:
        """Read the features of recordings, into a temporary file.

        Parameters
        ----------
        recordings : collection of Recording
            Recordings to look for.

        Returns
        -------
        dict of str to StoredFeatures
            By `recording_key`; recordings without a row are left out.
        """
        wanted = {recording_key(each) for each in recordings}
        rows: list[tuple[str, str, str]] = []
        with MappedValues() as values:
            for file in self._files():
                found = read_features(file, wanted, values)
                wanted.difference_update(key for key, _, _ in found)
                rows += found
            features = values.views()
        return {key: StoredFeatures(each, *errors) for (key, *errors), each in zip(rows, features, strict=True)}

    @contextlib.contextmanager
    def created(self) -> Iterator[None]:
        """Make the folder of the store, for `add` in this block, here or on machines that share the folder.

        Yields
        ------
        None

        Raises
        ------
        OutputError
            If the folder cannot be written.
        """
        make_folder(self.folder)
        if not is_url(self.folder):
            write_bytes(self._marker, b"")
        try:
            yield
        finally:
            if not is_url(self.folder):
                # A marker that stays does no harm.
                with contextlib.suppress(OSError):
                    remove(self._marker)

    def add(self, recordings: Sequence[Recording], results: Sequence[dict[str, Any]]) -> bytes:
        """Add a file with further recordings, unless this machine does not have the folder that `created` made.

        Parameters
        ----------
        recordings : sequence of Recording
            Recordings that are not in the store.
        results : sequence of dict
            What `emosense.training.features.extraction.extract_recordings` gave for them. Those with a passing fault
            are not kept.

        Returns
        -------
        bytes
            Nothing if it is done; otherwise what another machine has to give to `keep`.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        content = feature_file(recordings, results)
        if content and (is_url(self.folder) or exists(self._marker)):
            self.keep(content)
            return b""
        return content

    def keep(self, content: bytes) -> None:
        """Write a file that `add` has made; a second time, it is the same file.

        Parameters
        ----------
        content : bytes
            The file.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        write_bytes(join(self.folder, f"{hashlib.sha256(content).hexdigest()[:32]}.parquet"), content)

    def _files(self) -> list[str]:
        return [join(self.folder, name) for name in list_folder(self.folder) if name.endswith(".parquet")]


def is_store(name: str) -> bool:
    """Tell whether a folder is that of a store.

    Parameters
    ----------
    name : str
        Name of the folder.

    Returns
    -------
    bool
    """
    return _NAME.fullmatch(name) is not None
