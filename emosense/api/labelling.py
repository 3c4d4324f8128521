"""Labels in Python in one call, with the settings of a `Labeller`."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable
from typing import TypedDict, Unpack

from emosense.api.labeller import Labeller
from emosense.api.recordings import Path
from emosense.models.model_files import DEFAULT_MODEL
from emosense.tables.row import Row


class LabelSettings(TypedDict, total=False):
    """The settings of a `Labeller`, which describes them."""

    n_workers: int
    window_s: float
    hop_s: float
    segment_by: str
    min_segment_s: float
    max_segment_s: float
    segments: bool
    strict: bool
    max_duration_s: float
    channels: str | int
    track: int
    file_timeout_s: float
    encoder: str
    emotions: Iterable[str]


def label(
    paths: Iterable[Path], model: str = DEFAULT_MODEL, **settings: Unpack[LabelSettings]
) -> Generator[Row, None, None]:
    """Label recordings with a `Labeller` that ends with them.

    Parameters
    ----------
    paths : iterable of str or path-like
        Recordings, local or by URL. They are taken from the iterable as they are needed, in another thread.
    model : str
        Name of a model that ships with EmoSense, a directory, or the URL of one in object storage.
    **settings
        Those of `Labeller`.

    Returns
    -------
    generator of Row
        What `Labeller.label_many` gives. Closing the generator ends the workers.

    Raises
    ------
    UsageError
        If a setting cannot work.
    ModelError
        If the model is refused, or its encoder is missing.
    StorageError
        While iterating, if object storage does not answer.

    Examples
    --------
    >>> import emosense
    >>> rows = list(emosense.label(["calls/1.wav", "calls/2.wav", "calls/3.wav"], n_workers=2))
    >>> [(row.path, row.status, row.error_code) for row in rows]
    [('calls/1.wav', 'ok', ''), ('calls/2.wav', 'ok', ''), ('calls/3.wav', 'error', 'missing')]
    >>> 0 < rows[0].confidence <= 1
    True
    """
    labeller = Labeller(model, **settings)
    return _until_closed(labeller, labeller.label_many(paths))


def _until_closed(labeller: Labeller, rows: Generator[Row, None, None]) -> Generator[Row, None, None]:
    with labeller, contextlib.closing(rows):
        yield from rows
