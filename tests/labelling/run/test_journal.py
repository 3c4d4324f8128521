"""An existing table is replaced only by the run that wrote it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from emosense.errors import NothingToDo, UsageError
from emosense.inputs.listing_config import ListingConfig
from emosense.inputs.names import Name
from emosense.labelling.config import LabelConfig
from emosense.labelling.job import LabelJob
from emosense.labelling.run.earlier_tables import table_name
from emosense.labelling.run.journal import differing_settings, other_settings_error
from emosense.labelling.run_job import run_label_job


@pytest.fixture
def job(tmp_path: Path, tiny_model: str, write_voice: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> LabelJob:
    """Two folders of one recording, below `rec`, in the working directory."""
    write_voice("rec/a/1.wav", 0.3)
    write_voice("rec/b/2.wav", 0.3)
    monkeypatch.chdir(tmp_path)
    return LabelJob(("rec",), "labels.csv", model=tiny_model, engine="local", n_workers=1)


def test_an_empty_folder_never_replaces_a_table(job: LabelJob, tmp_path: Path) -> None:
    run_label_job(job)
    before = Path("labels.csv").read_bytes()
    Path("empty").mkdir()
    empty = dataclasses.replace(job, inputs=("empty",))
    for each in (empty, dataclasses.replace(empty, restart=True)):
        failure = run_label_job(each).failure
        assert isinstance(failure, NothingToDo)
        assert "labels.csv is unchanged" in str(failure)
    assert Path("labels.csv").read_bytes() == before
    assert json.loads(Path("labels.csv.run.json").read_text())["exit_code"] == 0


def test_a_table_of_another_program_is_refused_and_unchanged(job: LabelJob, tmp_path: Path) -> None:
    Path("labels.csv").write_text("mine\n")
    with pytest.raises(
        UsageError, match=r"labels\.csv already exists .* use --restart to replace it, or choose another"
    ):
        run_label_job(job)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["labels.csv", "rec"]
    assert Path("labels.csv").read_text() == "mine\n"
    assert run_label_job(dataclasses.replace(job, restart=True)).n_recordings == 2
    assert run_label_job(job).n_reused == 2


def test_an_empty_file_may_be_replaced(job: LabelJob) -> None:
    # As mktemp makes it.
    Path("labels.csv").write_bytes(b"")
    assert run_label_job(job).n_recordings == 2


def test_a_format_beside_the_table_does_not_replace_the_table_of_another_run(job: LabelJob, tmp_path: Path) -> None:
    run_label_job(job)
    before = Path("labels.csv").read_bytes()
    other = dataclasses.replace(job, output="labels.parquet", exports=("csv",))
    with pytest.raises(UsageError, match=r"labels\.csv already exists"):
        run_label_job(other)
    assert Path("labels.csv").read_bytes() == before
    # Formats that the run has written are known, even after a start without them.
    more = dataclasses.replace(job, exports=("jsonl", "audacity"), segments_output=str(tmp_path / "parts.csv"))
    more = dataclasses.replace(more, output="more.csv")
    for each in (more, dataclasses.replace(more, exports=(), segments_output=None), more):
        assert run_label_job(each).n_recordings == 2


def test_inputs_that_omit_earlier_recordings_are_refused(job: LabelJob) -> None:
    run_label_job(job)
    part = dataclasses.replace(job, inputs=("rec/a",))
    with pytest.raises(UsageError, match=r"labels\.csv has the recordings of rec, which this command omits"):
        run_label_job(part)
    with pytest.raises(UsageError, match="recordings of rec,"):
        run_label_job(dataclasses.replace(job, inputs=(), names=(Name("rec/a/1.wav"),)))
    assert len(Path("labels.csv").read_text().splitlines()) == 3
    assert run_label_job(dataclasses.replace(part, restart=True)).n_recordings == 1
    # More inputs drop no row: one beside the earlier one, or the folder above it.
    assert run_label_job(dataclasses.replace(job, inputs=("rec/a/", "rec/b"))).n_recordings == 2
    assert run_label_job(job).n_recordings == 2


def test_a_run_that_kept_no_row_is_no_obstacle(job: LabelJob) -> None:
    Path("empty").mkdir()
    assert isinstance(run_label_job(dataclasses.replace(job, inputs=("empty",))).failure, NothingToDo)
    assert run_label_job(dataclasses.replace(job, config=LabelConfig(strict=True))).n_recordings == 2
    # Now there are rows, with the settings that they were made with.
    with pytest.raises(UsageError, match="was started with other settings"):
        run_label_job(job)


def test_a_list_that_omits_earlier_recordings_is_refused(job: LabelJob) -> None:
    listed = dataclasses.replace(job, inputs=(), names=(Name("rec/a/1.wav"),))
    run_label_job(listed)
    # More names drop no row.
    both = dataclasses.replace(listed, names=(Name("rec/a/1.wav"), Name("rec/b/2.wav")))
    assert run_label_job(both).n_reused == 1
    for names in ((Name("rec/b/2.wav"),), ()):
        with pytest.raises(UsageError, match=r"labels\.csv has rec/a/1\.wav, which this list omits"):
            run_label_job(dataclasses.replace(both, names=(*names, Name("rec/b/3.wav"))))
    assert len(Path("labels.csv").read_text().splitlines()) == 3
    assert run_label_job(dataclasses.replace(both, names=(Name("rec/b/2.wav"),), restart=True)).n_recordings == 1


def test_a_limit_that_omits_earlier_recordings_is_refused(job: LabelJob) -> None:
    first = dataclasses.replace(job, limit=1)
    assert run_label_job(first).n_recordings == 1
    assert run_label_job(dataclasses.replace(job, limit=2)).n_reused == 1
    with pytest.raises(UsageError, match=r"labels\.csv has more recordings than --limit 1 allows"):
        run_label_job(first)
    run_label_job(job)
    with pytest.raises(UsageError, match="more recordings than --limit 5 allows"):
        run_label_job(dataclasses.replace(job, limit=5))
    assert run_label_job(dataclasses.replace(first, restart=True)).n_recordings == 1


def test_a_folder_above_the_earlier_one_includes_it(job: LabelJob, tmp_path: Path) -> None:
    run_label_job(dataclasses.replace(job, inputs=("rec/a",)))
    assert run_label_job(dataclasses.replace(job, inputs=(".",))).n_recordings == 2
    assert run_label_job(dataclasses.replace(job, inputs=(str(tmp_path),))).n_recordings == 2


def test_the_same_inputs_written_in_another_way_are_the_same(job: LabelJob) -> None:
    run_label_job(job)
    for name in ("./rec/", "rec//", "rec/."):
        assert run_label_job(dataclasses.replace(job, inputs=(name,))).n_recordings == 2


def test_the_manifest_knows_the_inputs_where_the_run_folder_is_gone(job: LabelJob) -> None:
    run_label_job(job)
    for path in Path("labels.csv.run").iterdir():
        path.unlink()
    with pytest.raises(UsageError, match="recordings of rec,"):
        run_label_job(dataclasses.replace(job, inputs=("rec/a",)))
    assert run_label_job(job).n_reused == 0


def test_a_run_moved_as_a_whole_resumes(job: LabelJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_format = dataclasses.replace(job, exports=("jsonl",), listing=ListingConfig())
    run_label_job(with_format)
    (tmp_path / "elsewhere").mkdir()
    for path in [path for path in tmp_path.iterdir() if path.name != "elsewhere"]:
        path.rename(tmp_path / "elsewhere" / path.name)
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert run_label_job(with_format).n_reused == 2


def test_a_table_is_named_from_where_the_run_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert table_name("out/a.jsonl", "out/a.csv") == table_name(f"{tmp_path}/out/a.jsonl", "./out/a.csv") == "a.jsonl"
    assert table_name("s3://key:secret@b/a.jsonl", "s3://b/a.csv") == "s3://***@b/a.jsonl"


@pytest.mark.parametrize(
    ("before", "now", "message"),
    [
        (
            {"model_sha256": "a4", "job": {"model": "accurate"}}, {"model_sha256": "ea", "job": {"model": "default"}},
            "--model was accurate, now default",
        ),
        (
            {"model_sha256": "a4", "job": {"model": "m"}}, {"model_sha256": "ea", "job": {"model": "m"}},
            "the model m has changed",
        ),
        ({"window_s": 3.0, "hop_s": 0.0}, {"window_s": 0.0, "hop_s": 0.5},
         "--hop was the window, now 0.5; --window was 3, now the model's own"),
        ({"strict": True}, {"strict": False}, "--strict was on, now off"),
        ({"max_duration_s": 86400.0}, {"max_duration_s": 60.0}, "--max-duration was 86400, now 60"),
        ({"schema": 1}, {"schema": 2}, "by another version of EmoSense"),
    ],
)  # fmt: skip
def test_other_settings_are_named_as_the_options_are(
    before: dict[str, object], now: dict[str, object], message: str
) -> None:
    assert str(other_settings_error("o.csv.run", before, now)) == (
        f"o.csv.run was started with other settings ({message}), which need new work: use --restart to replace it, or "
        "choose another output"
    )
    assert differing_settings(before, now)
    assert not differing_settings(before, {**before, "job": {}})
