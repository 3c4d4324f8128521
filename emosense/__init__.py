"""EmoSense: speech emotion recognition for folders and buckets of recordings.

    import emosense

    with emosense.Labeller() as labeller:
        for row in labeller.label_many(["a.wav", "b.wav"]):
            print(row.path, row.emotion, row.confidence)

The command line is `emosense-batch`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emosense._version import __version__

if TYPE_CHECKING:
    from emosense.api import LabelBatch, Labeller, extract_features, label, load_model, to_pandas

__all__ = ["LabelBatch", "Labeller", "__version__", "extract_features", "label", "load_model", "to_pandas"]

_API = frozenset({"LabelBatch", "Labeller", "extract_features", "label", "load_model", "to_pandas"})


def __getattr__(name: str) -> Any:
    """Import the Python API when it is first used, so that `import emosense` stays fast."""
    if name in _API:
        import importlib

        return getattr(importlib.import_module("emosense.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_API})
