"""`emosense-batch doctor`."""

from __future__ import annotations

import dataclasses
import json
from typing import Annotated

import typer


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print the checks as JSON, for a bug report.")] = False,
) -> None:
    """Check this installation and machine.

    It looks at versions, decoders, models, Ray, storage drivers, disk space, CPUs and memory.

    Exit code 0: everything works. 3: there are warnings. 1: something is broken. Missing optional packages are fine.
    """
    from emosense.cli.checks import exit_code, run_checks

    checks = run_checks()
    if as_json:
        print(json.dumps([dataclasses.asdict(check) for check in checks], indent=2))  # noqa: T201 - the result itself
    else:
        width = max(len(check.name) for check in checks)
        for check in checks:
            advice = f"  -> {check.advice}" if check.advice else ""
            print(f"{check.status:8} {check.name:{width}}  {check.detail}{advice}")  # noqa: T201 - the result itself
    raise typer.Exit(exit_code(checks))
