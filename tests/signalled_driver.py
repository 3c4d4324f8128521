"""`emosense-batch` that sends itself signals at the n-th file it puts in place; run by the tests as the real one is.

    signalled_driver.py SUFFIX N before|after SIGNALS MARK label ...

SUFFIX ends the names of the files that count, SIGNALS are names joined by commas, and the file MARK receives the moment
(of the monotonic clock, which all processes share).
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from emosense.cli import main


def strike(names: str, mark: str) -> None:
    Path(mark).write_text(repr(time.monotonic()))
    for name in names.split(","):
        os.kill(os.getpid(), signal.Signals[name])


if __name__ == "__main__":
    suffix, count, moment, names, mark = sys.argv[1:6]
    del sys.argv[1:6]
    replace, n_seen = os.replace, 0

    def counting_replace(source: str, target: str) -> None:
        global n_seen
        n_seen += str(target).endswith(suffix)
        is_due = n_seen == int(count) and str(target).endswith(suffix)
        if is_due and moment == "before":
            strike(names, mark)
        replace(source, target)
        if is_due and moment == "after":
            strike(names, mark)

    os.replace = counting_replace  # type: ignore[assignment]
    main()
