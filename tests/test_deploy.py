"""The image and the manifest, checked without an engine or a cluster: their content, and the files they name."""

from __future__ import annotations

import json
import os
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from emosense._version import __version__

sys.path.insert(0, str(Path(__file__).parents[1] / "deploy" / "trials"))
from kuberay import RayJob, quantity

REPOSITORY = Path(__file__).parents[1]
LOCK = REPOSITORY / "deploy" / "requirements.lock"


def pins(lock: Path) -> set[tuple[str, str]]:
    """Names with versions; a name has several where they depend on the Python version."""
    return set(re.findall(r"^([a-z0-9_.-]+)==([^\s;\\]+)", lock.read_text(), re.MULTILINE))


def instructions(text: str) -> list[tuple[str, str]]:
    """The instructions of a Dockerfile, in order, with continued lines joined and comments left out."""
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("#"))
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in joined.splitlines()) if name]


DOCKERFILE = (REPOSITORY / "Dockerfile").read_text()
INSTRUCTIONS = instructions(DOCKERFILE)


def of(name: str) -> list[str]:
    found = [rest for instruction, rest in INSTRUCTIONS if instruction == name]
    assert found, f"the Dockerfile has no {name}"
    return found


def test_every_line_of_the_dockerfile_is_an_instruction() -> None:
    assert {name for name, _ in INSTRUCTIONS} == {
        "ARG", "FROM", "ENV", "RUN", "WORKDIR", "COPY", "USER", "ENTRYPOINT", "CMD",
    }  # fmt: skip


def test_the_image_has_a_build_stage_and_a_final_one_on_the_same_slim_base() -> None:
    assert of("ARG") == ["BASE=python:3.11-slim-bookworm"]
    assert of("FROM") == ["${BASE} AS build", "${BASE}"]
    assert ":latest" not in DOCKERFILE
    assert "@sha256:" in DOCKERFILE  # how to pin it


def test_the_image_runs_as_a_numbered_user_who_is_not_root() -> None:
    (user,) = of("USER")
    assert re.fullmatch(r"(\d+):(\d+)", user)
    assert int(user.split(":")[0]) >= 10_000
    # No instruction behind it runs as another user.
    assert [name for name, _ in INSTRUCTIONS][-3:] == ["USER", "ENTRYPOINT", "CMD"]


def test_everything_installed_has_a_hash_or_is_our_own() -> None:
    installs = [run for run in of("RUN") if "pip install" in run]
    assert len(installs) == 2
    assert all("--require-hashes" in run or ("--no-index" in run and "--no-deps" in run) for run in installs)
    assert "-r requirements.lock" in installs[0]


@pytest.mark.parametrize("word", ["index-url", "--find-links", "--trusted-host", "://", "apt-get"])
def test_no_index_and_no_host_is_named(word: str) -> None:
    assert not [rest for _, rest in INSTRUCTIONS if word in rest]
    assert word not in LOCK.read_text()


def test_a_size_limit_holds_for_the_image_and_is_the_one_that_the_docs_state() -> None:
    script = (REPOSITORY / "deploy" / "image.sh").read_text()
    (limit,) = re.findall(r"^limit_mb=(\d+)$", script, re.MULTILINE)
    assert script.rstrip().endswith('[ "$size" -le "$limit_mb" ]')
    assert f"above\n{int(limit) / 1000:.1f} GB it fails" in (REPOSITORY / "docs" / "cluster.md").read_text()
    assert subprocess.run(["/bin/bash", "-n", "deploy/image.sh"], cwd=REPOSITORY, timeout=10).returncode == 0


def test_an_image_is_not_built_without_an_engine(tmp_path: Path) -> None:
    for name in ("sed", "dirname"):
        (tmp_path / name).symlink_to(f"/bin/{name}" if Path(f"/bin/{name}").exists() else f"/usr/bin/{name}")
    script = ["/bin/bash", str(REPOSITORY / "deploy" / "image.sh")]
    done = subprocess.run(script, env={"PATH": str(tmp_path)}, capture_output=True, text=True, timeout=10)
    assert (done.returncode, done.stderr) == (2, "no engine: start docker, or install podman or buildah\n")


def test_the_entry_is_the_command_line() -> None:
    assert of("ENTRYPOINT") == ['["emosense-batch"]']


def copied() -> list[str]:
    """What is copied from the repository, not from another stage."""
    sources = [source for rest in of("COPY") if "--from" not in rest for source in rest.split()[:-1]]
    assert len(sources) >= 6
    return sources


