"""Corpora: names and tables are read in full, and what is wrong is named."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from emosense.emotions import EMOTIONS
from emosense.errors import NothingToDo, UsageError
from emosense.inputs.corpus import read_corpus
from emosense.inputs.known_corpora import joined_licence
from emosense.inputs.ravdess_names import RavdessName, parse_ravdess_name
from emosense.storage.writing import write_bytes
from emosense.training.features.table_file import is_feature_table


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
    assert corpus.names == ("ravdess",)
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
    assert (corpus.names, corpus.utterances[0].emotion) == (("unlabelled",), "")


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
    ("names", "corpus"),
    [
        (["03-01-05-01-01-01-01.wav", "03-01-05-01-01-01-02.wav"], "ravdess"),
        # The code 04 means sad, the table says angry: another corpus with names of this form.
        (["03-01-04-01-01-01-01.wav", "03-01-04-01-01-01-02.wav"], "table"),
        (["03-01-05-01-01-01-01.wav", "other.wav", "a.wav"], "table"),
        (["03-01-05.wav"], "table"),
    ],
)
def test_ravdess_is_known_by_names_that_agree_with_the_table(tmp_path: Path, names: list[str], corpus: str) -> None:
    for name in names:
        touch(tmp_path / name)
    (tmp_path / "t.csv").write_text("path,emotion,speaker\n" + "".join(f"{name},angry,s1\n" for name in names))
    assert read_corpus(str(tmp_path / "t.csv")).names == (corpus,)


def write_banglaser(folder: Path) -> None:
    """Names of a corpus of RAVDESS's form: five emotions, three statements and repetitions, 34 speakers."""
    for emotion in range(1, 6):
        for intensity in (1,) if emotion == 5 else (1, 2):
            for statement in (1, 2, 3):
                for repetition in (1, 2, 3):
                    for actor in (1, 2, 33, 34):
                        touch(
                            folder
                            / f"03-01-{emotion:02d}-{intensity:02d}-{statement:02d}-{repetition:02d}-{actor:02d}.wav"
                        )


def test_a_corpus_with_names_like_those_of_ravdess_is_not_ravdess(tmp_path: Path) -> None:
    write_banglaser(tmp_path)
    with pytest.raises(UsageError, match=r"like those of ravdess, but 2\d\d of 324 contradict it .* another"):
        read_corpus(str(tmp_path))


def test_folders_named_after_other_emotions_contradict_the_names(tmp_path: Path) -> None:
    # Every code is one that RAVDESS has.
    for actor in range(1, 5):
        touch(tmp_path / "happy" / f"03-01-01-01-01-01-{actor:02d}.wav")
        touch(tmp_path / "neutral" / f"03-01-05-01-01-01-{actor:02d}.wav")
        touch(tmp_path / "other" / f"03-01-05-01-01-01-{actor:02d}.wav")
    with pytest.raises(UsageError, match=r"8 of 12 contradict it .*the name says"):
        read_corpus(str(tmp_path))


def test_one_name_of_ravdess_does_not_make_a_folder_ravdess(tmp_path: Path) -> None:
    for name in ("03-01-05-01-01-01-01.wav", "a.wav", "b.wav", "c.wav"):
        touch(tmp_path / name)
    corpus = read_corpus(str(tmp_path))
    assert (corpus.names, len(corpus.utterances)) == (("unlabelled",), 4)


def test_songs_are_evidence_for_ravdess_and_are_not_used(tmp_path: Path) -> None:
    for statement in (1, 2):
        touch(tmp_path / f"03-01-05-01-0{statement}-01-01.wav")
        for emotion in range(2, 6):
            touch(tmp_path / f"03-02-0{emotion}-01-0{statement}-01-01.wav")
    corpus = read_corpus(str(tmp_path))
    assert (corpus.names, len(corpus.utterances), len(corpus.problems)) == (("ravdess",), 2, 8)


def test_a_table_of_several_corpora_keeps_corpus_language_and_further_columns(tmp_path: Path) -> None:
    for name in ("a.wav", "b.wav", "c.wav"):
        touch(tmp_path / name)
    (tmp_path / "t.csv").write_text(
        "path,emotion,speaker,corpus,language,room\n"
        "a.wav,sad,01,NEMO,pl,hall\nb.wav,sad,01,Mine, de ,\nc.wav,sad,02,,,\n"
    )
    corpus = read_corpus(str(tmp_path / "t.csv"))
    assert [(u.corpus, u.speaker, u.language) for u in corpus.utterances] == [
        # One name in two corpora is two people.
        ("nemo", "nemo-01", "pl"),
        ("Mine", "Mine-01", "de"),
        ("table", "02", ""),
    ]
    assert [dict(u.further) for u in corpus.utterances] == [{"room": "hall"}, {"room": ""}, {"room": ""}]
    assert corpus.further_columns == ("room",)


