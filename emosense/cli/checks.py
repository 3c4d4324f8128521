"""Installation and machine -> a list of checks for `emosense-batch doctor`.

Nothing is started, sent or changed: packages are imported, files are inspected, and one temporary file is written and
deleted. Everything that a check inspects is an argument, so that a test can describe another machine.
"""

from __future__ import annotations

import importlib
import os
import platform
import sys
import tempfile
from collections.abc import Mapping
from typing import Final

from emosense._version import __version__
from emosense.cli.check import Check, Load
from emosense.cli.installation_checks import (
    REQUIRED_PACKAGES,
    check_libsndfile,
    check_models,
    check_optional_package,
    check_package,
)
from emosense.cli.machine_checks import check_cpus, check_folder, check_memory, memory_limit
from emosense.cli.ray_checks import check_ray_address, check_ray_authentication
from emosense.errors import EXIT_ERROR_ROWS, EXIT_OK, EmoSenseError
from emosense.ray_session.cpus import cgroup_cpus, usable_cpus
from emosense.storage.schemes import schemes_by_package

EXIT_BROKEN: Final = EmoSenseError.exit_code
EXIT_WARNINGS: Final = EXIT_ERROR_ROWS


def run_checks(load: Load = importlib.import_module, environ: Mapping[str, str] = os.environ) -> list[Check]:
    """Run every check, in the order in which they are printed.

    Parameters
    ----------
    load : callable
        Imports a module by name, or raises `ImportError`.
    environ : mapping
        Environment variables of the process.

    Returns
    -------
    list of Check
        The results.
    """
    return [
        Check("emosense", "ok", __version__),
        Check("python", "ok", f"{platform.python_version()} at {sys.executable}"),
        *(check_package(name, load) for name in REQUIRED_PACKAGES),
        check_libsndfile(load),
        *(
            check_optional_package(package, use, scheme.install_command, load)
            for package, (scheme, use) in schemes_by_package().items()
        ),
        *check_models(load),
        check_ray_address(environ),
        check_ray_authentication(environ),
        check_folder("temporary folder", tempfile.gettempdir, "broken"),
        check_folder("current folder", os.getcwd, "warning"),
        check_cpus(usable_cpus(), cgroup_cpus()),
        check_memory(memory_limit(), usable_cpus()),
    ]


def exit_code(checks: list[Check]) -> int:
    """Return the exit code of `emosense-batch doctor`.

    Parameters
    ----------
    checks : list of Check
        Results of all checks.

    Returns
    -------
    int
        1 if anything is broken, else 3 if there is a warning, else 0. Absent optional packages do not count.
    """
    found = {check.status for check in checks}
    return EXIT_BROKEN if "broken" in found else EXIT_WARNINGS if "warning" in found else EXIT_OK
