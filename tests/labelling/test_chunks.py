"""The list of recordings is cut where many, or long, recordings are together."""

from __future__ import annotations

from emosense.inputs.recording import Recording
from emosense.labelling.chunks import chunked


def test_chunks_end_early_where_recordings_are_long() -> None:
    sizes = [1, 1, 1, 1, 200 << 20, 200 << 20, 1, 300 << 20, 1]
    listed = [Recording(f"{index}", f"{index}", size, "").listed for index, size in enumerate(sizes)]
    chunks = list(chunked(iter(listed), 3))
    assert [len(chunk.listed) for chunk in chunks] == [3, 3, 2, 1]
    assert [chunk.index for chunk in chunks] == [0, 1, 2, 3]
    assert [each for chunk in chunks for each in chunk.listed] == listed
    assert list(chunked(iter([]), 3)) == []
