"""Try deploy/rayjob.yaml without Kubernetes: its pods, as KubeRay composes them, in containers of crun on this machine.

    deploy/image.sh --base debian && make try-rayjob
    .venv/bin/python deploy/trials/try_rayjob.py RAVDESS       # and train an MLP on the recordings of this folder

The image is that of `deploy/image.sh`, from the storage of buildah. Each pod has an address of its own and gets what
the kubelet would give it: user and group, no capabilities, a read-only root, seccomp, its memory and its CPUs by
cgroup, and emptyDirs of their size. The probes of the manifest are asked. The bucket is SeaweedFS. The head comes
first, then the submitter; Ray's autoscaler asks a stand-in for the API of Kubernetes for a worker, and in the end to
remove it. Not here: the operator of KubeRay, whose part this program takes.

Everything runs in namespaces of its own: nothing reaches a network, and all processes end with this one. Needs Linux,
root, buildah, crun, openssl, `ip`, `nsenter` and `unshare`. Ends with 1 at the first step that fails.
"""

from __future__ import annotations

import copy
import csv
import io
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import yaml
from kuberay import RayJob
from kubernetes_api import KubernetesApi
from oci import SECCOMP
from pods import Node, Pod
from trial import enter_namespaces, expect, step

REPOSITORY: Final = Path(__file__).resolve().parents[2]
# A step that takes longer has failed.
STEP_S: Final = 300.0


