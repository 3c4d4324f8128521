"""How mixed a recording is: how many segments its label is from, and how much of the speech agrees with it."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from made_sounds import voice

from emosense.audio.speech import find_speech
from emosense.emotions import EMOTIONS
from emosense.errors import RecordingError
from emosense.labelling.job import LabelJob
from emosense.labelling.labelled import Labelled
from emosense.labelling.run_job import run_label_job
from emosense.labelling.speaker_rule import SpeakerRule
from emosense.labelling.summary import Summary
from emosense.tables.row import Row, error_row, labelled_row

RATE = 16_000


def row(emotion: str, speech_s: float, start_s: float | None = None) -> Row:
    probabilities = [0.6 if name == emotion else 0.4 / 7 for name in EMOTIONS]
    return labelled_row("a.wav", probabilities, 10.0, 10.0, start_s=start_s, end_s=None, speech_s=speech_s)


def test_agreement_is_a_share_of_speech_and_not_of_segments() -> None:
    segments = (row("sad", 6.0, 0.0), row("angry", 1.0, 10.0), row("calm", 1.0, 20.0))
    agreed = Labelled(row("sad", 8.0), segments).with_agreement()
    assert (agreed.row.n_segments, agreed.row.agreement) == (3, 0.75)
    assert agreed.segments == segments


def test_a_segment_without_speech_is_not_counted() -> None:
    nothing = error_row("a.wav", RecordingError("no_speech", "silence"), 10.0, 20.0)
    agreed = Labelled(row("sad", 5.0), (row("sad", 5.0, 0.0), nothing)).with_agreement()
    assert (agreed.row.n_segments, agreed.row.agreement) == (1, 1.0)


def test_a_recording_whose_segments_all_say_something_else_has_no_agreement() -> None:
    agreed = Labelled(row("sad", 5.0), (row("calm", 2.0, 0.0), row("angry", 3.0, 10.0))).with_agreement()
    assert (agreed.row.n_segments, agreed.row.agreement) == (2, 0.0)


def test_a_recording_without_a_label_has_neither() -> None:
    failed = Labelled(error_row("a.wav", RecordingError("no_speech", "silence")))
    assert failed.with_agreement() == failed
    assert (failed.row.n_segments, failed.row.agreement) == (None, None)


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("speakers", [None, SpeakerRule("parent")])
def test_the_two_tables_agree_about_the_agreement(
    tmp_path: Path, write_voice: Callable[..., Path], tiny_model: str, speakers: SpeakerRule | None
) -> None:
    write_voice("in/a/long.wav", duration_s=23.0)
    write_voice("in/a/other.wav", duration_s=14.0, pitch_hz=220.0)
    write_voice("in/a/short.wav", duration_s=1.0, pitch_hz=300.0)
    soundfile.write(tmp_path / "in/a/silent.wav", np.zeros(RATE), RATE)
    output, segments = tmp_path / "labels.csv", tmp_path / "segments.csv"
    job = LabelJob(
        (str(tmp_path / "in"),), str(output), model=tiny_model, engine="local", n_workers=1,
        segments_output=str(segments), speakers=speakers,
    )  # fmt: skip
    run_label_job(job)
    rows, parts = rows_of(output), rows_of(segments)
    assert [each["n_segments"] for each in rows] == ["3", "2", "1", ""]
    for each in rows:
        spoken = [part for part in parts if part["path"] == each["path"] and part["emotion"]]
        speech_s = [float(part["speech_s"]) for part in spoken]
        agreed_s = [s for s, part in zip(speech_s, spoken, strict=True) if part["emotion"] == each["emotion"]]
        if each["emotion"]:
            assert int(each["n_segments"]) == len(spoken)
            assert float(each["agreement"]) == pytest.approx(sum(agreed_s) / sum(speech_s), abs=1e-6)
        else:
            assert (each["n_segments"], each["agreement"], spoken) == ("", "", [])


def test_a_window_that_is_too_quiet_to_count_has_no_label_in_the_segments(tmp_path: Path, tiny_model: str) -> None:
    loud, quiet = 0.5 * voice(10.0, pitch_hz=150.0), 0.5 * 10 ** (-40 / 20) * voice(10.0, pitch_hz=220.0)
    soundfile.write(tmp_path / "call.wav", np.concatenate([loud, quiet]).astype(np.float32), RATE, subtype="FLOAT")
    assert find_speech(quiet.astype(np.float32), RATE) is not None
    output, segments = tmp_path / "labels.csv", tmp_path / "segments.csv"
    run_label_job(
        LabelJob((str(tmp_path / "call.wav"),), str(output), model=tiny_model, engine="local", n_workers=1,
                 segments_output=str(segments))
    )  # fmt: skip
    (whole,), (first, second) = rows_of(output), rows_of(segments)
    assert (whole["n_segments"], whole["agreement"], whole["emotion"]) == ("1", "1.000000", first["emotion"])
    assert (second["start_s"], second["end_s"]) == ("10.000", "20.000")
    assert (second["emotion"], second["status"], second["error_code"]) == ("", "error", "no_speech")


def labelled(emotions_s: dict[str, float], label: str, speech_s: float) -> Labelled:
    """A recording whose segments have these labels and seconds of speech."""
    segments = tuple(row(emotion, s, 10.0 * place) for place, (emotion, s) in enumerate(emotions_s.items()))
    return Labelled(row(label, speech_s), segments).with_agreement()


def test_speech_by_emotion_adds_up_to_the_speech_of_the_recording_where_segments_overlap() -> None:
    found = labelled({"sad": 6.0, "calm": 2.0}, "sad", 4.0).speech_by_emotion()
    assert found == {"sad": pytest.approx(3.0), "calm": pytest.approx(1.0)}


def test_a_summary_counts_time_if_most_of_the_speech_is_in_long_recordings() -> None:
    call = labelled({"sad": 1500.0, "angry": 300.0}, "sad", 1800.0)
    voicemails = [labelled({"happy": 3.0}, "happy", 3.0)] * 20
    summary, job = Summary(), LabelJob((), "labels.csv")
    for each in voicemails:
        summary.count(each)
    assert "emotions: happy 20" in summary.text(job)
    summary.count(call)
    assert "speech: sad 25 min (81%), angry 5 min (16%), happy 60 s (3%)" in summary.text(job)
    assert summary.counts()["speech_s"] == {"angry": 300.0, "happy": 60.0, "sad": 1500.0}
    assert summary.counts()["emotion"] == {"happy": 20, "sad": 1}
    assert summary.counts()["counts_time"]
    for each in voicemails * 30:
        summary.count(each)
    assert not summary.counts()["counts_time"]
