"""The list of recordings is cut where many, or long, recordings are together."""

from __future__ import annotations

import hashlib

from emosense.inputs.recording import Recording
from emosense.labelling.chunks import Chunk, chunked
from emosense.labelling.label_on_ray import packed, unpacked


def test_chunks_end_early_where_recordings_are_long() -> None:
    sizes = [1, 1, 1, 1, 200 << 20, 200 << 20, 1, 300 << 20, 1]
    listed = [Recording(f"{index}", f"{index}", size, "").listed for index, size in enumerate(sizes)]
    chunks = list(chunked(iter(listed), 3))
    assert [len(chunk.listed) for chunk in chunks] == [3, 3, 2, 1]
    assert [chunk.index for chunk in chunks] == [0, 1, 2, 3]
    assert [each for chunk in chunks for each in chunk.listed] == listed
    assert list(chunked(iter([]), 3)) == []


def test_a_chunk_reaches_a_task_as_it_was_and_within_the_call() -> None:
    names = ["a\udcff.wav", "newline\n.wav", "NUL\0.wav", *(f"calls/{index:09d}.wav" for index in range(2045))]
    digests = (hashlib.md5(name.encode(errors="replace"), usedforsecurity=False).hexdigest() for name in names)
    listed = [
        Recording(name, f"s3://bucket/{name}", index - 1, version, "tar:0:\udcff").listed
        for index, (name, version) in enumerate(zip(names, digests, strict=True))
    ]
    sent = packed(Chunk(7, listed))
    assert unpacked(sent) == Chunk(7, listed)
    # Ray puts a longer argument into its object store, which costs the driver more than all the rest.
    assert len(sent) < 100_000
