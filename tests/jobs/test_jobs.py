"""Jobs, submitted as a user does, to a real head with token authentication on this machine."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile
from conftest import REPOSITORY
from locked_environment import locked_environment
from made_sounds import voice
from numpy.typing import NDArray

import emosense
from emosense.models.model_files import read_model

LOCK = REPOSITORY / "deploy" / "requirements.lock"
# By the first `python` of the environment's PATH.
RAY = ("python", "-m", "ray.scripts.scripts")
EMOTIONS = ("angry", "happy", "sad")


def free_ports(n: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(n)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@pytest.fixture(scope="module")
def head() -> Iterator[tuple[str, dict[str, str]]]:
    """A Ray head with its own token and the packages of the cluster's lock: its address, a client's environment."""
    folder = tempfile.mkdtemp(prefix="es-", dir="/tmp")
    python = locked_environment(LOCK, Path(folder) / "venv")
    gcs, dashboard, client, agent = free_ports(4)
    environment = os.environ | {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_worker_niceness": "0",
        "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
    }
    command = [*RAY, "start", "--head", "--block", f"--port={gcs}", f"--dashboard-port={dashboard}",
               "--dashboard-host=127.0.0.1", f"--ray-client-server-port={client}", "--disable-usage-stats",
               f"--dashboard-agent-listen-port={agent}", f"--temp-dir={folder}", "--num-cpus=2",
               "--object-store-memory=200000000"]  # fmt: skip
    log = open(os.path.join(folder, "head.log"), "w")  # noqa: SIM115 - closed below, after the process that writes it
    process = subprocess.Popen(["env", *command], env=environment, stdout=log, stderr=log, start_new_session=True)
    address = f"http://127.0.0.1:{dashboard}"
    try:
        wait_until_up(f"{address}/api/version", environment["RAY_AUTH_TOKEN"], process)
        yield address, environment
    finally:
        # Ray waits half a minute for processes that end at once when they are killed.
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        log.close()
        shutil.rmtree(folder, ignore_errors=True)


def wait_until_up(url: str, token: str, process: subprocess.Popen[bytes]) -> None:
    deadline_s = time.monotonic() + 180
    while time.monotonic() < deadline_s:
        assert process.poll() is None, "the head stopped while starting"
        with contextlib.suppress(OSError):
            request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
            with urllib.request.urlopen(request, timeout=5):
                return
        time.sleep(1)
    raise AssertionError(f"nothing answers at {url}")


def submit(head: tuple[str, dict[str, str]], *entrypoint: object) -> subprocess.CompletedProcess[str]:
    address, environment = head
    command = ["env", *RAY, "job", "submit", "--address", address, "--working-dir", REPOSITORY, "--runtime-env-json",
               '{"excludes": [".git", ".venv", "docs", "tests"]}', "--", "python", *map(str, entrypoint)]  # fmt: skip
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)


def test_a_submitted_label_job_writes_the_bytes_of_the_local_run(
    head: tuple[str, dict[str, str]], write_voice: Callable[..., Path], tmp_path: Path, tiny_model: str
) -> None:
    for index in range(40):
        write_voice(f"in/{index:02d}.wav", duration_s=0.4, pitch_hz=100 + 5 * index)
    (tmp_path / "in" / "bad.wav").write_bytes(b"")
    local = [sys.executable, "-m", "emosense", "label", tmp_path / "in", "-o", tmp_path / "local.csv", "-m", tiny_model]
    assert subprocess.run(local, timeout=120).returncode == 3
    done = submit(head, "jobs/label.py", tmp_path / "in", "-o", tmp_path / "job.csv", "-m", tiny_model)
    assert "41 recordings" in done.stdout, done.stdout + done.stderr
    assert done.returncode == 0  # the table is complete, and one of its rows is an error
    assert (tmp_path / "job.csv").read_bytes() == (tmp_path / "local.csv").read_bytes()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of 4 speakers and 3 emotions, which differ in pitch."""
    folder = tmp_path_factory.mktemp("corpus")
    rows = ["path,emotion,speaker"]
    for number in range(24):
        path, emotion = folder / f"{number:02d}.wav", EMOTIONS[number % 3]
        soundfile.write(path, voice(0.6, 110 + 60 * (number % 3) + number, 16_000), 16_000)
        rows.append(f"{path},{emotion},s{number // 6}")
    (folder / "corpus.csv").write_text("\n".join(rows))
    return folder / "corpus.csv"


