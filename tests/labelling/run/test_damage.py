"""Whatever lies in a run folder, the run resumes, repeats only what was lost, and touches nothing outside."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import importlib.metadata
import json
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import Listener
from instant_engine import PART, small_job

from emosense.errors import OutputError, StorageError, UsageError
from emosense.inputs.recording import Recording
from emosense.labelling import label_run
from emosense.labelling.job import LabelJob
from emosense.labelling.run.finished import in_order
from emosense.labelling.run.part_file import HEADER
from emosense.labelling.run_job import run_label_job
from emosense.storage.writing import write_own
from emosense.tables.exports import audacity_tracks
from emosense.tables.formats import TableLayout
from emosense.tables.row import labelled_row

N_FILES = 20
Damage = Callable[[Path], object]


@pytest.fixture
def job(tmp_path: Path, tiny_model: str, monkeypatch: pytest.MonkeyPatch) -> LabelJob:
    return small_job(tmp_path, tiny_model, monkeypatch, N_FILES)


@pytest.fixture
def messages(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    listener = Listener()

    @contextlib.contextmanager
    def open_listener(_mode: str) -> Iterator[Listener]:
        yield listener

    monkeypatch.setattr(label_run, "open_progress", open_listener)
    return listener.messages


def part(folder: Path, index: int, generation: int = 0) -> Path:
    (path,) = folder.glob(f"{generation:04d}-{index:08d}-*.parquet")
    return path


def renamed(path: Path, index: int, generation: int = 0) -> Path:
    """The place of a part under another number, with the digest of its content."""
    return path.with_name(f"{generation:04d}-{index:08d}-{path.name[-20:]}")


def swap(folder: Path) -> None:
    first, second = part(folder, 1), part(folder, 3)
    first.rename(renamed(first, 3))
    second.rename(renamed(second, 1))


def copy(index: int, to: int, generation: int) -> Damage:
    def damage(folder: Path) -> None:
        path = part(folder, index)
        renamed(path, to, generation).write_bytes(path.read_bytes())

    return damage


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def replaced_by(make: Callable[[Path], object], name: str = "") -> Damage:
    def damage(folder: Path) -> None:
        path = folder / name if name else part(folder, 2)
        path.unlink()
        make(path)

    return damage


def signed(change: Callable[[pa.Table], pa.Table]) -> Damage:
    """Change a part, and name it as a worker would."""

    def damage(folder: Path) -> None:
        path = part(folder, 2)
        pq.write_table(change(pq.read_table(path)), path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
        path.rename(path.with_name(f"{path.name[:13]}-{digest}.parquet"))

    return damage


def with_column(name: str, values: list[Any]) -> Callable[[pa.Table], pa.Table]:
    return lambda table: table.set_column(table.column_names.index(name), name, [values])


def outside(folder: Path) -> Path:
    path = folder.parent.parent / "outside"
    path.write_text("of somebody else")
    return path


def folder_of_somebody(path: Path) -> None:
    path.mkdir()
    (path / "letter.txt").write_text("of somebody else")


def socket_at(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        # A name for a socket has 107 bytes at most.
        place = os.getcwd()
        os.chdir(path.parent)
        try:
            made.bind(path.name)
        finally:
            os.chdir(place)


PARTS: dict[str, tuple[Damage, int]] = {
    "swapped": (swap, 0),
    "copied": (copy(1, 7, 0), 0),
    "copied to a newer generation": (copy(1, 0, 3), 0),
    "copied beside another": (copy(1, 2, 0), 0),
    "the content of another": (lambda folder: part(folder, 2).write_bytes(part(folder, 1).read_bytes()), PART),
    "cut": (lambda folder: cut(part(folder, 2)), PART),
    "empty": (lambda folder: part(folder, 2).write_bytes(b""), PART),
    "removed": (lambda folder: part(folder, 2).unlink(), PART),
    "a FIFO": (replaced_by(os.mkfifo), PART),
    "a folder": (replaced_by(os.mkdir), PART),
    "a link": (replaced_by(lambda path: path.symlink_to(outside(path.parent))), PART),
    "nested deeply": (lambda folder: part(folder, 2).write_bytes(b"[" * 100_000), PART),
    "a header of another shape": (signed(lambda table: table.replace_schema_metadata({HEADER: b"[1]"})), PART),
    "no header": (signed(lambda table: table.replace_schema_metadata()), PART),
    "no name in a row": (signed(with_column("path", [None, *"bcd"])), PART),
    "a number for a text": (signed(with_column("version", [5] * PART)), PART),
    "a text for a number": (signed(with_column("duration_s", ["long"] * PART)), PART),
    "no rows": (signed(lambda table: table.slice(0, 0)), PART),
    "a column less": (signed(lambda table: table.drop_columns(["p_happy"])), PART),
    "all removed": (lambda folder: [path.unlink() for path in folder.glob("*.parquet")], N_FILES),
}
JOURNALS: dict[str, Damage] = {
    "missing": lambda folder: (folder / "journal.json").unlink(),
    "cut": lambda folder: cut(folder / "journal.json"),
    "empty": lambda folder: (folder / "journal.json").write_bytes(b""),
    "a list": lambda folder: (folder / "journal.json").write_bytes(b"[]"),
    "nothing in it": lambda folder: (folder / "journal.json").write_bytes(b"{}"),
    "no text": lambda folder: (folder / "journal.json").write_bytes(b"\xff"),
    "nested deeply": lambda folder: (folder / "journal.json").write_bytes(b"[" * 100_000),
    "a FIFO": replaced_by(os.mkfifo, "journal.json"),
    "a folder": replaced_by(os.mkdir, "journal.json"),
    "a folder of somebody": replaced_by(folder_of_somebody, "journal.json"),
    "a socket": replaced_by(socket_at, "journal.json"),
    "a link to a device": replaced_by(lambda path: path.symlink_to("/dev/zero"), "journal.json"),
    "a link": replaced_by(lambda path: path.symlink_to(outside(path.parent)), "journal.json"),
    "a link to nothing": replaced_by(lambda path: path.symlink_to("none"), "journal.json"),
    "one flipped digit": lambda folder: (folder / "journal.json").write_text(
        (folder / "journal.json").read_text().replace("86400.0", "86401.0")
    ),
    "that of another run": lambda folder: (folder / "journal.json").write_text(
        json.dumps({"schema": 1, "model_sha256": "0", "job": {"model": "other"}})
    ),
    "a job of another shape": lambda folder: (folder / "journal.json").write_text('{"schema": 1, "job": [1]}'),
}


def check_heals(job: LabelJob, messages: list[str], damage: Damage, n_lost: int) -> None:
    run_label_job(job)
    expected = Path(job.output).read_bytes()
    damage(Path(f"{job.output}.run"))
    summary = run_label_job(job)
    assert (summary.exit_code, summary.n_recordings, summary.n_reused) == (0, N_FILES, N_FILES - n_lost)
    assert Path(job.output).read_bytes() == expected
    assert run_label_job(job).n_reused == N_FILES
    stranger = Path(job.output).parent.parent / "outside"
    assert not stranger.exists() or stranger.read_text() == "of somebody else"


@pytest.mark.parametrize("name", PARTS)
def test_damaged_parts_cost_what_was_in_them(job: LabelJob, messages: list[str], name: str) -> None:
    check_heals(job, messages, *PARTS[name])
    reports = [text for text in messages if "labelled again" in text]
    assert len({text.partition(" ")[0] for text in reports}) == (0 if PARTS[name][1] == 0 or "removed" in name else 1)


@pytest.mark.parametrize("name", JOURNALS)
def test_a_damaged_journal_costs_nothing(job: LabelJob, messages: list[str], name: str) -> None:
    check_heals(job, messages, JOURNALS[name], 0)
    n_reported = sum("journal in" in text and "is damaged" in text for text in messages)
    assert n_reported == (0 if name == "missing" else 1)


def test_a_journal_of_other_settings_is_no_damage(job: LabelJob) -> None:
    run_label_job(job)
    strict = dataclasses.replace(job, config=dataclasses.replace(job.config, strict=True))
    with pytest.raises(UsageError, match="--strict was off, now on"):
        run_label_job(strict)
    # Not even if some of the parts are of these settings.
    cut(part(Path(f"{job.output}.run"), 0))
    with pytest.raises(UsageError, match="--strict was off, now on"):
        run_label_job(strict)


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("none"), socket_at])
def test_a_manifest_that_is_no_file_is_replaced(job: LabelJob, make: Callable[[Path], object]) -> None:
    run_label_job(job)
    manifest = Path(f"{job.output}.run.json")
    for path in (manifest, Path(f"{job.output}.run", "journal.json")):
        path.unlink()
        make(path)
    assert run_label_job(job).n_reused == N_FILES
    assert json.loads(manifest.read_text())["exit_code"] == 0
    assert not manifest.is_symlink()


@pytest.mark.parametrize("name", ["journal.json", "errors.jsonl"])
def test_a_folder_in_place_of_a_file_is_kept_under_another_name(tmp_path: Path, name: str) -> None:
    for number in (1, 2):
        (tmp_path / name).mkdir()
        (tmp_path / name / "letter.txt").write_text("of somebody else")
        write_own(str(tmp_path / name), b"{}")
        assert (tmp_path / name).read_bytes() == b"{}"
        assert (tmp_path / f"{name}.folder-{number}" / "letter.txt").read_text() == "of somebody else"
        (tmp_path / name).unlink()


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("labels.csv.run", "cannot (create|write|list|lock)"), ("labels.csv.run/lock", "remove .*lock")],
)
def test_a_run_folder_or_lock_of_another_kind_is_refused_and_nothing_is_lost(
    job: LabelJob, tmp_path: Path, name: str, sentence: str
) -> None:
    run_label_job(job)
    place, kept = tmp_path / "out" / name, tmp_path / "kept"
    place.rename(kept)
    place.write_text("") if name.endswith("run") else place.mkdir()
    with pytest.raises(OutputError, match=sentence):
        run_label_job(job)
    place.unlink() if place.is_file() else place.rmdir()
    kept.rename(place)
    assert run_label_job(job).n_reused == N_FILES


@pytest.mark.parametrize("content", [b"[]", b'{"inputs": 5, "limit": "x", "tables": {}}', b'{"inputs": [null]}', b"\0"])
def test_a_manifest_of_another_shape_says_nothing(job: LabelJob, content: bytes) -> None:
    run_label_job(job)
    Path(f"{job.output}.run.json").write_bytes(content)
    Path(f"{job.output}.run", "journal.json").unlink()
    summary = run_label_job(job)
    assert (summary.n_reused, summary.exit_code) == (N_FILES, 0)


def test_a_lock_that_is_a_fifo_is_locked_or_refused_and_nobody_waits(job: LabelJob, tmp_path: Path) -> None:
    (tmp_path / "out" / "labels.csv.run").mkdir()
    os.mkfifo(tmp_path / "out" / "labels.csv.run" / "lock")
    # filelock 3.30 to 4.0 cannot empty a FIFO, 4.2 can.
    is_old = tuple(map(int, importlib.metadata.version("filelock").split(".")[:2])) < (4, 2)
    refused = pytest.raises(OutputError, match=r"cannot lock .*: Invalid argument$")
    with refused if is_old else contextlib.nullcontext():
        assert run_label_job(job).exit_code == 0


@pytest.mark.parametrize("name", [".csv.run", ".csv.run/lock", ".csv.run/journal.json", ".audacity"])
def test_nothing_is_written_through_a_link(job: LabelJob, tmp_path: Path, name: str) -> None:
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    place = tmp_path / "out" / f"labels{name}"
    place.parent.mkdir(exist_ok=True)
    place.symlink_to(stranger / "new" if "/" in name else stranger)
    with_folder = dataclasses.replace(job, exports=("audacity",))
    if name.endswith("journal.json"):
        assert run_label_job(with_folder).exit_code == 0
        assert not place.is_symlink()
    else:
        with pytest.raises(OutputError, match=r"cannot (write|lock)"):
            run_label_job(with_folder)
    assert list(stranger.iterdir()) == []


def test_a_link_deep_in_a_folder_of_tracks_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "stranger").mkdir()
    (tmp_path / "tracks" / "a").mkdir(parents=True)
    (tmp_path / "tracks" / "a" / "b").symlink_to(tmp_path / "stranger")
    row = labelled_row("a/b/c.wav", (0.125,) * 8, 1.0, 1.0)
    with audacity_tracks(str(tmp_path / "tracks"), TableLayout()) as write:
        with pytest.raises(OutputError, match="is a link"):
            write([row])
        write([dataclasses.replace(row, path="a/c.wav")])
    assert list((tmp_path / "stranger").iterdir()) == []
    assert (tmp_path / "tracks" / "a" / "c.wav.txt").exists()


@pytest.mark.parametrize("name", ["labels.csv.run/lock", "labels.csv.run.json"])
def test_a_folder_where_a_file_belongs_is_one_sentence(job: LabelJob, tmp_path: Path, name: str) -> None:
    (tmp_path / "out" / name / "full").mkdir(parents=True)
    with pytest.raises(OutputError, match=r"cannot (write|lock) .*: (it is a folder|Is a directory)"):
        run_label_job(job)
    assert (tmp_path / "out" / name / "full").exists()


def test_a_folder_that_changes_while_it_is_read_ends_the_run_with_5() -> None:
    with pytest.raises(StorageError, match="run the same command again"):
        list(in_order([Recording("a.wav", "/a.wav", 1, "1")], [], complete=True))
