"""Which files are found by their names: formats that no decoder reads too, and text of the same endings not."""

from __future__ import annotations

import collections
from pathlib import Path

import fsspec
import pytest

from emosense.audio.formats import AUDIO_EXTENSIONS, UNREAD_FORMATS, is_recording_name, unread_by_name
from emosense.inputs.walk import ListingConfig, recordings_at

# A packet of a transport stream, and the headers of the others; then text that has these endings elsewhere.
RECORDINGS = {
    "broadcast.ts": (b"G\x40\0\x10" + b"\xff" * 184) * 8,
    "film.mts": (b"\0\0\0\0G\x40\0\x10" + b"\xff" * 184) * 8,
    "corpus.sph": b"NIST_1A\n   1024\nsample_rate -i 16000\nend_head\n".ljust(1024) + bytes(64),
    "phone.amr": b"#!AMR\n" + b"\x3c" + bytes(31),
    "asterisk.sln": bytes(320),
    "pbx.sln16": b"\1\0\2\0" * 80,
    "dictated.ds2": b"\3ds2" + bytes(64),
    "empty.ts": b"",
}
TEXT = {
    "app.ts": b"export const a: number = 1;\n" * 400,
    "worker.mts": "// für alle\nimport a from './a.mjs';\n".encode() * 200,
    "genome.paf": b"read1\t100\t0\t99\t+\tchr1\t1000\t5\t104\t99\t99\t60\n",
    "program.sln": b"\xef\xbb\xbf\r\nMicrosoft Visual Studio Solution File, Format Version 12.00\r\n",
    "board.dts": b'/dts-v1/;\n/ { model = "board"; };\n',
    "meanings.amr": b"# ::id 1\n(w / want-01 :arg0 (b / boy))\n",
    "words.voc": b"the\nof\n",
}


@pytest.fixture(params=["local", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A folder here, and one in a store, with all of these files."""
    files = RECORDINGS | TEXT
    if request.param == "local":
        for name, content in files.items():
            (tmp_path / name).write_bytes(content)
        return str(tmp_path)
    bucket = f"/text-files-{tmp_path.name}"
    fsspec.filesystem("memory").pipe({f"{bucket}/{name}": content for name, content in files.items()})
    return f"memory:/{bucket}"


def test_text_with_the_ending_of_a_recording_is_counted_and_has_no_row(folder: str) -> None:
    ignored: collections.Counter[str] = collections.Counter()
    found = {each.path.rpartition("/")[2] for each in recordings_at(folder, ListingConfig(), ignored)}
    assert found == RECORDINGS.keys()
    assert ignored == collections.Counter(Path(name).suffix for name in TEXT)


def test_all_files_are_looked_at_on_request(folder: str) -> None:
    found = [*recordings_at(folder, ListingConfig(any_extension=True), collections.Counter())]
    assert len(found) == len(RECORDINGS) + len(TEXT)


def test_formats_that_no_decoder_reads_are_found_and_named() -> None:
    unread = {extension: each.name for each in UNREAD_FORMATS for extension in each.extensions}
    assert len(unread) > 25
    assert not unread.keys() & AUDIO_EXTENSIONS
    for extension, name in unread.items():
        assert is_recording_name(f"a/B{extension.upper()}")
        assert name in str(unread_by_name(f"a/B{extension.upper()}"))


def test_samples_without_a_header_are_found_unless_other_files_have_the_ending() -> None:
    assert [is_recording_name(name) for name in ("a.sln", "a.sln48", "a.ulaw", "a.gsm")] == [True] * 4
    assert [is_recording_name(name) for name in ("picture.raw", "a.sln4x", "a.txt", "sln")] == [False] * 4
    assert "without a header" in str(unread_by_name("picture.raw"))
