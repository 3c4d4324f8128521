"""A table that somebody has changed is never replaced without a word."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

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
