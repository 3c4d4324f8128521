"""The disk of a small run, in this process: it can lose power at any operation, reorder names, and fail with an errno.

Operations are those that change the names or the durable content below a folder: make a folder, create a file, sync a
file or a folder, link, rename and remove. Reading and listing can fail too.
"""

from __future__ import annotations

import builtins
import contextlib
import dataclasses
import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


class PowerCut(BaseException):
    """Nothing is written any more, not even by clean-up."""


@dataclasses.dataclass
class Step:
    """One operation: what it does to the names, or which file or folder it makes durable."""

    kind: str
    folder: str
    change: Callable[[dict[str, int]], object]
    synced: int | None = None
    content: bytes = b""


class Disk:
    """Counts the operations below a folder; `strike` is called before each with its number and kind."""

    def __init__(self, root: Path, strike: Callable[[int, str], None]) -> None:
        self._root, self._strike = str(root), strike
        self.steps: list[Step] = []
        self.n_reads = 0

    def _is_below(self, path: Any) -> bool:
        return isinstance(path, str | os.PathLike) and os.path.abspath(path).startswith(self._root)

    def _before(self, kind: str) -> None:
        self._strike(len(self.steps), kind)

    def _add(self, kind: str, path: str, change: Callable[[dict[str, int]], object], **more: Any) -> None:
        self.steps.append(Step(kind, os.path.dirname(os.path.abspath(path)), change, **more))

    @contextlib.contextmanager
    def watched(self, patch: pytest.MonkeyPatch) -> Iterator[Disk]:
        """Replace the operations for the duration of the block."""
        with patch.context() as during:
            for name in ("mkdir", "link", "replace", "unlink", "fsync", "open", "scandir", "listdir"):
                during.setattr(os, name, getattr(self, f"_{name}")(getattr(os, name)))
            during.setattr(builtins, "open", self._create(open))
            yield self

    def _mkdir(self, real: Callable[..., None]) -> Callable[..., None]:
        def mkdir(path: str, *arguments: Any) -> None:
            if self._is_below(path):
                self._before("mkdir")
            real(path, *arguments)
            if self._is_below(path):
                name = os.path.abspath(path)
                self._add("mkdir", name, lambda names: names.__setitem__(name, -1))

        return mkdir

    def _create(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def create(path: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
            is_new = "x" in mode and self._is_below(path)
            if is_new:
                self._before("create")
            file = real(path, mode, *arguments, **options)
            if is_new:
                name, inode = os.path.abspath(path), os.fstat(file.fileno()).st_ino
                self._add("create", name, lambda names: names.__setitem__(name, inode))
            return file

        return create

    def _link(self, real: Callable[..., None]) -> Callable[..., None]:
        def link(source: str, target: str) -> None:
            self._before("link")
            real(source, target)
            inode, name = os.lstat(target).st_ino, os.path.abspath(target)
            self._add("link", name, lambda names: names.__setitem__(name, inode))

        return link

    def _replace(self, real: Callable[..., None]) -> Callable[..., None]:
        def replace(source: str, target: str) -> None:
            self._before("rename")
            real(source, target)
            inode, old, new = os.lstat(target).st_ino, os.path.abspath(source), os.path.abspath(target)
            self._add("rename", new, lambda names: (names.pop(old, None), names.__setitem__(new, inode)))

        return replace

    def _unlink(self, real: Callable[..., None]) -> Callable[..., None]:
        def unlink(path: str, **options: Any) -> None:
            is_there = self._is_below(path) and os.path.lexists(path)
            if is_there:
                self._before("remove")
            real(path, **options)
            if is_there:
                name = os.path.abspath(path)
                self._add("remove", name, lambda names: names.pop(name, None))

        return unlink

    def _fsync(self, real: Callable[[int], None]) -> Callable[[int], None]:
        def fsync(descriptor: int) -> None:
            path = os.readlink(f"/proc/self/fd/{descriptor}")
            if self._is_below(path):
                self._before("sync")
            real(descriptor)
            if os.path.isdir(path):
                self.steps.append(Step("sync folder", path, lambda names: None))
            elif self._is_below(path):
                inode = os.fstat(descriptor).st_ino
                self._add("sync", path, lambda names: None, synced=inode, content=Path(path).read_bytes())

        return fsync

    def _reading(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def read(path: Any = ".", *arguments: Any, **options: Any) -> Any:
            # The lock is not of this disk: filelock has tests of its own.
            if self._is_below(path) and not os.fspath(path).endswith("/lock"):
                self.n_reads += 1
                self._strike(-self.n_reads, "read")
            return real(path, *arguments, **options)

        return read

    _open = _scandir = _listdir = _reading

    def states(self, n_steps: int, before: dict[str, bytes]) -> Iterator[dict[str, bytes]]:
        """Yield every state that a power cut after so many steps may leave: files by name, -1 content for folders.

        Names that a sync of their folder does not cover are changed or not, each on its own; a file that was not synced
        is empty.
        """
        steps = self.steps[:n_steps]
        contents = {step.synced: step.content for step in steps if step.synced is not None}
        is_durable = [
            step.kind == "sync folder"
            or step.kind == "sync"
            or any(later.kind == "sync folder" and later.folder == step.folder for later in steps[index:])
            for index, step in enumerate(steps)
        ]
        open_steps = [index for index, durable in enumerate(is_durable) if not durable]
        old = {name: -2 - index for index, name in enumerate(sorted(before))}
        contents |= {-2 - index: before[name] for index, name in enumerate(sorted(before))}
        seen: set[tuple[tuple[str, bytes], ...]] = set()
        for chosen in _subsets(open_steps):
            names = dict(old)
            for index in sorted(chosen | {index for index, durable in enumerate(is_durable) if durable}):
                steps[index].change(names)
            state = {name: contents.get(inode, b"") for name, inode in names.items() if inode != -1}
            key = tuple(sorted(state.items()))
            if key not in seen:
                seen.add(key)
                yield state


def _subsets(steps: list[int]) -> Iterator[set[int]]:
    """Yield all subsets of a few steps; of many, those that hold one, all but one, or the first ones."""
    if len(steps) <= 3:
        yield from (set(chosen) for n in range(len(steps) + 1) for chosen in itertools.combinations(steps, n))
        return
    yield from ({step} for step in steps)
    yield from ({*steps} - {step} for step in steps)
    yield from ({*steps[:n]} for n in range(len(steps) + 1))
