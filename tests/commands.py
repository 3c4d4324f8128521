"""`emosense-batch` in processes of its own that need not import anything: each is forked from one that has.

A command has its own arguments, streams, folder, environment and exit code, as if it was started from a shell. What is
saved is the processor time of the imports: 0.4 s of 0.8 for `label`, 1.5 s of 1.9 for `evaluate` and `train`. What a
test says about the start itself (imports, closed streams, signals) needs a real one: `subprocess`.
"""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
from pathlib import Path

# The commands import these when they run. Neither Ray nor TensorFlow: their threads do not survive a fork.
_IMPORTS = (
    "emosense.crossvalidation.evaluate",
    "emosense.labelling.run_job",
    "emosense.reports",
    "emosense.training.train",
    "pyarrow.parquet",
    "sklearn.neural_network",
)
# What a pipe holds before somebody reads.
_PIPE_BYTES = 1 << 16


def run_command(
    *arguments: object, stdin: bytes = b"", cwd: Path | None = None, timeout_s: float = 120.0
) -> subprocess.CompletedProcess[str]:
    """Run `emosense-batch` in a folder, with this process's environment."""
    assert len(stdin) <= _PIPE_BYTES
    command = [*map(str, arguments)]
    request = {"command": command, "cwd": str(cwd or os.getcwd()), "environment": dict(os.environ)}
    (input_end, feed), (output, output_end), (errors, errors_end) = os.pipe(), os.pipe(), os.pipe()
    given = (input_end, output_end, errors_end)
    connection = _starter()
    socket.send_fds(connection, [json.dumps(request).encode()], given)
    pid = int(connection.recv(100))
    for descriptor in given:
        os.close(descriptor)
    os.write(feed, stdin)
    os.close(feed)
    connection.settimeout(timeout_s)
    try:
        found = _read_to_their_ends([output, errors], timeout_s)
        code = int(connection.recv(100))
    except TimeoutError:
        os.kill(pid, signal.SIGKILL)
        connection.settimeout(None)
        connection.recv(100)
        raise
    return subprocess.CompletedProcess(command, code, *(content.decode() for content in found))


def _read_to_their_ends(descriptors: list[int], timeout_s: float) -> list[bytes]:
    found = {descriptor: bytearray() for descriptor in descriptors}
    with selectors.DefaultSelector() as selector:
        for descriptor in descriptors:
            selector.register(descriptor, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(timeout_s)
            if not ready:
                for key in [*selector.get_map().values()]:
                    os.close(key.fd)
                raise TimeoutError("the command has not ended")
            for key, _ in ready:
                content = os.read(key.fd, _PIPE_BYTES)
                found[key.fd] += content
                if not content:
                    selector.unregister(key.fd)
                    os.close(key.fd)
    return [bytes(content) for content in found.values()]


@functools.cache
def _starter() -> socket.socket:
    """Start the process that the commands are forked from; it ends with the tests."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    process = subprocess.Popen([sys.executable, __file__, str(theirs.fileno())], pass_fds=[theirs.fileno()])
    theirs.close()

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


def _start_commands(connection: socket.socket) -> None:
    for name in _IMPORTS:
        importlib.import_module(name)
    gc.freeze()
    while True:
        message, descriptors, _, _ = socket.recv_fds(connection, 1 << 20, 3)
        if not message:
            return
        pid = os.fork()
        if not pid:
            connection.close()
            for place, descriptor in enumerate(descriptors):
                os.dup2(descriptor, place)
                os.close(descriptor)
            _become_command(**json.loads(message))
            return
        for descriptor in descriptors:
            os.close(descriptor)
        connection.send(str(pid).encode())
        _, status = os.waitpid(pid, 0)
        connection.send(str(os.waitstatus_to_exitcode(status)).encode())


def _become_command(command: list[str], cwd: str, environment: dict[str, str]) -> None:
    from emosense.cli.main import main

    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    # As `python -m emosense` has it: modules beside the user's own files.
    sys.path[0] = cwd
    sys.argv = ["emosense-batch", *command]
    main()


if __name__ == "__main__":
    _start_commands(socket.socket(fileno=int(sys.argv[1])))
