"""Damage inside an Ogg file is noticed, however little, and what it cost is said; whole files stay whole."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path

import bad_audio
import made_sounds
import numpy as np
import pytest
import soundfile
from bad_audio import join_pages, ogg_pages
from decoded import decoded

from emosense.audio.content import Content
from emosense.audio.ogg import OggStream, ogg_streams

SECONDS = 8.0


def _encoded(subtype: str, rate: int, sound: Callable[[float, float, int], np.ndarray] = made_sounds.voice) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, sound(SECONDS, 150.0, rate), rate, subtype, format="OGG")
    return buffer.getvalue()


FILES = {
    "vorbis, 16 kHz": lambda: _encoded("VORBIS", 16_000),
    "vorbis, 48 kHz": lambda: _encoded("VORBIS", 48_000),
    "vorbis, a tone in long pages": lambda: _encoded("VORBIS", 16_000, made_sounds.harmonic_tone),
    "opus": lambda: _encoded("OPUS", 48_000),
    "flac": lambda: bad_audio.ffmpeg("ogg", "flac", SECONDS),
}


def streams(content: bytes, folder: Path) -> list[OggStream]:
    path = folder / "pages"
    path.write_bytes(content)
    with open(path, "rb") as file:
        return ogg_streams(Content.of(file.fileno()))


@pytest.mark.parametrize("kind", FILES)
def test_any_damage_is_noticed(kind: str, tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    content, path, n_tried = FILES[kind](), tmp_path / "call.ogg", 0
    longest_page = max(map(len, ogg_pages(content)))
    for start in (0.25, 0.5, 0.75, 0.9):
        for n_bytes in (1, 300, 4096, 8192):
            path.write_bytes(bad_audio.with_noise(content, start, n_bytes))
            row = decoded(path)
            assert row.status == "partial", (start, n_bytes, row)
            # No more is missing than the pages that were hit, and one page on either side.
            longest_s = SECONDS * (n_bytes + 3 * longest_page) / len(content) + 0.5
            assert max(0.0, SECONDS - longest_s) <= row.decoded_s < row.duration_s <= SECONDS + 0.1, (start, n_bytes)
            n_tried += 1
    record_property(f"damage inside Ogg, tried and noticed ({kind})", n_tried)


@pytest.mark.parametrize("kind", FILES)
def test_whole_files_are_whole(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "call.ogg"
    path.write_bytes(FILES[kind]())
    row = decoded(path)
    assert (row.status, row.decoded_s) == ("ok", pytest.approx(SECONDS, abs=0.02))
    (stream,) = streams(path.read_bytes(), tmp_path)
    assert stream.is_whole
    assert stream.n_lost == 0
    assert stream.end == path.stat().st_size


@pytest.mark.parametrize("lost", [3, 5, 7])
def test_the_time_of_a_missing_page_is_that_between_its_neighbours(lost: int, tmp_path: Path) -> None:
    pages = ogg_pages(FILES["vorbis, 16 kHz"]())
    positions = [struct.unpack_from("<q", page, 6)[0] for page in pages]
    (stream,) = streams(join_pages([page for i, page in enumerate(pages) if i != lost]), tmp_path)
    assert stream.is_damaged
    # Half of the time from the page before to the page after, which is what one of two pages lasts.
    assert stream.n_lost == (positions[lost + 1] - positions[lost - 1]) // 2
    assert stream.n_lost == pytest.approx(positions[lost] - positions[lost - 1], rel=0.2)


def test_a_broadcast_joined_late_is_whole(tmp_path: Path) -> None:
    pages = ogg_pages(FILES["vorbis, 16 kHz"]())
    n_heads = sum(struct.unpack_from("<q", page, 6)[0] == 0 for page in pages)
    (stream,) = streams(join_pages(pages[:n_heads] + pages[n_heads + 3 :]), tmp_path)
    assert stream.is_whole
    assert stream.n_lost == 0


def test_the_picture_of_a_film_may_be_damaged(tmp_path: Path) -> None:
    sound = ogg_pages(FILES["vorbis, 16 kHz"]())
    picture = [bytearray(page) for page in sound]
    for page in picture:
        page[14:18] = b"film"
    body = 27 + picture[0][26]
    picture[0][body : body + 7] = b"\x80theora"
    both = [page for pair in zip(picture, sound, strict=True) for page in pair]
    (stream,) = streams(join_pages(both), tmp_path)
    assert (stream.is_whole, stream.position) == (True, round(SECONDS * 16_000))
    (stream,) = streams(join_pages(both[:8] + both[9:]), tmp_path)
    assert stream.is_whole
    (stream,) = streams(join_pages(both[:9] + both[10:]), tmp_path)
    assert stream.is_damaged


def test_recordings_in_a_chain_are_found_where_they_begin(tmp_path: Path) -> None:
    parts = [_encoded("VORBIS", 16_000), _encoded("OPUS", 48_000), FILES["flac"]()]
    found = streams(b"".join(parts), tmp_path)
    assert [stream.start for stream in found] == [0, len(parts[0]), len(parts[0]) + len(parts[1])]
    assert [stream.end for stream in found] == [*np.cumsum([len(part) for part in parts])]
    assert all(stream.is_whole for stream in found)
    assert [stream.position for stream in found] == [128_000, 384_000, 128_000]


def test_a_chain_whose_second_part_lost_its_first_page_is_damaged(tmp_path: Path) -> None:
    first, second = (ogg_pages(_encoded("VORBIS", 16_000)) for _ in range(2))
    for page in second:
        page[14:18] = b"next"
    path = tmp_path / "chain.ogg"
    path.write_bytes(join_pages(first + second[1:]))
    row = decoded(path)
    assert (row.status, row.decoded_s) == ("partial", pytest.approx(SECONDS, abs=0.1))