def test_everything_copied_is_there_and_passes_the_dockerignore() -> None:
    ignore = (REPOSITORY / ".dockerignore").read_text().splitlines()
    rules = [line for line in ignore if line and not line.startswith("#")]
    assert rules[0] == "*"
    allowed = {line[1:] for line in rules if line.startswith("!")}
    for source in copied():
        assert (REPOSITORY / source).exists(), f"{source} is copied and not there"
        assert source.split("/")[0] in allowed, f"{source} is copied and ignored"
    assert allowed == {source.split("/")[0] for source in copied()}
    assert all((REPOSITORY / name).exists() for name in allowed)


def test_what_the_wheel_is_built_from_is_copied() -> None:
    import tomllib

    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    licences = {pattern.split("/")[0] for pattern in project["license-files"]}
    assert {project["readme"], "pyproject.toml", "emosense"} | licences <= set(copied())


def test_the_lock_of_the_image_agrees_with_the_project_s_own() -> None:
    assert pins(REPOSITORY / "requirements.lock") <= pins(LOCK) <= pins(REPOSITORY / "requirements-test.lock")
    assert {"s3fs", "aiohttp", "aiohttp-cors", "opencensus", "onnx", "scikit-learn", "tensorflow-cpu", "tf2onnx"} <= {
        name for name, _ in pins(LOCK)
    }
    # Every requirement has a hash.
    assert all("--hash=sha256:" in block for block in re.split(r"^(?=[a-z])", LOCK.read_text(), flags=re.MULTILINE)[1:])


def test_the_cluster_installs_a_lock_that_reads_the_storage_of_its_own_submit_line() -> None:
    text = (REPOSITORY / "cluster.yaml").read_text()
    mounts = yaml.safe_load(text)["file_mounts"]
    (lock,) = (REPOSITORY / source for place, source in mounts.items() if place.endswith(".lock"))
    assert "s3://" in text
    assert "s3fs" in {name for name, _ in pins(lock)}


def test_the_lock_has_what_ray_installs_on_a_head_by_itself() -> None:
    from ray.autoscaler._private.util import prepare_config

    config = prepare_config(yaml.safe_load((REPOSITORY / "cluster.yaml").read_text()))
    added = [command for command in config["head_setup_commands"] if command not in config["setup_commands"]]
    packages = {name for command in added for name in re.findall(r"'([a-z0-9]+)[=<>]", command)}
    # Where it is not locked, pip puts the newest beside it, with another botocore than s3fs can use.
    assert packages == {"boto3"}
    assert packages <= {name for name, _ in pins(LOCK)}


@pytest.mark.parametrize(("code", "expected"), [(0, 0), (3, 0), (1, 1), (2, 2), (4, 4), (5, 5), (143, 143)])
def test_a_job_with_a_complete_table_has_succeeded(code: int, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def label(command: list[str]) -> None:
        assert command == ["label", "--progress", "plain"]
        sys.exit(code)

    monkeypatch.setattr("emosense.cli.main.main", label)
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(REPOSITORY / "jobs" / "label.py"), run_name="__main__")
    assert end.value.code == expected


def test_the_tasks_of_a_slurm_array_share_out_every_line_of_the_list(tmp_path: Path) -> None:
    tool = tmp_path / "bin" / "emosense-batch"
    tool.parent.mkdir()
    tool.write_text('#!/bin/sh\ncat > "$4.txt"\necho "$@" > "$4.arguments"\nexit ${CODE:-0}\n')
    tool.chmod(0o755)
    names = [f"/calls/it's {n}.wav" for n in range(10)]
    (tmp_path / "list.txt").write_text("".join(f"{name}\n" for name in names))
    script = ["/bin/bash", str(REPOSITORY / "deploy" / "slurm.sh"), "list.txt", "labels"]
    path = {"PATH": f"{tool.parent}:{os.environ['PATH']}"}
    array = {"SLURM_ARRAY_TASK_COUNT": "3", "SLURM_ARRAY_TASK_MIN": "1", "SLURM_CPUS_PER_TASK": "8"}
    for task, code in ((1, 0), (2, 3), (3, 5)):
        environment = path | array | {"SLURM_ARRAY_TASK_ID": str(task), "CODE": str(code)}
        done = subprocess.run(script, cwd=tmp_path, env=environment, timeout=10)
        assert done.returncode == (0 if code == 3 else code)
    shares = [(tmp_path / "labels" / f"{task}.parquet.txt").read_text().splitlines() for task in (1, 2, 3)]
    assert sorted(name for share in shares for name in share) == names
    assert [len(share) for share in shares] == [3, 4, 3]
    assert "--engine local -j 8" in (tmp_path / "labels" / "1.parquet.arguments").read_text()
    assert subprocess.run(script, cwd=tmp_path, env=path, capture_output=True, timeout=10).returncode != 0


