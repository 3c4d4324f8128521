"""The folder of a Ray that is started here: private, and removed even if its driver is killed."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import stat
import subprocess
import sys
import urllib.request
from pathlib import Path

from emosense.ray_session.folder import private_folder

# Starts Ray, says where its folder is, and waits.
DRIVER = """
import sys
from emosense.ray_session import ray_session
with ray_session(n_workers=1):
    import ray
    print(ray._private.worker._global_node.get_session_dir_path(), flush=True)
    sys.stdin.read()
"""
NOBODY = 65534


def test_a_folder_is_private_and_goes_with_its_block(tmp_path: Path) -> None:
    with private_folder(str(tmp_path)) as folder:
        outer = Path(folder).parent
        assert stat.S_IMODE(outer.stat().st_mode) == 0o700
        (Path(folder) / "socket").touch()
        with private_folder(str(tmp_path)) as other:
            assert (Path(folder) / "socket").exists()  # its owner lives
            assert Path(other).parent != outer
    assert list(tmp_path.iterdir()) == []


def test_only_folders_of_killed_processes_are_removed(tmp_path: Path) -> None:
    script = (
        "import os, sys; from emosense.ray_session.folder import private_folder; kept = private_folder(sys.argv[1]); "
    )
    subprocess.run([sys.executable, "-c", script + "kept.__enter__(); os._exit(0)", tmp_path], check=True)
    (abandoned,) = tmp_path.iterdir()
    (tmp_path / "emosense-listing-1").mkdir()
    (tmp_path / "emosense-file").write_text("mine")
    (tmp_path / "emosense-link").symlink_to(abandoned)
    with private_folder(str(tmp_path)):
        assert not abandoned.exists()
        assert sum(path.name.startswith("emosense-") for path in tmp_path.iterdir()) == 4


def children(pid: int) -> list[int]:
    found = [pid]
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            parent = int(Path(f"/proc/{name}/stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
        if parent == pid:
            found += children(int(name))
    return found


def listening_ports(pids: list[int]) -> set[int]:
    sockets = set()
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                sockets.add(os.readlink(link))
            except OSError:
                continue
    lines = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()]
    return {
        int(line[1].rsplit(":", 1)[1], 16) for line in lines if line[3] == "0A" and f"socket:[{line[9]}]" in sockets
    }


def answers_metrics(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            return answer.status == 200
    except (OSError, http.client.HTTPException):
        return False


def may_connect_as_another_user(path: str) -> bool:
    """Whether a user without rights reaches a socket; without root, this user's rights are taken from the folder."""
    script = "import os, socket, sys; os.getuid() or os.setuid(int(sys.argv[2])); "
    script += "socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
    done = subprocess.run([sys.executable, "-c", script, path, str(NOBODY)], capture_output=True, text=True)
    assert done.returncode == 0 or "PermissionError" in done.stderr, done.stderr
    return done.returncode == 0


def test_no_other_user_reaches_a_local_ray_and_nothing_of_it_stays_after_a_kill() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    try:
        assert driver.stdout is not None
        session = Path(driver.stdout.readline().strip())
        outer = session.parent.parent
        store = str(session / "sockets" / "plasma_store")
        with socket.socket(socket.AF_UNIX) as own:
            own.connect(store)
        if os.getuid() == 0:
            assert not may_connect_as_another_user(store)
        assert stat.S_IMODE(outer.stat().st_mode) == 0o700
        pids = children(driver.pid)
        found = listening_ports(pids)
        assert len(found) > 3
        assert not any(map(answers_metrics, found))
        blocked = [int(line.split()[1], 16) for line in Path(f"/proc/{pids[1]}/status").read_text().splitlines()
                   if line.startswith("SigBlk")]  # fmt: skip
        assert blocked[0] >> (signal.SIGHUP - 1) & 1
    finally:
        driver.kill()
        driver.communicate()
    with private_folder():
        assert not outer.exists()
