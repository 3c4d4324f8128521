"""The result of one check of `emosense-batch doctor`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from types import ModuleType
from typing import Literal

Status = Literal["ok", "absent", "warning", "broken"]
# Imports a module by name, as `importlib.import_module` does.
Load = Callable[[str], ModuleType]


@dataclasses.dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked.

    Parameters
    ----------
    name : str
        What was checked.
    status : {'ok', 'absent', 'warning', 'broken'}
        ``absent``: an optional package that is not installed. ``warning``: usable, but something needs attention.
        ``broken``: labelling cannot work.
    detail : str
        What was found.
    advice : str
        What to do about it; empty if there is nothing to do.
    """

    name: str
    status: Status
    detail: str
    advice: str = ""
