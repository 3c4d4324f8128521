"""What `doctor` reports about machines and installations, most of them simulated."""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import subprocess
import sys
import types
from pathlib import Path

import pytest

from emosense._version import __version__
from emosense.cli.check import Check, Load
from emosense.cli.checks import exit_code, run_checks
from emosense.cli.installation_checks import check_libsndfile, check_models, check_optional_package, check_package
from emosense.cli.machine_checks import check_cpus, check_folder, check_memory, memory_limit
from emosense.cli.ray_checks import check_ray_address, check_ray_authentication
from emosense.ray_session.cpus import cgroup_cpus, usable_cpus
from emosense.storage.schemes import SCHEMES

GB = 1_000_000_000


def module(name: str, **contents: object) -> types.ModuleType:
    made = types.ModuleType(name)
    made.__dict__.update(contents)
    return made


def soundfile(*formats: str) -> types.ModuleType:
    return module("soundfile", __libsndfile_version__="1.2.2", available_formats=lambda: dict.fromkeys(formats, ""))


def lacks(*names: str, error: type[Exception] = ModuleNotFoundError) -> Load:
    """Load modules as Python does, except those that are named."""

    def load(name: str) -> types.ModuleType:
        if name in names:
            raise error(f"No module named {name!r}")
        return importlib.import_module(name)

    return load


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_an_installed_package_is_reported_with_its_version() -> None:
    assert check_package("numpy", lambda name: module(name, __version__="2.4.6")) == Check("numpy", "ok", "2.4.6")


def test_a_package_that_cannot_be_imported_is_broken() -> None:
    check = check_package("onnxruntime", lacks("onnxruntime"))
    assert (check.status, check.advice) == ("broken", "reinstall emosense in a new environment")
    assert "No module named 'onnxruntime'" in check.detail


def test_libsndfile_is_named_with_its_version_and_number_of_formats() -> None:
    check = check_libsndfile(lambda name: soundfile("WAV", "FLAC", "OGG", "MP3", "AIFF"))
    assert (check.status, check.detail) == ("ok", "1.2.2, 5 formats, including WAV, FLAC, OGG and MP3")


def test_a_libsndfile_without_mp3_is_a_warning() -> None:
    check = check_libsndfile(lambda name: soundfile("WAV", "FLAC", "OGG"))
    assert (check.status, check.detail) == ("warning", "1.2.2 cannot read MP3")


def test_a_libsndfile_that_is_missing_is_broken() -> None:
    check = check_libsndfile(lacks("soundfile", error=OSError))
    assert check.status == "broken"


def test_a_missing_optional_package_is_reported_with_its_install_command() -> None:
    check = check_optional_package("s3fs", "s3://", "pip install 'emosense[s3]'", lacks("s3fs"))
    assert check == Check("s3fs", "absent", "not installed: needed for s3://", "pip install 'emosense[s3]'")
    assert exit_code([check]) == 0


def test_the_package_of_every_storage_scheme_is_checked() -> None:
    packages = [scheme.package for scheme in SCHEMES.values() if scheme.package]
    checks = {check.name: check for check in run_checks(lacks(*packages), {}) if check.name in packages}
    for name, scheme in SCHEMES.items():
        if scheme.package:
            assert checks[scheme.package].status == "absent"
            assert f"{name}://" in checks[scheme.package].detail
            assert checks[scheme.package].advice == scheme.install_command
    assert checks["s3fs"].advice == "pip install 'emosense[s3]'"
    assert checks["aiohttp"].advice == "pip install aiohttp"


def test_an_optional_package_that_is_damaged_is_a_warning() -> None:
    check = check_optional_package("s3fs", "s3://", "pip install s3fs", lacks("s3fs", error=ImportError))
    assert (check.status, check.advice) == ("warning", "pip install s3fs --upgrade")


def test_an_intact_model_is_ok_and_a_damaged_one_broken(tiny_model: str, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "model.json").write_bytes(Path(tiny_model, "model.json").read_bytes())
    (damaged / "model.onnx").write_bytes(Path(tiny_model, "model.onnx").read_bytes()[:-1])
    intact, broken = check_models(importlib.import_module, (tiny_model, str(damaged)))
    assert (intact.status, intact.detail) == ("ok", "tiny 1, verified")
    assert broken.status == "broken"
    assert "sha256" in broken.detail


