"""Ray Train's backend that tells TensorFlow's workers where the others are, in the variable TF_CONFIG.

Ray's own `TensorflowConfig` imports TensorFlow in the driver and the controller, and asks for Keras 2.
"""

from __future__ import annotations

import dataclasses
import json
import os
from typing import Any

from ray.train.backend import Backend, BackendConfig


@dataclasses.dataclass
class TensorFlowBackend(BackendConfig):  # type: ignore[misc]
    """Connects the workers of a training; a single one needs nothing."""

    @property
    def backend_cls(self) -> type[Backend]:
        """The class whose `on_start` Ray Train calls before every start of the workers."""
        return _Addresses


class _Addresses(Backend):  # type: ignore[misc]
    def on_start(self, worker_group: Any, backend_config: TensorFlowBackend) -> None:  # noqa: ARG002 - Ray's interface
        """Give every worker the addresses of all."""
        if len(worker_group) < 2:
            return
        import ray

        addresses = worker_group.execute(_address)
        ray.get(
            [worker_group.execute_single_async(rank, _set_addresses, addresses, rank) for rank in range(len(addresses))]
        )


def _address() -> str:
    """Return this worker's address, with a port that is free now; another process may take it: then Ray restarts."""
    import socket

    import ray

    with socket.socket() as listener:
        listener.bind(("", 0))
        return f"{ray.util.get_node_ip_address()}:{listener.getsockname()[1]}"


def _set_addresses(addresses: list[str], rank: int) -> None:
    cluster = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": rank}}
    os.environ["TF_CONFIG"] = json.dumps(cluster)