def test_the_autoscaler_of_ray_takes_the_cluster() -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    config = yaml.safe_load((REPOSITORY / "cluster.yaml").read_text())
    validate_config(prepare_config(config))
    with pytest.raises(jsonschema.ValidationError):
        validate_config(prepare_config(config | {"wings": 2}))


# The fields of ray.io/v1 and of Kubernetes' core/v1 that the manifest uses, written by hand after the custom resource
# of KubeRay 1.6 (ray.io_rayjobs.yaml). A dict lists the fields of an object, a list holds what its items are, a set the
# words that are allowed; a type stands for itself.
RESOURCES = {kind: {"cpu": str, "memory": str, "ephemeral-storage": str} for kind in ("requests", "limits")}
SECURITY = {
    "allowPrivilegeEscalation": bool, "readOnlyRootFilesystem": bool, "capabilities": {"drop": [str]},
}  # fmt: skip
MOUNTS = [{"name": str, "mountPath": str}]
PROBE = {
    "httpGet": {"path": str, "port": int}, "initialDelaySeconds": int, "periodSeconds": int, "timeoutSeconds": int,
    "failureThreshold": int,
}  # fmt: skip
POD = {
    "spec": {
        "restartPolicy": {"Never"},
        "automountServiceAccountToken": bool,
        "securityContext": {
            "runAsNonRoot": bool, "runAsUser": int, "runAsGroup": int, "fsGroup": int,
            "seccompProfile": {"type": {"RuntimeDefault"}},
        },
        "containers": [
            {
                "name": str, "image": str, "ports": [{"name": str, "containerPort": int}],
                "envFrom": [{"secretRef": {"name": str, "optional": bool}}], "resources": RESOURCES,
                "securityContext": SECURITY, "readinessProbe": PROBE, "livenessProbe": PROBE, "volumeMounts": MOUNTS,
            }
        ],
        "volumes": [{"name": str, "emptyDir": {"sizeLimit": str}}],
    }
}  # fmt: skip
# Ray's own parameters are strings, whatever they mean.
START = {"num-cpus": str, "dashboard-host": str, "object-store-memory": str}
SCHEMA = {
    "apiVersion": {"ray.io/v1"},
    "kind": {"RayJob"},
    "metadata": {"name": str},
    "spec": {
        "entrypoint": str,
        "submissionMode": {"K8sJobMode", "HTTPMode"},
        "backoffLimit": int,
        "shutdownAfterJobFinishes": bool,
        "ttlSecondsAfterFinished": int,
        "submitterConfig": {"backoffLimit": int},
        "submitterPodTemplate": POD,
        "rayClusterSpec": {
            "rayVersion": str,
            "authOptions": {"mode": {"token", "disabled"}},
            "enableInTreeAutoscaling": bool,
            "autoscalerOptions": {
                "version": {"v1", "v2"}, "upscalingMode": {"Default", "Aggressive", "Conservative"},
                "idleTimeoutSeconds": int, "resources": RESOURCES, "securityContext": SECURITY, "volumeMounts": MOUNTS,
            },
            "headGroupSpec": {"rayStartParams": START, "template": POD},
            "workerGroupSpecs": [
                {
                    "groupName": str, "replicas": int, "minReplicas": int, "maxReplicas": int, "rayStartParams": START,
                    "template": POD,
                }
            ],
        },
    },
}  # fmt: skip


def faults(value: Any, schema: Any, where: str = "") -> Iterator[str]:
    """What does not fit the schema: unknown fields, wrong types, words that are not allowed."""
    if isinstance(schema, dict) and isinstance(value, dict):
        for key, item in value.items():
            if key in schema:
                yield from faults(item, schema[key], f"{where}.{key}")
            else:
                yield f"{where}.{key} is unknown"
    elif isinstance(schema, list) and isinstance(value, list):
        for index, item in enumerate(value):
            yield from faults(item, schema[0], f"{where}[{index}]")
    elif isinstance(schema, set):
        if value not in schema:
            yield f"{where} is {value!r}"
    elif type(value) is not schema:
        yield f"{where} is {value!r}"


def manifest() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((REPOSITORY / "deploy" / "rayjob.yaml").read_text())
    return loaded


