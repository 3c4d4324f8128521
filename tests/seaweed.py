"""SeaweedFS, a real object store, on the loopback interface; for tests and benchmarks."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sysconfig
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import s3fs

WEED = Path(sysconfig.get_path("scripts")) / "weed"


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def await_answer(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    end_s = time.monotonic() + 90
    while time.monotonic() < end_s:
        assert server.poll() is None, log.read_text()[-2000:]
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except (OSError, urllib.error.URLError):
            threading.Event().wait(0.2)
        else:
            return
    raise AssertionError(f"SeaweedFS does not answer: {log.read_text()[-2000:]}")


@contextlib.contextmanager
def object_store(root: Path, address: str = "127.0.0.1") -> Iterator[s3fs.S3FileSystem]:
    """A bucket ``audio``, with credentials only in the environment; its data is in a new folder."""
    master, volume, filer, s3, *grpc = free_ports(8)
    identity = {
        "name": "tests",
        "credentials": [{"accessKey": "tests", "secretKey": "tests-secret"}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    (root / "s3.json").write_text(json.dumps({"identities": [identity]}))
    (root / "data").mkdir()
    ports = {"master": master, "volume": volume, "filer": filer, "s3": s3}
    command = [str(WEED), "server", f"-dir={root}/data", f"-ip={address}", f"-ip.bind={address}", "-s3"]
    command += [f"-{name}.port={port}" for name, port in ports.items()]
    command += [f"-{name}.port.grpc={port}" for name, port in zip(ports, grpc, strict=True)]
    command += ["-s3.port.iceberg=0", "-s3.port.lance=0", f"-s3.config={root}/s3.json", "-master.telemetry=false"]
    command += ["-master.volumeSizeLimitMB=64", "-volume.max=20", f"-s3.localSocket={root}/s3.sock"]
    environment = {
        "AWS_ACCESS_KEY_ID": "tests",
        "AWS_SECRET_ACCESS_KEY": "tests-secret",
        "AWS_ENDPOINT_URL": f"http://{address}:{s3}",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    with open(root / "log", "wb") as log, patch.dict(os.environ, environment):
        server = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=root)
        try:
            await_answer(f"http://{address}:{s3}/healthz", server, root / "log")
            fs = s3fs.S3FileSystem(use_listings_cache=False)
            fs.mkdir("audio")
            yield fs
        finally:
            server.kill()  # its orderly end takes half a minute, and nobody needs the data
            server.wait()
