"""A bucket is listed page by page and folder beside folder, and no further than a limit needs."""

from __future__ import annotations

import os
import threading
from collections import Counter

import paged_fs
import pytest

from emosense.errors import StorageError, UsageError
from emosense.inputs.listing import Listing
from emosense.inputs.listing_config import ListingConfig
from emosense.inputs.walk import recordings_at

KEYS = ["in/a-b.wav", "in/a.wav", "in/a/z.wav", "in/a/y/1.flac", "in/é.wav", "in/notes.txt", "in/.git/1.wav", "in/b/"]
KEYS += [f"in/b/{number}.wav" for number in range(11)]
FOUND = [f"paged://bucket/{key}" for key in sorted(KEYS, key=os.fsencode) if key[-1] in "vc" and ".git" not in key]


def listed(root: str = "paged://bucket/in", limit: int | None = None) -> tuple[list[str], dict[str, int]]:
    with Listing() as listing:
        listing.add_input(root, ListingConfig(), limit)
        return [each.path for each in listing], dict(listing.ignored)


def test_all_pages_of_all_folders_are_listed() -> None:
    bucket = paged_fs.fill(*KEYS)
    assert listed() == (FOUND, {".txt": 1, "hidden": 1})
    assert bucket.asked == {"pages": 2 + 1 + 1 + 3, "heads": 1}
    assert listed("paged://bucket")[0] == FOUND


def test_a_limit_gives_the_first_of_all() -> None:
    paged_fs.fill(*KEYS)
    for limit in range(1, len(FOUND) + 2):
        assert listed(limit=limit)[0] == FOUND[:limit]


def test_a_store_that_is_seen_to_list_in_another_order_is_listed_to_the_end() -> None:
    paged_fs.fill(*KEYS, is_ordered=False)
    assert listed(limit=8)[0] == FOUND


def test_a_limit_stops_early() -> None:
    bucket = paged_fs.fill(*(f"flat/{number:05d}.wav" for number in range(400)))
    assert len(listed("paged://bucket/flat", limit=6)[0]) == 6
    assert bucket.asked["pages"] == 2
    assert len(listed("paged://bucket/flat")[0]) == 400


def test_folders_are_listed_side_by_side() -> None:
    bucket = paged_fs.fill(*(f"in/{number}/1.wav" for number in range(16)))
    # No folder gets an answer before all sixteen are asked for.
    bucket.below_at_once = threading.Barrier(16)
    assert len(listed()[0]) == 16


def test_a_page_that_fails_is_asked_for_again_and_no_other() -> None:
    bucket = paged_fs.fill(*KEYS)
    bucket.broken_pages = frozenset({2})
    assert listed()[0] == FOUND
    assert bucket.asked["pages"] == 8


def test_a_fault_that_lasts_ends_the_walk(monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = paged_fs.fill(*KEYS)
    monkeypatch.setattr("emosense.storage.objects._RETRY_DELAYS_S", (0.0,))
    bucket.broken_pages = frozenset(range(3, 100))
    with pytest.raises(StorageError, match=r"listing paged://bucket/in: .*SlowDown"):
        listed()
    with pytest.raises(UsageError, match="there is nothing"):
        listed("paged://bucket/nowhere")


def test_no_thread_is_left_when_a_walk_is_given_up() -> None:
    paged_fs.fill(*(f"in/{folder}/{number}.wav" for folder in range(20) for number in range(30)))
    before = set(threading.enumerate())
    walk = recordings_at("paged://bucket/in", ListingConfig(), Counter())
    next(walk)
    started = set(threading.enumerate()) - before
    assert started
    walk.close()
    for thread in started:
        thread.join(timeout=20)
    assert not any(thread.is_alive() for thread in started)


@pytest.mark.parametrize("limit", [None, 5])
def test_a_folder_without_a_name_is_counted_and_the_walk_ends(limit: int | None) -> None:
    paged_fs.fill("/calls/b.wav", "in//c.wav", "in/a.wav")
    assert listed("paged://bucket", limit=limit) == (["paged://bucket/in/a.wav"], {"special": 2})
