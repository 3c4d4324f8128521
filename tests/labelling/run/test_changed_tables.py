"""A table that somebody has changed is never replaced without a word."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import fsspec
import pytest
from conftest import Listener

from emosense.labelling.job import LabelJob
from emosense.labelling.run.changed_tables import keep_changed
from emosense.labelling.run_job import run_label_job


@pytest.fixture
def job(tmp_path: Path, tiny_model: str, write_voice: Callable[..., Path]) -> LabelJob:
    write_voice("in/a.wav")
    output = str(tmp_path / "labels.csv")
    return LabelJob((str(tmp_path / "in"),), output, exports=("jsonl",), model=tiny_model, engine="local", n_workers=1)


def changed(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in tmp_path.glob("*.changed-*"))


def test_a_changed_table_is_kept_once_and_written_again(job: LabelJob, tmp_path: Path) -> None:
    run_label_job(job)
    table = tmp_path / "labels.csv"
    written = table.read_bytes()
    run_label_job(job)
    assert changed(tmp_path) == []
    table.write_bytes(written + b"mine\r\n")
    listener = Listener()
    for _ in range(2):  # as after a start that was killed before it wrote the table
        keep_changed(job.all_tables, job.output, listener.message)
    run_label_job(job)
    assert table.read_bytes() == written
    assert changed(tmp_path) == ["labels.changed-1.csv"]
    assert (tmp_path / "labels.changed-1.csv").read_bytes() == written + b"mine\r\n"
    (said,) = listener.messages
    assert "labels.csv was changed since it was written: the changed table is kept as" in said
    (tmp_path / "labels.jsonl").write_text("mine")
    table.write_bytes(b"mine, too")
    run_label_job(job)
    assert changed(tmp_path) == ["labels.changed-1.csv", "labels.changed-1.jsonl", "labels.changed-2.csv"]


def test_restart_replaces_a_changed_table_and_a_damaged_manifest_says_nothing(job: LabelJob, tmp_path: Path) -> None:
    run_label_job(job)
    (tmp_path / "labels.csv").write_bytes(b"mine")
    run_label_job(dataclasses.replace(job, restart=True))
    (tmp_path / "labels.csv").write_bytes(b"mine")
    (tmp_path / "labels.csv.run.json").write_text("[]")
    run_label_job(job)
    assert changed(tmp_path) == []


def test_a_folder_of_label_tracks_that_was_edited_is_kept(job: LabelJob, tmp_path: Path) -> None:
    job = dataclasses.replace(job, exports=("audacity", "audformat"))
    run_label_job(job)
    run_label_job(job)
    assert changed(tmp_path) == []
    (track,) = (tmp_path / "labels.audacity").rglob("*.txt")
    written = track.read_bytes()
    track.write_bytes(b"0\t1\tmine\n")
    run_label_job(job)
    assert changed(tmp_path) == ["labels.changed-1.audacity"]
    (kept,) = (tmp_path / "labels.changed-1.audacity").rglob("*.txt")
    assert (kept.read_bytes(), track.read_bytes()) == (b"0\t1\tmine\n", written)


def test_a_changed_table_in_object_storage_is_kept(job: LabelJob, tmp_path: Path) -> None:
    bucket = f"/changed-{tmp_path.name}"
    store = fsspec.filesystem("memory")
    job = dataclasses.replace(job, output=f"memory:/{bucket}/labels.csv", exports=("audacity",))
    run_label_job(job)
    run_label_job(job)
    assert not [name for name in store.find(bucket) if "changed-1" in name]
    store.pipe_file(f"{bucket}/labels.csv", b"mine")
    store.pipe_file(f"{bucket}/labels.audacity/more.txt", b"mine, too")
    run_label_job(job)
    kept = [name for name in store.find(bucket) if "changed-1" in name]
    assert f"{bucket}/labels.changed-1.csv" in kept
    assert f"{bucket}/labels.changed-1.audacity/more.txt" in kept
    assert store.cat_file(f"{bucket}/labels.changed-1.csv") == b"mine"
    assert store.cat_file(f"{bucket}/labels.csv").startswith(b"path,emotion")
