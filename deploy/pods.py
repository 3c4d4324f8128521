"""Pods as the kubelet runs them: an address of their own, and containers of crun with what their manifest allows."""

from __future__ import annotations

import contextlib
import json
import platform
import re
import resource
import subprocess
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any, Final, Self

from kuberay import Container

# The system calls that containers may use, of the package containers-common: RuntimeDefault of CRI-O.
SECCOMP: Final = Path("/usr/share/containers/seccomp.json")
_CGROUPS: Final = Path("/sys/fs/cgroup")


class Node:
    """A node of Kubernetes, in a network namespace of its own: a bridge, and pods at it.

    Parameters
    ----------
    folder : Path
        Where bundles and logs are written.
    image : str
        The image of all containers, in the storage of buildah.
    """

    address: Final = "10.244.0.1"

    def __init__(self, folder: Path, image: str) -> None:
        self.folder = folder
        self.image = image
        self.hosts: dict[str, str] = {}
        self.pods: list[Pod] = []
        self._container = ""

    def __enter__(self) -> Self:
        """Mount the image, and make the bridge."""
        # crun refuses the mix of both versions of cgroups; this unmounts one of them in this namespace only.
        if (_CGROUPS / "unified").is_mount():
            _call("umount", str(_CGROUPS / "unified"))
        _call("ip", "link", "set", "lo", "up")
        _call("ip", "link", "add", "pods", "type", "bridge")
        _call("ip", "address", "add", f"{self.address}/24", "dev", "pods")
        _call("ip", "link", "set", "pods", "up")
        self._container = _call("buildah", "from", "--pull-never", self.image)
        self.root = _call("buildah", "mount", self._container)
        self.image_config = json.loads(_call("buildah", "inspect", self._container))["OCIv1"]["config"]
        return self

    def __exit__(self, *_: object) -> None:
        """End all pods, and remove what they left outside this namespace."""
        for pod in reversed(self.pods):
            pod.end()
        # crun leaves the folders above; what others use stays.
        for place in _CGROUPS.iterdir():
            folder = place / _parent_cgroup()
            while folder != place:
                with contextlib.suppress(OSError):
                    folder.rmdir()
                folder = folder.parent
        _call("buildah", "rm", self._container)

    def add(self, name: str) -> Pod:
        """Add a pod without a container."""
        self.pods.append(Pod(self, name, f"10.244.0.{len(self.pods) + 2}"))
        return self.pods[-1]

    def start(self, container: Container) -> Pod:
        """Add a pod, and start its container."""
        pod = self.add(container.name)
        pod.start(container)
        return pod

    def run(self, container: Container, limit_s: float) -> int:
        """Run a pod to its end, and return the exit code of its container."""
        return self.start(container).wait(limit_s)


