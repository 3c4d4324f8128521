"""Pods as the kubelet runs them: an address of their own, and containers of crun with what their manifest allows."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any, Final, Self

from kuberay import Container
from kubernetes_api import SERVICE_ACCOUNT
from oci import runtime_config

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

    def add(self, name: str, beside: Pod | None = None) -> Pod:
        """Add a pod without a container, or the place of another container in a pod."""
        self.pods.append(Pod(self, name, beside.address if beside else f"10.244.0.{len(self.pods) + 2}", beside))
        return self.pods[-1]

    def start(self, container: Container, beside: Pod | None = None) -> Pod:
        """Start a container in a pod of its own, or beside the one of another pod."""
        pod = self.add(container.name, beside)
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
    beside : Pod, optional
        Another container of the same pod, whose network and volumes it shares.
    """

    def __init__(self, node: Node, name: str, address: str, beside: Pod | None) -> None:
        self.node = node
        self.name = name
        self.address = address
        self.log = node.folder / f"{name}-{len(node.pods)}.log"
        # Whether each question of a probe was answered, by the name of the probe.
        self.answers: dict[str, list[bool]] = {}
        self._ended = threading.Event()
        self._id = ""
        self._owned: list[Path] = []
        self._volumes: dict[str, Path] = beside._volumes if beside else {}
        # It holds the network namespace, as Kubernetes' pause container does.
        pause = ["unshare", "--net", "sleep", "infinity"]
        self._pause: subprocess.Popen[bytes] = beside._pause if beside else subprocess.Popen(pause)
        self._network = Path(f"/proc/{self._pause.pid}/ns/net")
        if not beside:
            self._connect()

    def start(self, container: Container) -> None:
        """Start a container, and ask its probes from now on."""
        self._id = f"emosense-{self.log.stem}-{time.monotonic_ns()}"
        bundle = self.node.folder / self._id
        bundle.mkdir()
        hosts = {"127.0.0.1": "localhost", self.address: self.name} | {at: name for name, at in self.node.hosts.items()}
        hosts |= {self.address: f"{hosts[self.address]} {self.name}"}
        (bundle / "hosts").write_text("".join(f"{address} {name}\n" for address, name in hosts.items()))
        binds = {place: self._volume(place, size, container) for place, size in sorted(container.volumes.items())}
        binds["/etc/hosts"] = bundle / "hosts"
        if container.has_account:
            binds[SERVICE_ACCOUNT] = self.node.folder / "account"
        cgroup = f"/{_parent_cgroup()}/{self._id}"
        config = runtime_config(container, self.node.image_config, self.node.root, self._network, cgroup, binds)
        (bundle / "config.json").write_text(json.dumps(config))
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
        for folder in self._owned:
            _call("umount", "--lazy", str(folder))
        self._pause.kill()
        self._pause.wait()

    def _connect(self) -> None:
        """Give the network namespace an address at the bridge."""
        while self._network.readlink() == Path("/proc/self/ns/net").readlink():
            time.sleep(0.01)
        link = f"pod{self.address.rpartition('.')[2]}"
        _call("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", str(self._pause.pid))
        _call("ip", "link", "set", link, "master", "pods", "up")
        inside = ("nsenter", f"--net={self._network}", "ip")
        _call(*inside, "link", "set", "lo", "up")
        _call(*inside, "address", "add", f"{self.address}/24", "dev", "eth0")
        _call(*inside, "link", "set", "eth0", "up")

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

    def _volume(self, place: str, size: int | None, container: Container) -> Path:
        """Return the pod's emptyDir for a place; the first container makes it, as the kubelet for an fsGroup."""
        if place not in self._volumes:
            folder = self.node.folder / f"{self.log.stem}{place.replace('/', '-')}"
            folder.mkdir()
            options = f"mode=2777,gid={container.pod_security['fsGroup']}" + (f",size={size}" if size else "")
            _call("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder))
            self._volumes[place] = folder
            self._owned.append(folder)
        return self._volumes[place]


def _parent_cgroup() -> str:
    """Return the cgroup that those of the containers lie in: this process's own, where it can have children."""
    # In version 2, a cgroup has either processes or children with limits.
    own = re.search(r"^\d+:memory:/(.*)$", Path("/proc/self/cgroup").read_text(), re.MULTILINE)
    return own[1] if own else ""


def _call(*command: str) -> str:
    """Run a command, and return what it prints."""
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
