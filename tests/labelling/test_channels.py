"""`--channels`: a row for each channel, for one of them, or for their mix, in every table of a run."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
import yaml
from made_sounds import at_level, voice
from steady_model import SteadyModel, as_recording

import emosense
from emosense.errors import UsageError
from emosense.labelling.config import LabelConfig
from emosense.labelling.job import LabelJob
from emosense.labelling.labelled import Labelled
from emosense.labelling.recording_labeller import RecordingLabeller
from emosense.labelling.run_job import run_label_job
from emosense.labelling.speaker_rule import SpeakerRule
from emosense.reports import label_report

RATE = 16_000
SPLIT = LabelConfig(channels="split")


def write(name: str, *channels: np.ndarray, rate: int = RATE) -> None:
    Path("in").mkdir(exist_ok=True)
    soundfile.write(f"in/{name}", np.stack(channels, 1), rate, subtype="FLOAT")


def table(place: str = "labels.csv") -> list[dict[str, str]]:
    with open(place, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def keys(rows: list[dict[str, str]]) -> list[tuple[str, str]]:
    return [(row["path"].removeprefix("in/"), row["channel"]) for row in rows]


@pytest.fixture
def job(tmp_path: Path, tiny_model: str, monkeypatch: pytest.MonkeyPatch) -> LabelJob:
    """A call, the same two people alone, a mono recording, and what cannot be labelled."""
    monkeypatch.chdir(tmp_path)
    agent, customer = voice(2.0), 0.3 * voice(2.0, 220.0, seed=1)
    write("call.wav", agent, customer)
    write("agent.wav", agent)
    write("customer.wav", customer)
    write("half.wav", agent, np.zeros_like(agent))
    write("nan.wav", agent, np.full_like(agent, np.nan))
    Path("in/none.wav").write_bytes(b"no audio")
    return LabelJob(("in",), "labels.csv", model=tiny_model, engine="local", n_workers=1, config=SPLIT)


ROWS = [
    ("agent.wav", "1"), ("call.wav", "1"), ("call.wav", "2"), ("customer.wav", "1"), ("half.wav", "1"),
    ("half.wav", "2"), ("nan.wav", "1"), ("nan.wav", "2"), ("none.wav", ""),
]  # fmt: skip


def test_split_gives_one_row_per_recording_and_channel_each_as_if_alone(job: LabelJob) -> None:
    summary = run_label_job(job)
    rows = dict(zip(keys(table()), table(), strict=True))
    assert list(rows) == ROWS
    assert list(table()[0])[:3] == ["path", "channel", "emotion"]
    for channel, alone in (("1", "agent.wav"), ("2", "customer.wav")):
        place = {"path": "", "channel": ""}
        assert rows["call.wav", channel] | place == rows[alone, "1"] | place
    codes = {key: row["error_code"] for key, row in rows.items() if row["error_code"]}
    assert codes == {
        ("half.wav", "2"): "no_speech", ("nan.wav", "1"): "non_finite", ("nan.wav", "2"): "non_finite",
        ("none.wav", ""): "not_audio",
    }  # fmt: skip
    assert (summary.n_listed, summary.n_recordings, summary.n_rows) == (6, 6, 9)
    assert "6 recordings, 9 channels" in summary.text(job)


def test_a_split_run_is_resumed_and_its_choice_of_channels_is_part_of_its_key(job: LabelJob) -> None:
    run_label_job(job)
    first = Path("labels.csv").read_bytes()
    again = run_label_job(dataclasses.replace(job, segments_output="segments.csv"))
    assert (again.n_reused, again.engine) == (6, "none")
    assert Path("labels.csv").read_bytes() == first
    # A channel without a label has no segments.
    assert keys(table("segments.csv")) == [
        ("agent.wav", "1"), ("call.wav", "1"), ("call.wav", "2"), ("customer.wav", "1"), ("half.wav", "1"),
    ]  # fmt: skip
    with pytest.raises(UsageError, match="--channels was split, now mix"):
        run_label_job(dataclasses.replace(job, config=LabelConfig()))


def test_a_recording_counts_as_failed_once_and_only_if_no_channel_has_a_label(job: LabelJob) -> None:
    assert run_label_job(dataclasses.replace(job, max_errors="2")).failure is None
    stopped = run_label_job(dataclasses.replace(job, max_errors="1"))
    assert "2 recordings with errors, more than --max-errors 1" in str(stopped.failure)


def test_mix_does_not_let_a_channel_without_speech_or_in_opposite_phase_change_the_label(job: LabelJob) -> None:
    agent = voice(2.0)
    hiss = (at_level(np.random.default_rng(seed).standard_normal(len(agent)), -70.0) for seed in (1, 2))
    write("opposite.wav", agent, -agent)
    write("opposite-hiss.wav", *(phase * agent + noise for phase, noise in zip((1, -0.7), hiss, strict=True)))
    write("hum.wav", agent, 0.1 * np.sin(2 * np.pi * 50 * np.arange(len(agent)) / RATE))
    run_label_job(dataclasses.replace(job, config=LabelConfig()))
    assert "channel" not in table()[0]
    rows = {row["path"].removeprefix("in/"): row for row in table()}
    for name in ("half.wav", "opposite.wav", "hum.wav"):
        assert rows[name] | {"path": ""} == rows["agent.wav"] | {"path": ""}
    assert rows["opposite-hiss.wav"]["emotion"] == rows["agent.wav"]["emotion"]
    assert float(rows["opposite-hiss.wav"]["confidence"]) == pytest.approx(
        float(rows["agent.wav"]["confidence"]), abs=0.02
    )


def test_one_channel_gives_the_row_that_it_has_alone_and_a_missing_one_an_error(job: LabelJob) -> None:
    run_label_job(dataclasses.replace(job, config=LabelConfig(channels="2")))
    rows = {row["path"].removeprefix("in/"): row for row in table()}
    assert list(rows) == sorted({name for name, _ in ROWS})
    assert {name for name, row in rows.items() if row["error_code"] == "no_channel"} == {"agent.wav", "customer.wav"}
    run_label_job(dataclasses.replace(job, config=LabelConfig(channels="first"), output="first.csv"))
    first = {row["path"].removeprefix("in/"): row for row in table("first.csv")}
    assert first["call.wav"] | {"path": ""} == first["agent.wav"] | {"path": ""}
    assert rows["call.wav"] | {"path": ""} == first["customer.wav"] | {"path": ""}


def test_the_python_api_gives_the_rows_of_the_channels_in_order(job: LabelJob) -> None:
    paths = ["in/call.wav", "in/none.wav", "in/agent.wav"]
    found = list(emosense.label(paths, job.model, channels="split"))
    expected = [("in/call.wav", 1), ("in/call.wav", 2), ("in/none.wav", None), ("in/agent.wav", 1)]
    assert [(row.path, row.channel) for row in found] == expected
    (second,) = emosense.label(["in/call.wav"], job.model, channels=2)
    assert second == dataclasses.replace(found[1], channel=None)
    with pytest.raises(UsageError, match="mix, split, first"):
        emosense.label(paths, job.model, channels="left")


def test_each_channel_is_named_in_the_exports_and_the_report(job: LabelJob) -> None:
    run_label_job(dataclasses.replace(job, exports=("audacity", "raven", "audformat")))
    tracks = sorted(path.name for path in Path("labels.audacity").rglob("*.txt"))
    assert tracks == [
        "agent.wav.channel1.txt", "call.wav.channel1.txt", "call.wav.channel2.txt", "customer.wav.channel1.txt",
        "half.wav.channel1.txt",
    ]  # fmt: skip
    with open("labels.raven.txt", encoding="utf-8", newline="") as file:
        selections = [(row["Begin Path"], row["Channel"]) for row in csv.DictReader(file, delimiter="\t")]
    assert selections == [(f"in/{name}", channel) for name, channel in ROWS[:5]]
    header = yaml.safe_load(Path("labels.audformat/db.yaml").read_text())
    assert list(header["tables"]) == ["emotion.channel1", "emotion.channel2"]
    assert [row["file"] for row in table("labels.audformat/db.emotion.channel2.csv")] == ["in/call.wav"]
    label_report("labels.csv", None, "labels.html")
    assert "in/call.wav, channel 2" in Path("labels.html").read_text()


def test_the_channel_can_be_the_speaker(job: LabelJob) -> None:
    run_label_job(dataclasses.replace(job, speakers=SpeakerRule("channel")))
    speakers = {
        key: (row["speaker"], row["speaker_recordings"]) for key, row in zip(keys(table()), table(), strict=True)
    }
    assert speakers["call.wav", "1"] == ("in, channel 1", "4")
    assert speakers["call.wav", "2"] == ("in, channel 2", "1")
    assert speakers["none.wav", ""] == ("", "")
    with pytest.raises(UsageError, match="needs --channels split"):
        run_label_job(dataclasses.replace(job, speakers=SpeakerRule("channel"), config=LabelConfig()))


@pytest.mark.parametrize("extension", ["csv", "parquet"])
def test_a_table_names_the_speakers_of_channels(job: LabelJob, extension: str) -> None:
    columns = {
        "path": ["in/call.wav", "in/call.wav", "in/half.wav"], "channel": [1, 2, None], "speaker": ["Ann", "Bob", "Cy"],
    }  # fmt: skip
    place = f"who.{extension}"
    if extension == "csv":
        lines = zip(*columns.values(), strict=True)
        Path(place).write_text("path,channel,speaker\n" + "".join(f"{p},{c or ''},{s}\n" for p, c, s in lines))
    else:
        pq.write_table(pa.table(columns), place)
    run_label_job(dataclasses.replace(job, speakers=SpeakerRule(place)))
    speakers = {key: row["speaker"] for key, row in zip(keys(table()), table(), strict=True) if row["speaker"]}
    assert speakers == {
        ("call.wav", "1"): "Ann", ("call.wav", "2"): "Bob", ("half.wav", "1"): "Cy", ("half.wav", "2"): "Cy",
    }  # fmt: skip


def test_a_long_recording_of_many_channels_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from emosense.audio import decoder

    monkeypatch.chdir(tmp_path)
    write("many.wav", *(voice(25.0, 100.0 + 20 * n) for n in range(4)))
    opened: list[object] = []
    monkeypatch.setattr(
        "emosense.audio.reader.open_decoder",
        lambda file, *settings: opened.append(file) or decoder.open_decoder(file, *settings),
    )
    labelled: Labelled = RecordingLabeller(SteadyModel(), SPLIT).label_recording(as_recording(Path("in/many.wav")))
    assert len(opened) == 1
    assert [result.row.channel for result in labelled.by_channel] == [1, 2, 3, 4]
    assert [[row.start_s for row in result.segments] for result in labelled.by_channel] == [[0.0, 10.0, 20.0]] * 4
    assert {row.channel for row in labelled.by_channel[2].segments} == {3}