def pods() -> dict[str, dict[str, Any]]:
    spec = manifest()["spec"]
    cluster = spec["rayClusterSpec"]
    return {
        "submitter": spec["submitterPodTemplate"]["spec"],
        "head": cluster["headGroupSpec"]["template"]["spec"],
        "worker": cluster["workerGroupSpecs"][0]["template"]["spec"],
    }


def test_the_manifest_has_only_known_fields_of_the_right_types() -> None:
    assert list(faults(manifest(), SCHEMA)) == []


@pytest.mark.parametrize(
    ("path", "value", "fault"),
    [
        (("spec", "backofLimit"), 3, ".spec.backofLimit is unknown"),
        (("spec", "backoffLimit"), "3", ".spec.backoffLimit is '3'"),
        (("spec", "shutdownAfterJobFinishes"), "true", ".spec.shutdownAfterJobFinishes is 'true'"),
        (
            ("spec", "rayClusterSpec", "authOptions", "mode"),
            "on",
            ".spec.rayClusterSpec.authOptions.mode is 'on'",
        ),
        (("spec", "rayClusterSpec", "rayVersion"), 2.6, ".spec.rayClusterSpec.rayVersion is 2.6"),
        (
            ("spec", "rayClusterSpec", "workerGroupSpecs", 0, "maxReplica"),
            16,
            ".spec.rayClusterSpec.workerGroupSpecs[0].maxReplica is unknown",
        ),
        (
            ("spec", "rayClusterSpec", "headGroupSpec", "rayStartParams", "num-cpus"),
            0,
            ".spec.rayClusterSpec.headGroupSpec.rayStartParams.num-cpus is 0",
        ),
        (
            ("spec", "submitterPodTemplate", "spec", "containers", 0, "securityContext", "readOnlyRootFileSystem"),
            True,
            ".spec.submitterPodTemplate.spec.containers[0].securityContext.readOnlyRootFileSystem is unknown",
        ),
    ],
)
def test_a_slip_in_the_manifest_is_caught(path: tuple[str | int, ...], value: object, fault: str) -> None:
    changed = json.loads(json.dumps(manifest()))  # anchors share what they name
    place: Any = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    assert list(faults(changed, SCHEMA)) == [fault]


def test_token_authentication_is_on() -> None:
    assert manifest()["spec"]["rayClusterSpec"]["authOptions"] == {"mode": "token"}


def test_the_versions_of_ray_and_of_the_image_are_the_project_s() -> None:
    (ray,) = (version for name, version in pins(REPOSITORY / "requirements.lock") if name == "ray")
    assert manifest()["spec"]["rayClusterSpec"]["rayVersion"] == ray
    assert {container["image"] for pod in pods().values() for container in pod["containers"]} == {
        f"emosense:{__version__}"
    }


def test_the_job_runs_scripts_that_the_image_has_and_that_write_to_object_storage() -> None:
    python, script, source, _, output = shlex.split(manifest()["spec"]["entrypoint"])
    assert python == "python"
    targets = {rest.split()[-1]: rest.split()[0] for rest in of("COPY") if "--from" not in rest}
    (copied_to,) = (target for target in targets if script.startswith(f"{target}/"))
    assert (REPOSITORY / targets[copied_to] / Path(script).relative_to(copied_to)).is_file()
    assert Path(script).name == "label.py"
    assert source.startswith("s3://")
    assert output.startswith("s3://")


def test_the_job_is_begun_again_and_leaves_nothing_behind() -> None:
    spec = manifest()["spec"]
    assert spec["backoffLimit"] >= 1
    assert spec["shutdownAfterJobFinishes"] is True
    assert spec["ttlSecondsAfterFinished"] > 0