def run_both(head: tuple[str, dict[str, str]], output: Path, job: str, *words: object) -> tuple[Path, Path]:
    """Submit a job and run its command here at the same time: what each of them wrote."""
    command = {"extract_features": ["features"], "evaluate": ["evaluate"]}.get(job, job.split("_"))
    local, remote = (output.with_stem(f"{output.stem}-{place}") for place in ("local", "job"))
    here = [sys.executable, "-m", "emosense", *command, *map(str, words), "-o", str(local)]
    with subprocess.Popen(here, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as running:
        try:
            submitted = submit(head, f"jobs/{job}.py", *words, "-o", remote)
            _, messages = running.communicate(timeout=300)
        finally:
            running.kill()
    assert running.returncode == 0, messages
    assert submitted.returncode == 0, submitted.stdout + submitted.stderr
    return local, remote


def test_a_submitted_extraction_gives_the_features_of_the_local_run(
    head: tuple[str, dict[str, str]], corpus: Path, tmp_path: Path
) -> None:
    words = (corpus, "--set", "logmel")
    tables = [pq.read_table(path) for path in run_both(head, tmp_path / "logmel.parquet", "extract_features", *words)]
    assert tables[0].num_rows == 24
    assert tables[0].equals(tables[1])


def answers(model: Path, corpus: Path) -> NDArray[np.float64]:
    """The probabilities that a model gives the recordings of a corpus, shape (n_recordings, n_emotions)."""
    rows = emosense.label(sorted(corpus.parent.glob("*.wav")), model=str(model))
    return np.array([list(row.probabilities) for row in rows])


@pytest.mark.parametrize(
    ("job", "options"),
    [
        ("train_mlp", ["--preset", "reference"]),
        ("train_cnn", ["--epochs", 1]),
        ("train_transfer", ["--preset", "no-copies"]),
    ],
)
def test_a_submitted_training_gives_the_network_of_the_local_run(
    head: tuple[str, dict[str, str]], corpus: Path, tmp_path: Path, job: str, options: list[object]
) -> None:
    words = (corpus, "--emotions", ",".join(EMOTIONS), "--validation", 0, "--cache", tmp_path / "cache", *options)
    folders = run_both(head, tmp_path / "model", job, *words)
    descriptions = [read_model(str(folder)).description for folder in folders]
    assert descriptions[0]["trained_on"] == descriptions[1]["trained_on"]
    # The number of threads, which differs, decides the order of sums.
    first, second = (answers(folder, corpus) for folder in folders)
    assert first.shape == (24, 8)
    assert np.allclose(first, second, atol=0.01)


def test_a_submitted_evaluation_gives_the_figures_of_the_local_run(
    head: tuple[str, dict[str, str]], corpus: Path, tmp_path: Path
) -> None:
    words = (corpus, "--kind", "mlp", "--preset", "reference", "--protocol", "kfold", "--folds", 2, "--emotions",
             ",".join(EMOTIONS), "--cache", tmp_path / "cache", "--no-report")  # fmt: skip
    local, job = run_both(head, tmp_path / "evaluation", "evaluate", *words)
    assert (job / "predictions.csv").read_bytes() == (local / "predictions.csv").read_bytes()


def test_a_submission_without_the_token_is_refused(head: tuple[str, dict[str, str]]) -> None:
    address, environment = head
    stranger = {name: value for name, value in environment.items() if not name.startswith("RAY_AUTH")}
    done = submit((address, stranger | {"RAY_AUTH_MODE": "disabled"}), "-c", "print('ran')")
    assert done.returncode != 0
    assert "ran" not in done.stdout
    with pytest.raises(urllib.error.HTTPError, match=r"401"):
        urllib.request.urlopen(f"{address}/api/jobs/", timeout=10)


def test_the_cluster_file_passes_rays_validation() -> None:
    import yaml
    from ray.autoscaler._private.util import prepare_config, validate_config

    config = yaml.safe_load((REPOSITORY / "cluster.yaml").read_text())
    validate_config(prepare_config(config))
    for commands in (config["head_start_ray_commands"], config["worker_start_ray_commands"]):
        start = next(command for command in commands if "ray start" in command)
        assert "RAY_AUTH_MODE=token" in start
    assert "--dashboard-host=127.0.0.1" in " ".join(config["head_start_ray_commands"])


@pytest.mark.parametrize("change", ["max_workers", "unknown"])
def test_a_wrong_cluster_file_is_rejected(change: str) -> None:
    import yaml
    from ray.autoscaler._private.util import prepare_config, validate_config

    config = yaml.safe_load((REPOSITORY / "cluster.yaml").read_text())
    config[change] = "many"
    with pytest.raises(Exception, match=r"many|Additional properties|not of type"):
        validate_config(prepare_config(config))


def test_the_help_of_a_job_shows_the_usage_of_its_command() -> None:
    command = [sys.executable, str(REPOSITORY / "jobs" / "label.py"), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.lstrip().startswith("Usage: emosense-batch label [OPTIONS]")
