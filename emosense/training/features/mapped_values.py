"""Features of many recordings in a temporary file that is mapped into memory, whose pages the system may drop."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Final, Self

import numpy as np

from emosense.arrays import Float32
from emosense.storage.temporary import faults_of_temporary

_VALUE_BYTES: Final = 4


class MappedValues:
    """Takes the features of recordings and gives them back as views of a file, in a ``with`` block.

    The file has no name: it goes with the last view of it.
    """

    def __init__(self) -> None:
        with faults_of_temporary():
            self._file = tempfile.TemporaryFile(prefix="emosense-features-")  # noqa: SIM115 - closed at the end of the block
        self._ends, self._n_frames = [0], list[int]()

    def __len__(self) -> int:
        """Return the number of recordings."""
        return len(self._n_frames)

    def append(self, features: Any, n_frames: Iterable[int]) -> None:
        """Write the features of recordings at the end.

        Parameters
        ----------
        features : pyarrow.Array
            The flat values of each: lists of numbers, of any length or of a fixed one.
        n_frames : iterable of int
            Number of frames of each; 0 for a vector.

        Raises
        ------
        StorageError
            If the temporary folder has no room.
        NotImplementedError
            If they are not lists of numbers.
        """
        import pyarrow as pa

        features = features.cast(pa.large_list(pa.float32()))
        offsets = features.offsets.to_numpy()
        values = features.values.to_numpy(zero_copy_only=False)[offsets[0] : offsets[-1]]
        with faults_of_temporary():
            self._file.write(np.ascontiguousarray(values, np.float32).data)
        self._ends += (offsets[1:] - offsets[0] + self._ends[-1]).tolist()
        self._n_frames += n_frames

    def cut(self, n_rows: int) -> None:
        """Forget the last recordings, so that they can be written again.

        Parameters
        ----------
        n_rows : int
            Number of recordings to keep, at most their number.
        """
        del self._ends[n_rows + 1 :], self._n_frames[n_rows:]
        with faults_of_temporary():
            self._file.seek(self._ends[-1] * _VALUE_BYTES)

    def views(self) -> list[Float32]:
        """Return what was written.

        Returns
        -------
        list of ndarray, float32
            Shape (n_values,) or (n_frames, n_bands) each; they cannot be written to.
        """
        with faults_of_temporary():
            self._file.flush()
        values = np.empty(0, np.float32)
        if n_values := self._ends[-1]:
            values = np.asarray(np.memmap(self._file, np.float32, "r", shape=(n_values,)))
        rows = [values[start:end] for start, end in itertools.pairwise(self._ends)]
        return [row.reshape(frames, -1) if frames else row for row, frames in zip(rows, self._n_frames, strict=True)]

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file; views of it stay."""
        self._file.close()
