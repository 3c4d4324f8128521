"""A container as the kubelet would have it, in the words of an OCI runtime such as crun."""

from __future__ import annotations

import json
import platform
import resource
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Final

from kuberay import Container

# The system calls that containers may use, of the package containers-common: RuntimeDefault of CRI-O.
SECCOMP: Final = Path("/usr/share/containers/seccomp.json")


def runtime_config(
    container: Container, image: dict[str, Any], root: str, network: Path, cgroup: str, binds: dict[str, Path]
) -> dict[str, Any]:
    """Return the configuration of a container.

    Parameters
    ----------
    container : Container
        What runs, and what it may.
    image : dict
        The configuration of its image.
    root : str
        Where the image is mounted.
    network : Path
        Its network namespace.
    cgroup : str
        The path of its cgroup.
    binds : dict
        Files and folders of this machine by their places in the container; only those of its volumes can be written to.

    Returns
    -------
    dict
        The content of config.json.
    """
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["crun", "spec"], cwd=folder, check=True)
        config: dict[str, Any] = json.loads((Path(folder) / "config.json").read_text())
    security = container.pod_security
    n_files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    environment = dict(pair.split("=", 1) for pair in image["Env"]) | container.environment
    config["process"] |= {
        "terminal": False, "cwd": image["WorkingDir"], "args": container.command,
        "env": [f"{name}={value}" for name, value in environment.items()],
        "user": {
            "uid": security["runAsUser"], "gid": security["runAsGroup"], "additionalGids": [security["fsGroup"]],
        },
        "noNewPrivileges": not container.security["allowPrivilegeEscalation"],
        "rlimits": [{"type": "RLIMIT_NOFILE", "soft": n_files, "hard": n_files}],
    }  # fmt: skip
    if "ALL" in container.security["capabilities"]["drop"]:
        config["process"]["capabilities"] = {}
    config["root"] = {"path": root, "readonly": container.security["readOnlyRootFilesystem"]}
    config["hostname"] = container.name
    config["mounts"] = [mount for mount in config["mounts"] if mount["destination"] not in binds]
    for place, source in binds.items():
        options = ["rbind", "rw" if place in container.volumes else "ro"]
        config["mounts"].append({"destination": place, "type": "bind", "source": str(source), "options": options})
    linux = config["linux"]
    linux["cgroupsPath"] = cgroup
    linux["resources"] |= {
        "memory": {"limit": int(container.limits["memory"])},
        "cpu": {"period": 100_000, "quota": int(container.limits["cpu"] * 100_000)},
    }
    for namespace in linux["namespaces"]:
        if namespace["type"] == "network":
            namespace["path"] = str(network)
    if security["seccompProfile"]["type"] == "RuntimeDefault":
        linux["seccomp"] = _seccomp()
    return config


def _seccomp() -> dict[str, Any]:
    """Return the profile of containers without capabilities."""
    profile = json.loads(SECCOMP.read_text())
    machine = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
    rules = []
    for rule in profile["syscalls"]:
        only, never = rule.get("includes") or {}, rule.get("excludes") or {}
        if not only.get("caps") and machine in only.get("arches", [machine]) and machine not in never.get("arches", []):
            rules.append({key: rule[key] for key in ("names", "action", "args", "errnoRet") if rule.get(key)})
    native = f"SCMP_ARCH_{platform.machine().upper()}"
    (below,) = (part["subArchitectures"] for part in profile["archMap"] if part["architecture"] == native)
    return {"defaultAction": profile["defaultAction"], "architectures": [native, *below], "syscalls": rules}
