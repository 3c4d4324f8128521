"""The report of a table of labels."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import html.parser
import json
import os
import re
import statistics
import subprocess
import sys
import urllib.parse
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from made_pages import HOSTILE, NUMBER, Page, labels_page, made_rows, manifest_of, share, time_text, write_table

from emosense.emotions import EMOTIONS
from emosense.errors import OutputError, RecordingError, UsageError
from emosense.labelling.choice import choose_recordings
from emosense.reports import label_report, save_figures
from emosense.reports.clips import audio_link
from emosense.storage.cells import printable_path
from emosense.tables.columns import COLUMNS
from emosense.tables.formats import OUTPUT_FORMATS, TableLayout
from emosense.tables.row import Row, error_row, labelled_row


def test_the_headline_counts_the_tables_rows(tmp_path: Path) -> None:
    rows = made_rows()
    page = labels_page(tmp_path, rows)
    labelled = [row for row in rows if row.emotion]
    n_errors = sum(row.status == "error" for row in rows)
    most, n_most = Counter(row.emotion for row in labelled).most_common(1)[0]
    assert page.facts["recordings"] == "60"
    assert page.facts["with an emotion"] == f"{len(labelled)}|{share(len(labelled), 60)} of all"
    assert page.facts["errors"] == f"{n_errors}|{share(n_errors, 60)} of all"
    assert page.facts["partly decoded"].startswith(f"{sum(row.status == 'partial' for row in rows)}|")
    assert page.facts["most frequent"] == f"{most}|{share(n_most, len(labelled))}"
    assert page.facts["median confidence"] == f"{statistics.median(row.confidence or 0 for row in labelled):.3f}"


def test_emotions_are_tabulated_with_share_audio_and_median_confidence(tmp_path: Path) -> None:
    rows = made_rows(200)
    page = labels_page(tmp_path, rows)
    labelled = [row for row in rows if row.emotion]
    expected = []
    for name in EMOTIONS:
        mine = [row for row in labelled if row.emotion == name]
        audio = time_text(sum(row.decoded_s or 0 for row in mine))
        median = f"{statistics.median(row.confidence or 0 for row in mine):.3f}"
        expected.append([name, str(len(mine)), share(len(mine), len(labelled)), audio, median])
    assert page.body("Emotions and median confidence") == expected
    notes = [f"{n} ({percent})" for _, n, percent, _, _ in expected]
    assert [text for text in page.texts["emotions"] if "(" in text] == notes


def test_every_number_in_the_label_page_follows_from_the_table(tmp_path: Path) -> None:
    rows = made_rows(150)
    page = labels_page(tmp_path, rows)
    labelled = [row for row in rows if row.emotion]
    n = len(labelled)
    by_emotion = Counter(row.emotion for row in labelled)
    codes = Counter(row.error_code for row in rows if row.error_code)
    folders = Counter(row.path.rpartition("/")[0] for row in rows)
    agents = Counter(row.path.split("/")[2] for row in rows)
    durations = [row.duration_s for row in rows if row.duration_s is not None]
    confidences = [row.confidence or 0.0 for row in labelled]
    low, high = np.quantile(durations, [0.05, 0.95])
    times = [sum(durations), statistics.mean(durations), statistics.median(durations), min(durations), max(durations)]
    times += [low, high, sum(row.decoded_s or 0 for row in labelled)]
    times += [sum(row.decoded_s or 0 for row in labelled if row.emotion == name) for name in EMOTIONS]
    texts = [len(rows), n, len(durations), *by_emotion.values(), *codes.values(), sum(codes.values())]
    texts += [*folders.values(), len(folders), max(folders.values()), *agents.values(), len(agents)]
    texts += [sum(row.status == status for row in rows) for status in ("partial", "error")]
    shares = [share(count, n) for count in by_emotion.values()] + [share(n, len(rows)), share(len(rows) - n, len(rows))]
    shares += [share(count, sum(codes.values())) for count in codes.values()]
    shares += [share(sum(c < limit for c in confidences), n) for limit in (0.5, 0.8)] + ["0.5", "0.8"]
    top = sum(count for _, count in sorted(folders.items(), key=lambda item: (-item[1], item[0]))[:15])
    shares += [share(top, len(rows)), str(len(folders) - 15), str(len(rows) - top), "15"]
    medians = [statistics.median(c for c, row in zip(confidences, labelled, strict=True) if row.emotion == name)
               for name in EMOTIONS if by_emotion[name]]  # fmt: skip
    written = " ".join(
        [*map(str, texts), *shares, *map(time_text, times)]
        + [f"{value:.3f}" for value in (*medians, statistics.median(confidences))]
    )
    known = set(NUMBER.findall(written)) | {f"{value / 60:.0f}" for value in times}
    shown = [*page.facts.values(), *page.captions.values()]
    shown += [cell for row in page.body("Emotions and median confidence") for cell in row[1:]]
    shown += [text for name in ("emotions", "errors") for text in page.texts[name]]
    shown += [text for name in ("folders axis", "speakers axis") for text in page.texts[name]]
    found = NUMBER.findall(" ".join(shown))
    assert len(found) > 90
    assert [number for number in found if number not in known] == []


def test_folders_and_speakers_are_counted_separately(tmp_path: Path) -> None:
    rows = made_rows(0, names=tuple(f"{corpus}/Actor_{actor:02}/{i}.wav" for corpus in "ab" for actor in (1, 2, 3)
                                    for i in range(actor)))  # fmt: skip
    page = labels_page(tmp_path, rows)
    named = [text for text in page.texts["speakers"] if text.startswith("Actor")]
    assert named == ["Actor_03", "Actor_02", "Actor_01"]
    assert page.texts["speakers axis"] == ["6", "4", "2"]
    assert page.captions["speakers"] == "3 speakers, the largest with 6 recordings."
    assert "a/Actor_03" in page.texts["folders"]
    segments = re.findall(r"<title>(\w+): (\d+) \(([\d.]+ %)\)</title>", page.source)
    for name, n, percent in segments:
        assert float(percent.split()[0]) <= 100, name
        assert 1 <= int(n) <= 12
    assert len(segments) > 10


def test_the_most_frequent_emotion_of_a_folder_is_tabulated_beside_its_bars(tmp_path: Path) -> None:
    def rows(folder: str, *emotions: str) -> list[Row]:
        return [
            labelled_row(f"{folder}/{n}.wav", [0.3 if name == emotion else 0.1 for name in EMOTIONS], 1.0, 1.0)
            for n, emotion in enumerate(emotions)
        ]

    error = error_row("d/0.wav", RecordingError("empty", "no samples"))
    page = labels_page(
        tmp_path,
        [*rows("a", "sad", "sad", "calm"), *rows("b", "calm", "sad"), *rows("c", *EMOTIONS[:4]), error],
    )
    assert page.body("Most frequent emotion by folder") == [
        ["c", "4", "25.0 %", "4 tied"],
        ["a", "3", "66.7 %", "sad"],
        ["b", "2", "50.0 %", "calm, sad"],
        ["d", "1", "\N{EN DASH}", ""],
    ]


def test_a_name_that_is_not_utf8_is_counted_with_its_neighbours(tmp_path: Path) -> None:
    page = labels_page(tmp_path, made_rows(0, names=("a/1.wav", "a/caf\udce9.wav", "b/1.wav")))
    assert page.texts["folders"][-2:] == ["a", "b"]
    assert page.texts["folders axis"] == ["2", "1"]


def test_small_folders_are_summed_up(tmp_path: Path) -> None:
    rows = made_rows(0, names=tuple(f"calls/{i:03}/{k}.wav" for i in range(40) for k in range(1 + (i < 15))))
    page = labels_page(tmp_path, rows)
    assert page.texts["folders"][-1] == "25 other folders"
    assert page.texts["folders axis"][-1] == "25"
    assert page.captions["folders"] == f"The 15 largest folders hold {share(30, 55)} of the recordings; under calls/."


def test_the_histograms_bars_add_up_to_the_rows(tmp_path: Path) -> None:
    rows = made_rows(300)
    page = labels_page(tmp_path, rows)
    bars = re.findall(r"<title>(\w+), ([\d.]+) to ([\d.]+): ([\d,]+)</title>", page.source)
    for name in EMOTIONS:
        for low, high in ((0.25, 0.3), (0.5, 0.55)):
            expected = sum(row.emotion == name and low <= (row.confidence or 0) < high for row in rows)
            shown = [int(n) for label, a, b, n in bars if label == name and (float(a), float(b)) == (low, high)]
            assert sum(shown) == expected
    assert sum(int(n) for label, _, _, n in bars if label in EMOTIONS) == sum(bool(row.emotion) for row in rows)
    assert sum(int(n) for label, _, _, n in bars if label == "recordings") == sum(bool(row.duration_s) for row in rows)


@pytest.mark.parametrize("n", [2, 3, 9])
def test_an_axis_counts_no_half_recordings(n: int, tmp_path: Path) -> None:
    rows = [labelled_row(f"{i}.wav", [0.3, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1], 1.0, 1.0) for i in range(n)]
    written = labels_page(tmp_path, rows).source.partition('<figure id="durations">')[2].partition("</figure>")[0]
    marks = re.findall(r'class="minor end">([\d.]+)<', written)
    assert len(marks) >= 2
    assert all(float(mark).is_integer() for mark in marks)


def test_recordings_with_lowest_and_highest_confidence_are_listed_in_order(tmp_path: Path) -> None:
    rows = made_rows(200)
    page = labels_page(tmp_path, rows)
    ordered = sorted((row for row in rows if row.emotion), key=lambda row: row.confidence or 0)
    named = re.findall(r'<li class="clip"><bdi class="name">([^<]*)</bdi>', page.source)
    assert named == [row.path for row in ordered[:12]] + [row.path for row in ordered[-12:][::-1]]


def test_no_recording_is_listed_twice(tmp_path: Path) -> None:
    named = r'<li class="clip"><bdi class="name">([^<]*)</bdi>'
    for n, heading in ((5, "All labelled recordings, lowest confidence first"), (15, "Highest confidence")):
        rows = [row for row in made_rows(40) if row.emotion][:n]
        page = labels_page(tmp_path, rows)
        assert sorted(re.findall(named, page.source)) == sorted(row.path for row in rows)
        assert f"<h3>{heading}</h3>" in page.source
        assert ("Lowest confidence" in page.source) is (n == 15)


def test_emotions_of_ones_own_are_counted_and_drawn_like_the_others(tmp_path: Path) -> None:
    own, table = ("bored", "tired"), tmp_path / "labels.csv"
    places = [2] * 3 + [8] * 5 + [9] * 2
    rows = [
        labelled_row(f"f{n % 2}/{n}.wav", np.eye(10)[place], 1.0, 1.0, own_emotions=own)
        for n, place in enumerate(places)
    ]
    with OUTPUT_FORMATS["csv"].open(str(table), TableLayout(own_emotions=own)) as write:
        write(rows)
    label_report(str(table), None, str(tmp_path / "page.html"))
    page = Page(tmp_path / "page.html")
    body = page.body("Emotions and median confidence")
    assert [row[0] for row in body] == [*EMOTIONS, *own]
    assert {row[0]: row[1] for row in body if row[1] != "0"} == {"happy": "3", "bored": "5", "tired": "2"}
    assert page.captions["emotions"].startswith("Bored is the most frequent label with 50.0 % of the 10")
    assert page.facts["most frequent"] == "bored|50.0 %"
    assert 'class="f-own0' in page.source
    assert 'class="f-own1' in page.source


def test_the_recordings_to_label_oneself_are_those_that_choose_chooses_first(tmp_path: Path) -> None:
    named = r'<li class="clip to-label"><bdi class="name">([^<]*)</bdi>'
    page = labels_page(tmp_path, made_rows(200))
    table = str(next(tmp_path.glob("*.csv")))
    assert re.findall(named, page.source) == [row.path for row in choose_recordings(table)][:12]
    assert f"emosense-batch choose {table}" in page.source
    assert not re.findall(named, labels_page(tmp_path, made_rows(20)).source)


def test_equally_frequent_emotions_are_named_together(tmp_path: Path) -> None:
    def row(emotion: str, number: int) -> Row:
        return labelled_row(f"{emotion}{number}.wav", [float(name == emotion) for name in EMOTIONS], 1.0, 1.0)

    counts = {"calm": 2, "happy": 2, "sad": 1}
    page = labels_page(tmp_path, [row(name, number) for name, n in counts.items() for number in range(n)])
    assert page.captions["emotions"] == (
        "Calm and happy are the most frequent labels with 40.0 % of the 5 labelled recordings each."
    )
    page = labels_page(tmp_path, [row("calm", 0), row("sad", 0), row("sad", 1)])
    assert page.captions["emotions"] == (
        f"Sad is the most frequent label with {share(2, 3)} of the 3 labelled recordings, followed by calm with "
        f"{share(1, 3)}."
    )


def test_errors_are_listed_by_code_and_capped(tmp_path: Path) -> None:
    rows = [error_row(f"calls/{i:03}.wav", RecordingError("empty", "no samples")) for i in range(33)]
    rows.append(error_row("calls/x.wav", RecordingError("undecodable", "not audio")))
    page = labels_page(tmp_path, rows)
    assert "empty: 33 recordings" in page.source
    assert "undecodable: 1 recording<" in page.source
    assert page.source.count("no samples") == 20
    assert "and 13 more" in page.source
    assert page.captions["errors"].startswith("34 recordings could not be labelled")


def test_the_run_is_described_from_its_manifest(tmp_path: Path) -> None:
    rows = made_rows()
    page = labels_page(tmp_path, rows, manifest_of(rows))
    facts = dict(page.body("From the run manifest"))
    decoded_s = sum(row.decoded_s or 0 for row in rows if row.emotion)
    assert facts["model"] == "tiny"
    assert facts["model SHA-256"] == "ab" * 32
    assert facts["versions"] == "emosense 0.1.0, python 3.11.7, platform linux"
    assert facts["rate"] == f"{60 / 12.5:.1f} recordings per second"
    assert facts["speed"] == f"{decoded_s / 12.5:.0f} times real time"
    assert facts["skipped: txt"] == "3"
    assert 'class="warning"' not in page.source


def test_a_run_without_new_labels_has_no_speed(tmp_path: Path) -> None:
    rows = [error_row("a.wav", RecordingError("empty", "no samples"))]
    facts = dict(labels_page(tmp_path, rows, manifest_of(rows)).body("From the run manifest"))
    assert "speed" not in facts
    facts = dict(labels_page(tmp_path, rows, manifest_of(rows, engine="none")).body("From the run manifest"))
    assert facts["engine"] == "none: all recordings were labelled by earlier runs"


def test_a_run_that_max_errors_stopped_has_a_warning(tmp_path: Path) -> None:
    rows = made_rows()
    counts = {"listed": 488, "recordings": len(rows)}
    page = labels_page(tmp_path, rows, manifest_of(rows, counts=counts))
    assert "it holds 60 of the 488 recordings in the inputs, because --max-errors stopped the run" in page.source


def test_of_long_recordings_the_page_counts_time_first(tmp_path: Path) -> None:
    rows = made_rows(60)
    counts = {"recordings": 60, "ignored": {}, "speech_s": {"calm": 30.0, "angry": 90.0}}
    page = labels_page(tmp_path, rows, manifest_of(rows, counts=counts | {"counts_time": True}))
    assert page.facts["most of the speech"] == "angry|75.0 %"
    assert "most frequent" not in page.facts
    assert page.captions["speech"].startswith("Angry has 75.0 % of the 2 min 00 s of speech")
    page = labels_page(tmp_path, rows, manifest_of(rows, counts=counts | {"counts_time": False}))
    assert "most of the speech" not in page.facts
    assert "most frequent" in page.facts


def test_a_manifest_of_another_run_has_a_warning(tmp_path: Path) -> None:
    rows = made_rows()
    page = labels_page(tmp_path, rows[:-1], manifest_of(rows))
    assert "The manifest counts 60 recordings and the table has 59" in page.source


def test_channels_of_a_recording_are_one_recording(tmp_path: Path) -> None:
    shares = [0.3, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]
    rows = [
        dataclasses.replace(labelled_row(path, shares, 60.0, 60.0), channel=channel)
        for path, channel in (("a.wav", 1), ("a.wav", 2), ("b.wav", 1))
    ]
    table = write_table(tmp_path / "labels.csv", rows, TableLayout(frozenset({"channels"})))
    manifest = tmp_path / "run.json"
    manifest.write_text(json.dumps(manifest_of(rows, counts={"recordings": 2, "rows": 3, "listed": 2})))
    label_report(table, str(manifest), str(tmp_path / "labels.html"))
    page = Page(tmp_path / "labels.html")
    assert 'class="warning"' not in page.source
    assert "<h1>Emotions in 2 recordings</h1>" in page.source
    assert page.facts["recordings"] == "2|with 3 channels, each labelled"
    assert page.facts["audio"] == "2 min 00 s|in 2 recordings"
    assert page.captions["emotions"] == "Neutral is the most frequent label with 100.0 % of the 3 labelled channels."


def test_a_single_recording_has_its_label_and_no_statistics(tmp_path: Path) -> None:
    page = labels_page(tmp_path, [labelled_row("a.wav", [0.3, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1], 3.0, 3.0)])
    assert page.facts == {"emotion": "neutral", "confidence": "0.300", "audio": "3.00 s"}
    assert "<svg" not in page.source
    failed = labels_page(tmp_path, [error_row("a.wav", RecordingError("empty", "no samples"))])
    assert failed.facts == {"error: empty": "no label"}


def test_an_empty_table_makes_a_page(tmp_path: Path) -> None:
    page = labels_page(tmp_path, [])
    assert page.facts["recordings"] == "0"
    assert "<svg" not in page.source


def test_uncertain_rows_are_counted(tmp_path: Path) -> None:
    rows = made_rows()
    for extension in ("csv", "jsonl", "parquet"):
        table = write_table(tmp_path / f"labels.{extension}", rows, TableLayout(min_confidence=0.4))
        label_report(table, None, str(tmp_path / "labels.html"))
        n = sum((row.confidence or 0) < 0.4 for row in rows)
        assert Page(tmp_path / "labels.html").facts["marked uncertain"].startswith(f"{n}|")


def test_unfamiliar_rows_are_counted(tmp_path: Path) -> None:
    rows = [
        dataclasses.replace(row, quality=(None, None, None, None, 0.3 + number % 4)) if row.probabilities else row
        for number, row in enumerate(made_rows())
    ]
    n = sum(row.unfamiliar is True for row in rows)
    assert 0 < n < len(rows)
    for extension in ("csv", "jsonl", "parquet"):
        table = write_table(tmp_path / f"labels.{extension}", rows)
        label_report(table, None, str(tmp_path / "labels.html"))
        assert Page(tmp_path / "labels.html").facts["unfamiliar"].startswith(f"{n}|")


def test_recordings_of_several_windows_that_disagree_are_counted(tmp_path: Path) -> None:
    rows = [
        dataclasses.replace(row, n_segments=1 + number % 3, agreement=0.2 + 0.1 * (number % 7))
        if row.probabilities
        else row
        for number, row in enumerate(made_rows())
    ]
    several = [row for row in rows if row.n_segments and row.n_segments > 1]
    n_mixed = sum((row.agreement or 0) < 0.5 for row in several)
    assert 0 < n_mixed < len(several) < len(rows)
    for extension in ("csv", "parquet"):
        table = write_table(tmp_path / f"labels.{extension}", rows)
        label_report(table, None, str(tmp_path / "labels.html"))
        assert (
            Page(tmp_path / "labels.html")
            .facts["mixed"]
            .startswith(f"{n_mixed}|of {len(several)} with several windows")
        )


def test_the_three_formats_give_the_same_page(tmp_path: Path) -> None:
    rows = made_rows(50, names=HOSTILE)
    pages = []
    for extension in ("csv", "jsonl", "parquet"):
        table = write_table(tmp_path / f"labels.{extension}", rows)
        label_report(table, None, str(tmp_path / "labels.html"))
        pages.append((tmp_path / "labels.html").read_text().replace(f"labels.{extension}", "labels"))
    assert pages[0] == pages[1] == pages[2]


def test_hostile_names_are_shown_and_do_nothing(tmp_path: Path) -> None:
    rows = [error_row(name, RecordingError("empty", "</ul><img src=x onerror=alert(1)>")) for name in sorted(HOSTILE)]
    rows += [labelled_row(name, [0.3, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1], 1, 1) for name in sorted(HOSTILE)]
    page = labels_page(tmp_path, rows)
    assert {tag for tag, _ in page.elements} & {"script", "img", "iframe", "object", "link", "base", "form"} == set()
    assert not [key for _, values in page.elements for key in values if key.startswith("on") or key == "style"]
    shown = html.unescape(" ".join(re.findall(r'<bdi class="name">(.*?)</bdi>', page.source)))
    assert HOSTILE[0] in shown
    assert "new\\nline\\ttab.wav" in shown
    assert "\\u202evaw.exe" in shown
    assert "calls/שלום/עולם.wav" in shown
    assert "not-\\xff-utf8.wav" in shown
    assert "=cmd()/x.wav" in shown
    assert not set(page.source) & set("\u202e\x00\t\r")
    save_figures(label_report(str(tmp_path / "labels.csv"), None, str(tmp_path / "l.html")), str(tmp_path / "svg"))
    drawings = list((tmp_path / "svg").glob("*.svg"))
    assert len(drawings) > 4
    for drawing in drawings:
        ET.parse(drawing)


def test_a_page_loads_nothing_and_its_policy_says_so(tmp_path: Path) -> None:
    page = labels_page(tmp_path, made_rows(60, names=HOSTILE), manifest_of(made_rows()))
    assert not re.search(r"(?i)(?:src|href|url\(|@import)\s*[=('\"]*\s*(?:https?:)?//", page.source)
    assert "http" not in page.source.replace("http-equiv", "")
    assert [values for tag, values in page.elements if "href" in values or "data" in values] == []
    policy = next(meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    sheet = re.findall(r"<style>(.*?)</style>", page.source, re.S)
    assert len(sheet) == 1
    digest = base64.b64encode(hashlib.sha256(sheet[0].encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; media-src 'self' file:; base-uri 'none'; form-action 'none'"
    )
    assert page.source.index("Content-Security-Policy") < page.source.index("<style>")


@pytest.mark.parametrize(
    "name", ["a b#c?d%41&e'f\"g.wav", "colon:name.wav", "déjà vu.wav", "日本.wav", "new\nline.wav"]
)
def test_a_local_recording_is_linked_from_the_reports_place(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = tmp_path / "calls" / name
    recording.parent.mkdir()
    recording.write_bytes(b"")
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path)
    for path in (f"calls/{name}", str(recording)):
        for output in (tmp_path / "out" / "r.html", tmp_path / "calls" / "r.html"):
            link = audio_link(path, str(output))
            assert re.fullmatch(r"\.{1,2}/[A-Za-z0-9_.~/%-]+", link)
            assert os.path.samefile(output.parent / urllib.parse.unquote(link), recording)


def test_a_name_that_is_not_utf8_is_linked_by_its_bytes(tmp_path: Path) -> None:
    recording = os.fsencode(tmp_path) + b"/caf\xe9.wav"
    with open(recording, "wb"):
        assert audio_link(printable_path(f"{tmp_path}/caf\udce9.wav"), str(tmp_path / "r.html")) == "./caf%E9.wav"


def test_a_recording_that_is_not_on_this_machine_has_no_player(tmp_path: Path) -> None:
    page = labels_page(tmp_path, made_rows(30, names=("s3://bucket/a.wav", str(tmp_path))))
    assert page.all("audio") == []
    assert audio_link("s3://bucket/a.wav", str(tmp_path / "r.html")) == ""
    assert audio_link("nul\0.wav", str(tmp_path / "r.html")) == ""


def table_of(**cells: str) -> bytes:
    """A table with one row."""
    return f"{','.join(COLUMNS)}\r\n{','.join(cells.get(name, '') for name in COLUMNS)}\r\n".encode()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"path,emotion\r\na.wav,calm\r\n", "it has no column"),
        (table_of(path="a.wav", emotion="bored"), "'bored' is not an emotion"),
        (",".join(COLUMNS).encode() + b"\r\na.wav,calm\r\n", "'' is not a status"),
        (b"path\r\na.wav,b\r\n", "line 2 has more cells than the header"),
        (table_of(path="a.wav", emotion="calm", confidence="nan", status="ok"), "out of range"),
        (table_of(path="a.wav", emotion="calm", confidence="7", status="ok"), "from 0 to 1"),
        (b"\xff\xfe", "at its start"),
    ],
)
def test_a_file_that_is_not_a_table_of_labels_is_refused(content: bytes, sentence: str, tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_bytes(content)
    with pytest.raises(UsageError, match=re.escape(sentence)):
        label_report(str(table), None, str(tmp_path / "labels.html"))
    assert list(tmp_path.iterdir()) == [table]


def test_tables_of_segments_and_damaged_or_missing_files_are_refused(tmp_path: Path) -> None:
    output = str(tmp_path / "labels.html")
    segments = write_table(tmp_path / "s.jsonl", [dataclasses.replace(made_rows(2)[0], start_s=0.0, end_s=1.0)],
                           TableLayout(frozenset({"segments"})))  # fmt: skip
    with pytest.raises(UsageError, match="a table of segments"):
        label_report(segments, None, output)
    with pytest.raises(UsageError, match="there is no table at"):
        label_report(str(tmp_path / "none.parquet"), None, output)
    (tmp_path / "damaged.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(UsageError, match="is not a table of labels"):
        label_report(str(tmp_path / "damaged.parquet"), None, output)
    table = write_table(tmp_path / "labels.csv", made_rows(5))
    with pytest.raises(UsageError, match="there is no manifest at"):
        label_report(table, str(tmp_path / "none.json"), output)
    (tmp_path / "m.json").write_text("[]")
    with pytest.raises(UsageError, match="is not the manifest"):
        label_report(table, str(tmp_path / "m.json"), output)
    with pytest.raises(UsageError, match=r"end it in \.html"):
        label_report(table, None, str(tmp_path / "labels.txt"))
    with pytest.raises(OutputError, match="cannot write"):
        label_report(table, None, str(tmp_path / "no" / "labels.html"))


def test_memory_does_not_grow_with_the_table(tmp_path: Path) -> None:
    """20,000 rows take 5 MB as text and some 30 MB as objects; the counts of them take 0.2 MB."""
    small = write_table(tmp_path / "small.csv", made_rows(500))
    large = write_table(tmp_path / "large.csv", made_rows(20_000))
    code = (
        "from pathlib import Path\nfrom emosense.reports import label_report\n"
        # Not ru_maxrss, which a process takes over from the one that started it.
        "def peak_kb():\n"
        "    return int(Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])\n"
        f"label_report({small!r}, None, {str(tmp_path / 's.html')!r})\nbefore = peak_kb()\n"
        f"label_report({large!r}, None, {str(tmp_path / 'l.html')!r})\nprint(peak_kb() - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert int(done.stdout) < 4_000
    assert Page(tmp_path / "l.html").facts["recordings"] == "20,000"
