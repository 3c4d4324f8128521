"""Rows -> a table in Arrow or pandas."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from emosense.errors import UsageError
from emosense.tables.columns import Group
from emosense.tables.formats import TableLayout
from emosense.tables.row import Row
from emosense.tables.writers import parquet_table

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    # What pipelines call a batch: columns by name, in any of these forms.
    Batch = Mapping[str, Any] | pd.DataFrame | pa.Table


def to_pandas(rows: Iterable[Row]) -> pd.DataFrame:
    """Make a data frame of rows: the columns of the table that `emosense-batch label --quality` writes.

    Parameters
    ----------
    rows : iterable of Row
        What a `Labeller` gave.

    Returns
    -------
    pandas.DataFrame
        One row each, in their order; a missing value where a recording has no label.

    Raises
    ------
    UsageError
        If pandas is not installed: EmoSense itself does not need it.

    Examples
    --------
    >>> import emosense
    >>> frame = emosense.to_pandas(emosense.label(["calls/1.wav", "calls/3.wav"]))
    >>> list(frame["status"])
    ['ok', 'error']
    """
    if importlib.util.find_spec("pandas") is None:
        raise UsageError("to_pandas needs pandas, which is not installed: pip install pandas")
    rows = list(rows)
    groups: set[Group] = {"quality"}
    groups |= {"segments"} if any(row.start_s is not None for row in rows) else set()
    groups |= {"channels"} if any(row.channel is not None for row in rows) else set()
    groups |= {"speakers"} if any(row.speaker for row in rows) else set()
    own_emotions = next((row.own_emotions for row in rows if row.own_emotions), ())
    return table_of(rows, frozenset(groups), own_emotions).to_pandas()


def table_of(rows: Sequence[Row], groups: frozenset[Group], own_emotions: Sequence[str]) -> pa.Table:
    """Make an Arrow table of rows.

    Parameters
    ----------
    rows : sequence of Row
        What a `Labeller` gave.
    groups : frozenset of str
        Groups of columns beside those that every table has (`emosense.tables.columns`).
    own_emotions : sequence of str
        Emotions of the model beside `EMOTIONS`.

    Returns
    -------
    pyarrow.Table
        One row each, in their order; null where a recording has no label.
    """
    import pyarrow.parquet as pq

    file = io.BytesIO()
    with parquet_table(file, TableLayout(groups, own_emotions=tuple(own_emotions))) as write:
        write(rows)
    return pq.read_table(io.BytesIO(file.getvalue()))
