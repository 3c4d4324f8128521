"""Try cluster.yaml as on AWS, on this machine: `ray up`, three jobs on S3, a spot worker, `ray down`.

    make try-aws                # or: .venv/bin/python deploy/trials/try_aws.py FOLDER_OF_RECORDINGS

AWS is moto, which answers for EC2, IAM and S3. An instance is an address and two folders (the home of its host and of
its container), and `ssh`, `docker` and `ray stop` are stand-ins: they run an instance's commands here. All else is what
runs on AWS: Ray makes key, role, security group and instances, sets up the node with the locked packages and starts
Ray on it, `ray job submit` sends the repository with the token, and the autoscaler starts a spot instance for the work.

Everything runs in namespaces of its own: nothing reaches a network, and all processes end with this one. Needs Linux,
root, `ip`, `rsync` and `unshare`. Ends with 1 at the first step that fails.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

import yaml
from trial import enter_namespaces, expect, step

REPOSITORY: Final = Path(__file__).resolve().parents[2]
CLUSTER: Final = yaml.safe_load((REPOSITORY / "cluster.yaml").read_text())
REGION: Final = CLUSTER["provider"]["region"]
NODE_HOME: Final = "/home/ray"
BUCKET: Final = "bucket"
# A step that takes longer has failed.
STEP_S: Final = 600.0


def main() -> None:
    """Run the steps, in new namespaces."""
    if sys.argv[1:2] == ["--as"]:
        STAND_INS[sys.argv[2]](sys.argv[3:])
        return
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        sys.exit("usage: try_aws.py FOLDER_OF_RECORDINGS")
    enter_namespaces("rsync")
    made = not Path(NODE_HOME).exists()
    Path(NODE_HOME).mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory() as folder:
            try_cluster(Path(folder), Path(sys.argv[1]).resolve())
    finally:
        if made:
            Path(NODE_HOME).rmdir()


def try_cluster(folder: Path, recordings: Path) -> None:
    """Set up the stand-ins in a folder, and run the steps."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 5000)
    server.start()
    set_up(folder)
    s3 = aws("s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    files = sorted(path for path in recordings.rglob("*") if path.suffix in {".wav", ".flac"})
    for path in files:
        s3.upload_file(str(path), BUCKET, f"calls/{path.relative_to(recordings)}")

    run("ray", "get-auth-token", "--generate")
    run("ray", "up", "cluster.yaml", "-y")
    (head,) = instances()
    expect(
        head["InstanceType"] == node_type("head")["InstanceType"], "the head is the instance that cluster.yaml names"
    )
    table = f"s3://{BUCKET}/labels.csv"
    job = ("ray", "job", "submit", "--address", "http://127.0.0.1:8265", "--working-dir", ".", "--", "python")
    run(*job, "jobs/label.py", f"s3://{BUCKET}/calls", "-o", table)
    rows = s3.get_object(Bucket=BUCKET, Key="labels.csv")["Body"].read().decode().splitlines()[1:]
    expect(len(rows) == len(files) and all(',"ok",' in row for row in rows), f"{len(files)} rows, each ok")
    workers = [node for node in instances() if node["InstanceId"] != head["InstanceId"]]
    kinds = {(node["InstanceType"], node.get("InstanceLifecycle")) for node in workers}
    expect(
        kinds == {(node_type("worker")["InstanceType"], "spot")}, f"{len(workers)} spot instance of cluster.yaml's type"
    )
    # Again: nothing is left to do.
    run(*job, "jobs/label.py", f"s3://{BUCKET}/calls", "-o", table)
    run(*job, "jobs/extract_features.py", f"s3://{BUCKET}/calls", "-o", f"s3://{BUCKET}/features.parquet")
    run("ray", "down", "cluster.yaml", "-y")
    expect(not instances(), "no instance is left")
    server.stop()


def set_up(folder: Path) -> None:
    """Make the stand-ins, and an environment in which programs find them before the real ones."""
    for name in STAND_INS:
        stand_in = folder / "bin" / name
        stand_in.parent.mkdir(exist_ok=True)
        stand_in.write_text(f'#!/bin/sh\nexec {sys.executable} {Path(__file__).resolve()} --as {name} "$@"\n')
        stand_in.chmod(0o755)
    paths = f"{folder}/bin:{Path(sys.executable).parent}:{os.environ['PATH']}"
    (folder / "profile").write_text(f"export PATH={paths}\n")
    for place in ("home", "tmp"):
        (folder / place).mkdir()
    os.environ.update(
        TRY_AWS_FOLDER=str(folder), PATH=paths, HOME=str(folder / "home"), RAY_AUTH_MODE="token",
        AWS_ENDPOINT_URL="http://127.0.0.1:5000", AWS_DEFAULT_REGION=REGION, AWS_EC2_METADATA_DISABLED="true",
        AWS_ACCESS_KEY_ID="none", AWS_SECRET_ACCESS_KEY="none",
        # Of Ray's sessions, and for what it learned of AWS.
        TMPDIR=str(folder / "tmp"),
    )  # fmt: skip


def run(*command: str) -> None:
    """Run a command of the documentation; where it fails, print what it said and end."""
    with step(" ".join(command)):
        done = subprocess.run(
            command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=STEP_S
        )
        if done.returncode:
            sys.exit(done.stdout)


def node_type(name: str) -> dict[str, Any]:
    """Return what cluster.yaml asks EC2 for."""
    config: dict[str, Any] = CLUSTER["available_node_types"][name]["node_config"]
    return config


def aws(service: str) -> Any:
    """Return a client of one of AWS's services, at the stand-in."""
    import boto3

    return boto3.client(service, region_name=REGION)


def instances() -> list[dict[str, Any]]:
    """Return the instances that run."""
    reservations = aws("ec2").describe_instances()["Reservations"]
    found = [instance for reservation in reservations for instance in reservation["Instances"]]
    return [instance for instance in found if instance["State"]["Name"] == "running"]


# The stand-ins.


def ssh(arguments: list[str]) -> None:
    """Run a command as the host that has the address."""
    while arguments[0].startswith("-"):
        if arguments.pop(0) != "-tt":
            arguments.pop(0)
    address = arguments.pop(0).split("@")[-1]
    private = [
        node["PrivateIpAddress"]
        for node in instances()
        if address in (node["PrivateIpAddress"], node.get("PublicIpAddress"))
    ]
    if not private:
        sys.exit(255)
    # An error says that the host has its address already.
    subprocess.run(["ip", "address", "add", f"{private[0]}/32", "dev", "lo"], stderr=subprocess.DEVNULL)
    host, container = (of_instance(private[0], place) for place in ("host", "container"))
    for home in (host, container):
        shutil.copy(Path(os.environ["TRY_AWS_FOLDER"]) / "profile", home / ".bashrc")
    os.chdir(host)
    os.environ.update(HOME=str(host), TRY_AWS_ADDRESS=private[0])
    # Its own, as on a new machine: what the client has set does not reach a host.
    os.environ.pop("RAY_AUTH_MODE", None)
    os.execvp("bash", ["bash", "-c", " ".join(arguments)])


def docker(arguments: list[str]) -> None:
    """Keep one container, whose home is a folder of the instance."""
    container = of_instance(os.environ["TRY_AWS_ADDRESS"], "container")
    state = container.with_suffix(".json")
    verb, *rest = arguments
    if verb == "inspect":
        _inspect(rest[1], json.loads(state.read_text()) if state.exists() else None)
    elif verb == "run":
        mounts = dict(value.split(":") for flag, value in itertools.pairwise(rest) if flag == "-v")
        for source, place in mounts.items():
            inside = container / Path(place).relative_to(NODE_HOME)
            inside.parent.mkdir(parents=True, exist_ok=True)
            # A mounted file is the host's own.
            with contextlib.suppress(FileExistsError):
                os.link(source, inside)
        state.write_text(
            json.dumps({".Config.Image": rest[-2], ".Mounts": [{"Destination": at} for at in mounts.values()]})
        )
    elif verb == "exec":
        while rest[0] in ("-i", "-it"):
            rest.pop(0)
        os.environ.update(HOME=NODE_HOME, LC_ALL="C.UTF-8")
        inside_it = f'mount --bind {container} {NODE_HOME} && cd {NODE_HOME} && exec "$@"'
        os.execvp("unshare", ["unshare", "--mount", "sh", "-c", inside_it, "sh", *rest[1:]])
    elif verb not in ("pull", "info"):
        sys.exit(f"the stand-in for docker knows no {verb}")


def _inspect(template: str, container: dict[str, Any] | None) -> None:
    """Print what a template asks of the container, or of the image."""
    if ".Config.Env" in template:
        print(json.dumps([f"HOME={NODE_HOME}"]))
    elif container is None:
        sys.exit("no such object")
    elif "Running" in template:
        print("true")
    else:
        field = next(name for name in container if name in template)
        print(container[field] if "json" not in template else json.dumps(container[field]))


def ray(arguments: list[str]) -> None:
    """Run Ray at the instance's address; `ray stop` would end the other instances' Ray too, and a new one has none."""
    if arguments[0] == "stop" and "TRY_AWS_ADDRESS" in os.environ:
        return
    if arguments[0] == "start":
        arguments.insert(1, f"--node-ip-address={os.environ['TRY_AWS_ADDRESS']}")
    os.execv(Path(sys.executable).parent / "ray", ["ray", *arguments])


def change_owner(_: list[str]) -> None:
    """Do nothing: there is no other user here."""


def of_instance(address: str, place: str) -> Path:
    """Return a folder of an instance; it is made where it is absent."""
    folder = Path(os.environ["TRY_AWS_FOLDER"]) / address / place
    folder.mkdir(parents=True, exist_ok=True)
    return folder


STAND_INS: Final = {"ssh": ssh, "docker": docker, "ray": ray, "chown": change_owner}

if __name__ == "__main__":
    main()
