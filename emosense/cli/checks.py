"""Installation and machine -> a list of checks: what labelling and training will find here.

Nothing is started, sent or changed: packages are imported, files are looked at, and a temporary file is written and
gone again. Everything that a check looks at is an argument, so that a test can hand in another machine.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import math
import os
import platform
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Final, Literal

from emosense._version import __version__
from emosense.errors import EXIT_ERROR_ROWS, EXIT_OK, EmoSenseError
from emosense.ray_session import cluster_address
from emosense.storage.files import redact

Status = Literal["ok", "absent", "warning", "broken"]
Load = Callable[[str], ModuleType]

EXIT_BROKEN: Final = EmoSenseError.exit_code
EXIT_WARNINGS: Final = EXIT_ERROR_ROWS

_REQUIRED: Final = ("numpy", "onnxruntime", "ray")
# Package, the extra that installs it, and what it is for.
_OPTIONAL: Final = (
    ("av", "ffmpeg", "m4a, aac, mp4, webm, wma"),
    ("s3fs", "s3", "s3://"),
    ("gcsfs", "gcs", "gs://"),
    ("adlfs", "azure", "az://"),
)
# The spooled list of six million recordings: 171 bytes each, measured with paths of 51 characters on S3.
_LOW_DISK_BYTES: Final = 1 << 30
# A worker with a model and a recording takes 95 MB (measured with 10 s at 48 kHz).
_WORKER_BYTES: Final = 200_000_000
# cgroup v1 has no word for 'no limit' but a number near 2**63.
_UNLIMITED_BYTES: Final = 1 << 60


@dataclasses.dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Parameters
    ----------
    name : str
    status : str
        ``ok``; ``absent``, an optional part that is not installed; ``warning``, it works, though not as it should;
        ``broken``, labelling cannot work.
    detail : str
        What was found.
    advice : str
        What to do about it; empty where there is nothing to do.
    """

    name: str
    status: Status
    detail: str
    advice: str = ""


def examine(load: Load = importlib.import_module, environ: Mapping[str, str] = os.environ) -> list[Check]:
    """Look at everything, in the order in which a reader wants it.

    Parameters
    ----------
    load : callable
        Imports a module by its name, or raises `ImportError`.
    environ : mapping
        The process's environment.
    """
    return [
        Check("emosense", "ok", __version__),
        Check("python", "ok", f"{platform.python_version()} at {sys.executable}"),
        *(check_package(name, load) for name in _REQUIRED),
        check_libsndfile(load),
        *(check_extra(package, extra, use, load) for package, extra, use in _OPTIONAL),
        *check_models(load),
        check_ray_address(environ),
        check_ray_authentication(environ),
        check_folder("temporary folder", tempfile.gettempdir, "broken"),
        check_folder("current folder", os.getcwd, "warning"),
        check_cpus(usable_cpus(), cgroup_cpus()),
        check_memory(memory_limit(), usable_cpus()),
    ]


def exit_code(checks: list[Check]) -> int:
    """Return 0 where all is well, 3 with warnings, 1 where something is broken; what is absent is well."""
    found = {check.status for check in checks}
    return EXIT_BROKEN if "broken" in found else EXIT_WARNINGS if "warning" in found else EXIT_OK


def check_package(name: str, load: Load) -> Check:
    """Import a package that labelling needs."""
    advice = "install emosense anew in a fresh environment"
    try:
        return Check(name, "ok", str(load(name).__version__))
    except ImportError as err:
        return Check(name, "broken", f"cannot be imported: {err}", advice)


def check_libsndfile(load: Load) -> Check:
    """Import soundfile, and with it libsndfile, whose formats depend on how it was built."""
    try:
        soundfile: Any = load("soundfile")
    except (ImportError, OSError) as err:  # soundfile raises OSError where the library itself is missing
        return Check("libsndfile", "broken", f"cannot be loaded: {err}", "install soundfile anew, or libsndfile1")
    formats: dict[str, str] = soundfile.available_formats()
    version = str(soundfile.__libsndfile_version__)
    missing = sorted({"FLAC", "MP3", "OGG", "WAV"} - formats.keys())
    if missing:
        return Check("libsndfile", "warning", f"{version} cannot read {', '.join(missing)}", "update soundfile")
    return Check("libsndfile", "ok", f"{version}, {len(formats)} formats, among them WAV, FLAC, OGG and MP3")


def check_extra(package: str, extra: str, use: str, load: Load) -> Check:
    """Import an optional package."""
    try:
        return Check(package, "ok", f"{load(package).__version__}, for {use}")
    except ModuleNotFoundError:
        return Check(package, "absent", f"no {use}", f"pip install 'emosense[{extra}]'")
    except ImportError as err:
        return Check(package, "warning", f"cannot be imported: {err}", f"pip install -U 'emosense[{extra}]'")


def check_models(load: Load, names: tuple[str, ...] | None = None) -> Iterator[Check]:
    """Load every model that ships with the package, or those that are named."""
    try:
        artifact: Any = load("emosense.models.model")
    except ImportError as err:
        yield Check("models", "broken", f"cannot be looked at: {err}")
        return
    names = tuple(artifact.shipped_models()) if names is None else names
    if not names:
        yield Check("models", "broken", "none ships with this installation", "give a directory with --model")
    for name in names:
        try:
            files = artifact.read_model(name)
            artifact.Model(files)
        except (EmoSenseError, ImportError) as err:
            yield Check(f"model {name}", "broken", str(err), "install emosense anew, or fetch the model again")
        else:
            description = files.description
            yield Check(f"model {name}", "ok", f"{description['name']} {description['version']}, whole")


