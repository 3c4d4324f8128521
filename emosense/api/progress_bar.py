"""The progress bar of `Labeller.label_many`, in a terminal or a notebook."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def progress_bar(total: int | None, is_shown: bool) -> Iterator[Callable[[int], None]]:
    """Show a progress bar, or nothing.

    Parameters
    ----------
    total : int or None
        Number of recordings; None if it is not known.
    is_shown : bool
        Whether there is a bar.

    Yields
    ------
    callable
        Takes the number of recordings that were done since the last call.
    """
    if not is_shown:
        yield lambda _: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    with Progress(BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()) as bar:
        task = bar.add_task("", total=total)
        yield lambda n_done: bar.advance(task, n_done)
