"""Recordings inside archives: found, read, and no danger whatever somebody has put into one."""

from __future__ import annotations

import dataclasses
import errno
import io
import os
import struct
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import faulty_fs
import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from made_sounds import voice

from emosense.errors import RecordingError
from emosense.inputs import archive as archives
from emosense.inputs.archive_listing import open_archives
from emosense.inputs.listing import Listing
from emosense.inputs.listing_config import ListingConfig
from emosense.inputs.member_reading import MemberReader
from emosense.inputs.recording import Recording, open_recording
from emosense.labelling.chunks import chunked
from emosense.labelling.job import LabelJob
from emosense.labelling.run_job import run_label_job

INSIDE = ListingConfig(inside="archives")
FILES = {f"{folder}/{number}.wav": os.urandom(3000 + 700 * number) for folder in "ab" for number in range(6)}


def write_tar(path: Path, files: dict[str, bytes], kind: int = tarfile.PAX_FORMAT) -> None:
    compression = {".gz": "gz", ".tgz": "gz", ".bz2": "bz2", ".xz": "xz"}.get(path.suffix, "")
    with tarfile.open(path, f"w:{compression}", format=kind) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def write_zip(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> None:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)


def write_parquet(path: Path, files: dict[str, bytes]) -> None:
    records = [{"bytes": content, "path": name} for name, content in files.items()]
    pq.write_table(pa.table({"audio": records, "text": list(files)}), path, row_group_size=5)


WRITERS: dict[str, Callable[[Path, dict[str, bytes]], None]] = {
    "t.tar": write_tar, "t.zip": write_zip, "t.parquet": write_parquet,
    **dict.fromkeys(("t.tar.gz", "t.tgz", "t.tar.bz2", "t.tar.xz"), write_tar),
}  # fmt: skip


def listed(location: Path | str) -> tuple[list[Recording], Counter[str]]:
    with Listing() as listing:
        listing.add_input(str(location), INSIDE)
        open_archives(listing, INSIDE)
        return list(listing), listing.ignored


def content(recording: Recording, members: MemberReader | None = None) -> bytes:
    with open_recording(recording, members=members) as file:
        return file.read()


def fault(recording: Recording) -> str:
    with pytest.raises(RecordingError) as caught:
        content(recording)
    assert caught.value.code == "bad_archive"
    return str(caught.value)


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("remote", [False, True])
def test_the_members_of_an_archive_are_recordings(name: str, remote: bool, tmp_path: Path) -> None:
    WRITERS[name](tmp_path / name, FILES)
    location = str(tmp_path / name)
    if remote:
        fs = fsspec.filesystem("memory")
        location = f"memory://shards/{name}"
        fs.pipe_file(location, (tmp_path / name).read_bytes())
    recordings, _ = listed(location)
    names = [each.path.partition("::")[2] for each in recordings]
    if name == "t.parquet":
        assert names == [f"{number:08d}/{path.rpartition('/')[2]}" for number, path in enumerate(FILES)]
    else:
        assert names == sorted(FILES)
        assert [each.size for each in recordings] == [len(FILES[each]) for each in sorted(FILES)]
    with closing(MemberReader()) as kept:
        assert [content(each, kept) for each in recordings] == list(FILES.values())
        for order in (1, -1):
            kept.expect(recordings[::order])
            assert [content(each, kept) for each in recordings[::order]] == list(FILES.values())[::order]
        # In another order, and without what was read before.
        assert content(recordings[7]) == list(FILES.values())[7]
        assert content(recordings[2], kept) == list(FILES.values())[2]


@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_names_of_every_form_of_tar_are_read(kind: int, tmp_path: Path) -> None:
    names = ["a.wav", f"{'d' * 90}/{'n' * 90}.wav", "ü.wav"]
    names += [] if kind == tarfile.USTAR_FORMAT else ["n" * 300 + ".wav"]
    write_tar(tmp_path / "t.tar", dict.fromkeys(names, b"x"), kind)
    recordings, _ = listed(tmp_path / "t.tar")
    assert [each.path.partition("::")[2] for each in recordings] == sorted(names, key=os.fsencode)