class Pod:
    """A pod: a network namespace with an address, and the container that runs in it now.

    Parameters
    ----------
    node : Node
        Where it runs.
    name, address : str
        Its name, and its address at the node's bridge.
    """

    def __init__(self, node: Node, name: str, address: str) -> None:
        self.node = node
        self.name = name
        self.address = address
        self.log = node.folder / f"{name}-{address}.log"
        # Whether each question of a probe was answered, by the name of the probe.
        self.answers: dict[str, list[bool]] = {}
        self._ended = threading.Event()
        self._id = ""
        # It holds the namespace, as Kubernetes' pause container does.
        self._pause = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
        self._network = Path(f"/proc/{self._pause.pid}/ns/net")
        while self._network.readlink() == Path("/proc/self/ns/net").readlink():
            time.sleep(0.01)
        link = f"pod{address.rpartition('.')[2]}"
        _call("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", str(self._pause.pid))
        _call("ip", "link", "set", link, "master", "pods", "up")
        inside = ("nsenter", f"--net={self._network}", "ip")
        _call(*inside, "link", "set", "lo", "up")
        _call(*inside, "address", "add", f"{address}/24", "dev", "eth0")
        _call(*inside, "link", "set", "eth0", "up")

    def start(self, container: Container) -> None:
        """Start a container, and ask its probes from now on."""
        self._id = f"emosense-{self.log.stem}-{time.monotonic_ns()}"
        bundle = self.node.folder / self._id
        bundle.mkdir()
        hosts = {"127.0.0.1": "localhost", self.address: self.name} | {at: name for name, at in self.node.hosts.items()}
        hosts |= {self.address: f"{hosts[self.address]} {self.name}"}
        (bundle / "hosts").write_text("".join(f"{address} {name}\n" for address, name in hosts.items()))
        (bundle / "config.json").write_text(json.dumps(self._config(container, bundle)))
        run = [*self._crun(), "run", "--bundle", str(bundle), self._id]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(run, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        for kind, probe in container.probes.items():
            threading.Thread(target=self._ask, args=(self.answers.setdefault(kind, []), probe), daemon=True).start()

    def wait(self, limit_s: float) -> int:
        """Wait for the end of the container, and return its exit code."""
        return self._process.wait(limit_s)

    def is_running(self) -> bool:
        """Return whether the container runs."""
        return self._process.poll() is None

    def kernel_status(self) -> dict[str, str]:
        """Return what the kernel says of the container's first process: user, capabilities and the like."""
        pid = json.loads(_call(*self._crun(), "state", self._id))["pid"]
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}

    def execute(self, *command: str) -> int:
        """Run a command in the container, and return its exit code."""
        return subprocess.run([*self._crun(), "exec", self._id, *command], capture_output=True).returncode

    def peak_bytes(self) -> int:
        """Return how much memory the container has used at most, files in its emptyDirs included."""
        path = Path(_parent_cgroup()) / self._id
        files = (_CGROUPS / "memory" / path / "memory.max_usage_in_bytes", _CGROUPS / path / "memory.peak")
        return int(next(file for file in files if file.exists()).read_text())

    def end(self) -> None:
        """End the container and the pod."""
        self._ended.set()
        if self._id:
            # Fails where the container has ended.
            subprocess.run([*self._crun(), "kill", self._id, "KILL"], capture_output=True)
            self._process.wait()
        self._pause.kill()
        self._pause.wait()

    def _crun(self) -> list[str]:
        return ["crun", "--root", str(self.node.folder / "crun")]

    def _ask(self, answers: list[bool], probe: dict[str, Any]) -> None:
        """Ask a probe with its timing, as the kubelet does, until the pod ends."""
        question = probe["httpGet"]
        url = f"http://{self.address}:{question['port']}{question['path']}"
        self._ended.wait(probe["initialDelaySeconds"])
        while not self._ended.is_set():
            try:
                with urllib.request.urlopen(url, timeout=probe["timeoutSeconds"]):
                    answers.append(True)
            except OSError:
                answers.append(False)
            self._ended.wait(probe["periodSeconds"])

    def _config(self, container: Container, bundle: Path) -> dict[str, Any]:
        """Return the configuration of an OCI runtime."""
        image, security = self.node.image_config, container.pod_security
        group, n_files = security["fsGroup"], resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        subprocess.run(["crun", "spec"], cwd=bundle, check=True)
        config: dict[str, Any] = json.loads((bundle / "config.json").read_text())
        environment = dict(pair.split("=", 1) for pair in image["Env"]) | container.environment
        config["process"] |= {
            "terminal": False, "cwd": image["WorkingDir"], "args": container.command,
            "env": [f"{name}={value}" for name, value in environment.items()],
            "user": {"uid": security["runAsUser"], "gid": security["runAsGroup"], "additionalGids": [group]},
            "noNewPrivileges": not container.security["allowPrivilegeEscalation"],
            "rlimits": [{"type": "RLIMIT_NOFILE", "soft": n_files, "hard": n_files}],
        }  # fmt: skip
        if "ALL" in container.security["capabilities"]["drop"]:
            config["process"]["capabilities"] = {}
        config["root"] = {"path": self.node.root, "readonly": container.security["readOnlyRootFilesystem"]}
        config["hostname"] = container.name
        config["mounts"] = [mount for mount in config["mounts"] if mount["destination"] not in container.volumes]
        config["mounts"].append(
            {"destination": "/etc/hosts", "type": "bind", "source": str(bundle / "hosts"), "options": ["bind", "ro"]}
        )
        for place, size in sorted(container.volumes.items()):
            # As the kubelet makes an emptyDir for a pod with an fsGroup.
            options = ["mode=2777", f"gid={group}"] + ([f"size={size}"] if size else [])
            config["mounts"].append({"destination": place, "type": "tmpfs", "source": "tmpfs", "options": options})
        linux = config["linux"]
        linux["cgroupsPath"] = f"/{_parent_cgroup()}/{self._id}"
        linux["resources"] |= {
            "memory": {"limit": int(container.limits["memory"])},
            "cpu": {"period": 100_000, "quota": int(container.limits["cpu"] * 100_000)},
        }
        for namespace in linux["namespaces"]:
            if namespace["type"] == "network":
                namespace["path"] = str(self._network)
        if security["seccompProfile"]["type"] == "RuntimeDefault":
            linux["seccomp"] = _seccomp()
        return config


def _seccomp() -> dict[str, Any]:
    """Return the profile of containers without capabilities, in the words of an OCI runtime."""
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


def _parent_cgroup() -> str:
    """Return the cgroup that those of the containers lie in: this process's own, where it can have children."""
    # In version 2, a cgroup has either processes or children with limits.
    own = re.search(r"^\d+:memory:/(.*)$", Path("/proc/self/cgroup").read_text(), re.MULTILINE)
    return own[1] if own else ""


def _call(*command: str) -> str:
    """Run a command, and return what it prints."""
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