def test_a_folder_and_a_table_are_read_together(tmp_path: Path) -> None:
    touch(tmp_path / "ravdess" / "Actor_01" / "03-01-05-01-01-01-01.wav")
    touch(tmp_path / "b.wav")
    (tmp_path / "t.csv").write_text("path,emotion,speaker,corpus\nb.wav,sad,01,nemo\n")
    corpus = read_corpus(str(tmp_path / "ravdess"), str(tmp_path / "t.csv"))
    assert sorted((u.corpus, u.speaker) for u in corpus.utterances) == [("nemo", "nemo-01"), ("ravdess", "01")]
    assert corpus == dataclasses.replace(corpus, utterances=tuple(sorted(
        corpus.utterances, key=lambda utterance: utterance.recording.path
    )))  # fmt: skip


def test_a_recording_that_two_places_name_is_read_once(tmp_path: Path) -> None:
    touch(tmp_path / "03-01-05-01-01-01-01.wav")
    (tmp_path / "t.csv").write_text("path,emotion,speaker,corpus\n03-01-05-01-01-01-01.wav,sad,x,nemo\n")
    (utterance,) = read_corpus(str(tmp_path / "t.csv"), str(tmp_path)).utterances
    assert (utterance.emotion, utterance.corpus) == ("sad", "nemo")


def test_licences_are_joined_to_the_strictest() -> None:
    text = joined_licence(["selvas", "banglaser", "banglaser", "mine"])
    assert text.count("BanglaSER") == 1
    assert "BanglaSER (Das et al. 2022, Mendeley Data t9h6p943xy): CC BY 4.0; mine: unknown; Selvas" in text
    for condition in ("name the corpora", "no commercial use", "research only", "see the licence of the data"):
        assert condition in text
    assert "no commercial use" not in joined_licence(["banglaser"])


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
        ("path,emotion,speaker\r\nä,sad,1".encode("latin-1"), ": it is not UTF-8"),
        (b'path,emotion,speaker\r\n"' + b"a" * 2_000_000 + b'",sad,1', "line 2 has more than 1,048,576"),
        (b'path,emotion,speaker\r\n"' + b"a\r\n" * 700_000 + b'",sad,1', "field larger than"),
        (b"path,emotion,speaker,emotion\r\na.wav,sad,1,sad\r\n", "two columns are called 'emotion'"),
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


def test_links_out_of_a_corpus_are_followed_on_request_and_their_absence_is_explained(tmp_path: Path) -> None:
    name = "03-01-05-01-01-01-01.wav"
    touch(tmp_path / "store" / "object")
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / name).symlink_to(tmp_path / "store" / "object")
    with pytest.raises(NothingToDo, match=r"no audio in .*; --follow-links takes what the links lead to"):
        read_corpus(str(tmp_path / "corpus"))
    (utterance,) = read_corpus(str(tmp_path / "corpus"), follow_links=True).utterances
    assert utterance.emotion == "angry"


def test_paths_of_a_table_begin_at_a_root_or_are_file_urls(tmp_path: Path) -> None:
    (tmp_path / "wavs").mkdir()
    for name in ("1.wav", "ü 2.wav", "=3.wav"):
        (tmp_path / "wavs" / name).write_bytes(b"x")
    table = tmp_path / "lists" / "t.csv"
    table.parent.mkdir()
    url = (tmp_path / "wavs" / "ü 2.wav").as_uri()
    table.write_text(f"Path;EMOTION;Speaker\n1.wav;happy;a\n{url};sad;b\n'=3.wav;sad;b\n", encoding="utf-16")
    corpus = read_corpus(str(table), root=str(tmp_path / "wavs"))
    assert [Path(each.recording.location).name for each in corpus.utterances] == ["1.wav", "=3.wav", "ü 2.wav"]
    assert not corpus.problems
    (found,) = read_corpus(str(table)).utterances
    assert Path(found.recording.location).name == "ü 2.wav"
