"""What is there already is replaced by a run of its own alone."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from emosense.errors import NothingToDo, UsageError
from emosense.inputs.walk import ListingConfig
from emosense.labelling.run.journal import check_settings, table_name
from emosense.labelling.run_job import LabelJob, label


@pytest.fixture
def job(tmp_path: Path, tiny_model: str, write_voice: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> LabelJob:
    """Two folders of one recording, below `rec`, in the working directory."""
    write_voice("rec/a/1.wav", 0.3)
    write_voice("rec/b/2.wav", 0.3)
    monkeypatch.chdir(tmp_path)
    return LabelJob(("rec",), "labels.csv", model=tiny_model, engine="local", n_workers=1)


def test_an_empty_folder_never_replaces_a_table(job: LabelJob, tmp_path: Path) -> None:
    label(job)
    before = Path("labels.csv").read_bytes()
    Path("empty").mkdir()
    empty = dataclasses.replace(job, inputs=("empty",))
    for each in (empty, dataclasses.replace(empty, restart=True)):
        failure = label(each).failure
        assert isinstance(failure, NothingToDo)
        assert "labels.csv is left as it was" in str(failure)
    assert Path("labels.csv").read_bytes() == before
    assert json.loads(Path("labels.csv.run.json").read_text())["exit_code"] == 0


def test_a_table_of_somebody_else_is_refused_and_left_alone(job: LabelJob, tmp_path: Path) -> None:
    Path("labels.csv").write_text("mine\n")
    with pytest.raises(UsageError, match=r"labels\.csv is there already .* --restart replaces it, or choose another"):
        label(job)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["labels.csv", "rec"]
    assert Path("labels.csv").read_text() == "mine\n"
    assert label(dataclasses.replace(job, restart=True)).n_recordings == 2
    assert label(job).n_reused == 2


def test_an_empty_file_is_nobodys_table(job: LabelJob) -> None:
    # As mktemp makes it.
    Path("labels.csv").write_bytes(b"")
    assert label(job).n_recordings == 2


def test_a_format_beside_the_table_does_not_replace_the_table_of_another_run(job: LabelJob, tmp_path: Path) -> None:
    label(job)
    before = Path("labels.csv").read_bytes()
    other = dataclasses.replace(job, output="labels.parquet", exports=("csv",))
    with pytest.raises(UsageError, match=r"labels\.csv is there already"):
        label(other)
    assert Path("labels.csv").read_bytes() == before
    # Formats of the run's own are known, those that one start left out as well.
    more = dataclasses.replace(job, exports=("jsonl", "audacity"), segments_output=str(tmp_path / "parts.csv"))
    more = dataclasses.replace(more, output="more.csv")
    for each in (more, dataclasses.replace(more, exports=(), segments_output=None), more):
        assert label(each).n_recordings == 2


def test_inputs_that_leave_earlier_recordings_out_are_refused(job: LabelJob) -> None:
    label(job)
    part = dataclasses.replace(job, inputs=("rec/a",))
    with pytest.raises(UsageError, match=r"labels\.csv holds the recordings of rec, which this command leaves out"):
        label(part)
    with pytest.raises(UsageError, match="recordings of rec,"):
        label(dataclasses.replace(job, inputs=(), names=("rec/a/1.wav",)))
    assert len(Path("labels.csv").read_text().splitlines()) == 3
    assert label(dataclasses.replace(part, restart=True)).n_recordings == 1
    # More is no loss: an input beside the earlier one, or the folder above it.
    assert label(dataclasses.replace(job, inputs=("rec/a/", "rec/b"))).n_recordings == 2
    assert label(job).n_recordings == 2


def test_a_list_that_leaves_earlier_recordings_out_is_refused(job: LabelJob) -> None:
    listed = dataclasses.replace(job, inputs=(), names=("rec/a/1.wav",))
    label(listed)
    # More is no loss.
    both = dataclasses.replace(listed, names=("rec/a/1.wav", "rec/b/2.wav"))
    assert label(both).n_reused == 1
    for names in (("rec/b/2.wav",), ()):
        with pytest.raises(UsageError, match=r"labels\.csv holds rec/a/1\.wav, which this list leaves out"):
            label(dataclasses.replace(both, names=(*names, "rec/b/3.wav")))
    assert len(Path("labels.csv").read_text().splitlines()) == 3
    assert label(dataclasses.replace(both, names=("rec/b/2.wav",), restart=True)).n_recordings == 1


def test_a_limit_that_leaves_earlier_recordings_out_is_refused(job: LabelJob) -> None:
    first = dataclasses.replace(job, limit=1)
    assert label(first).n_recordings == 1
    assert label(dataclasses.replace(job, limit=2)).n_reused == 1
    with pytest.raises(UsageError, match=r"labels\.csv holds more recordings than --limit 1 leaves"):
        label(first)
    label(job)
    with pytest.raises(UsageError, match="more recordings than --limit 5 leaves"):
        label(dataclasses.replace(job, limit=5))
    assert label(dataclasses.replace(first, restart=True)).n_recordings == 1


def test_a_folder_above_the_earlier_one_holds_it(job: LabelJob, tmp_path: Path) -> None:
    label(dataclasses.replace(job, inputs=("rec/a",)))
    assert label(dataclasses.replace(job, inputs=(".",))).n_recordings == 2
    assert label(dataclasses.replace(job, inputs=(str(tmp_path),))).n_recordings == 2


def test_the_same_inputs_written_in_another_way_are_the_same(job: LabelJob) -> None:
    label(job)
    for name in ("./rec/", "rec//", "rec/."):
        assert label(dataclasses.replace(job, inputs=(name,))).n_recordings == 2


def test_the_manifest_knows_the_inputs_where_the_run_folder_is_gone(job: LabelJob) -> None:
    label(job)
    for path in Path("labels.csv.run").iterdir():
        path.unlink()
    with pytest.raises(UsageError, match="recordings of rec,"):
        label(dataclasses.replace(job, inputs=("rec/a",)))
    assert label(job).n_reused == 0


def test_a_run_moved_as_a_whole_goes_on(job: LabelJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_format = dataclasses.replace(job, exports=("jsonl",), listing=ListingConfig())
    label(with_format)
    (tmp_path / "elsewhere").mkdir()
    for path in [path for path in tmp_path.iterdir() if path.name != "elsewhere"]:
        path.rename(tmp_path / "elsewhere" / path.name)
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert label(with_format).n_reused == 2


def test_a_table_is_named_from_where_the_run_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert table_name("out/a.jsonl", "out/a.csv") == table_name(f"{tmp_path}/out/a.jsonl", "./out/a.csv") == "a.jsonl"
    assert table_name("s3://key:secret@b/a.jsonl", "s3://b/a.csv") == "s3://***@b/a.jsonl"


@pytest.mark.parametrize(
    ("before", "now", "says"),
    [
        (
            {"model_sha256": "a4", "job": {"model": "accurate"}}, {"model_sha256": "ea", "job": {"model": "default"}},
            "--model accurate then, default now",
        ),
        (
            {"model_sha256": "a4", "job": {"model": "m"}}, {"model_sha256": "ea", "job": {"model": "m"}},
            "m was another model",
        ),
        ({"window_s": 3.0, "hop_s": 0.0}, {"window_s": 0.0, "hop_s": 0.5},
         "--hop the window then, 0.5 now; --window 3 then, the model's own now"),
        ({"strict": True}, {"strict": False}, "--strict given then, left out now"),
        ({"max_duration_s": 86400.0}, {"max_duration_s": 60.0}, "--max-duration 86400 then, 60 now"),
        ({"schema": 1}, {"schema": 2}, "of another version of EmoSense"),
    ],
)  # fmt: skip
def test_other_settings_are_named_as_the_options_are(
    before: dict[str, object], now: dict[str, object], says: str
) -> None:
    with pytest.raises(UsageError) as raised:
        check_settings("o.csv.run", before, now)
    assert str(raised.value) == (
        f"o.csv.run holds work with other settings ({says}): --restart discards it, or choose another output"
    )
    check_settings("o.csv.run", before, {**before, "job": {}})
