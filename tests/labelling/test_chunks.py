"""The list of recordings is cut where many, or long, recordings are together."""

from __future__ import annotations

import hashlib

from emosense.inputs.recording import Listed, Recording
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


def members(archive: str, n: int, size: int = 1) -> list[Listed]:
    return [
        Recording(f"{archive}::{index:04d}", archive, size, "", f"unpacked:{index}:{size}").listed for index in range(n)
    ]


def test_a_compressed_archive_of_a_store_stays_together() -> None:
    listed = [
        Recording("a.wav", "s3://b/a.wav", 1, "").listed,
        *members("s3://b/b.tgz", 9),
        *members("s3://b/c.tgz", 30),
    ]
    listed += [*members("/d.tgz", 7), *members("s3://b/e.tgz", 3000), *members("s3://b/f.tgz", 5, 100 << 20)]
    chunks = list(chunked(iter(listed), 4))
    assert [len(chunk.listed) for chunk in chunks] == [10, 30, 4, 2048, 955, 3, 2]
    assert [each for chunk in chunks for each in chunk.listed] == listed


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
