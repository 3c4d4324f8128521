"""`emosense-batch` that sends itself signals at the n-th file it writes; the tests run it in place of the real one.

    signalled_driver.py SUFFIX N before|after SIGNALS MARK label ...

Files (or objects in S3) whose names end in SUFFIX are counted, SIGNALS are names joined by commas, and the time is
written to the file MARK (of the monotonic clock, which all processes share).
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import s3fs

from emosense.cli.main import main


class Striker:
    """Counts files as they are written, and sends the signals at one of them."""

    def __init__(self, suffix: str, count: str, moment: str, names: str, mark: str) -> None:
        self._suffix, self._left, self._moment, self._mark = suffix, int(count), moment, mark
        self._signals = [signal.Signals[name] for name in names.split(",")]

    @contextmanager
    def around(self, target: str) -> Iterator[None]:
        self._left -= target.endswith(self._suffix)
        is_due = self._left == 0 and target.endswith(self._suffix)
        if is_due and self._moment == "before":
            self._strike()
        yield
        if is_due and self._moment == "after":
            self._strike()

    def _strike(self) -> None:
        Path(self._mark).write_text(repr(time.monotonic()))
        for number in self._signals:
            os.kill(os.getpid(), number)
            # Parts are written in other threads: only the main one handles a signal, and two at once would be one.
            time.sleep(0.05)


if __name__ == "__main__":
    striker = Striker(*sys.argv[1:6])
    del sys.argv[1:6]
    replace, link, put_file = os.replace, os.link, s3fs.S3FileSystem._put_file

    def counting_replace(source: str, target: str) -> None:
        with striker.around(str(target)):
            replace(source, target)

    def counting_link(source: str, target: str, **options: Any) -> None:
        with striker.around(str(target)):
            link(source, target, **options)

    async def counting_put(fs: Any, lpath: str, rpath: str, **options: Any) -> None:
        with striker.around(rpath):
            await put_file(fs, lpath, rpath, **options)

    os.replace = counting_replace  # type: ignore[assignment]
    os.link = counting_link  # type: ignore[assignment]
    s3fs.S3FileSystem._put_file = counting_put
    main()