def test_other_files_folders_links_and_devices_have_no_rows(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "t.tar", "w") as archive:
        for name, kind in {
            "a.wav": tarfile.REGTYPE, "a.json": tarfile.REGTYPE, ".git/b.wav": tarfile.REGTYPE, "d": tarfile.DIRTYPE,
            "link.wav": tarfile.SYMTYPE, "hard.wav": tarfile.LNKTYPE, "dev.wav": tarfile.CHRTYPE,
        }.items():  # fmt: skip
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    recordings, ignored = listed(tmp_path / "t.tar")
    assert [each.path.partition("::")[2] for each in recordings] == ["a.wav"]
    assert ignored == {".json": 1, "hidden": 1, "link": 2, "special": 1}


def test_names_that_lead_elsewhere_are_error_rows(tmp_path: Path) -> None:
    names = ["../out.wav", "../../up.wav", "..\\win.wav", "/abs.wav", "a/../../b.wav", "fine.wav"]
    for name in ("t.tar", "t.zip"):
        WRITERS[name](tmp_path / name, dict.fromkeys(names, b"x"))
        recordings, ignored = listed(tmp_path / name)
        assert [each.path.split("::")[1] for each in recordings] == sorted(names)
        assert not ignored
        *bad, fine = recordings
        assert content(fine) == b"x"
        assert {fault(each) for each in bad} == {"its name leads out of the archive"}
    assert sorted(path.name for path in tmp_path.parent.glob("*.wav")) == []


def test_two_members_of_one_name_are_two_rows(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "t.tar", "w") as archive:
        for text in (b"one", b"two"):
            info = tarfile.TarInfo("a.wav")
            info.size = 3
            archive.addfile(info, io.BytesIO(text))
    first, second = listed(tmp_path / "t.tar")[0]
    assert (content(first), content(second)) == (b"one", b"two")
    assert first.path.endswith("::a.wav")
    assert "::a.wav#" in second.path


def test_damage_in_the_middle_of_a_tar_costs_one_row(tmp_path: Path) -> None:
    write_tar(tmp_path / "t.tar", FILES, tarfile.USTAR_FORMAT)
    with tarfile.open(tmp_path / "t.tar") as archive:
        place = archive.getmember("a/3.wav").offset
    with open(tmp_path / "t.tar", "r+b") as file:
        file.seek(place)
        file.write(b"\xff" * 512)
    recordings, _ = listed(tmp_path / "t.tar")
    damaged = [each for each in recordings if "damage at byte" in each.path]
    assert len(damaged) == 1
    assert "damaged here" in fault(damaged[0])
    assert {each.path.partition("::")[2] for each in recordings} - {damaged[0].path.partition("::")[2]} == {
        name for name in FILES if name != "a/3.wav"
    }


def test_a_tar_that_ends_early_keeps_what_came_before(tmp_path: Path) -> None:
    write_tar(tmp_path / "t.tar", FILES, tarfile.USTAR_FORMAT)
    whole = (tmp_path / "t.tar").read_bytes()
    with tarfile.open(tmp_path / "t.tar") as archive:
        last = archive.getmember("b/2.wav").offset_data + 100
    (tmp_path / "t.tar").write_bytes(whole[:last])
    recordings, _ = listed(tmp_path / "t.tar")
    assert len(recordings) == 9
    assert fault(recordings[-1]) == "the archive ends in the middle of it"


def patched(path: Path, at: int, new: bytes) -> None:
    with open(path, "r+b") as file:
        file.seek(at)
        file.write(new)


def test_damage_in_a_zip_is_found_by_its_checksum(tmp_path: Path) -> None:
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        write_zip(tmp_path / "t.zip", FILES, method)
        with zipfile.ZipFile(tmp_path / "t.zip") as archive:
            place = archive.getinfo("a/2.wav").header_offset
        patched(tmp_path / "t.zip", place + 60, b"\0\1\2\3\4\5\6\7")
        recordings, _ = listed(tmp_path / "t.zip")
        assert "damaged" in fault(recordings[2])
        assert content(recordings[3]) == FILES["a/3.wav"]
    patched(tmp_path / "t.zip", place, b"none")
    assert fault(listed(tmp_path / "t.zip")[0][2]) == "its header is damaged"
    (tmp_path / "t.zip").write_bytes((tmp_path / "t.zip").read_bytes()[:-30])
    (only,) = listed(tmp_path / "t.zip")[0]
    assert only.path == str(tmp_path / "t.zip")
    assert fault(only) == "it is no zip archive, or its end is missing"