def check_ray_address(environ: Mapping[str, str]) -> Check:
    """Say where Ray will run; the cluster is not contacted."""
    address = cluster_address(None, environ)
    if not address:
        what = f"is {environ['RAY_ADDRESS']}" if environ.get("RAY_ADDRESS") else "is not set"
        return Check("ray address", "ok", f"RAY_ADDRESS {what}: large jobs start a Ray of their own here")
    return Check("ray address", "ok", f"RAY_ADDRESS={redact(address)}: large jobs run on that cluster")


def check_ray_authentication(environ: Mapping[str, str], home: Path | None = None) -> Check:
    """Look at Ray's mode of authentication and at the file with its token, never at the token."""
    name, mode = "ray token", environ.get("RAY_AUTH_MODE", "")
    if mode == "disabled":
        return Check(name, "warning", "RAY_AUTH_MODE=disabled opens Ray to the network", "unset RAY_AUTH_MODE")
    path = Path(environ.get("RAY_AUTH_TOKEN_PATH") or (home or Path.home()) / ".ray" / "auth_token")
    try:
        permissions = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        permissions = None
    if permissions is not None and permissions & 0o077:
        return Check(name, "warning", f"{path} has mode {permissions:04o}: others can read it", f"chmod 600 {path}")
    if cluster_address(None, environ) and mode != "token":
        return Check(name, "warning", "a cluster is named and no token is sent", "export RAY_AUTH_MODE=token")
    has_token = permissions is not None or bool(environ.get("RAY_AUTH_TOKEN"))
    if mode == "token" and not has_token:
        return Check(name, "warning", f"RAY_AUTH_MODE=token, and no token at {path}", "ray get-auth-token --generate")
    if mode == "token":
        where = "RAY_AUTH_TOKEN" if environ.get("RAY_AUTH_TOKEN") else f"{path}, readable by you alone"
        return Check(name, "ok", f"RAY_AUTH_MODE=token, from {where}")
    return Check(name, "ok", "RAY_AUTH_MODE is not set: a Ray that EmoSense starts gets a token of its own")


def check_folder(name: str, find: Callable[[], str], unwritable: Status) -> Check:
    """Find a folder, write a temporary file to it, and look at the space that is left."""
    try:
        folder = find()
    except OSError as err:  # the current folder is gone, or no temporary folder can be written
        return Check(name, unwritable, f"there is none: {err.strerror}", "choose another, or set TMPDIR")
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"0")
        free = shutil.disk_usage(folder).free
    except OSError as err:
        return Check(name, unwritable, f"{folder} cannot be written: {err.strerror}", "choose another, or set TMPDIR")
    detail = f"{folder}, {free / 1e9:.1f} GB free"
    if free < _LOW_DISK_BYTES:
        return Check(name, "warning", detail, "free some space, or set TMPDIR")
    return Check(name, "ok", detail)


def check_cpus(n_usable: int, quota: float | None) -> Check:
    """Compare the CPUs that the process may run on with the time that its cgroup grants."""
    if quota is None or quota >= n_usable:
        return Check("CPUs", "ok", f"{n_usable} usable")
    detail = f"{n_usable} usable, the container grants the time of {quota:g}"
    return Check("CPUs", "warning", detail, f"label with -j {max(1, math.floor(quota))}")


def check_memory(limit: int | None, n_cpus: int) -> Check:
    """Compare the memory that the process may use with what a worker on each CPU takes."""
    if limit is None:
        return Check("memory", "ok", "no limit is known")
    detail = f"{limit / 1e9:.1f} GB, for {n_cpus} workers"
    if limit < n_cpus * _WORKER_BYTES:
        return Check("memory", "warning", detail, f"label with -j {max(1, limit // _WORKER_BYTES)}")
    return Check("memory", "ok", detail)


def usable_cpus() -> int:
    """Return the number of CPUs that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cgroup_cpus(root: Path = Path("/sys/fs/cgroup")) -> float | None:
    """Return the CPU time that a container grants, in CPUs; None where it is not limited or there is no cgroup."""
    words = _words(root / "cpu.max") or [
        *_words(root / "cpu/cpu.cfs_quota_us"),
        *_words(root / "cpu/cpu.cfs_period_us"),
    ]
    if len(words) != 2 or words[0] in ("max", "-1"):
        return None
    return int(words[0]) / int(words[1])


def memory_limit(root: Path = Path("/sys/fs/cgroup"), meminfo: Path = Path("/proc/meminfo")) -> int | None:
    """Return the smaller of the container's limit and the machine's memory, in bytes; None where neither is known."""
    limits = []
    words = _words(root / "memory.max") or _words(root / "memory/memory.limit_in_bytes")
    if words and words[0] != "max" and int(words[0]) < _UNLIMITED_BYTES:
        limits.append(int(words[0]))
    words = _words(meminfo)
    if "MemTotal:" in words:
        limits.append(1024 * int(words[words.index("MemTotal:") + 1]))
    return min(limits, default=None)


def _words(path: Path) -> list[str]:
    with contextlib.suppress(OSError):
        return path.read_text().split()
    return []