def main() -> None:
    """Run the steps, in new namespaces."""
    if not SECCOMP.exists():
        sys.exit(f"this needs {SECCOMP}, of the package containers-common")
    enter_namespaces("buildah", "crun", "nsenter", "openssl")
    recordings = Path(sys.argv[1]).resolve() if sys.argv[1:] else None
    manifest = yaml.safe_load((REPOSITORY / "deploy" / "rayjob.yaml").read_text())
    sys.path.insert(0, str(REPOSITORY / "tests"))
    from seaweed import object_store

    image = manifest["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["containers"][0]["image"]
    if subprocess.run(["buildah", "inspect", "--type", "image", image], capture_output=True).returncode:
        sys.exit(f"buildah has no image {image}: run deploy/image.sh first")
    with tempfile.TemporaryDirectory() as folder, Node(Path(folder), image) as node:
        (node.folder / "bucket").mkdir()
        with object_store(node.folder / "bucket", node.address) as store:
            storage = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
            job = RayJob(
                manifest, "emosense-label-x7k2p", secrets.token_urlsafe(32), {"emosense-storage": storage}, node.address
            )
            try:
                try_job(node, job, store, recordings)
            except (SystemExit, subprocess.TimeoutExpired):
                for pod in node.pods:
                    print(f"--- {pod.name}", *pod.log.read_text(errors="replace").splitlines()[-40:], sep="\n")
                raise


def try_job(node: Node, job: RayJob, store: Any, recordings: Path | None) -> None:
    """Start the pods of a RayJob, and check what its job leaves in the bucket."""
    source, output = (word for word in job.manifest["spec"]["entrypoint"].split() if word.startswith("s3://"))
    store.mkdir(source.split("/")[2])
    samples = sorted(path for path in (REPOSITORY / "samples").iterdir() if path.name.startswith("voice-"))
    for path in samples:
        store.put_file(str(path), f"{source}/{path.name}")

    cluster = copy.deepcopy(job.manifest["spec"]["rayClusterSpec"])
    (group,) = cluster["workerGroupSpecs"]
    nodes: dict[str, Pod] = {}
    groups = {"head": "headgroup", "worker": group["groupName"]}

    def listed() -> list[tuple[str, str, str, str]]:
        return [(pod.name, kind, groups[kind], pod.address) for kind, pod in nodes.items()]

    KubernetesApi(node.folder / "account", node.address, cluster, listed)
    with step("the head is ready"):
        head = nodes["head"] = node.start(job.head())
        node.hosts[job.head_service] = head.address
        wait_for(lambda: any(head.answers["readinessProbe"]), "its readiness probe is answered")
    autoscaler = node.start(job.autoscaler(), beside=head)
    api = f"http://{head.address}:8265"
    with step("requests without the token, or with another, are refused"):
        refused = (ask(f"{api}/api/jobs/")[0], ask(f"{api}/api/jobs/", "another")[0])
        expect(refused == (401, 403), f"status {refused[0]}, and {refused[1]}")
        expect(ask(f"{api}/api/gcs_healthz")[0] == 200, "only the question for its health is answered")
    with step("a submitter with another token fails"):
        other = replace(job, token="wrong").submitter("job-0")
        expect(node.run(other, STEP_S) != 0, "exit code not 0")

    with step("the job gets a worker"):
        first = node.start(job.submitter("job-1"))
        wait_for(lambda: job_status(api, job, "job-1") == "RUNNING", "the job runs")
        wait_for(lambda: group["replicas"] == 1, "the autoscaler asks for a worker")
        worker = nodes["worker"] = node.add(job.worker().name)
        worker.start(job.wait_for_head())
        expect(worker.wait(STEP_S) == 0, "the first container of its pod has seen the head")
        worker.start(job.worker())
        wait_for(lambda: any(worker.answers["readinessProbe"]), "its readiness probe is answered")
    for what, pod in (("head", head), ("autoscaler", autoscaler), ("worker", worker)):
        with step(f"the {what} has no rights"):
            check_security(pod, job)
    with step("the submitter ends"):
        expect(first.wait(STEP_S) == 0, "exit code 0")
        expect(job_status(api, job, "job-1") == "SUCCEEDED", "the job has succeeded")
        table = store.cat_file(output)
        rows = list(csv.DictReader(io.StringIO(table.decode(), newline="")))
        expect([row["path"] for row in rows] == [f"{source}/{path.name}" for path in samples], f"{len(rows)} rows")
        expect({row["status"] for row in rows} == {"ok"}, "each ok")
    if recordings:
        for path in sorted(recordings.rglob("Actor_*/*.*")):
            store.put_file(str(path), f"{source}-ravdess/{path.relative_to(recordings)}")
        train = f"python /app/jobs/train_mlp.py {source}-ravdess -o {output}.mlp --preset reference"
        with step("a job that trains"):
            expect(node.run(with_entrypoint(job, train).submitter("job-4"), STEP_S) == 0, "exit code 0")
            expect(store.exists(f"{output}.mlp/model.json"), "the model is in the bucket")
    with step("the submitter again, as submitterConfig would run it"):
        expect(node.run(job.submitter("job-1"), STEP_S) == 0, "exit code 0")
    with step("the job again, as backoffLimit would run it"):
        expect(node.run(job.submitter("job-2"), STEP_S) == 0, "exit code 0")
        expect(store.cat_file(output) == table, "the table has stayed as it was")
    with step("a job that fails"):
        absent = f"python /app/jobs/label.py {source}-absent -o {output}"
        node.run(with_entrypoint(job, absent).submitter("job-3"), STEP_S)
        expect(job_status(api, job, "job-3") == "FAILED", "its status, by which KubeRay decides, is FAILED")
    with step("head and worker live"):
        for pod in (head, worker):
            answers = pod.answers["livenessProbe"]
            wait_for(partial(bool, answers), f"{pod.name} is asked")
            end = [False] * job.head().probes["livenessProbe"]["failureThreshold"]
            ends = any(answers[first : first + len(end)] == end for first in range(len(answers)))
            expect(not ends and pod.is_running(), f"{sum(answers)} of {len(answers)} times it said so")
    with step("memory"):
        for what, pod in (("head", head), ("autoscaler", autoscaler), ("worker", worker)):
            print(f"  {what}: {pod.peak_bytes() / 2**30:.2f} GiB at most", flush=True)
    with step("the worker has no work"):
        wait_for(lambda: group["replicas"] == 0, "the autoscaler asks for no worker")
        expect(group["scaleStrategy"]["workersToDelete"] == [worker.name], "and names the one to remove")


def with_entrypoint(job: RayJob, entrypoint: str) -> RayJob:
    """Return a RayJob that runs another command."""
    return replace(job, manifest=job.manifest | {"spec": job.manifest["spec"] | {"entrypoint": entrypoint}})


def check_security(pod: Pod, job: RayJob) -> None:
    """Check what the kernel says of a container's processes."""
    said = pod.kernel_status()
    user = str(job.head().pod_security["runAsUser"])
    expect(set(said["Uid"].split()) == {user}, f"user {user}")
    expect({int(said[name], 16) for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}, "no capability")
    expect((said["NoNewPrivs"], said["Seccomp"]) == ("1", "2"), "no new privileges, and a filter of system calls")
    expect(pod.execute("touch", "/app/x") != 0 == pod.execute("touch", "/tmp/x"), "writes to /tmp alone")


def ask(url: str, token: str | None = None) -> tuple[int, bytes]:
    """Return status and body of a request, as the operator makes it; the body of a refused one is empty."""
    request = urllib.request.Request(url, headers={"x-ray-authorization": f"Bearer {token}"} if token else {})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status), answer.read()
    except urllib.error.HTTPError as err:
        return err.code, b""


def job_status(api: str, job: RayJob, name: str) -> str:
    """Return what the job server says of a job, as the operator asks it."""
    _, body = ask(f"{api}/api/jobs/{name}", job.token)
    return str(json.loads(body)["status"]) if body else "unknown"


def wait_for(holds: Callable[[], object], what: str) -> None:
    """Wait until something holds, within the time of a step."""
    end_s = time.monotonic() + STEP_S
    while not (seen := holds()) and time.monotonic() < end_s:
        time.sleep(0.5)
    expect(bool(seen), what)


if __name__ == "__main__":
    main()