def test_the_number_of_workers_grows_from_none() -> None:
    (group,) = manifest()["spec"]["rayClusterSpec"]["workerGroupSpecs"]
    assert group["minReplicas"] == 0 < group["maxReplicas"]
    assert manifest()["spec"]["rayClusterSpec"]["enableInTreeAutoscaling"] is True
    assert manifest()["spec"]["rayClusterSpec"]["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"


@pytest.mark.parametrize("name", ["submitter", "head", "worker"])
def test_a_pod_is_not_root_cannot_write_to_its_image_and_has_its_limits(name: str) -> None:
    pod = pods()[name]
    (user,) = of("USER")
    context = pod["securityContext"]
    assert context["runAsNonRoot"] is True
    assert f"{context['runAsUser']}:{context['runAsGroup']}" == user
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip
    assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
    assert {"cpu", "memory"} <= container["resources"]["limits"].keys()
    assert container["volumeMounts"] == [{"name": pod["volumes"][0]["name"], "mountPath": "/tmp"}]


def test_no_secret_stands_in_the_manifest() -> None:
    text = (REPOSITORY / "deploy" / "rayjob.yaml").read_text()
    assert not re.search(r"(?i)(secret_access_key|password|token)\s*[=:]\s*['\"]?[A-Za-z0-9/+]{16,}", text)
    assert {"head", "worker"} == {name for name, pod in pods().items() if "envFrom" in pod["containers"][0]}


def rayjob(**changes: Any) -> RayJob:
    changed = manifest()
    changed["spec"] |= changes
    return RayJob(changed, "one", "the-token", {"emosense-storage": {"AWS_ACCESS_KEY_ID": "the-key"}}, "10.0.0.1")


@pytest.mark.parametrize(("name", "is_head", "n_cpus"), [("head", True, 0), ("worker", False, 8)])
def test_ray_takes_the_options_that_kuberay_makes_of_the_manifest(name: str, is_head: bool, n_cpus: int) -> None:
    from ray.scripts.scripts import start

    container = getattr(rayjob(), name)()
    limit, *words = shlex.split(container.command[-1])
    assert [limit, *words[:2]] == ["ulimit", "-n", "65536;"]
    options = start.make_context("start", words[4:]).params
    assert words[2:4] == ["ray", "start"]
    assert (options["head"], options["num_cpus"], options["block"]) == (is_head, n_cpus, True)
    assert options["memory"] == quantity(pods()[name]["containers"][0]["resources"]["limits"]["memory"])
    # The probes of the manifest ask the port that the agent gets.
    for probe in container.probes.values():
        assert probe["httpGet"]["port"] == options["dashboard_agent_listen_port"]


def test_a_submitter_submits_the_entrypoint_once_and_follows_the_job() -> None:
    command = rayjob(entrypoint=" python job.py \n").submitter("job-7").command[-1]
    at = "--address http://one-head-svc.default.svc.cluster.local:8265"
    assert command == (
        f"if ! ray job status {at} job-7 >/dev/null 2>&1 ; "
        f"then ray job submit {at} --no-wait --submission-id job-7 -- python job.py ; fi ; "
        f"ray job logs {at} --follow job-7"
    )


def test_every_pod_gets_the_token_and_only_those_that_read_recordings_get_the_secret() -> None:
    job = rayjob()
    containers = [job.head(), job.autoscaler(), job.wait_for_head(), job.worker(), job.submitter("job")]
    assert {container.environment["RAY_AUTH_TOKEN"] for container in containers} == {"the-token"}
    assert ["AWS_ACCESS_KEY_ID" in container.environment for container in containers] == [
        True,
        False,
        False,
        True,
        False,
    ]
    # The autoscaler asks Kubernetes with the account of the head's pod.
    assert [container.has_account for container in containers] == [True, True, False, False, False]


def test_the_autoscaler_has_the_limits_and_the_scratch_space_of_its_options() -> None:
    autoscaler = rayjob().autoscaler()
    assert autoscaler.limits == {"cpu": 0.5, "memory": 2**30}
    assert autoscaler.volumes == {"/tmp": 20 * 2**30, "/tmp/ray": None}
    assert autoscaler.command[-1] == "ray kuberay-autoscaler --cluster-name one --cluster-namespace default"


def test_what_runs_in_a_pod_follows_from_the_manifest() -> None:
    job = rayjob()
    group = job.manifest["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]
    group["rayStartParams"] = {"num-cpus": "3"}
    container = group["template"]["spec"]["containers"][0]
    container["resources"] = {"limits": {"cpu": "1500m", "memory": "3Gi"}}
    container["volumeMounts"] = [{"name": "scratch", "mountPath": "/scratch"}]
    worker = job.worker()
    assert worker.limits == {"cpu": 1.5, "memory": 3 * 2**30}
    assert worker.volumes == {"/scratch": 10 * 2**30, "/dev/shm": 3 * 2**30}
    assert f"--memory={3 * 2**30} --metrics-export-port=8080 --num-cpus=3" in worker.command[-1]


@pytest.mark.parametrize(("text", "number"), [("500m", 0.5), ("2", 2), ("4Gi", 2**32), ("10M", 10**7)])
def test_quantities_of_kubernetes(text: str, number: float) -> None:
    assert quantity(text) == number


@pytest.mark.parametrize("text", ["", "4gi", "-1", "1.5 Gi"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a quantity"):
        quantity(text)