def test_an_installation_without_a_model_is_broken() -> None:
    (check,) = check_models(importlib.import_module, ())
    assert (check.status, check.detail) == ("broken", "this installation contains no model")


def test_models_that_cannot_be_loaded_are_broken() -> None:
    (check,) = check_models(lacks("emosense.models.model"))
    assert check.status == "broken"


def test_the_address_of_a_cluster_is_shown_without_credentials() -> None:
    assert "RAY_ADDRESS is not set" in check_ray_address({}).detail
    shown = check_ray_address({"RAY_ADDRESS": "ray://me:secret@head:10001"}).detail
    assert "head:10001" in shown
    assert "secret" not in shown


def test_local_is_not_the_address_of_a_cluster(tmp_path: Path) -> None:
    environ = {"RAY_ADDRESS": "local"}
    assert "start Ray on this machine" in check_ray_address(environ).detail
    assert check_ray_authentication(environ, tmp_path).status == "ok"


@pytest.mark.parametrize(
    ("environ", "mode", "status", "text"),
    [
        ({}, None, "ok", "its own token"),
        ({}, 0o600, "ok", "its own token"),
        ({}, 0o644, "warning", "0644"),
        ({"RAY_AUTH_MODE": "token"}, 0o600, "ok", "readable only by you"),
        ({"RAY_AUTH_MODE": "token"}, 0o640, "warning", "0640"),
        ({"RAY_AUTH_MODE": "token"}, None, "warning", "there is no token at"),
        ({"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "secret"}, None, "ok", "from RAY_AUTH_TOKEN"),
        ({"RAY_ADDRESS": "head:6379"}, 0o600, "warning", "no token is sent"),
        ({"RAY_ADDRESS": "head:6379", "RAY_AUTH_MODE": "token"}, 0o600, "ok", "RAY_AUTH_MODE=token"),
        ({"RAY_AUTH_MODE": "disabled"}, 0o600, "warning", "opens Ray to the network"),
    ],
)
def test_rays_token_is_checked_by_mode_and_file(
    environ: dict[str, str], mode: int | None, status: str, text: str, tmp_path: Path
) -> None:
    if mode is not None:
        write(tmp_path / ".ray" / "auth_token", "never shown")
        (tmp_path / ".ray" / "auth_token").chmod(mode)
    check = check_ray_authentication(environ, tmp_path)
    assert (check.status, bool(check.advice)) == (status, status == "warning")
    assert text in check.detail
    assert not {"secret", "never shown"} & {check.detail, check.advice}


def test_a_token_file_elsewhere_is_found_through_its_variable(tmp_path: Path) -> None:
    write(tmp_path / "token", "t")
    (tmp_path / "token").chmod(0o604)
    check = check_ray_authentication({"RAY_AUTH_TOKEN_PATH": str(tmp_path / "token")}, tmp_path)
    assert check.advice == f"chmod 600 {tmp_path / 'token'}"


def test_a_writable_folder_is_reported_with_its_free_space_and_left_empty(tmp_path: Path) -> None:
    check = check_folder("current folder", lambda: str(tmp_path), "warning")
    assert check.detail.startswith(f"{tmp_path}, ")
    assert check.detail.endswith(" GB free")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("status", ["broken", "warning"])
def test_a_folder_that_is_not_writable_has_the_status_of_its_use(status: str, tmp_path: Path) -> None:
    check = check_folder("folder", lambda: str(tmp_path / "absent"), status)  # type: ignore[arg-type]
    assert (check.status, "is not writable" in check.detail) == (status, True)


def test_a_deleted_folder_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    check = check_folder("current folder", os.getcwd, "warning")
    assert (check.status, check.detail) == ("warning", "not found: No such file or directory")
    nothing = lacks("numpy", "onnxruntime", "ray", "soundfile", "av", "s3fs", "gcsfs", "adlfs", "emosense.models.model")
    assert {found.status for found in run_checks(nothing, {}) if found.name == "current folder"} == {"warning"}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, None),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu.max": "150000 100000\n"}, 1.5),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "400000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 4.0),
    ],
)
def test_the_cpu_time_of_a_container_is_read_from_either_kind_of_cgroup(
    files: dict[str, str], expected: float | None, tmp_path: Path
) -> None:
    for name, text in files.items():
        write(tmp_path / name, text)
    assert cgroup_cpus(tmp_path) == expected


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, None),
        ({"meminfo": "MemTotal:       16000000 kB\nMemFree: 1 kB\n"}, 16_384_000_000),
        ({"meminfo": "MemTotal:       16000000 kB\n", "memory.max": "max\n"}, 16_384_000_000),
        ({"meminfo": "MemTotal:       16000000 kB\n", "memory.max": "2000000000\n"}, 2 * GB),
        ({"memory/memory.limit_in_bytes": "9223372036854771712\n"}, None),
        ({"memory/memory.limit_in_bytes": "3000000000\n"}, 3 * GB),
    ],
)
def test_the_memory_limit_is_the_smaller_of_container_and_machine(
    files: dict[str, str], expected: int | None, tmp_path: Path
) -> None:
    for name, text in files.items():
        write(tmp_path / name, text)
    assert memory_limit(tmp_path, tmp_path / "meminfo") == expected