def test_bombs_are_refused_and_cost_no_disk(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "t.zip", "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.wav", "w") as file:
        for _ in range(300):
            file.write(bytes(1 << 20))
    (bomb,) = listed(tmp_path / "t.zip")[0]
    assert "would unpack to 314,572,800" in fault(bomb)
    # One that lies about its size.
    write_zip(tmp_path / "l.zip", {"a.wav": bytes(1 << 22)})
    whole = bytearray((tmp_path / "l.zip").read_bytes())
    at = whole.rfind(b"PK\1\2")
    whole[at + 24 : at + 28] = struct.pack("<L", 1000)
    (tmp_path / "l.zip").write_bytes(whole)
    assert fault(listed(tmp_path / "l.zip")[0][0]) == "it unpacks to more than its directory says"
    # Many members that are the same bytes.
    write_zip(tmp_path / "s.zip", {"a.wav": os.urandom(5000), "b.wav": os.urandom(100)}, zipfile.ZIP_STORED)
    whole = bytearray((tmp_path / "s.zip").read_bytes())
    entry, end = whole.find(b"PK\1\2"), whole.rfind(b"PK\5\6")
    directory = bytes(whole[entry : entry + 51]) * 50
    whole[entry:end] = directory
    end = entry + len(directory)
    whole[end + 8 : end + 16] = struct.pack("<2HL", 50, 50, len(directory))
    (tmp_path / "s.zip").write_bytes(whole)
    assert "share their bytes" in fault(listed(tmp_path / "s.zip")[0][0])


def test_encrypted_members_and_other_compressions_say_so(tmp_path: Path) -> None:
    write_zip(tmp_path / "t.zip", {"a.wav": b"x"})
    whole = bytearray((tmp_path / "t.zip").read_bytes())
    whole[whole.find(b"PK\1\2") + 8] |= 1
    (tmp_path / "t.zip").write_bytes(whole)
    assert fault(listed(tmp_path / "t.zip")[0][0]) == "it is encrypted"
    (tmp_path / "t.tar.zst").write_bytes(b"x")
    assert "decompress it to .tar" in fault(listed(tmp_path / "t.tar.zst")[0][0])


