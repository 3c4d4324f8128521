"""Checks of Ray's settings: where Ray will run, and whether its token is safe. No cluster is contacted."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path

from emosense.cli.check import Check
from emosense.ray_session import cluster_address
from emosense.storage.locations import redact


def check_ray_address(environ: Mapping[str, str]) -> Check:
    """Report where Ray will run.

    Parameters
    ----------
    environ : mapping
        Environment variables of the process.

    Returns
    -------
    Check
        Always ``ok``; the address is shown without credentials.
    """
    address = cluster_address(None, environ)
    if not address:
        state = f"is {environ['RAY_ADDRESS']}" if environ.get("RAY_ADDRESS") else "is not set"
        return Check("ray address", "ok", f"RAY_ADDRESS {state}: large jobs start Ray on this machine")
    return Check("ray address", "ok", f"RAY_ADDRESS={redact(address)}: large jobs run on that cluster")


def check_ray_authentication(environ: Mapping[str, str], home: Path | None = None) -> Check:
    """Check Ray's authentication mode and the permissions of its token file. The token itself is not read.

    Parameters
    ----------
    environ : mapping
        Environment variables of the process.
    home : Path, optional
        Home directory; by default the user's.

    Returns
    -------
    Check
        ``ok``, or ``warning`` if others could use the cluster or the token is missing.
    """
    name, mode = "ray token", environ.get("RAY_AUTH_MODE", "")
    if mode == "disabled":
        return Check(name, "warning", "RAY_AUTH_MODE=disabled opens Ray to the network", "unset RAY_AUTH_MODE")
    path = Path(environ.get("RAY_AUTH_TOKEN_PATH") or (home or Path.home()) / ".ray" / "auth_token")
    try:
        permissions = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        permissions = None
    if permissions is not None and permissions & 0o077:
        return Check(name, "warning", f"{path} has mode {permissions:04o}: others can read it", f"chmod 600 {path}")
    if cluster_address(None, environ) and mode != "token":
        return Check(name, "warning", "a cluster is set but no token is sent to it", "export RAY_AUTH_MODE=token")
    has_token = permissions is not None or bool(environ.get("RAY_AUTH_TOKEN"))
    if mode == "token" and not has_token:
        detail = f"RAY_AUTH_MODE=token, but there is no token at {path}"
        return Check(name, "warning", detail, "ray get-auth-token --generate")
    if mode == "token":
        source = "RAY_AUTH_TOKEN" if environ.get("RAY_AUTH_TOKEN") else f"{path}, readable only by you"
        return Check(name, "ok", f"RAY_AUTH_MODE=token, from {source}")
    return Check(name, "ok", "RAY_AUTH_MODE is not set: EmoSense gives each Ray that it starts its own token")
