"""An object store on a local folder that fails as planned, in every process that uses it.

``faulty:///some/where/bucket/key`` is the file ``/some/where/bucket/key``. Planned faults, and how often each has
occurred, are kept beside the bucket in ``/some/where/faults``. `install` registers the driver with an entry point, as a
package does, so that the command and its workers find it.
"""

from __future__ import annotations

import errno
import json
import os
import re
import time
from pathlib import Path
from typing import Any, BinaryIO, Self

import fsspec
from fsspec.spec import AbstractFileSystem

ALWAYS = 1_000_000


def install(root: Path) -> str:
    """Register ``faulty://`` in this process; returns the PYTHONPATH that registers it in others."""
    fsspec.register_implementation("faulty", FaultyFileSystem, clobber=True)
    package = root / "faulty_fs-1.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: faulty-fs\nVersion: 1\n")
    (package / "entry_points.txt").write_text("[fsspec.specs]\nfaulty = faulty_fs:FaultyFileSystem\n")
    return os.pathsep.join((str(root), str(Path(__file__).parent)))


def plan(bucket: Path, operation: str, name: str, kind: str, times: int = ALWAYS) -> None:
    """Make an operation (list, look, read, write) on a name fail `times` times."""
    (bucket.parent / "faults").mkdir(exist_ok=True)
    (bucket.parent / "faults" / f"{operation}.{name}").write_text(json.dumps([kind, times]))


def n_struck(bucket: Path, operation: str, name: str) -> int:
    """How often an operation has failed."""
    used = bucket.parent / "faults" / f"{operation}.{name}.used"
    return used.stat().st_size if used.exists() else 0


def fetched(bucket: Path) -> list[int]:
    """How many bytes each request for a part has given."""
    return list(map(int, (bucket.parent / "fetched").read_text().split()))


def _due(path: str, operation: str) -> str:
    """Return the kind of fault that is due, or an empty string, and count it."""
    folder = path.partition("/bucket")[0] + "/faults"
    # A part is planned for by its number: its name also has a digest.
    name = re.sub(r"-[0-9a-f]{12}(?=\.parquet)", "", path.rsplit("/", 1)[-1])
    location = f"{folder}/{operation}.{name}"
    if not os.path.exists(location):
        return ""
    kind, times = json.loads(Path(location).read_text())
    with open(f"{location}.used", "ab") as used:
        if used.tell() >= times:
            return ""
        used.write(b"x")
    return str(kind)


def _strike(kind: str, path: str) -> None:
    if kind == "unavailable":
        raise OSError(errno.EBUSY, "503 SlowDown: please reduce your request rate")
    if kind == "denied":
        raise PermissionError(errno.EACCES, "403 Forbidden", path)
    if kind == "missing":
        raise FileNotFoundError(errno.ENOENT, "404 Not Found", path)
    if kind == "full":
        raise OSError(errno.ENOSPC, "no space left on the device")
    if kind == "foreign":
        raise ForeignError(f"cannot reach https://user:secret@endpoint/{path}?token=secret")


class ForeignError(Exception):
    """An exception class of a driver, as botocore has them for an endpoint that cannot be reached."""


class FaultyFileSystem(AbstractFileSystem):  # type: ignore[misc]
    """Objects are written whole and read as a stream, as in a bucket."""

    protocol = "faulty"
    root_marker = "/"

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        path = self._strip_protocol(path)
        _strike(_due(path, "list"), path)
        found = [self.info(f"{path}/{name}") for name in sorted(os.listdir(path))]
        return found if detail else [entry["name"] for entry in found]

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        path = self._strip_protocol(path)
        _strike(_due(path, "look"), path)
        status = os.stat(path)
        if os.path.isdir(path):
            return {"name": path, "size": 0, "type": "directory"}
        return {"name": path, "size": status.st_size, "type": "file", "ETag": f'"{status.st_mtime_ns:x}"'}

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        path = self._strip_protocol(path)
        _strike(_due(path, "read"), path)
        content = Path(path).read_bytes()[start:end]
        with open(path.partition("/bucket")[0] + "/fetched", "a") as log:
            log.write(f"{len(content)}\n")
        return content

    def _open(self, path: str, mode: str = "rb", **_: Any) -> BinaryIO:
        if mode != "rb":
            raise NotImplementedError("objects are written whole")
        return _Stream(self, path)  # type: ignore[return-value]

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **_: Any) -> None:
        path = self._strip_protocol(path)
        _strike(_due(path, "write"), path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        Path(f"{path}.tmp~").write_bytes(value)
        os.replace(f"{path}.tmp~", path)

    def put_file(self, lpath: str, rpath: str, **_: Any) -> None:
        self.pipe_file(rpath, Path(lpath).read_bytes())

    def rm_file(self, path: str) -> None:
        os.unlink(self._strip_protocol(path))


class _Stream:
    """A download that may break off."""

    def __init__(self, fs: FaultyFileSystem, path: str) -> None:
        self._kind = _due(path, "read")
        _strike(self._kind, path)
        if self._kind == "replaced":
            os.replace(f"{path.partition('/bucket')[0]}/faults/replacement", path)
        self.details = fs.info(path)
        self._content = Path(path).read_bytes()
        self._place = 0

    def read(self, size: int = -1) -> bytes:
        if self._kind == "slow":
            time.sleep(600)  # the worker is ended long before
        half = len(self._content) // 2
        if self._kind in ("reset", "short") and self._place >= half:
            if self._kind == "reset":
                raise ConnectionResetError(errno.ECONNRESET, "connection reset by peer")
            return b""
        end = half if self._kind in ("reset", "short") else len(self._content)
        if size >= 0:
            end = min(end, self._place + size)
        block, self._place = self._content[self._place : end], end
        return block

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass
