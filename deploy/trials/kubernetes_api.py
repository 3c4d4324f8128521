"""A stand-in for the API of Kubernetes: a RayCluster and its pods, as the autoscaler of Ray reads and changes them."""

from __future__ import annotations

import json
import ssl
import subprocess
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

# Where a pod finds what it needs to ask the API, and the names of the files.
SERVICE_ACCOUNT: Final = "/var/run/secrets/kubernetes.io/serviceaccount"
PORT: Final = 443
_TOKEN: Final = "the token of the service account"


class KubernetesApi:
    """The API, which answers in a thread.

    Parameters
    ----------
    folder : Path
        A new folder: what pods get as SERVICE_ACCOUNT.
    address : str
        Where it answers.
    spec : dict
        The RayCluster's specification; a patch changes it.
    pods : callable
        Returns name, kind (head or worker), group and address of each pod that runs.
    """

    def __init__(
        self, folder: Path, address: str, spec: dict[str, Any], pods: Callable[[], list[tuple[str, str, str, str]]],
    ) -> None:  # fmt: skip
        self.spec = spec
        self._pods = pods
        folder.mkdir()
        (folder / "token").write_text(_TOKEN)
        make = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -keyout ../api.key -out ca.crt -subj /CN=kubernetes"
        names = ["-addext", f"subjectAltName=IP:{address}"]
        subprocess.run([*make.split(), *names], cwd=folder, check=True, capture_output=True)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(folder / "ca.crt", folder.parent / "api.key")
        server = ThreadingHTTPServer((address, PORT), self._handler())
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def answer(self, path: str) -> dict[str, Any]:
        """Return the resource of a path."""
        kind, _, name = path.partition("?")[0].split("/namespaces/default/")[1].partition("/")
        if kind == "rayclusters":
            return {"metadata": {"name": name, "namespace": "default", "resourceVersion": "1"}, "spec": self.spec}
        pods = [_pod(*pod) for pod in self._pods()]
        if name:
            return next(pod for pod in pods if pod["metadata"]["name"] == name)
        return {"metadata": {"resourceVersion": "1"}, "items": pods}

    def patch(self, operations: list[dict[str, Any]]) -> None:
        """Apply a JSON patch to the RayCluster."""
        for operation in operations:
            *parents, last = operation["path"].split("/")[2:]
            place: Any = self.spec
            for part in parents:
                place = place[int(part)] if isinstance(place, list) else place[part]
            place[last] = operation["value"]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps(api.answer(self.path)).encode()
                self.send_response(200 if self.headers["Authorization"] == f"Bearer {_TOKEN}" else 401)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_PATCH(self) -> None:
                api.patch(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.do_GET()

            def log_message(self, *_: object) -> None:
                pass

        return Handler


def _pod(name: str, kind: str, group: str, address: str) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "resourceVersion": "1", "labels": {"ray.io/node-type": kind, "ray.io/group": group}},
        "status": {"phase": "Running", "podIP": address, "containerStatuses": [{"state": {"running": {}}}]},
    }
