"""Corpora: names and tables are read in full, and what is wrong is named."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from emosense.emotions import EMOTIONS
from emosense.errors import NothingToDo, UsageError
from emosense.inputs.corpus import RavdessName, parse_ravdess_name, read_corpus
from emosense.storage.files import write_bytes
from emosense.training.feature_table import is_feature_table


def touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")


def test_all_seven_fields_of_a_name_are_read() -> None:
    name = parse_ravdess_name("03-01-06-02-01-02-12.wav")
    assert name == RavdessName(3, 1, 6, 2, 1, 2, 12)
    assert (name.speaker, name.sex) == ("12", "female")
    assert parse_ravdess_name("03-01-01-01-01-01-07.FLAC").sex == "male"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("03-01-09-01-01-01-01.wav", "emotion is 09"),
        ("03-01-01-02-01-01-01.wav", "neutral has no strong"),
        ("03-01-05-01-03-01-01.wav", "statement is 03"),
        ("03-01-05-01-01-01-25.wav", "actor is 25"),
        ("04-01-05-01-01-01-01.wav", "modality is 04"),
        ("03-01-05-01-01-01.wav", "seven numbers"),
        ("happy.wav", "not a RAVDESS name"),
    ],
)
def test_a_wrong_name_says_which_field_is_wrong(name: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_ravdess_name(name)


def test_a_folder_is_read_in_order_and_wrong_names_are_listed(tmp_path: Path) -> None:
    for name in ("Actor_02/03-01-05-01-01-01-02.wav", "Actor_01/03-01-01-01-01-01-01.flac"):
        touch(tmp_path / name)
    for name in ("Actor_01/03-01-05-01-01-01-02.wav", "Actor_01/03-02-05-01-01-01-01.wav", "Actor_01/odd.wav"):
        touch(tmp_path / name)
    corpus = read_corpus(str(tmp_path))
    assert corpus.name == "ravdess"
    assert [(u.emotion, u.speaker, u.sex) for u in corpus.utterances] == [
        ("neutral", "01", "male"),
        ("angry", "02", "female"),
    ]
    reasons = {Path(path).name: reason for path, reason in corpus.problems}
    assert "the folder Actor_01" in reasons["03-01-05-01-01-01-02.wav"]
    assert "not audio-only speech" in reasons["03-02-05-01-01-01-01.wav"]
    assert "not a RAVDESS name" in reasons["odd.wav"]
    assert len(corpus.utterances) + len(corpus.problems) == 5


@pytest.mark.ravdess
def test_the_real_corpus_has_its_published_counts(ravdess: Path) -> None:
    corpus = read_corpus(str(ravdess))
    n_actors = len({u.speaker for u in corpus.utterances})
    assert len(corpus.utterances) == 60 * n_actors
    assert not corpus.problems
    for emotion in EMOTIONS:
        expected = (4 if emotion == "neutral" else 8) * n_actors
        assert sum(u.emotion == emotion for u in corpus.utterances) == expected


def test_a_folder_without_a_known_name_is_unlabelled(tmp_path: Path) -> None:
    touch(tmp_path / "a.wav")
    corpus = read_corpus(str(tmp_path))
    assert (corpus.name, corpus.utterances[0].emotion) == ("unlabelled", "")


def test_a_table_describes_any_corpus(tmp_path: Path) -> None:
    for name in ("b.wav", "a.wav"):
        touch(tmp_path / name)
    text = "path,emotion,speaker,sex\r\nb.wav,Happiness,s1,female\r\na.wav,sad,s2,\r\ngone.wav,sad,s2,\r\n"
    text += "a.wav,sad,s2,\r\nc.wav,bored,s1,\r\nd.wav,sad,,\r\n"
    (tmp_path / "corpus.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    corpus = read_corpus(str(tmp_path / "corpus.csv"))
    assert [(Path(u.recording.path).name, u.emotion, u.speaker, u.sex) for u in corpus.utterances] == [
        ("a.wav", "sad", "s2", ""),
        ("b.wav", "happy", "s1", "female"),
    ]
    reasons = " | ".join(f"{path}: {reason}" for path, reason in corpus.problems)
    for expected in ("line 5: a.wav: the path is in the table twice", "line 6: c.wav: unknown emotion 'bored'",
                     "line 7: d.wav: path or speaker is empty", "gone.wav: there is no such file"):  # fmt: skip
        assert expected in reasons


def test_a_table_in_the_working_folder_may_be_named_with_a_dot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path / "a.wav")
    (tmp_path / "table.csv").write_text("path,emotion,speaker\na.wav,sad,s1\n./a.wav,sad,s1\n")
    monkeypatch.chdir(tmp_path)
    corpus = read_corpus("./table.csv")
    assert [u.recording.path for u in corpus.utterances] == ["a.wav"]
    assert [reason for _, reason in corpus.problems] == ["the path is in the table twice"]


def test_credentials_in_a_cell_open_the_recording_and_are_not_its_name(tmp_path: Path) -> None:
    write_bytes("memory://key:secret@corpora/a.wav", b"x")
    (tmp_path / "t.csv").write_text("path,emotion,speaker\nmemory://key:secret@corpora/a.wav,sad,s1\n")
    (utterance,) = read_corpus(str(tmp_path / "t.csv")).utterances
    assert utterance.recording.path == "memory://***@corpora/a.wav"
    assert utterance.recording.location == "memory://key:secret@corpora/a.wav"
    assert (utterance.recording.size, utterance.emotion) == (1, "sad")


@pytest.mark.parametrize(
    ("name", "corpus"), [("03-01-05-01-01-01-01.wav", "ravdess"), ("03-01-05.wav", "table"), ("a.wav", "table")]
)
def test_ravdess_is_known_by_its_names_in_a_table_too(tmp_path: Path, name: str, corpus: str) -> None:
    touch(tmp_path / name)
    touch(tmp_path / "other.wav")
    (tmp_path / "t.csv").write_text(f"path,emotion,speaker\n{name},sad,s1\nother.wav,sad,s1\n")
    assert read_corpus(str(tmp_path / "t.csv")).name == corpus


def test_a_parquet_table_is_read_like_a_csv(tmp_path: Path) -> None:
    touch(tmp_path / "a.wav")
    table = pa.table({"path": ["a.wav"], "emotion": ["fear"], "speaker": [7]})
    pq.write_table(table, tmp_path / "corpus.parquet")
    (utterance,) = read_corpus(str(tmp_path / "corpus.parquet")).utterances
    assert (utterance.emotion, utterance.speaker) == ("fearful", "7")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"path,emotion\r\na.wav,sad\r\n", "lacks speaker"),
        (b"path,speaker,emotion,confidence,p_neutral\r\na.wav,1,sad,0.5,0.1\r\n", "labels predicted by EmoSense"),
        ("path,emotion,speaker\r\nä,sad,1".encode("utf-16"), "not UTF-8"),
        (b'path,emotion,speaker\r\n"' + b"a" * 2_000_000 + b'",sad,1', "field larger than"),
    ],
)
def test_a_table_that_cannot_be_read_says_where(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "corpus.csv").write_bytes(content)
    with pytest.raises(UsageError, match=says):
        read_corpus(str(tmp_path / "corpus.csv"))


@pytest.mark.parametrize("name", ["d.csv", "d.parquet"])
def test_a_folder_in_a_tables_place_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    assert not is_feature_table(str(tmp_path / name))
    with pytest.raises(UsageError, match=f"the table .*{name} cannot be read: Is a directory"):
        read_corpus(str(tmp_path / name))


def test_missing_and_empty_places_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere"):
        read_corpus(str(tmp_path / "nowhere"))
    with pytest.raises(UsageError, match=r"no table at .*nowhere\.csv"):
        read_corpus(str(tmp_path / "nowhere.csv"))
    with pytest.raises(NothingToDo, match="no audio"):
        read_corpus(str(tmp_path))
