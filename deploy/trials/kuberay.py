"""What KubeRay 1.5 makes of a RayJob: the containers of its pods, each with the command and the environment it gets.

After `ray-operator/controllers/ray/common/pod.go` (BuildPod, generateRayStartCommand, setContainerEnvVars), `job.go`
(BuildJobSubmitCommand) and `rayjob_controller.go` of KubeRay. What this leaves out is what a manifest may say that
deploy/rayjob.yaml does not: a command or environment of its own, accelerators, TLS.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any, Final

# Memory and disk as Kubernetes writes them.
_UNITS: Final = {
    "": 1,
    "k": 10**3,
    "M": 10**6,
    "G": 10**9,
    "T": 10**12,
    "Ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
    "Ti": 2**40,
}
# The command is not run by a login shell (since 1.4), so that the PATH of the image stays.
_SHELL: Final = ["/bin/bash", "-c", "--"]
_DASHBOARD_PORT: Final = 8265
_GCS_PORT: Final = 6379


@dataclass(frozen=True)
class Container:
    """A container as the kubelet gets it.

    Attributes
    ----------
    name : str
        Name of its pod, which is the host name too.
    command : list of str
        What runs, in place of the image's entrypoint.
    environment : dict
        What KubeRay and the secret set, beyond the image's own.
    limits : dict
        CPUs, and bytes of memory.
    volumes : dict
        Where an emptyDir is mounted, to its size in bytes; None if it has no limit.
    pod_security, security : dict
        The security contexts of pod and container.
    probes : dict
        The readiness and the liveness probe, where there are some.
    has_account : bool
        Whether it can ask the API of Kubernetes.
    """

    name: str
    command: list[str]
    environment: dict[str, str]
    limits: dict[str, float]
    volumes: dict[str, int | None]
    pod_security: dict[str, Any]
    security: dict[str, Any]
    probes: dict[str, dict[str, Any]]
    has_account: bool = False


@dataclass(frozen=True)
class RayJob:
    """A RayJob whose cluster and job have got their names.

    Attributes
    ----------
    manifest : dict
        The RayJob.
    cluster : str
        Name of its RayCluster.
    token : str
        The token of the cluster, which KubeRay keeps in a secret.
    secrets : dict
        The secrets of the namespace: environment variables by the name of the secret.
    api : str
        Address of the API of Kubernetes.
    """

    manifest: dict[str, Any]
    cluster: str
    token: str
    secrets: dict[str, dict[str, str]]
    api: str

    @property
    def head_service(self) -> str:
        """Full name of the service that leads to the head."""
        return f"{self.cluster}-head-svc.default.svc.cluster.local"

    def head(self) -> Container:
        """Return the head."""
        cluster = self.manifest["spec"]["rayClusterSpec"]
        group = cluster["headGroupSpec"]
        params = {"dashboard-host": "0.0.0.0"} | group["rayStartParams"]
        environment = {"RAY_ADDRESS": f"127.0.0.1:{_GCS_PORT}", "RAY_USAGE_STATS_EXTRA_TAGS": "kuberay_crd=RayJob"}
        volumes: dict[str, int | None] = {}
        if cluster["enableInTreeAutoscaling"]:
            params["no-monitor"] = "true"
            # Shared with the autoscaler.
            volumes["/tmp/ray"] = None
            environment["RAY_enable_autoscaler_v2"] = "true"
        return self._ray_node("head", "headgroup", "ray start --head", group["template"], params, environment, volumes)

    def autoscaler(self) -> Container:
        """Return the autoscaler, which runs in the head's pod."""
        cluster = self.manifest["spec"]["rayClusterSpec"]
        name = self.head().name
        command = f"ray kuberay-autoscaler --cluster-name {self.cluster} --cluster-namespace default"
        environment = {
            "RAY_CLUSTER_NAME": self.cluster, "RAY_CLUSTER_NAMESPACE": "default", "RAY_HEAD_POD_NAME": name,
            "KUBERAY_CRD_VER": "v1",
        }  # fmt: skip
        pod = cluster["headGroupSpec"]["template"]["spec"] | {"containers": [cluster["autoscalerOptions"]]}
        volumes: dict[str, int | None] = {"/tmp/ray": None}
        return self._container(name, [*_SHELL, command], {"spec": pod}, environment | self._token(), volumes)

    def worker(self) -> Container:
        """Return a worker of the first group."""
        group = self.manifest["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]
        address = f"{self.head_service}:{_GCS_PORT}"
        params = {"address": address} | group["rayStartParams"]
        environment = self._head_environment() | {"RAY_ADDRESS": address}
        return self._ray_node("worker", group["groupName"], "ray start", group["template"], params, environment, {})

    def wait_for_head(self) -> Container:
        """Return the container that a worker's pod runs first: it waits until the head answers."""
        worker = self.worker()
        address = f"{self.head_service}:{_GCS_PORT}"
        wait = f"until ray health-check --address {address} > /dev/null 2>&1; do sleep 5; done; echo GCS is ready."
        volumes = {place: size for place, size in worker.volumes.items() if place != "/dev/shm"}
        environment = self._token() | self._head_environment()
        limits = {"cpu": 0.2, "memory": 256.0 * 2**20}
        return Container(
            worker.name, [*_SHELL, wait], environment, limits, volumes, worker.pod_security, worker.security, {}
        )

    def submitter(self, job: str) -> Container:
        """Return the container that submits the job of this name, or follows it where it was submitted before."""
        service = f"{self.head_service}:{_DASHBOARD_PORT}"
        to = f"--address http://{service}"
        entrypoint = self.manifest["spec"]["entrypoint"].strip()
        command = (
            f"if ! ray job status {to} {job} >/dev/null 2>&1 ; "
            f"then ray job submit {to} --no-wait --submission-id {job} -- {entrypoint} ; fi ; "
            f"ray job logs {to} --follow {job}"
        )
        environment = {"PYTHONUNBUFFERED": "1", "RAY_DASHBOARD_ADDRESS": service, "RAY_JOB_SUBMISSION_ID": job}
        template = self.manifest["spec"]["submitterPodTemplate"]
        return self._container(job, ["/bin/bash", "-ce", "--", command], template, environment | self._token(), {})

    def _ray_node(
        self, kind: str, group: str, start: str, template: dict[str, Any], params: dict[str, str],
        environment: dict[str, str], volumes: dict[str, int | None],
    ) -> Container:  # fmt: skip
        """Return a container that runs a node of Ray, with the options that KubeRay adds."""
        limits = template["spec"]["containers"][0]["resources"]["limits"]
        params = {
            "dashboard-agent-listen-port": "52365", "metrics-export-port": "8080",
            "num-cpus": str(math.ceil(quantity(limits["cpu"]))), "memory": str(int(quantity(limits["memory"]))),
        } | params | {"block": "true"}  # fmt: skip
        options = [f"--{name}" if value == "true" else f"--{name}={value}" for name, value in sorted(params.items())]
        command = " ".join([start, *options])
        name = f"{self.cluster}-{kind}"
        environment = environment | self._token() | {
            "RAY_CLUSTER_NAME": self.cluster, "RAY_CLOUD_INSTANCE_ID": name, "RAY_NODE_TYPE_NAME": group,
            "RAY_PORT": str(_GCS_PORT), "KUBERAY_GEN_RAY_START_CMD": command, "RAY_USAGE_STATS_KUBERAY_IN_USE": "1",
            "RAY_DASHBOARD_ENABLE_K8S_DISK_USAGE": "1",
        }  # fmt: skip
        volumes = volumes | {"/dev/shm": int(quantity(limits["memory"]))}
        return self._container(name, [*_SHELL, f"ulimit -n 65536; {command}"], template, environment, volumes)

    def _container(
        self, name: str, command: list[str], template: dict[str, Any], environment: dict[str, str],
        volumes: dict[str, int | None],
    ) -> Container:  # fmt: skip
        """Return the first container of a template, with a command."""
        pod = template["spec"]
        container = pod["containers"][0]
        sizes = {volume["name"]: int(quantity(volume["emptyDir"]["sizeLimit"])) for volume in pod["volumes"]}
        volumes |= {mount["mountPath"]: sizes[mount["name"]] for mount in container["volumeMounts"]}
        secrets = [source["secretRef"]["name"] for source in container.get("envFrom", [])]
        given = {key: value for secret in secrets for key, value in self.secrets.get(secret, {}).items()}
        limits = {kind: quantity(container["resources"]["limits"][kind]) for kind in ("cpu", "memory")}
        probes = {kind: container[kind] for kind in ("readinessProbe", "livenessProbe") if kind in container}
        # The kubelet tells every container where Kubernetes answers.
        ports = dict.fromkeys(("KUBERNETES_SERVICE_PORT", "KUBERNETES_SERVICE_PORT_HTTPS"), "443")
        api = {"KUBERNETES_SERVICE_HOST": self.api} | ports
        return Container(
            name, command, api | given | environment, limits, volumes, pod["securityContext"],
            container["securityContext"], probes, pod.get("automountServiceAccountToken", True),
        )  # fmt: skip

    def _head_environment(self) -> dict[str, str]:
        return {"FQ_RAY_IP": self.head_service, "RAY_IP": self.head_service.split(".")[0]}

    def _token(self) -> dict[str, str]:
        mode = self.manifest["spec"]["rayClusterSpec"]["authOptions"]["mode"]
        return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": self.token} if mode == "token" else {}


def quantity(text: str) -> float:
    """Return the number that a quantity of Kubernetes means.

    Parameters
    ----------
    text : str
        Such as `500m`, `2` or `4Gi`.

    Returns
    -------
    float
        CPUs, or bytes.

    Raises
    ------
    ValueError
        If it is none.
    """
    match = re.fullmatch(r"(\d+)(m|[kMGT]|[KMGT]i)?", text)
    if not match:
        raise ValueError(f"not a quantity: {text}")
    number, unit = int(match[1]), match[2] or ""
    return number / 1000 if unit == "m" else float(number * _UNITS[unit])