def test_the_number_of_workers_and_the_limit_behind_it_are_shown() -> None:
    assert check_cpus(8, None) == Check("CPUs", "ok", "8 usable")
    assert check_cpus(2, 1.5) == Check("CPUs", "ok", "2 usable; the container is limited to 1.5")


@pytest.mark.parametrize(("quota", "expected"), [("max", 4), ("150000", 2), ("40000", 1), ("900000", 4)])
def test_a_container_s_quota_limits_the_number_of_workers(
    quota: str, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(4)))
    write(tmp_path / "cpu.max", f"{quota} 100000")
    assert usable_cpus(tmp_path) == expected


@pytest.mark.parametrize(
    ("limit", "n_cpus", "status", "advice"),
    [(None, 8, "ok", ""), (16 * GB, 8, "ok", ""), (1 * GB, 8, "warning", "-j 5"), (GB // 10, 8, "warning", "-j 1")],
)
def test_less_memory_than_a_worker_on_each_cpu_takes_is_a_warning(
    limit: int | None, n_cpus: int, status: str, advice: str
) -> None:
    check = check_memory(limit, n_cpus)
    assert (check.status, check.advice.removeprefix("label with ")) == (status, advice)


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        (["ok"], 0),
        (["ok", "absent"], 0),
        (["ok", "warning"], 3),
        (["warning", "broken"], 1),
        (["broken", "ok"], 1),
    ],
)
def test_the_exit_code_is_that_of_the_worst_check(statuses: list[str], code: int) -> None:
    assert exit_code([Check("x", status, "") for status in statuses]) == code  # type: ignore[arg-type]


def test_every_check_runs_even_if_everything_is_missing() -> None:
    def load(name: str) -> types.ModuleType:
        raise ModuleNotFoundError(name)

    checks = {check.name: check for check in run_checks(load, {})}
    assert [name for name, check in checks.items() if check.status == "broken"] == [
        "numpy", "onnxruntime", "ray", "av", "libsndfile", "models",
    ]  # fmt: skip
    absent = [name for name, check in checks.items() if check.status == "absent"]
    assert absent == list(dict.fromkeys(scheme.package for scheme in SCHEMES.values() if scheme.package))
    assert checks["emosense"].detail == __version__


def test_the_number_of_usable_cpus_is_that_of_the_process() -> None:
    script = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
    script += "from emosense.ray_session.cpus import usable_cpus; print(usable_cpus())"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "1\n"
    assert 1 <= usable_cpus() <= len(os.sched_getaffinity(0))


def run_doctor(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in its own process."""
    script = "import typer; from emosense.cli.doctor import doctor; typer.run(doctor)"
    command = [sys.executable, "-c", script, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_the_screen_has_a_line_for_every_check_and_fits_a_terminal() -> None:
    done = run_doctor()
    lines = done.stdout.splitlines()
    assert len(lines) == len(run_checks()) <= 24
    assert {line.split()[0] for line in lines} <= {"ok", "absent", "warning", "broken"}
    assert done.stderr == ""


def test_json_carries_the_same_checks_and_the_exit_code_follows_from_them() -> None:
    done = run_doctor("--json")
    checks = [Check(**values) for values in json.loads(done.stdout)]
    assert [check.name for check in checks][:6] == ["emosense", "python", "numpy", "onnxruntime", "ray", "av"]
    assert done.returncode == exit_code(checks)
    assert {field.name for field in dataclasses.fields(Check)} == {"name", "status", "detail", "advice"}
