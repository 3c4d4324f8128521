"""Who speaks: folders, patterns and tables; and `label --speakers` as a user runs it."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from emosense.emotions import EMOTIONS
from emosense.errors import UsageError
from emosense.evaluation.choice import EmotionChoice
from emosense.evaluation.speaker_adaptation import ScoreNormalisation
from emosense.evaluation.speaker_predictions import adapted_together
from emosense.labelling.job import LabelJob
from emosense.labelling.labelled import Labelled
from emosense.labelling.run_job import run_label_job
from emosense.labelling.speaker_names import SpeakerNames
from emosense.labelling.speaker_rule import SpeakerRule
from emosense.labelling.speakers import Speakers
from emosense.reports.label_table import read_labels
from emosense.reports.tally import count_labels
from emosense.storage.cells import original_path
from emosense.tables.row import Row, labelled_row


def rows(*names: str, seed: int = 0) -> list[Row]:
    rng = np.random.default_rng(seed)
    return [labelled_row(name, rng.dirichlet(np.ones(8)), 1.0, 1.0) for name in names]


def read_table(place: str) -> list[dict[str, str]]:
    with open(place, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def adapted(rule: str, table: list[Row], classes: tuple[str, ...] = EMOTIONS) -> list[Row]:
    with Speakers(SpeakerRule(rule), classes) as speakers:
        speakers.gather(table)
        return [speakers.adapted(Labelled(row)).row for row in table]


def test_parent_is_the_folder_of_the_recording() -> None:
    found = adapted("parent", rows("a/x/1.wav", "./a/x/2.wav", "b/x/1.wav", "3.wav", "s3://b/x/1.wav"))
    names = [(row.speaker, row.speaker_recordings) for row in found]
    assert names == [("a/x", 2), ("a/x", 2), ("b/x", 1), (".", 1), ("s3://b/x", 1)]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (r"regex:spk(\d+)_", ["7", "7", "9", ""]),
        (r"regex:(spk\d+)", ["spk7", "spk7", "spk9", ""]),
        (r"regex:(?:spk(\d+)|none)", ["7", "7", "9", ""]),
    ],
)
def test_a_pattern_names_the_speaker_by_its_first_group(pattern: str, expected: list[str]) -> None:
    found = adapted(pattern, rows("spk7_a.wav", "spk7_b.wav", "spk9_a.wav", "none.wav"))
    assert [row.speaker for row in found] == expected


@pytest.mark.parametrize("extension", ["csv", "parquet"])
def test_a_table_names_speakers_by_paths_as_labelled_or_beside_the_table(tmp_path: Path, extension: str) -> None:
    names = {"one.wav": "Ann", str(tmp_path / "two.wav"): "Ann", "sub/three.wav": "Bob"}
    place = str(tmp_path / f"who.{extension}")
    if extension == "csv":
        with open(place, "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("path", "speaker"), *names.items()])
    else:
        pq.write_table(pa.table({"path": list(names), "speaker": list(names.values())}), place)
    paths = [str(tmp_path / name) for name in ("one.wav", "sub/three.wav", "two.wav", "four.wav")]
    with Speakers(SpeakerRule(place)) as speakers:
        speakers.gather(rows(*paths))
        assert [speakers.names.speaker_of(path) for path in paths] == ["Ann", "Bob", "Ann", ""]
        assert speakers.n_unknown == 1


def test_a_table_names_paths_as_they_are_labelled_from_wherever_it_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta" / "who.csv").write_text("path,speaker\r\nin/a.wav,Ann\r\n'-b.wav,Bob\r\n", newline="")
    monkeypatch.chdir(tmp_path)
    with SpeakerNames(SpeakerRule("meta/who.csv")) as names:
        found = [names.speaker_of(path) for path in ("in/a.wav", str(tmp_path / "in/a.wav"), "meta/-b.wav", "b.wav")]
    assert found == ["Ann", "", "Bob", ""]


def test_paths_of_a_table_may_begin_at_a_root(tmp_path: Path) -> None:
    (tmp_path / "who.csv").write_text("path,speaker\na.wav,Ann\n")
    with SpeakerNames(SpeakerRule(str(tmp_path / "who.csv"), str(tmp_path / "calls"))) as names:
        assert [names.speaker_of(str(tmp_path / name)) for name in ("calls/a.wav", "a.wav")] == ["Ann", ""]


def test_a_table_with_two_speakers_for_a_recording_is_refused(tmp_path: Path) -> None:
    (tmp_path / "who.csv").write_text("path,speaker\na.wav,Ann\nb.wav,Bob\na.wav,Ann\n")
    with SpeakerNames(SpeakerRule(str(tmp_path / "who.csv"))) as names:
        assert names.speaker_of(str(tmp_path / "a.wav")) == "Ann"
    (tmp_path / "who.csv").write_text("path,speaker\na.wav,Ann\na.wav,Bob\n")
    with pytest.raises(UsageError, match=r"two speakers for .*a\.wav"):
        SpeakerNames(SpeakerRule(str(tmp_path / "who.csv")))


def test_speakers_that_are_numbers_are_named_as_numbers(tmp_path: Path) -> None:
    pq.write_table(pa.table({"path": ["a.wav", "b.wav"], "speaker": [1.0, None]}), tmp_path / "who.parquet")
    with SpeakerNames(SpeakerRule(str(tmp_path / "who.parquet"))) as names:
        assert [names.speaker_of(str(tmp_path / name)) for name in ("a.wav", "b.wav")] == ["1", ""]


def test_the_sums_of_many_recordings_are_those_of_all_of_them_and_cost_no_memory(tmp_path: Path) -> None:
    table = [*rows(*(f"a/{number}.wav" for number in range(9000))), *rows("b/1.wav", seed=1)]
    with Speakers(SpeakerRule("parent")) as speakers:
        tracemalloc.start()
        speakers.gather(table)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        sums = speakers.sums("a")
    assert sums is not None
    assert sums[0] == 9000
    expected = ScoreNormalisation().sums([[row.probabilities] for row in table[:-1]])
    np.testing.assert_allclose(sums, expected, rtol=1e-9)
    # 9,000 recordings in memory take 5 MB and more.
    assert peak < 4e6


def test_rows_of_a_speaker_are_adapted_together_wherever_they_stand() -> None:
    table = rows("1_a.wav", "2_a.wav", "1_b.wav", "2_b.wav", "1_c.wav")
    found = adapted(r"regex:^(\d)", table)
    for speaker in "12":
        mine = [place for place, row in enumerate(table) if row.path.startswith(speaker)]
        probabilities = np.array([table[place].probabilities for place in mine])
        expected = adapted_together(probabilities)
        np.testing.assert_allclose([found[place].probabilities for place in mine], expected, atol=1e-6)


def test_chosen_emotions_are_adapted_after_they_are_renormalised_and_nothing_is_labelled_again(
    write_voice: Callable[..., Path], tiny_model: str, tmp_path: Path
) -> None:
    for number in range(4):
        write_voice(f"in/a/{number}.wav", duration_s=0.5, pitch_hz=100 + 40 * number)
    job = LabelJob((str(tmp_path / "in"),), str(tmp_path / "out.csv"), model=tiny_model, engine="local", n_workers=1)
    run_label_job(job)
    choice = EmotionChoice.parse(["neutral", "happy", "sad"])
    before = choice.apply([[float(row[f"p_{name}"]) for name in EMOTIONS] for row in read_table(job.output)])
    chosen = dataclasses.replace(job, emotions=choice, speakers=SpeakerRule("parent"))
    assert run_label_job(chosen).n_reused == 4
    among = [EMOTIONS.index(name) for name in choice.emotions]
    expected = adapted_together(before[:, among])
    found = np.array([[float(row[f"p_{name}"]) for name in EMOTIONS] for row in read_table(job.output)])
    np.testing.assert_allclose(found[:, among], expected, atol=1e-5)
    assert not np.delete(found, among, axis=1).any()
    manifest = json.loads((tmp_path / "out.csv.run.json").read_text())
    assert manifest["parameters"]["emotions"] == ["neutral", "happy", "sad"]


def test_emotions_that_a_model_does_not_know_stay_at_zero() -> None:
    classes = ("calm", "happy", "fearful", "disgust")
    positions = [EMOTIONS.index(name) for name in classes]
    shares = np.zeros((3, 8))
    shares[:, positions] = np.random.default_rng(0).dirichlet(np.ones(4), 3)
    table = [labelled_row(f"a/{place}.wav", values, 1.0, 1.0) for place, values in enumerate(shares)]
    found = np.array([row.probabilities for row in adapted("parent", table, classes)])
    assert not found[:, [place for place in range(8) if place not in positions]].any()
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)


def test_a_recording_without_label_or_speaker_is_left_as_it_is() -> None:
    broken = dataclasses.replace(rows("a/1.wav")[0], probabilities=(), status="error", error_code="empty_file")
    alone = rows("2.wav")[0]
    assert adapted(r"regex:^(\w)/", [broken, alone]) == [dataclasses.replace(broken, speaker="a"), alone]


def test_a_name_that_is_not_utf_8_has_a_speaker_too() -> None:
    name = os.fsdecode(b"sp\xff/1.wav")
    assert adapted("parent", rows(name))[0].speaker == os.fsdecode(b"sp\xff")


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("regex:(", "unterminated"),
        ("regex:a", "no group that names the speaker"),
        ("regex:(?:spk)", "no group that names the speaker"),
        ("folder", "parent, channel, regex:PATTERN"),
        ("speakers.txt", "parent, channel, regex:PATTERN"),
    ],
)
def test_a_rule_that_cannot_work_is_refused(rule: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        SpeakerRule(rule)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"path,who\r\na.wav,x\r\n", "not a table with the columns"),
        (b"\xff\xfe\x00", "not a table"),
        (None, "no table at"),
    ],
)
def test_a_table_that_cannot_work_is_refused(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "who.csv").write_bytes(content)
    with pytest.raises(UsageError, match=message):
        SpeakerNames(SpeakerRule(str(tmp_path / "who.csv")))


def test_a_folder_in_place_of_a_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "who.csv").mkdir()
    with pytest.raises(UsageError, match="cannot be read"):
        SpeakerNames(SpeakerRule(str(tmp_path / "who.csv")))


@pytest.mark.parametrize("extension", ["csv", "parquet", "jsonl"])
def test_a_speaker_whose_name_is_not_utf_8_is_in_every_table(
    write_voice: Callable[..., Path], tiny_model: str, tmp_path: Path, extension: str
) -> None:
    write_voice("in/sp/1.wav")
    (tmp_path / "in/sp").rename(tmp_path / os.fsdecode(b"in/sp\xff"))
    output = str(tmp_path / f"out.{extension}")
    run_label_job(
        LabelJob(
            (str(tmp_path / "in"),), output, model=tiny_model, engine="local", n_workers=1,
            speakers=SpeakerRule("parent"),
        )
    )  # fmt: skip
    (speaker,) = count_labels(read_labels(output)).speakers.counts
    assert original_path(speaker).endswith(os.fsdecode(b"sp\xff"))


@pytest.mark.parametrize("rule", ["nosuch.csv", r"regex:speaker(\d)"])
def test_what_names_no_speaker_is_refused_before_anything_is_labelled(
    write_voice: Callable[..., Path], tiny_model: str, tmp_path: Path, rule: str
) -> None:
    write_voice("in/1.wav")
    rule = str(tmp_path / rule) if rule.endswith(".csv") else rule
    job = LabelJob((str(tmp_path / "in"),), str(tmp_path / "o.csv"), model=tiny_model, speakers=SpeakerRule(rule))
    with pytest.raises(UsageError, match=r"--speakers|no table at"):
        run_label_job(job)
    assert not (tmp_path / "o.csv.run").exists()
    with pytest.raises(UsageError, match=r"--speakers|no table at"):
        run_label_job(dataclasses.replace(job, dry_run=True))


def test_recordings_without_a_speaker_are_counted(
    write_voice: Callable[..., Path], tiny_model: str, tmp_path: Path
) -> None:
    for name in ("x1.wav", "x2.wav", "other.wav"):
        write_voice(f"in/{name}")
    job = LabelJob(
        (str(tmp_path / "in"),), str(tmp_path / "o.csv"), model=tiny_model, engine="local", n_workers=1,
        speakers=SpeakerRule(r"regex:(x)\d"),
    )  # fmt: skip
    summary = run_label_job(job)
    assert summary.n_without_speaker == 1
    assert "adapted to 1 speaker\n  not adapted, without a speaker: 1" in summary.text(job)
    assert json.loads((tmp_path / "o.csv.run.json").read_text())["counts"]["speakers"] == 1
    assert json.loads((tmp_path / "o.csv.run.json").read_text())["counts"]["without_speaker"] == 1
    assert count_labels(read_labels(job.output)).speakers.counts.keys() == {"x", "(unknown)"}


def test_labelling_with_speakers_adapts_the_finished_run_and_labels_nothing_again(
    write_voice: Callable[..., Path], tiny_model: str, tmp_path: Path
) -> None:
    for speaker, pitch in (("low", 90.0), ("high", 260.0)):
        for take in range(3):
            write_voice(f"in/{speaker}/{take}.wav", 0.5 + 0.2 * take, pitch + 10 * take)
    job = LabelJob((str(tmp_path / "in"),), str(tmp_path / "out.csv"), model=tiny_model, engine="local", n_workers=1)
    run_label_job(job)
    alone = read_table(job.output)
    summary = run_label_job(dataclasses.replace(job, speakers=SpeakerRule("parent")))
    assert summary.n_reused == summary.n_recordings == 6
    together = read_table(job.output)
    assert [row["path"] for row in together] == [row["path"] for row in alone]
    assert {(Path(row["speaker"]).name, row["speaker_recordings"]) for row in together} == {("low", "3"), ("high", "3")}
    columns = [f"p_{name}" for name in EMOTIONS]
    for start in (0, 3):
        before = np.array([[float(row[column]) for column in columns] for row in alone[start : start + 3]])
        after = np.array([[float(row[column]) for column in columns] for row in together[start : start + 3]])
        np.testing.assert_allclose(after, adapted_together(before), atol=2e-6)
        assert [row["emotion"] for row in together[start : start + 3]] == [EMOTIONS[i] for i in after.argmax(axis=1)]
    run_label_job(job)
    assert read_table(job.output) == alone


def test_the_report_counts_by_the_speakers_of_the_table(
    write_voice: Callable[..., Path], tiny_model: str, tmp_path: Path
) -> None:
    for name in ("x_1.wav", "x_2.wav", "y_1.wav"):
        write_voice(f"in/{name}")
    for extension in ("csv", "jsonl", "parquet"):
        output = str(tmp_path / f"out.{extension}")
        rule = SpeakerRule(r"regex:([xy])_\d")
        run_label_job(
            LabelJob((str(tmp_path / "in"),), output, model=tiny_model, engine="local", n_workers=1, speakers=rule)
        )
        counts = count_labels(read_labels(output)).speakers.counts
        assert {name: sum(values) for name, values in counts.items()} == {"x": 2, "y": 1}


def test_what_is_adapted_to_may_be_the_folder_or_nothing_whoever_speaks() -> None:
    table = rows("a/1_x.wav", "a/2_x.wav", "b/1_x.wav", "b/1_y.wav", "b/2_x.wav")
    found = {}
    for unit in ("speaker", "folder", "none"):
        with Speakers(SpeakerRule(r"regex:(\d)_"), adapts_to=unit) as speakers:
            speakers.gather(table)
            found[unit] = [speakers.adapted(Labelled(row)).row for row in table]
            assert speakers.n_unknown == 0
    assert {unit: [row.speaker for row in each] for unit, each in found.items()} == {unit: [*"12112"] for unit in found}
    assert [row.speaker_recordings for row in found["speaker"]] == [3, 2, 3, 3, 2]
    assert [row.speaker_recordings for row in found["folder"]] == [2, 2, 3, 3, 3]
    assert [row.probabilities for row in found["none"]] == [row.probabilities for row in table]
    in_b = np.array([row.probabilities for row in table[2:]])
    expected = adapted_together(in_b)
    np.testing.assert_allclose([row.probabilities for row in found["folder"][2:]], expected, atol=1e-6)


@pytest.mark.parametrize(("unit", "message"), [("speaker", "--adapt speaker needs --speakers"), ("room", "takes one")])
def test_an_adaptation_that_cannot_work_is_refused(tmp_path: Path, unit: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        run_label_job(LabelJob((str(tmp_path),), str(tmp_path / "o.csv"), adapt=unit))
