"""The packages that training needs and labelling does not: the extra `train`."""

from __future__ import annotations

import importlib.util
from typing import Final

from emosense.errors import UsageError

_PACKAGES: Final = ("onnx", "sklearn", "tensorflow", "tf2onnx")


def check_ray_data() -> None:
    """Refuse to extract features of a corpus without Ray Data, before Ray is started.

    Raises
    ------
    UsageError
        If pandas is missing, which `import ray.data` needs; the sentence says how to install it.
    """
    if importlib.util.find_spec("pandas") is None:
        raise UsageError("extracting features of a corpus needs Ray Data: pip install 'emosense[train]'")


def check_extra() -> None:
    """Refuse to start a training without its packages, before the first recording is read.

    Raises
    ------
    UsageError
        If a package of the extra `train` is missing; the sentence says how to install it.
    """
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(f"training needs {', '.join(missing)}: pip install 'emosense[train]'")
