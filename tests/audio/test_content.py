"""Bytes of a file, or of a part of it: searched across blocks, and read as a file."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest

from emosense.audio.content import Content, ContentFile

BLOCK = 1 << 20


@pytest.fixture
def made(tmp_path: Path) -> bytes:
    content = np.random.default_rng(0).bytes(2 * BLOCK + 500)
    (tmp_path / "file").write_bytes(content)
    return content


def test_what_lies_across_two_blocks_is_found(made: bytes, tmp_path: Path) -> None:
    places = [0, 9, BLOCK - 40, BLOCK - 4, BLOCK + 60, 2 * BLOCK - 8, 2 * BLOCK + 492]
    content = bytearray(made)
    for place in places:
        content[place : place + 8] = b"markmark"
    (tmp_path / "file").write_bytes(content)
    with open(tmp_path / "file", "rb") as file:
        whole = Content.of(file.fileno())
        assert [*whole.find(re.compile(b"markmark"), 80)] == places
        assert [*whole.find(re.compile(b"markmark"), 80, 1)] == places[1:]
        part = whole.part(5, BLOCK)
        assert [*part.find(re.compile(b"markmark"), 80)] == [4, BLOCK - 45]


def test_a_part_is_read_like_a_file_of_its_own(made: bytes, tmp_path: Path) -> None:
    with open(tmp_path / "file", "rb") as file:
        part = ContentFile(Content.of(file.fileno()).part(100, 600))
        assert part.read() == made[100:600]
        assert (part.tell(), part.read(10)) == (500, b"")
        assert part.seek(-20, io.SEEK_END) == 480
        buffer = bytearray(30)
        assert part.readinto(buffer) == 20
        assert buffer[:20] == made[580:600]
        assert part.seek(1 << 62) == 1 << 62
        assert part.read(1) == b""
        assert part.seek(-1) == 0
        part.close()
        assert file.read(4) == made[:4]
