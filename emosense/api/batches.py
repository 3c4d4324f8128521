"""Labels in a pipeline of Ray Data: batches of recordings -> batches of rows.

    import emosense, ray

    ds = ray.data.read_binary_files("s3://bucket/calls", include_paths=True)
    ds.map_batches(emosense.LabelBatch, batch_size=32, compute=ray.data.ActorPoolStrategy(size=8))

This package does not import Ray for it: Ray makes an object of the class in each of its actors. Ray Data comes with the
extra `train`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, Unpack

from emosense.api.labeller import Labeller
from emosense.api.labelling import LabelSettings
from emosense.api.tables import table_of
from emosense.errors import RecordingError, UsageError
from emosense.models.model_files import DEFAULT_MODEL
from emosense.tables.columns import Group
from emosense.tables.row import Row, error_row

if TYPE_CHECKING:
    import pyarrow as pa

    from emosense.api.tables import Batch

# Where readers of Ray Data and tables of Hugging Face have audio, the first that a batch has.
_AUDIO_COLUMNS: Final = ("bytes", "audio", "path")
_PATH: Final = "path"


class LabelBatch:
    """Labels the recordings of a batch; a callable class for ``Dataset.map_batches`` of Ray Data.

    Each object has one worker process, in which recordings are decoded. A recording that crashes it, or takes too long,
    is a row with ``status="error"``, and the next one gets a new process: neither the batch nor the actor is lost.

    Parameters
    ----------
    model : str
        Name of a model that ships with EmoSense, a directory, or the URL of one in object storage.
    audio : str
        Column with the recordings: the bytes of files, records with a field ``bytes`` as Hugging Face's ``audio``, or
        paths and URLs. By default ``bytes``, ``audio`` or ``path``, the first that a batch has.
    keep : iterable of str
        Further columns of the batch that the result has, after its own. With ``segments`` or ``channels="split"``,
        their values are repeated.
    **settings
        Those of `Labeller`.

    Raises
    ------
    UsageError
        If a setting cannot work.
    ModelError
        If the model is refused, or its encoder is missing.

    Examples
    --------
    >>> import emosense
    >>> label_batch = emosense.LabelBatch("default", keep=["call"])
    >>> content = open("calls/1.wav", "rb").read()
    >>> table = label_batch({"bytes": [content, b""], "path": ["1.wav", "2.wav"], "call": [7, 8]})
    >>> table.select(["path", "status", "error_code", "call"]).to_pylist()[1]
    {'path': '2.wav', 'status': 'error', 'error_code': 'empty_file', 'call': 8}
    """

    def __init__(
        self,
        model: str = DEFAULT_MODEL,
        *,
        audio: str = "",
        keep: Iterable[str] = (),
        **settings: Unpack[LabelSettings],
    ) -> None:
        self._audio, self._keep = audio, tuple(keep)
        self._labeller = Labeller(model, **settings)
        groups: set[Group] = {"quality"}
        groups |= {"segments"} if settings.get("segments") else set()
        groups |= {"channels"} if str(settings.get("channels", "")) == "split" else set()
        self._groups = frozenset(groups)
        twice = set(self._keep) & set(self._table([]).column_names)
        if twice:
            raise UsageError(f"the table has a column {min(twice)} of its own: rename the one that you keep")

    def __call__(self, batch: Batch) -> pa.Table:
        """Label a batch.

        Parameters
        ----------
        batch : mapping of str to ndarray, pandas.DataFrame, or pyarrow.Table
            As ``map_batches`` gives it in any of its formats. The names of recordings that are given as bytes are in
            its column ``path``, if it has one.

        Returns
        -------
        pyarrow.Table
            The columns of the table with ``--quality``: one row per recording, in order; with ``segments`` or
            ``channels="split"``, one or more.

        Raises
        ------
        UsageError
            If the batch lacks a column.
        StorageError
            If object storage does not answer: Ray then runs the task again.
        """
        names = batch.column_names if hasattr(batch, "column_names") else list(batch)
        audio = self._audio or next((name for name in _AUDIO_COLUMNS if name in names), "")
        missing = [name for name in (audio, *self._keep) if name not in names]
        if missing:
            wanted = missing[0] or f"{', '.join(_AUDIO_COLUMNS[:-1])} or {_AUDIO_COLUMNS[-1]}"
            raise UsageError(f"the batch has no column {wanted}, but {', '.join(names) or 'none'}")
        cells = _column(batch, audio).to_pylist()
        paths = _column(batch, _PATH).to_pylist() if _PATH in names else [""] * len(cells)
        rows: list[Row] = []
        places: list[int] = []
        for place, (given, path) in enumerate(zip(cells, paths, strict=True)):
            found = self._rows(given, str(path or ""))
            rows += found
            places += [place] * len(found)
        table = self._table(rows)
        for name in self._keep:
            table = table.append_column(name, _column(batch, name).take(places))
        return table

    def close(self) -> None:
        """End the worker process; it also ends with this process."""
        self._labeller.close()

    def _rows(self, given: Any, path: str) -> list[Row]:
        """Label one cell."""
        if isinstance(given, Mapping):
            given, path = given.get("bytes") or given.get("path"), path or str(given.get("path") or "")
        if given is None:
            return [error_row(path, RecordingError("missing", "the cell is empty"))]
        if isinstance(given, str):
            return self._labeller.label_rows(given)
        if not isinstance(given, bytes):
            raise UsageError(f"recordings are bytes, paths or records with either, not {type(given).__name__}")
        return self._labeller.label_rows(given, name=path)

    def _table(self, rows: list[Row]) -> pa.Table:
        return table_of(rows, self._groups, self._labeller.own_emotions)


def _column(batch: Batch, name: str) -> pa.Array | pa.ChunkedArray:
    """Return a column with its type; what pandas holds for a missing cell is missing."""
    import pyarrow as pa

    column: Any = batch[name]
    if isinstance(column, (pa.Array, pa.ChunkedArray)):
        return column
    # NumPy's arrays of several dimensions are lists of lists.
    is_flat = getattr(column, "ndim", 1) == 1
    return pa.array(column if is_flat else column.tolist(), from_pandas=True)
