"""A virtual environment with the packages of a lock file alone, made from those that are installed here."""

from __future__ import annotations

import importlib.metadata
import os
import re
import sys
import sysconfig
import venv
from collections import defaultdict
from pathlib import Path, PurePath

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def locked_environment(lock: Path, folder: Path) -> Path:
    """Make an environment of the packages that a lock names; EmoSense itself is not in it.

    Parameters
    ----------
    lock : Path
        Requirements with exact versions.
    folder : Path
        Where to make the environment.

    Returns
    -------
    Path
        The interpreter of the environment.
    """
    venv.create(folder, symlinks=True)
    installed = Path(sysconfig.get_path("purelib"))
    packages = folder / installed.relative_to(sys.prefix)
    wanted = required(lock)
    # A folder that belongs to one package is one link; in a shared one, such as `google`, each file is.
    owners: defaultdict[PurePath, set[str]] = defaultdict(set)
    for distribution in importlib.metadata.distributions(path=[str(installed)]):
        name = canonicalize_name(distribution.name)
        for file in distribution.files or ():
            if ".." not in file.parts:
                for place in (file, *file.parents[:-1]):
                    owners[PurePath(place)].add(name)
    for place in sorted(owners):
        alone = len(owners[place]) == 1 and not (place.parent.parts and len(owners[place.parent]) == 1)
        if (alone and owners[place] <= wanted) or (len(owners[place] & wanted) > 1 and (installed / place).is_file()):
            (packages / place).parent.mkdir(parents=True, exist_ok=True)
            os.symlink(installed / place, packages / place)
    return folder / "bin" / "python"


def required(lock: Path) -> set[str]:
    """Read the packages that a lock names for this machine; they may be installed in the lowest versions instead."""
    lines = re.findall(r"^[a-z0-9].*(?= \\$)", lock.read_text(), flags=re.MULTILINE)
    requirements = [Requirement(line) for line in lines]
    wanted = [each for each in requirements if each.marker is None or each.marker.evaluate()]
    return {canonicalize_name(each.name) for each in wanted}