@pytest.mark.parametrize("name", ["t.tgz", "t.tar.bz2", "t.tar.xz"])
def test_what_lies_before_the_damage_of_a_compressed_tar_is_read(name: str, tmp_path: Path) -> None:
    files = {f"{number}.wav": os.urandom(400_000) for number in range(9)}
    write_tar(tmp_path / name, files)
    whole = bytearray((tmp_path / name).read_bytes())
    for damaged in (whole[: len(whole) // 2], whole[: len(whole) // 2] + bytes(2000) + whole[len(whole) // 2 + 2000 :]):
        (tmp_path / name).write_bytes(damaged)
        archive, *members = listed(tmp_path / name)[0]
        assert (archive.path, fault(archive)[:22]) == (str(tmp_path / name), "the archive is damaged")
        # Bytes that do not shrink are stored, so that gzip sees that some have changed only at the end.
        assert [content(each) for each in members[:2]] == list(files.values())[:2]


def test_a_tar_that_unpacks_without_end_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "_LARGE_BYTES", 1 << 20)
    write_tar(tmp_path / "t.tgz", {"a.wav": b"a" * 1000, "b.wav": bytes(1 << 24)})
    archive, member = listed(tmp_path / "t.tgz")[0]
    assert fault(archive) == "the archive unpacks to far more than it takes"
    assert content(member) == b"a" * 1000


def test_parquet_tables_without_recordings_are_skipped_and_broken_ones_have_a_row(tmp_path: Path) -> None:
    pq.write_table(pa.table({"path": ["a"], "n": [1]}), tmp_path / "labels.parquet")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and no more")
    (broken,), ignored = listed(tmp_path)
    assert "not a readable Parquet file" in fault(broken)
    assert ignored == {".parquet": 1}


def test_without_the_option_archives_are_skipped(tmp_path: Path) -> None:
    write_tar(tmp_path / "t.tar", FILES)
    with Listing() as listing:
        listing.add_input(str(tmp_path), ListingConfig())
        assert (len(listing), listing.ignored) == (0, {".tar": 1})


def test_an_archive_that_was_replaced_is_not_read(tmp_path: Path) -> None:
    write_tar(tmp_path / "t.tar", FILES)
    recordings, _ = listed(tmp_path / "t.tar")
    with closing(MemberReader()) as kept:
        content(recordings[0], kept)
        os.utime(tmp_path / "t.tar", ns=(1, 1))
        for members in (kept, None):
            with pytest.raises(RecordingError, match="replaced after it was listed"):
                content(recordings[1], members)


@pytest.fixture
def requests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Bytes of each request to ``memory://``."""
    asked: list[int] = []
    fs = type(fsspec.filesystem("memory"))
    read = fs.cat_file

    def counted(self: object, path: str, start: int | None = None, end: int | None = None, **_: object) -> bytes:
        found: bytes = read(self, path, start=start, end=end)
        asked.append(len(found))
        return found

    monkeypatch.setattr(fs, "cat_file", counted)
    yield asked
    fsspec.filesystem("memory").rm("/shards", recursive=True)


def test_a_shard_takes_few_requests(tmp_path: Path, requests: list[int]) -> None:
    files = {f"{number:04d}.wav": os.urandom(20_000) for number in range(400)}
    write_tar(tmp_path / "t.tar", files)
    fsspec.filesystem("memory").pipe_file("memory://shards/t.tar", (tmp_path / "t.tar").read_bytes())
    recordings, _ = listed("memory://shards/t.tar")
    assert len(requests) <= 2
    requests.clear()
    kept = MemberReader()
    kept.expect(recordings)
    assert [content(each, kept) for each in recordings] == list(files.values())
    # Eight megabytes, and the few that are left.
    assert len(requests) == 2
    requests.clear()
    assert [content(each) for each in recordings[:2]] == list(files.values())[:2]
    assert requests == [20_000, 20_000]


@pytest.mark.parametrize("n_workers", [1, 3, 8])
@pytest.mark.parametrize("name", ["t.tar", "t.zip"])
def test_workers_fetch_of_a_shard_what_they_label_and_nothing_twice(
    name: str, n_workers: int, tmp_path: Path, requests: list[int]
) -> None:
    files = {f"{number:04d}.wav": os.urandom(9_000 + 300 * (number % 7)) for number in range(1200)}
    WRITERS[name](tmp_path / name, files)
    whole = (tmp_path / name).read_bytes()
    fsspec.filesystem("memory").pipe_file(f"memory://shards/{name}", whole)
    recordings, _ = listed(f"memory://shards/{name}")
    # A tar is listed by reading it once; a zip has a directory at its end.
    assert sum(requests) <= (len(whole) if name == "t.tar" else len(whole) / 50)
    requests.clear()
    workers = [MemberReader() for _ in range(n_workers)]
    for start in range(0, len(recordings), 100):
        worker = workers[start // 100 % n_workers]
        worker.expect(recordings[start : start + 100])
        found = [content(each, worker) for each in recordings[start : start + 100]]
        assert found == list(files.values())[start : start + 100]
    # In a zip, only its local header tells where the last one of a chunk ends.
    assert sum(requests) <= len(whole) + (0 if name == "t.tar" else 12 << 12)
    assert len(requests) == 12


def test_a_row_group_is_fetched_once_and_its_names_alone_to_list_it(tmp_path: Path, requests: list[int]) -> None:
    files = {f"{number:04d}.wav": os.urandom(300_000) for number in range(120)}
    records = [{"bytes": content, "path": name} for name, content in files.items()]
    pq.write_table(pa.table({"audio": records}), tmp_path / "t.parquet", row_group_size=20)
    whole = (tmp_path / "t.parquet").read_bytes()
    fsspec.filesystem("memory").pipe_file("memory://shards/t.parquet", whole)
    with Listing() as listing:
        listing.add_input("memory://shards/t.parquet", INSIDE)
        open_archives(listing, INSIDE)
        chunks = list(chunked(listing.pending(), 8))
    assert sum(requests) <= len(whole) / 50
    requests.clear()
    found = []
    for chunk in chunks:
        with closing(MemberReader()) as worker:
            worker.expect(chunk.recordings)
            found += [content(each, worker) for each in chunk.recordings]
    assert found == list(files.values())
    assert len(chunks) == 6
    # The footer is read by each worker.
    assert sum(requests) <= len(whole) * 1.02


def test_what_a_request_brought_of_a_recording_is_not_fetched_again(tmp_path: Path, requests: list[int]) -> None:
    files = {f"{number}.wav": os.urandom(3_000_000) for number in range(9)}
    write_tar(tmp_path / "t.tar", files)
    whole = (tmp_path / "t.tar").read_bytes()
    fsspec.filesystem("memory").pipe_file("memory://shards/t.tar", whole)
    recordings, _ = listed("memory://shards/t.tar")
    requests.clear()
    kept = MemberReader()
    kept.expect(recordings)
    assert [content(each, kept) for each in recordings] == list(files.values())
    assert sum(requests) <= len(whole)


def test_of_long_recordings_a_listing_fetches_little_more_than_the_headers(tmp_path: Path, requests: list[int]) -> None:
    files = {f"{'long' * 40}/{number}.wav": bytes(9_000_000) for number in range(4)}
    write_tar(tmp_path / "t.tar", files)
    fsspec.filesystem("memory").pipe_file("memory://shards/t.tar", (tmp_path / "t.tar").read_bytes())
    recordings, _ = listed("memory://shards/t.tar")
    assert [each.size for each in recordings] == [9_000_000] * 4
    # Of the first, eight megabytes: before its header is read, nothing is known. The end is a request of its own.
    assert requests[0] == 8 << 20
    assert len(requests) == 5
    assert max(requests[1:]) <= 1 << 16


def test_a_compressed_shard_is_read_once_in_whatever_order(tmp_path: Path, requests: list[int]) -> None:
    files = {f"{number:04d}.wav": os.urandom(20_000) for number in range(400)}
    write_tar(tmp_path / "t.tgz", files)
    whole = (tmp_path / "t.tgz").read_bytes()
    fsspec.filesystem("memory").pipe_file("memory://shards/t.tgz", whole)
    recordings, _ = listed("memory://shards/t.tgz")
    assert sum(requests) == len(whole)
    requests.clear()
    kept = MemberReader()
    assert [content(each, kept) for each in recordings[::-1]] == list(files.values())[::-1]
    assert sum(requests) <= len(whole)
    kept.close()


def test_storage_that_denies_or_breaks_is_told_from_a_bad_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tar(tmp_path / "t.tar", FILES)
    recordings, _ = listed(tmp_path / "t.tar")

    def broken(*_: object) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "pread", broken)
    with pytest.raises(RecordingError) as caught:
        content(recordings[0])
    assert caught.value.code == "io_error"
    monkeypatch.undo()
    os.unlink(tmp_path / "t.tar")
    with pytest.raises(RecordingError) as caught:
        content(recordings[0])
    assert caught.value.code == "missing"


def test_rows_of_archives_are_those_of_the_files(tiny_model: str, tmp_path: Path) -> None:
    files = {}
    for number in range(4):
        wav = io.BytesIO()
        soundfile.write(wav, voice(0.5, 100 + 20 * number).astype(np.float32), 16_000, format="WAV")
        files[f"{number}.wav"] = wav.getvalue()
    files["9.wav"] = b"no audio"
    (tmp_path / "loose").mkdir()
    for name, data in files.items():
        (tmp_path / "loose" / name).write_bytes(data)
    (tmp_path / "in").mkdir()
    for name, write in WRITERS.items():
        write(tmp_path / "in" / name, files)
    job = LabelJob((str(tmp_path / "loose"),), str(tmp_path / "l.csv"), model=tiny_model, engine="local", n_workers=1)
    run_label_job(job)
    inside = dataclasses.replace(job, inputs=(str(tmp_path / "in"),), output=str(tmp_path / "i.csv"), listing=INSIDE)
    assert run_label_job(inside).n_recordings == 5 * len(WRITERS)
    loose, archived = ((tmp_path / name).read_text().splitlines()[1:] for name in ("l.csv", "i.csv"))
    assert [line.partition(",")[2] for line in archived] == [line.partition(",")[2] for line in loose] * len(WRITERS)
    assert run_label_job(inside).n_reused == 5 * len(WRITERS)
    limited = dataclasses.replace(inside, output=str(tmp_path / "f.csv"), limit=7)
    assert run_label_job(limited).n_recordings == 7


@pytest.mark.parametrize("name", ["t.tar", "t.tgz"])
def test_a_run_with_several_workers_fetches_a_shard_to_list_it_and_once_to_label_it(
    name: str, tiny_model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", faulty_fs.install(tmp_path / "driver"))
    files = {}
    for number in range(40):
        wav = io.BytesIO()
        soundfile.write(wav, voice(0.5, 100 + 5 * number).astype(np.float32), 16_000, format="WAV")
        files[f"{number:02d}.wav"] = wav.getvalue()
    bucket = tmp_path / "bucket"
    bucket.mkdir()
    WRITERS[name](bucket / name, files)
    job = LabelJob(
        (f"faulty://{bucket}/{name}",), str(tmp_path / "o.csv"), model=tiny_model, engine="local", n_workers=3,
        listing=INSIDE,
    )  # fmt: skip
    assert run_label_job(job).by_status == {"ok": 40}
    fetched = faulty_fs.fetched(bucket)
    assert sum(fetched) <= 2 * (bucket / name).stat().st_size
    # A request to list it, and one for each chunk of eight.
    assert len(fetched) <= 6


@pytest.mark.parametrize("size", [b"9" * 5000, b"9" * 30])
def test_a_size_that_no_file_has_is_an_error_row(tmp_path: Path, size: bytes) -> None:
    write_tar(tmp_path / "t.tar", {"a.wav": b"a"})
    whole = (tmp_path / "t.tar").read_bytes()
    record = b" size=" + size + b"\n"
    record = str(len(record) + len(str(len(record)))).encode() + record
    header = tarfile.TarInfo("pax")
    header.type, header.size = tarfile.XHDTYPE, len(record)
    block = header.tobuf() + record + b"\0" * (-len(record) % 512)
    (tmp_path / "t.tar").write_bytes(block + whole)
    found, _ = listed(tmp_path / "t.tar")
    assert [fault(recording) != "" for recording in found] == [True]


def test_text_that_is_not_utf8_in_a_parquet_table_is_an_error_row(tmp_path: Path) -> None:
    names = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.py_buffer(np.array([0, 1], np.int32).tobytes()), pa.py_buffer(b"\xff")]
    )
    pq.write_table(pa.table({"bytes": pa.array([b"a"]), "path": names}), tmp_path / "t.parquet")
    found, _ = listed(tmp_path / "t.parquet")
    assert [fault(recording) != "" for recording in found] == [True]


def test_bad_members_have_a_row_each_beside_other_inputs(tmp_path: Path) -> None:
    write_tar(tmp_path / "t.tar", {f"/a/{number}.wav": b"a" for number in range(3)})
    (tmp_path / "other.wav").write_bytes(b"b")
    with Listing() as listing:
        for name in ("t.tar", "other.wav"):
            listing.add_input(str(tmp_path / name), INSIDE)
        open_archives(listing, INSIDE)
        assert len(listing) == 4


@pytest.mark.parametrize("n_more", [1, 100, 250, 258, 300])
def test_silence_that_ends_near_a_multiple_of_what_is_read_at_once_is_whole(tmp_path: Path, n_more: int) -> None:
    silent = {f"{number}.wav": b"\0" * ((1 << 20) + n_more + number) for number in range(40)}
    write_zip(tmp_path / "t.zip", silent)
    found, _ = listed(tmp_path / "t.zip")
    assert {recording.path.rpartition("::")[2]: len(content(recording)) for recording in found} == {
        name: len(each) for name, each in silent.items()
    }
