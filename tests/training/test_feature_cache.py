"""What is refused before features are extracted."""

from __future__ import annotations

from pathlib import Path

import pytest

from emosense.errors import UsageError
from emosense.features.config import default_config
from emosense.progress import Silent
from emosense.training.feature_cache import FeatureSource, load_tables


def test_a_folder_without_labels_is_refused_before_anything_is_extracted(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.wav").write_bytes(b"x")
    # Nobody answers there: who extracts fails with a StorageError.
    source = FeatureSource(str(tmp_path / "in"), str(tmp_path / "cache"), "127.0.0.1:1")
    with pytest.raises(UsageError, match=r"no recording of .* has a label"):
        load_tables(source, {default_config("mfcc"): (0.9, 1.1)}, Silent())
    assert not (tmp_path / "cache").exists()
