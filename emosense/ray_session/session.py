"""A Ray session for one job, started here or joined: the only place that calls `ray.init`.

A local Ray listens on every interface, whatever its settings, so a token keeps others out. Each run has its own token,
in the environment of its processes and never in a file. The dashboard stays off.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import signal
import socket
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

from emosense.errors import StorageError, UsageError
from emosense.ray_session.cpus import usable_cpus
from emosense.ray_session.folder import private_folder

# Set before Ray is imported. Niceness: Ray's workers run at 15 by default and starve next to any other process.
_LOCAL_ENVIRONMENT: Final = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_worker_niceness": "0",
    # Without a limit Ray keeps restarting a task that was killed for memory (measured with 2.60).
    "RAY_task_oom_retries": "2",
    "RAY_TRAIN_ENABLE_PRINT_PATCH": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    # Ray's figures for Prometheus are served on all interfaces to anybody, without the token. A port that does not
    # exist keeps two of its three servers from starting (Ray 2.60 logs that, and goes on).
    "RAY_enable_metrics_collection": "0",
    "AUTOSCALER_METRIC_PORT": "70000",
    "DASHBOARD_METRIC_PORT": "70000",
}
_OBJECT_STORE_BYTES: Final = 400_000_000
_CONNECT_TIMEOUT_S: Final = 5.0
# On a machine that is busy, Ray's processes may miss Ray's own deadlines for their start.
_STARTS: Final = 3


@contextlib.contextmanager
def ray_session(address: str | None = None, n_workers: int | None = None) -> Iterator[int]:
    """Join a Ray cluster, or start Ray on this machine and stop it at the end of the block.

    Parameters
    ----------
    address : str, optional
        See `cluster_address`.
    n_workers : int, optional
        CPUs that a Ray started here may use; `usable_cpus` if None.

    Yields
    ------
    int
        Number of CPUs of the cluster.

    Raises
    ------
    StorageError
        If a cluster is named and does not answer (this machine is never used in its place), or Ray does not start here.
    UsageError
        If the cluster refuses the token.
    """
    address = cluster_address(address)
    for name, value in _LOCAL_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if address:
        yield from _joined(address)
    else:
        yield from _started(n_workers or usable_cpus())


def cluster_address(address: str | None, environ: Mapping[str, str] = os.environ) -> str | None:
    """Find the address of the cluster to join.

    Parameters
    ----------
    address : str, optional
        The address as ``ray.init`` takes it. ``local`` asks for a new Ray on this machine.
    environ : mapping of str to str
        Environment variables: RAY_ADDRESS is the address if none is given.

    Returns
    -------
    str or None
        The address; None to start Ray on this machine.
    """
    address = address or environ.get("RAY_ADDRESS")
    return None if address == "local" else address


def _joined(address: str) -> Iterator[int]:
    _check_reachable(address)
    import ray

    if ray.is_initialized():
        yield int(ray.cluster_resources().get("CPU", 1))
        return
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, TimeoutError, ValueError, ray.exceptions.AuthenticationError) as err:
        if isinstance(err, ray.exceptions.AuthenticationError) or _refuses_token(address):
            raise UsageError(
                f"the Ray cluster at {address} refuses this token, or the lack of one: set RAY_AUTH_MODE=token, and "
                "RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH"
            ) from err
        # Of another version of Ray or Python, Ray says so in seven lines.
        reason = " ".join(str(err).split())
        raise StorageError(f"the Ray cluster at {address} does not accept the connection: {reason}") from err
    quiet()
    try:
        yield int(ray.cluster_resources().get("CPU", 1))
    finally:
        ray.shutdown()


def _started(n_workers: int) -> Iterator[int]:
    # Ray reads the token when it is imported. If it already is, it uses its own token, from the user's home.
    if "RAY_AUTH_MODE" not in os.environ and "ray" not in sys.modules:
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    if os.environ.get("RAY_AUTH_MODE") == "disabled":
        raise UsageError("RAY_AUTH_MODE=disabled would open a local Ray to the network: unset it")
    import ray

    if ray.is_initialized():
        yield int(ray.cluster_resources().get("CPU", 1))
        return
    with private_folder() as folder:
        try:
            _start(
                address="local",
                num_cpus=n_workers,
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
                object_store_memory=_OBJECT_STORE_BYTES,
                _temp_dir=folder,
            )
            quiet()
            yield n_workers
        finally:
            ray.shutdown()


def _start(**settings: Any) -> None:
    """Start Ray; try again if one of its processes is too slow."""
    import ray

    failure: Exception | None = None
    for _ in range(_STARTS):
        try:
            with _hangup_blocked():
                ray.init(**settings)
        except Exception as err:  # noqa: BLE001 - Ray raises plain Exceptions where a process is late
            failure = err
            ray.shutdown()
        else:
            return
    reason = str(failure).strip().partition("\n")[0]
    raise StorageError(
        f"Ray did not start on this machine, {_STARTS} times, the last time with: {reason}. Try again when the machine "
        "is less busy"
    ) from failure


@contextlib.contextmanager
def _hangup_blocked() -> Iterator[None]:
    """Start processes that a closing terminal does not end: the driver stops them once its work is kept."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def quiet() -> None:
    """Keep Ray's own messages off the terminal; Ray Data resets its loggers when it is imported."""
    for name in ("ray", "ray.data", "ray.train"):
        logging.getLogger(name).setLevel(logging.ERROR)


def _refuses_token(address: str) -> bool:
    """Ask the cluster itself: what `ray.init` raises says only that there is no connection."""
    import ray
    from ray._raylet import GcsClient  # type: ignore[attr-defined]  # compiled, without types

    try:
        GcsClient(address=address.split("://")[-1])
    except ray.exceptions.AuthenticationError:
        return True
    except (ray.exceptions.RayError, OSError, RuntimeError, ValueError):
        return False
    return False


def _check_reachable(address: str) -> None:
    """Refuse an address at which nothing listens; Ray itself would try for a minute."""
    host, _, port = address.split("://")[-1].rstrip("/").rpartition(":")
    if not host or not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), _CONNECT_TIMEOUT_S).close()
    except OSError as err:
        raise StorageError(f"no Ray cluster answers at {address}: {err.strerror or err}") from err
