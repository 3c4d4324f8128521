"""Bytes that are fetched of a remote shard, as a multiple of its size, to list it and to label it by several workers.

    python benchmarks/shard_bytes.py -o docs/benchmarks/shard-bytes.md

The shards lie in memory and every request is counted. Chunks are dealt to the workers in turn.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import os

import fsspec
from shards import SHARDS, tar
from tables import machine, markdown, write

from emosense.inputs.archive_listing import open_archives
from emosense.inputs.listing import Listing
from emosense.inputs.listing_config import ListingConfig
from emosense.inputs.member_reading import MemberReader
from emosense.inputs.recording import open_recording
from emosense.labelling.chunks import Chunk, chunked
from emosense.labelling.engine_choice import CHUNK_SIZES

INSIDE = ListingConfig(inside="archives")
# Recordings, and bytes of each: three seconds of 16 kHz, of 48 kHz in stereo and 24 bits, a minute, an hour of a call.
SHAPES = ((800, 96_000), (100, 860_000), (40, 1_900_000), (12, 5_800_000), (4, 29_000_000))
WORKERS = (1, 8, 64)
PACKS = {"tar": tar, "tar.gz": functools.partial(tar, mode="w:gz")} | SHARDS


def counted() -> list[int]:
    """Return the list that every request to ``memory://`` adds its bytes to."""
    asked = list[int]()
    store = type(fsspec.filesystem("memory"))
    read = store.cat_file

    def cat_file(self: object, path: str, start: int | None = None, end: int | None = None, **_: object) -> bytes:
        content: bytes = read(self, path, start=start, end=end)
        asked.append(len(content))
        return content

    store.cat_file = cat_file
    return asked


def label(chunks: list[Chunk], n_workers: int) -> None:
    """Read all recordings, as workers do."""
    with contextlib.ExitStack() as stack:
        workers = [stack.enter_context(contextlib.closing(MemberReader())) for _ in range(n_workers)]
        for chunk in chunks:
            worker = workers[chunk.index % n_workers]
            worker.expect(chunk.recordings)
            for recording in chunk.recordings:
                with open_recording(recording, members=worker):
                    pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("-o", "--output", help="Markdown file (default: standard output)")
    args = parser.parse_args()
    state, asked, rows = machine(), counted(), []
    for kind, pack in PACKS.items():
        for n, n_bytes in SHAPES:
            location = f"memory://shards/s.{kind}"
            shard = pack({f"{number:05d}.wav": os.urandom(n_bytes) for number in range(n)})
            fsspec.filesystem("memory").pipe_file(location, shard)
            asked.clear()
            with Listing() as listing:
                listing.add_input(location, INSIDE)
                open_archives(listing, INSIDE)
                chunks = list(chunked(listing.pending(), CHUNK_SIZES[0]))
            found = [f"{sum(asked) / len(shard):.2f} ({len(asked)})"]
            for n_workers in WORKERS:
                asked.clear()
                label(chunks, n_workers)
                found.append(f"{sum(asked) / len(shard):.2f} ({len(asked)})")
            rows.append((f".{kind}", n, f"{n_bytes / 1e6:g}", *found))
    heads = ("shard", "recordings", "MB each", "listing", *(f"labelling, {n} workers" for n in WORKERS))
    text = f"Bytes fetched, as a multiple of the shard, and requests; chunks of {CHUNK_SIZES[0]}; {state}"
    write(args.output, "bytes of shards", f"{text}\n\n{markdown(heads, rows)}")


if __name__ == "__main__":
    main()
