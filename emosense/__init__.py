"""EmoSense: the emotion in every recording of a folder or a bucket.

    import emosense

    for row in emosense.label(["a.wav", "b.wav"]):
        print(row.path, row.emotion, row.confidence)

The command line is `emosense-batch`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emosense._version import __version__

if TYPE_CHECKING:
    from emosense.api import extract_features, label, load_model

__all__ = ["__version__", "extract_features", "label", "load_model"]

_API = frozenset({"extract_features", "label", "load_model"})


def __getattr__(name: str) -> Any:
    """Load the Python API when it is first asked for: `import emosense` stays light."""
    if name in _API:
        import importlib

        return getattr(importlib.import_module("emosense.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_API})
