"""A finished run is given more outputs: nothing is labelled again, and the files are those of a new run."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from conftest import REPOSITORY

from emosense.emotions import EMOTIONS
from emosense.errors import UsageError
from emosense.inputs.recording import Recording
from emosense.labelling.config import LabelConfig
from emosense.labelling.job import LabelJob
from emosense.labelling.labelled import Labelled
from emosense.labelling.run.part_content import PartFile
from emosense.labelling.run.part_file import PartPlace
from emosense.labelling.run_job import run_label_job
from emosense.labelling.speaker_rule import SpeakerRule
from emosense.tables.columns import COLUMNS, SCHEMA_VERSION
from emosense.tables.row import labelled_row

OUTPUTS: dict[str, dict[str, Any]] = {
    "formats": {"exports": ("jsonl", "parquet", "raven", "audacity", "audformat")},
    "segments": {},
    "quality": {"quality": True},
    "min_confidence": {"min_confidence": 0.2},
    "speakers": {"speakers": SpeakerRule("parent")},
    "folder": {"adapt": "folder"},
    "none": {"speakers": SpeakerRule("parent"), "adapt": "none"},
}
# The columns of release 0.1, whose tables have the version 3.
FIRST_COLUMNS = {
    "path", "emotion", "confidence", *(f"p_{name}" for name in EMOTIONS), "duration_s", "decoded_s", "status",
    "error_code", "error",
}  # fmt: skip


@pytest.fixture
def job(tmp_path: Path, write_voice: Callable[..., Path], tiny_model: str, monkeypatch: pytest.MonkeyPatch) -> LabelJob:
    monkeypatch.chdir(tmp_path)
    write_voice("in/a/long.wav", duration_s=23.0)
    write_voice("in/a/short.wav", duration_s=1.0, pitch_hz=200.0)
    write_voice("in/b/short.wav", duration_s=0.8, pitch_hz=250.0)
    (tmp_path / "in/b/none.wav").write_bytes(b"no audio")
    return LabelJob(("in",), "labels.csv", model=tiny_model, engine="local", n_workers=1)


def files(folder: str) -> dict[str, bytes]:
    """What a run has written, except the run folder and the manifest, which have the time."""
    names = {str(path.relative_to(folder)): path for path in Path(folder).rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in names.items() if not name.startswith("labels.csv.run")}


def asked(job: LabelJob, folder: str, name: str) -> LabelJob:
    """The job with more outputs, in another folder."""
    outputs = OUTPUTS[name] | ({"segments_output": f"{folder}/segments.csv"} if name == "segments" else {})
    return dataclasses.replace(job, output=f"{folder}/labels.csv", **outputs)


@pytest.mark.parametrize("name", OUTPUTS)
def test_an_output_that_is_added_later_is_as_if_it_was_asked_for_first(job: LabelJob, name: str) -> None:
    run_label_job(asked(job, "first", name))
    run_label_job(dataclasses.replace(job, output="later/labels.csv"))
    before = files("later")
    summary = run_label_job(asked(job, "later", name))
    assert (summary.n_recordings, summary.n_reused, summary.engine) == (4, 4, "none")
    assert files("later") == files("first") != before


@pytest.mark.parametrize(
    ("config", "option"),
    [
        (LabelConfig(window_s=3.0), "--window was the model's own, now 3"),
        (LabelConfig(strict=True), "--strict was off, now on"),
        (LabelConfig(max_duration_s=60.0), "--max-duration was 86400, now 60"),
        (LabelConfig(segment_by="speech"), "--segment-by was window, now speech"),
        (LabelConfig(channels="first"), "--channels was mix, now 1"),
    ],
)
def test_an_option_that_needs_new_work_is_named_and_the_table_stays(
    job: LabelJob, config: LabelConfig, option: str
) -> None:
    run_label_job(job)
    before = Path("labels.csv").read_bytes()
    with pytest.raises(UsageError) as raised:
        run_label_job(dataclasses.replace(job, config=config, quality=True))
    assert f"({option}), which need new work: use --restart" in str(raised.value)
    assert Path("labels.csv").read_bytes() == before


def test_a_segment_that_is_the_whole_recording_takes_no_place_in_a_part(tmp_path: Path) -> None:
    row = labelled_row("a.wav", (0.125,) * 8, 1.0, 1.0, speech_s=0.7, quality=(1.0, 0.0, 1.0, 20.0, 0.4))
    whole = dataclasses.replace(row, start_s=0.0, end_s=1.0)
    recording = Recording("a.wav", "/a.wav", 32_044, "1")
    for segments in ((), (whole,), (whole, whole), (dataclasses.replace(whole, end_s=0.9),)):
        labelled = Labelled(row, segments)
        kept = PartPlace(str(tmp_path), 0, "settings").write(0, [(recording, labelled)])
        part = PartFile.of(kept.name, (tmp_path / kept.name).read_bytes(), ())
        assert [finished.labelled for finished in part.finished(())] == [labelled]
        assert part.table["segments"].null_count == (segments == (whole,))


def test_the_version_of_the_table_is_in_all_that_describes_it(job: LabelJob) -> None:
    with_parquet = dataclasses.replace(job, exports=("parquet",))
    summary = run_label_job(with_parquet)
    assert json.loads(Path("labels.csv.run.json").read_text())["schema"] == SCHEMA_VERSION
    assert summary.to_dict(with_parquet)["schema"] == SCHEMA_VERSION
    assert pq.read_schema("labels.parquet").metadata[b"emosense.schema"] == str(SCHEMA_VERSION).encode()


def test_the_docs_name_the_columns_that_the_newest_version_added() -> None:
    _, _, text = (REPOSITORY / "docs" / "rows.md").read_text().partition("## Versions of the table")
    rows = [line.split("|")[1:-1] for line in text.partition("\n## ")[0].splitlines() if line.startswith("|")]
    versions = {int(version): changes for version, _, changes in rows[2:]}
    assert list(versions) == sorted(versions, reverse=True)
    assert max(versions) == SCHEMA_VERSION
    for column in {*COLUMNS} - FIRST_COLUMNS:
        assert f"`{column}`" in versions[SCHEMA_VERSION], column
