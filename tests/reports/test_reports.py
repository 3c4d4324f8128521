from __future__ import annotations

import base64
import dataclasses
import hashlib
import html.parser
import http.server
import json
import math
import os
import random
import re
import statistics
import struct
import subprocess
import sys
import threading
import urllib.parse
import xml.etree.ElementTree as ET
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics as oracle

from emosense.emotions import EMOTIONS, HIGH_AROUSAL
from emosense.errors import OutputError, RecordingError, UsageError
from emosense.evaluation.intervals import bootstrap_interval, compare_uar
from emosense.evaluation.metrics import uar
from emosense.evaluation.summary import summarise
from emosense.features.config import default_config
from emosense.features.sets import FEATURE_SETS
from emosense.inputs.corpus import Utterance
from emosense.inputs.recording import Recording
from emosense.reports import comparison_report, evaluation_report, feature_overlap, label_report, save_figures
from emosense.reports.clips import audio_link
from emosense.reports.drawing import WIDTH, Drawing
from emosense.reports.figure import Figure
from emosense.reports.markup import element
from emosense.tables.columns import COLUMNS
from emosense.tables.formats import OUTPUT_FORMATS, TableLayout
from emosense.tables.row import Row, error_row, escape_cell, labelled_row, printable_path
from emosense.training.feature_table import FeatureTableWriter

CHROMIUM = Path("/usr/bin/chromium")
HOSTILE = (
    "calls/<script>alert(1)</script>/a\"b'&amp;.wav",
    "calls/a/new\nline\ttab.wav",
    "calls/a/\u202evaw.exe",
    "=cmd()/x.wav",
    "calls/שלום/עולם.wav",
    "calls/" + "long" * 60 + "/x.wav",
    "calls/日本語/" + "録音" * 40 + ".wav",
    "javascript:alert(1).wav",
    "calls/not-\udcff-utf8.wav",
)
NUMBER = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?")


class Page(html.parser.HTMLParser):
    """A page as a reader finds it: facts, tables, figures, and every element with its attributes."""

    VOID = ("meta", "br", "link", "img")

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.facts: dict[str, str] = {}
        self.tables: dict[str, list[list[str]]] = {}
        self.captions: dict[str, str] = {}
        self.texts: dict[str, list[str]] = {}
        self.figure = self.name = ""
        self.feed(self.source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {key: value or "" for key, value in attrs}
        self.elements.append((tag, values))
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "figure":
            self.figure = values["id"]
        if tag == "tr":
            self.tables[self.name].append([])
        if tag in ("th", "td"):
            self.tables[self.name][-1].append("")
        if tag == "text":
            self.texts.setdefault(f"{self.figure}{' axis' if 'minor' in values.get('class', '') else ''}", []).append(
                ""
            )
        self.fresh = tag

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"{tag} closes what is not open"
        if tag == "figure":
            self.figure = ""

    def handle_data(self, data: str) -> None:
        data = data.replace("\N{NO-BREAK SPACE}", " ")
        inner = self.open[-1] if self.open else ""
        if inner == "dt":
            self.name = data
        elif inner in ("dd", "small"):
            self.facts[self.name] = f"{self.facts.get(self.name, '')}|{data}".lstrip("|")
        elif inner == "caption":
            self.name = data
            self.tables[data] = []
        elif inner in ("th", "td"):
            self.tables[self.name][-1][-1] += data
        elif inner == "p" and "figcaption" in self.open:
            self.captions[self.figure] = data
        elif inner == "text":
            self.texts[f"{self.figure}{' axis' if self._is_axis() else ''}"][-1] += data

    def _is_axis(self) -> bool:
        return "minor" in [values for tag, values in self.elements if tag == "text"][-1].get("class", "")

    def all(self, tag: str) -> list[dict[str, str]]:
        return [values for name, values in self.elements if name == tag]

    def body(self, name: str) -> list[list[str]]:
        return self.tables[name][1:]


def made_rows(n: int = 60, seed: int = 0, names: tuple[str, ...] = ()) -> list[Row]:
    """Rows in order of path, as a run writes them: some partial, some errors."""
    rng = random.Random(seed)
    paths = sorted([f"calls/2024-{i % 3:02}/agent_{i % 7}/{i:05}.wav" for i in range(n)] + list(names))
    rows = []
    for number, path in enumerate(paths):
        if number % 11 == 5:
            rows.append(error_row(path, RecordingError(rng.choice(("empty", "undecodable")), "<b>no</b> audio & more")))
            continue
        weights = [rng.expovariate(1) ** 2 * (1 + (name == "calm")) for name in EMOTIONS]
        duration_s = rng.lognormvariate(2, 1)
        is_partial = number % 13 == 7
        decoded_s = duration_s / 2 if is_partial else duration_s
        rows.append(
            labelled_row(path, [w / sum(weights) for w in weights], duration_s, decoded_s, is_partial=is_partial)
        )
    return rows


PLAIN = TableLayout()


def write_table(path: Path, rows: list[Row], layout: TableLayout = PLAIN) -> str:
    with OUTPUT_FORMATS[path.suffix[1:]].open(str(path), layout) as write:
        write(rows)
    return str(path)


def manifest_of(rows: list[Row], **changes: object) -> dict[str, object]:
    return {
        "finished": "2026-11-24T15:18:10+00:00",
        "inputs": ["calls"],
        "model": {"name": "tiny", "sha256": "ab" * 32},
        "parameters": {"window_s": 0.0},
        "versions": {"emosense": "0.1.0", "python": "3.11.7", "platform": "linux"},
        "engine": "local",
        "counts": {"recordings": len(rows), "reused": 0, "ignored": {"txt": 3}},
        "elapsed_s": 12.5,
        "exit_code": 3,
    } | changes


def labels_page(tmp_path: Path, rows: list[Row], manifest: dict[str, object] | None = None) -> Page:
    table = write_table(tmp_path / "labels.csv", rows)
    location = None
    if manifest is not None:
        location = f"{table}.run.json"
        Path(location).write_text(json.dumps(manifest))
    label_report(table, location, str(tmp_path / "labels.html"))
    return Page(tmp_path / "labels.html")


def share(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f} %"


def time_text(value_s: float) -> str:
    """The written form of a duration below an hour, as docs/reports.md describes it."""
    if value_s < 60:
        return f"{value_s:.2f} s"
    assert value_s < 3599
    return f"{round(value_s) // 60} min {round(value_s) % 60:02} s"


# Label report


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


def test_every_number_in_the_label_page_is_one_of_the_tables(tmp_path: Path) -> None:
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


def test_folders_and_speakers_are_counted_apart(tmp_path: Path) -> None:
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


def test_the_least_and_most_certain_recordings_are_named_in_order(tmp_path: Path) -> None:
    rows = made_rows(200)
    page = labels_page(tmp_path, rows)
    ordered = sorted((row for row in rows if row.emotion), key=lambda row: row.confidence or 0)
    named = re.findall(r'<li class="clip"><bdi class="name">([^<]*)</bdi>', page.source)
    assert named == [row.path for row in ordered[:12]] + [row.path for row in ordered[-12:][::-1]]


def test_no_recording_is_named_as_least_and_most_certain_at_once(tmp_path: Path) -> None:
    named = r'<li class="clip"><bdi class="name">([^<]*)</bdi>'
    for n, heading in ((5, "All labelled recordings, lowest confidence first"), (15, "Highest confidence")):
        rows = [row for row in made_rows(40) if row.emotion][:n]
        page = labels_page(tmp_path, rows)
        assert sorted(re.findall(named, page.source)) == sorted(row.path for row in rows)
        assert f"<h3>{heading}</h3>" in page.source
        assert ("Lowest confidence" in page.source) is (n == 15)


def test_emotions_that_come_first_together_are_named_together(tmp_path: Path) -> None:
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


def test_a_run_without_new_labels_is_given_no_speed(tmp_path: Path) -> None:
    rows = [error_row("a.wav", RecordingError("empty", "no samples"))]
    facts = dict(labels_page(tmp_path, rows, manifest_of(rows)).body("From the run manifest"))
    assert "speed" not in facts
    facts = dict(labels_page(tmp_path, rows, manifest_of(rows, engine="none")).body("From the run manifest"))
    assert facts["engine"] == "none: all recordings were labelled by earlier runs"


def test_a_run_that_max_errors_stopped_is_told(tmp_path: Path) -> None:
    rows = made_rows()
    counts = {"listed": 488, "recordings": len(rows)}
    page = labels_page(tmp_path, rows, manifest_of(rows, counts=counts))
    assert "it holds 60 of the 488 recordings in the inputs, because --max-errors stopped the run" in page.source


def test_a_manifest_of_another_run_is_told(tmp_path: Path) -> None:
    rows = made_rows()
    page = labels_page(tmp_path, rows[:-1], manifest_of(rows))
    assert "The manifest counts 60 recordings and the table has 59" in page.source


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
    for figure in save_figures(label_report(str(tmp_path / "labels.csv"), None, str(tmp_path / "l.html")),
                               str(tmp_path / "svg")):  # fmt: skip
        ET.parse(figure)


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


def test_what_is_not_on_this_machine_has_no_player(tmp_path: Path) -> None:
    page = labels_page(tmp_path, made_rows(30, names=("s3://bucket/a.wav", str(tmp_path))))
    assert page.all("audio") == []
    assert audio_link("s3://bucket/a.wav", str(tmp_path / "r.html")) == ""
    assert audio_link("nul\0.wav", str(tmp_path / "r.html")) == ""


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"path,emotion\r\na.wav,calm\r\n", "it has no column"),
        (",".join(COLUMNS).encode() + b"\r\na.wav,bored" + b"," * 14 + b"\r\n", "'bored' is not an emotion"),
        (",".join(COLUMNS).encode() + b"\r\na.wav,calm\r\n", "more or fewer cells"),
        (",".join(COLUMNS).encode() + b"\r\na.wav,calm,nan" + b"," * 11 + b"ok,,\r\n", "out of range"),
        (",".join(COLUMNS).encode() + b"\r\na.wav,calm,7" + b"," * 11 + b"ok,,\r\n", "from 0 to 1"),
        (b"\xff\xfe", "at its start"),
    ],
)
def test_what_is_no_table_of_labels_is_refused(content: bytes, sentence: str, tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    table.write_bytes(content)
    with pytest.raises(UsageError, match=re.escape(sentence)):
        label_report(str(table), None, str(tmp_path / "labels.html"))
    assert list(tmp_path.iterdir()) == [table]


def test_segments_damage_and_missing_files_are_refused(tmp_path: Path) -> None:
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


# Evaluation report


@dataclasses.dataclass
class Made:
    """A made evaluation: where it lies, and its rows as the test knows them."""

    folder: Path
    classes: tuple[str, ...]
    truth: np.ndarray
    shares: np.ndarray
    speakers: list[str]
    sexes: list[str]
    seeds: np.ndarray

    @property
    def predicted(self) -> np.ndarray:
        return self.shares.argmax(axis=1)

    @property
    def n_errors(self) -> int:
        return int((self.predicted != self.truth).sum())


def made_evaluation(
    folder: Path,
    classes: tuple[str, ...] = EMOTIONS,
    *,
    skill: float = 1.2,
    n_seeds: int = 2,
    n_actors: int = 8,
    seed: int = 0,
    with_curves: bool = True,
    actor_name: Callable[[int], str] = "{:02}".format,
    **about: object,
) -> Made:
    """Write what `emosense-batch evaluate` writes, of a classifier with a given skill."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    plan = [(actor, place, k) for actor in range(1, n_actors + 1) for place in range(len(classes)) for k in range(4)]
    lines = [",".join(["path", "speaker", "sex", "seed", "fold", "emotion", "predicted", *(f"p_{c}" for c in classes)])]
    parts, seeds, curves = [], [], []
    for number in range(n_seeds):
        truth = np.array([place for _, place, _ in plan])
        logits = rng.normal(size=(len(plan), len(classes)))
        logits[np.arange(len(plan)), truth] += skill * np.where(truth == 1, 2.0, 1.0)
        shares = np.exp(2 * logits)
        shares = np.round(shares / shares.sum(axis=1, keepdims=True), 6)
        speakers, sexes = [actor_name(a) for a, _, _ in plan], ["female" if a % 2 == 0 else "male" for a, _, _ in plan]
        parts.append((truth, shares, speakers, sexes, np.full(len(plan), number)))
        folds = [f"fold{1 + actor % 2}" for actor, _, _ in plan]
        seeds.append(summarise(truth, shares, speakers, emotions=classes, folds=folds, groups={"sex": sexes},
                               n_resamples=200, seed=number))  # fmt: skip
        for (actor, place, k), row, speaker, sex, fold in zip(plan, shares, speakers, sexes, folds, strict=True):
            path = escape_cell(f"-wav/{actor:02}/{place}-{k}.wav")
            labels = [path, speaker, sex, str(number), fold, classes[place], classes[int(row.argmax())]]
            lines.append(",".join(labels + [f"{value:.6f}" for value in row]))
        curves += [{"seed": number, "fold": fold, "epochs": made_history(number + len(fold), 12 + 3 * place)}
                   for place, fold in enumerate(("fold1", "fold2"))]  # fmt: skip
    scores = {}
    for name in ("uar", "accuracy", "macro_f1", "ece", "confidence_auroc"):
        values = [s[name]["value"] if isinstance(s[name], dict) else s[name] for s in seeds]
        scores[name] = {"mean": statistics.fmean(values), "sd": statistics.stdev(values) if n_seeds > 1 else None}
    actors = range(1, n_actors + 1)
    splits = [
        {
            "seed": s,
            "fold": f"fold{f}",
            "train_speakers": [],
            "test_speakers": [actor_name(a) for a in actors if 1 + a % 2 == f],
        }
        for s in range(n_seeds)
        for f in (1, 2)
    ]
    content = {
        "kind": "cnn", "preset": "default", "protocol": "lj5", "protocol_description": "By actor.", "data": "wav",
        "speaker_independent": True, "n_seeds": n_seeds, "splits": splits, "classes": list(classes), "n": len(plan),
        "scores": scores, "seeds": seeds, "emosense": "0.1.0",
    } | about  # fmt: skip
    (folder / "metrics.json").write_text(json.dumps(content))
    (folder / "curves.json").write_text(json.dumps(curves if with_curves else []))
    (folder / "predictions.csv").write_text("\r\n".join(lines) + "\r\n", newline="")
    joined = [np.concatenate([part[place] for part in parts]) for place in (0, 1, 4)]
    return Made(folder, classes, joined[0], joined[1], parts[0][2] * n_seeds, parts[0][3] * n_seeds, joined[2])


def made_history(seed: int, n_epochs: int) -> list[dict[str, float]]:
    rng = np.random.default_rng(seed)
    return [
        {
            "epoch": epoch,
            "train_loss": 2 * math.exp(-epoch / 5),
            "train_accuracy": 1 - math.exp(-epoch / 5) * 0.9,
            "validation_loss": 1.2 + (epoch - 6) ** 2 / 50 + 0.01 * float(rng.random()),
            "validation_accuracy": 0.4 + 0.02 * float(rng.random()),
        }
        for epoch in range(1, n_epochs + 1)
    ]


def evaluation_page(made: Made, feature_table: str | None = None) -> Page:
    output = made.folder / "report.html"
    evaluation_report(str(made.folder), str(output), feature_table)
    return Page(output)


def over_seeds(made: Made, score: Callable[[np.ndarray, np.ndarray], float]) -> list[float]:
    """A score of truth and probabilities, seed by seed."""
    return [score(made.truth[made.seeds == seed], made.shares[made.seeds == seed]) for seed in np.unique(made.seeds)]


def spread(values: list[float]) -> str:
    return f"{100 * statistics.fmean(values):.1f} % ± {100 * statistics.stdev(values):.1f}"


def test_the_headline_scores_are_scikit_learns(tmp_path: Path) -> None:
    made = made_evaluation(tmp_path / "e")
    page = evaluation_page(made)
    uars = over_seeds(made, lambda t, p: oracle.balanced_accuracy_score(t, p.argmax(axis=1)))
    accuracies = over_seeds(made, lambda t, p: oracle.accuracy_score(t, p.argmax(axis=1)))
    f1s = over_seeds(made, lambda t, p: oracle.f1_score(t, p.argmax(axis=1), average="macro"))
    aurocs = over_seeds(made, lambda t, p: oracle.roc_auc_score(p.argmax(axis=1) == t, p.max(axis=1)))
    assert page.facts["UAR"] == f"{spread(uars)}|mean ± sd of 2 seeds"
    assert page.facts["accuracy"].startswith(spread(accuracies))
    assert page.facts["macro F1"].startswith(spread(f1s))
    assert page.facts["AUROC of confidence"].startswith(f"{statistics.fmean(aurocs):.3f}|")
    first = made.seeds == 0
    interval = bootstrap_interval(made.truth[first], made.predicted[first], made.speakers[: int(first.sum())], uar,
                                  n_resamples=200)  # fmt: skip
    assert interval is not None
    assert page.facts["UAR interval"].startswith(f"{100 * interval[0]:.1f} to {100 * interval[1]:.1f} %|95 %")
    assert page.facts["recordings"] == "256|of 8 actors"


def test_the_confusion_matrix_shows_counts_and_row_shares(tmp_path: Path) -> None:
    made = made_evaluation(tmp_path / "e")
    page = evaluation_page(made)
    matrix = oracle.confusion_matrix(made.truth, made.predicted)
    shown = [text for text in page.texts["confusion"] if text not in EMOTIONS]
    expected = []
    for row in matrix.tolist():
        for n in row:
            expected += [f"{100 * n / sum(row):.0f}", str(n)] if n else ["·", ""]
    assert shown == expected
    wrong = matrix - np.diag(np.diagonal(matrix))
    truth, taken = np.unravel_index(wrong.argmax(), wrong.shape)
    caption = page.captions["confusion"]
    assert caption.startswith(
        f"The most frequent of {made.n_errors} errors is {EMOTIONS[truth]} predicted as {EMOTIONS[taken]} "
        f"({wrong.max()}, {share(wrong.max(), matrix[truth].sum())} of {EMOTIONS[truth]})"
    )
    trio = [EMOTIONS.index(name) for name in ("disgust", "fearful", "happy")]
    among = sum(int(wrong[a, b]) for a in trio for b in trio)
    by_chance = sum(int(wrong[a].sum()) for a in trio) * 2 / 7
    assert f"{share(among, made.n_errors)} of the errors are among disgust, fearful and happy" in caption
    assert caption.endswith(f"({share(by_chance, made.n_errors)} if errors were spread evenly).")


def test_recall_and_precision_are_scikit_learns(tmp_path: Path) -> None:
    made = made_evaluation(tmp_path / "e")
    page = evaluation_page(made)
    recall = oracle.recall_score(made.truth, made.predicted, average=None)
    precision = oracle.precision_score(made.truth, made.predicted, average=None)
    expected = [[name, "64", share(r, 1), share(p, 1)] for name, r, p in zip(EMOTIONS, recall, precision, strict=True)]
    assert page.body("Recall and precision by emotion") == expected
    worst = EMOTIONS[int(recall.argmin())]
    assert int(recall.argmax()) == EMOTIONS.index("calm")
    assert page.captions["recall"] == (
        f"Calm is recognised best ({share(recall.max(), 1)}), {worst} worst ({share(recall.min(), 1)})."
    )


def test_the_pictures_say_their_figures(tmp_path: Path) -> None:
    made = made_evaluation(tmp_path / "e")
    page = evaluation_page(made)
    is_right, confidence = made.predicted == made.truth, made.shares.max(axis=1)
    aurocs = over_seeds(made, lambda t, p: oracle.roc_auc_score(p.argmax(axis=1) == t, p.max(axis=1)))
    assert page.captions["separation"] == (
        f"A right prediction is more confident than a wrong one in {share(statistics.fmean(aurocs), 1)} of pairs "
        f"(AUROC {statistics.fmean(aurocs):.3f}); the median confidence is {np.median(confidence[is_right]):.3f} for "
        f"right and {np.median(confidence[~is_right]):.3f} for wrong predictions."
    )
    halves = over_seeds(made, most_certain_half)
    assert page.captions["coverage"] == (
        f"Keeping the most confident 50.0 % of the recordings raises the accuracy from {share(is_right.mean(), 1)} to "
        f"{share(statistics.fmean(halves), 1)}."
    )
    gap = abs(confidence.mean() - is_right.mean())
    assert (
        f"mean confidence is {share(confidence.mean(), 1)} at an accuracy of {share(is_right.mean(), 1)}: "
        in (page.captions["reliability"])
    )
    assert f"by {100 * gap:.1f} points" in page.captions["reliability"]
    is_high = np.array([name in HIGH_AROUSAL for name in EMOTIONS])
    within = int((is_high[made.truth] == is_high[made.predicted])[~is_right].sum())
    assert page.captions["arousal"] == (
        f"{share(within, made.n_errors)} of the errors stay within high or within low arousal "
        f"({share(3, 7)} if errors were spread evenly)."
    )


def most_certain_half(truth: np.ndarray, shares: np.ndarray) -> float:
    order = np.argsort(-shares.max(axis=1), kind="stable")[: len(truth) // 2]
    return float((shares.argmax(axis=1) == truth)[order].mean())


def test_actors_sexes_and_folds_are_tabulated(tmp_path: Path) -> None:
    made = made_evaluation(tmp_path / "e")
    page = evaluation_page(made)
    for title, groups in (("By actor", made.speakers), ("By sex", made.sexes)):
        expected = []
        for group in sorted(set(groups)):
            rows = np.array(groups) == group
            truth, shares = made.truth[rows], made.shares[rows]
            scores = (oracle.balanced_accuracy_score(truth, shares.argmax(axis=1)),
                      oracle.accuracy_score(truth, shares.argmax(axis=1)), shares.max(axis=1).mean())  # fmt: skip
            expected.append([group, str(int(rows.sum())), *(share(score, 1) for score in scores)])
        assert page.body(title) == expected
    assert [row[0] for row in page.body("By fold")] == [
        "fold1, seed 0",
        "fold2, seed 0",
        "fold1, seed 1",
        "fold2, seed 1",
    ]
    assert page.body("By fold")[0][-1] == "02, 04, 06, 08"
    uars = {row[0]: row[2] for row in page.body("By actor")}
    shown = page.texts["actors"]
    pairs = dict(zip(shown[::2], shown[1::2], strict=True))
    assert pairs == uars
    assert shown[1::2] == sorted(shown[1::2], key=lambda text: float(text.split()[0]))


def test_the_overfitting_gap_is_that_of_the_last_epochs(tmp_path: Path) -> None:
    made = made_evaluation(tmp_path / "e")
    page = evaluation_page(made)
    curves = [curve["epochs"] for curve in json.loads((made.folder / "curves.json").read_text())]
    train = statistics.fmean(epochs[-1]["train_accuracy"] for epochs in curves)
    held = statistics.fmean(epochs[-1]["validation_accuracy"] for epochs in curves)
    assert page.captions["curves-accuracy"] == (
        f"At the last epoch the accuracy is {share(train, 1)} in training and {share(held, 1)} in validation, an "
        f"overfitting gap of {100 * (train - held):.1f} points (mean of 4 training runs)."
    )
    mean = [statistics.fmean(epochs[place]["validation_loss"] for epochs in curves) for place in range(12)]
    assert f"lowest at epoch {mean.index(min(mean)) + 1} ({min(mean):.3g})" in page.captions["curves-loss"]
    drawing = page.source[page.source.index('id="curves-accuracy"') : page.source.index('id="curves-loss"')]
    assert drawing.count('class="line l-first faint"') == drawing.count('class="line l-second faint"') == 4
    assert drawing.count('class="line l-first"') == drawing.count('class="line l-second"') == 1


def test_a_family_without_validation_curves_says_so(tmp_path: Path) -> None:
    made = made_evaluation(tmp_path / "e", with_curves=False)
    assert "Learning curves" not in evaluation_page(made).source
    losses = [{"seed": 0, "fold": "a", "epochs": [{"epoch": 1, "train_loss": 4.0}, {"epoch": 2, "train_loss": 1.5}]}]
    (made.folder / "curves.json").write_text(json.dumps(losses))
    page = evaluation_page(made)
    assert page.captions["curves-loss"] == (
        "The training loss goes from 4 to 1.5 (mean of 1 training run); this model family has no validation curve."
    )
    (made.folder / "curves.json").unlink()
    assert "Learning curves" not in evaluation_page(made).source


def test_the_leak_of_a_random_split_is_said_plainly(tmp_path: Path) -> None:
    fair = {name: {"mean": 0.3, "sd": 0.01} for name in ("uar", "accuracy", "macro_f1")}
    made = made_evaluation(tmp_path / "e")
    values = over_seeds(made, lambda t, p: oracle.balanced_accuracy_score(t, p.argmax(axis=1)))
    gap = statistics.fmean(values) - 0.3
    leak = {"speaker_independent": fair, "gap": dict.fromkeys(fair, gap)}
    made = made_evaluation(tmp_path / "r", protocol="random", speaker_independent=False, leak_gap=leak)
    page = evaluation_page(made)
    assert "This is a random split: the same speakers are in training and test" in page.source
    assert page.captions["leak-gap"] == (
        f"The random split gives {share(statistics.fmean(values), 1)} UAR, folds by speaker 30.0 %: a leak gap of "
        f" {100 * gap:+.1f} points."
    )
    assert page.body("The leak gap")[0] == ["UAR", spread(values), "30.0 % ± 1.0", f"{100 * gap:+.1f}"]
    assert 'class="warning"' not in evaluation_page(made_evaluation(tmp_path / "f")).source


def made_robustness(made: Made) -> list[dict[str, object]]:
    """Records of `emosense-batch evaluate --robustness`, from harmless to ruinous."""
    clean = json.loads((made.folder / "metrics.json").read_text())["scores"]["uar"]["mean"]
    changes = [
        ("gain -30 dB", 0.0),
        ("MP3, 64 kbit/s", 0.004),
        ("2 s of quiet room", -0.02),
        ("telephone band", -0.1),
    ]
    return [
        {
            "name": name,
            "description": f"what {name} <is>, at some length",
            "n": 256,
            "uar": {"mean": clean + change, "sd": 0.012},
            "change": {"mean": change, "sd": 0.003, "interval": [change - 0.01, change + 0.01]},
        }
        for name, change in changes
    ]


def test_what_disturbances_cost_is_drawn_and_tabulated(tmp_path: Path) -> None:
    records = made_robustness(made_evaluation(tmp_path / "e"))
    made = made_evaluation(tmp_path / "r", robustness=records)
    page = evaluation_page(made)
    uars = over_seeds(made, lambda t, p: oracle.balanced_accuracy_score(t, p.argmax(axis=1)))
    assert page.captions["robustness"].replace("\N{MINUS SIGN}", "-") == (
        "2 of 4 disturbances change the UAR by less than a point; "
        "the worst, telephone band, changes it by -10.0 points."
    )
    found = [cell.replace("\N{MINUS SIGN}", "-") for cell in page.body("Scores on disturbed recordings")[3]]
    score = f"{100 * statistics.fmean(uars) - 10:.1f} % ± 1.2"
    assert found == ["telephone band", score, "-10.0", "-11.0 to -9.0", "what telephone band <is>, at some length"]
    notes = [text.replace("\N{MINUS SIGN}", "-") for text in page.texts["robustness"]]
    assert [note for note in notes if note[0] in "+-"] == ["+0.0", "+0.4", "-2.0", "-10.0"]
    records[0]["change"]["interval"] = None
    made = made_evaluation(tmp_path / "one", n_actors=1, robustness=records)
    assert evaluation_page(made).body("Scores on disturbed recordings")[0][3] == "\N{EN DASH}"
    assert "<h2>Robustness" not in evaluation_page(made_evaluation(tmp_path / "f")).source


def test_what_adapting_to_speakers_brings_is_drawn_and_tabulated(tmp_path: Path) -> None:
    made = made_evaluation(tmp_path / "e")
    page = evaluation_page(made)
    seeds = [seed["adaptation"] for seed in json.loads((made.folder / "metrics.json").read_text())["seeds"]]
    wanted = {name: [seed[name]["uar"] for seed in seeds] for name in ("none", "one", "ten", "all", "same")}
    # What is not adapted is what the page says elsewhere.
    assert wanted["none"] == over_seeds(made, lambda t, p: oracle.balanced_accuracy_score(t, p.argmax(axis=1)))
    rows = page.body("Scores after speaker adaptation")
    assert [row[1] for row in rows] == [spread(values) for values in wanted.values()]
    assert [row[0] for row in rows][3] == "all recordings of a speaker"
    means = {name: statistics.fmean(values) for name, values in wanted.items()}
    notes = page.texts["adaptation"]
    assert [note for note in notes if note.endswith("%")] == [share(mean, 1) for mean in means.values()]
    change = f"{100 * (means['all'] - means['none']):+.1f}"
    caption = page.captions["adaptation"].replace("\N{MINUS SIGN}", "-")
    assert caption.startswith(
        f"Adapted to all recordings of each speaker (--speakers), the UAR is {share(means['all'], 1)} "
        f"({change} points);"
    )


def test_speakers_that_a_model_knows_are_said_plainly(tmp_path: Path) -> None:
    made = made_evaluation(tmp_path / "e", model="default", seen_speakers=["01", "02"])
    page = evaluation_page(made)
    assert (
        "The model was trained on 2 speakers of these recordings (01, 02): this is not a held-out score." in page.source
    )
    assert "<h1>Evaluation of default</h1>" in page.source


def test_every_number_of_an_evaluation_page_is_in_its_rows(tmp_path: Path) -> None:
    """Captions and drawings: whatever is not on an axis can be computed again from the predictions."""
    made = made_evaluation(tmp_path / "e", ("calm", "angry"), n_seeds=1, with_curves=False)
    page = evaluation_page(made)
    is_right, confidence = made.predicted == made.truth, made.shares.max(axis=1)
    matrix = oracle.confusion_matrix(made.truth, made.predicted)
    n, wrong = len(made.truth), made.n_errors
    written = [f"{share(100, 100)} {share(0, 1)} {share(1, 2)} {n} {wrong} {n - wrong} 95 % 8 0"]
    written += [f"{value} {value / matrix[row].sum() * 100:.0f} {share(value, matrix[row].sum())}"
                for row in (0, 1) for value in matrix[row]]  # fmt: skip
    written += [share(part, n) for part in (wrong, n - wrong)]
    for groups in (made.speakers, made.sexes, ["all"] * n):
        uars = []
        for group in sorted(set(groups)):
            rows = np.array(groups) == group
            uars.append(oracle.balanced_accuracy_score(made.truth[rows], made.predicted[rows]))
        written += [f"{group} {share(value, 1)}" for group, value in zip(sorted(set(groups)), uars, strict=True)]
        written.append(f"{100 * (max(uars) - min(uars)):.1f}")
    interval = bootstrap_interval(made.truth, made.predicted, made.speakers, uar, n_resamples=200)
    assert interval is not None
    auroc = oracle.roc_auc_score(is_right, confidence)
    bins = np.ceil(confidence * 15 - 1e-12)
    ece = sum((bins == b).mean() * abs(is_right[bins == b].mean() - confidence[bins == b].mean()) for b in set(bins))
    written += [share(value, 1) for value in (*interval, confidence.mean(), is_right.mean(), auroc, ece)]
    written += [f"{auroc:.3f} {np.median(confidence[is_right]):.3f} {np.median(confidence[~is_right]):.3f}"]
    written += [
        f"{100 * abs(confidence.mean() - is_right.mean()):.1f}",
        share(most_certain_half(made.truth, made.shares), 1),
    ]
    # What adapting reaches is checked in tests/evaluation/test_speaker_adaptation.py.
    reached = json.loads((made.folder / "metrics.json").read_text())["seeds"][0]["adaptation"]
    uars = {name: scores["uar"] for name, scores in reached.items()}
    written += ["at most 10", *(share(value, 1) for value in uars.values())]
    written += [f"{100 * abs(uars[name] - uars['none']):.1f}" for name in ("all", "same")]
    known = set(NUMBER.findall(" ".join(written)))
    shown = list(page.captions.values()) + [text for name, texts in page.texts.items() for text in texts
                                            if not name.endswith(" axis")]  # fmt: skip
    found = NUMBER.findall(" ".join(shown))
    assert len(found) > 40
    assert [number for number in found if number not in known] == []


def test_hostile_speakers_are_shown_and_do_nothing(tmp_path: Path) -> None:
    made = made_evaluation(tmp_path / "e", n_seeds=1, actor_name="<script>{}</script>\u202e".format)
    page = evaluation_page(made)
    assert page.all("script") == []
    assert page.body("By actor")[0][0] == "<script>1</script>\\u202e"


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("metrics.json", "{", "a damaged evaluation"),
        ("metrics.json", "{}", "a damaged evaluation: KeyError 'classes'"),
        ("predictions.csv", "path,speaker\r\n", "predictions.csv has 0 rows and metrics.json counts 512"),
        ("curves.json", "{]", "a damaged evaluation"),
    ],
)
def test_a_damaged_evaluation_is_refused(name: str, content: str, sentence: str, tmp_path: Path) -> None:
    made = made_evaluation(tmp_path / "e")
    (made.folder / name).write_text(content)
    with pytest.raises(UsageError, match=re.escape(sentence)):
        evaluation_page(made)
    assert not (made.folder / "report.html").exists()
    with pytest.raises(UsageError, match="has no evaluation: make one with emosense-batch evaluate"):
        evaluation_report(str(tmp_path), str(tmp_path / "r.html"))


@pytest.mark.parametrize("name", ["e", "e/metrics.json/table.parquet"])
def test_what_is_no_file_is_no_feature_table(name: str, tmp_path: Path) -> None:
    made = made_evaluation(tmp_path / "e")
    with pytest.raises(UsageError, match=rf"{name} is (no|not a) feature table"):
        evaluation_report(str(made.folder), str(tmp_path / "r.html"), str(tmp_path / name))


# Feature overlap


def feature_table(path: Path, shift: float, n: int = 400) -> str:
    """Noise, but for one feature whose mean is `shift` standard deviations higher in angry than in calm speech."""
    rng = np.random.default_rng(0)
    config = default_config("summary")
    width = len(FEATURE_SETS[config.set].names(config))
    utterances, results = [], []
    for number in range(2 * n):
        emotion = ("calm", "angry")[number % 2]
        values = rng.normal(size=width).astype(np.float32)
        values[7] += shift * (number % 2)
        utterances.append(Utterance(Recording(f"{number}.wav", f"/{number}.wav", 1, "1"), emotion, "01", "male"))
        results.append({"error_code": "", "error": "", "n_frames": 0, "features": values})
    with path.open("wb") as file:
        writer = FeatureTableWriter(file, config)
        writer.write(utterances, results)
        writer.close()
    return str(path)


def test_the_overlap_of_two_normal_densities_is_theorys(tmp_path: Path) -> None:
    figure = feature_overlap(feature_table(tmp_path / "f.parquet", 2.0))
    # Inman & Bradley 1989: 2 Phi(-d / 2); effect d^2 / (d^2 + 4) for two classes of equal size.
    overlap, effect = (
        float(text) for text in re.findall(r"effect (\d+).%, overlap (\d+).%", figure.drawing.body)[0][::-1]
    )
    assert overlap == pytest.approx(100 * (1 + math.erf(-1 / math.sqrt(2))), abs=4)
    assert effect == pytest.approx(50, abs=4)
    assert figure.caption.startswith("In mfcc_7, where emotion explains")
    assert figure.drawing.body.count("<polyline") == 12


def test_an_overlap_needs_a_feature_table_with_two_emotions(tmp_path: Path) -> None:
    table = feature_table(tmp_path / "f.parquet", 1.0)
    with pytest.raises(UsageError, match="fewer than two emotions"):
        feature_overlap(table, ("calm", "happy"))
    with pytest.raises(UsageError, match=r"is (no|not a) feature table"):
        feature_overlap(str(tmp_path / "none.parquet"))


def test_an_evaluation_report_can_show_the_overlap(tmp_path: Path) -> None:
    made = made_evaluation(tmp_path / "e", ("calm", "angry"), n_seeds=1)
    page = evaluation_page(made, feature_table(tmp_path / "f.parquet", 1.0))
    assert "mfcc_7" in page.texts["feature-overlap"]


# Comparison


def comparison_page(a: Made, b: Made) -> Page:
    output = a.folder / "comparison.html"
    comparison_report(str(a.folder), str(b.folder), str(output))
    return Page(output)


def test_two_models_are_tested_on_the_same_rows(tmp_path: Path) -> None:
    a = made_evaluation(tmp_path / "a", skill=1.8, seed=1, kind="mlp")
    b = made_evaluation(tmp_path / "b", skill=0.9, seed=2)
    page = comparison_page(a, b)
    scores = [oracle.balanced_accuracy_score(made.truth, made.predicted) for made in (a, b)]
    difference = 100 * (scores[0] - scores[1])
    tested = compare_uar(a.truth, a.predicted, b.predicted, a.speakers)
    assert tested.interval is not None
    assert page.facts["difference in UAR"] == f"{difference:+.1f}|points, MLP default minus CNN default"
    assert page.facts["95 % interval"].startswith(
        f"{100 * tested.interval[0]:+.1f} to {100 * tested.interval[1]:+.1f}|"
    )
    # With 8 actors who all agree, two of the 256 swaps are as extreme.
    assert page.facts["p-value"].startswith(f"{2 / 256:.4f}|")
    assert page.facts["rows in both"].startswith("512|")
    assert (
        f"MLP default is {difference:.1f} points of UAR above CNN default, p = 0.008 (sign-flip test over"
        in page.source
    )
    assert (
        f"UAR is {share(scores[0], 1)} for MLP default and {share(scores[1], 1)} for CNN default"
        in (page.captions["uar-both"])
    )
    recalls = [oracle.recall_score(made.truth, made.predicted, average=None) for made in (a, b)]
    notes = [text for text in page.texts["recall-both"] if text.endswith("%")]
    assert notes == [share(recall[place], 1) for place in range(8) for recall in recalls]
    right_a, right_b = a.predicted == a.truth, b.predicted == b.truth
    counts = [
        (right_a & right_b).sum(),
        (right_a & ~right_b).sum(),
        (~right_a & right_b).sum(),
        (~right_a & ~right_b).sum(),
    ]
    assert [t for t in page.texts["agreement"] if "(" in t] == [f"{n} ({share(n, 512)})" for n in counts]
    assert {"confusion-a", "confusion-b", "separation-a", "separation-b", "curves-loss-b"} <= set(page.captions)
    assert 'class="warning"' not in page.source


def test_an_unfair_comparison_is_said_plainly(tmp_path: Path) -> None:
    a = made_evaluation(tmp_path / "a", ("neutral", "calm", "happy", "sad"), n_seeds=1, protocol="random",
                        speaker_independent=False)  # fmt: skip
    b = made_evaluation(tmp_path / "b", seed=3)
    page = comparison_page(a, b)
    assert page.source.count('class="warning"') == 4
    assert "CNN default (first) was scored on a random split" in page.source
    assert "The protocols differ (random and lj5)" in page.source
    assert "CNN default (first) distinguishes 4 emotions and CNN default (second) 8" in page.source
    assert "Only 128 rows are in both evaluations, of 128 and 512" in page.source
    assert page.facts["rows in both"].startswith("128|")


def test_evaluations_of_different_corpora_are_not_compared(tmp_path: Path) -> None:
    a = made_evaluation(tmp_path / "a", ("neutral", "calm"))
    b = made_evaluation(tmp_path / "b", ("happy", "calm"))
    with pytest.raises(UsageError, match=r"disagree about the emotion of -wav/01/0-0\.wav"):
        comparison_page(a, b)
    text = (b.folder / "predictions.csv").read_text()
    (b.folder / "predictions.csv").write_text(text.replace("-wav/", "-other/"), newline="")
    with pytest.raises(UsageError, match="have no recording and seed in common"):
        comparison_page(a, b)


# Figures on their own


def test_figures_are_saved_as_svg_that_stands_alone(tmp_path: Path) -> None:
    made = made_evaluation(tmp_path / "e")
    figures = evaluation_report(str(made.folder), str(tmp_path / "r.html"))
    written = save_figures(figures, str(tmp_path / "svg"))
    assert sorted(Path(path).name for path in written) == sorted(os.listdir(tmp_path / "svg"))
    assert {"confusion.svg", "recall.svg", "coverage.svg", "reliability.svg"} <= set(os.listdir(tmp_path / "svg"))
    assert len(written) == len(figures) == len(set(written))
    for path, figure in zip(written, figures, strict=True):
        root = ET.parse(path).getroot()
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert root.find("{*}title").text == figure.title
        assert root.find("{*}desc").text == figure.caption
        content = Path(path).read_text()
        assert content.count("http") == 1
        assert "var(" not in content
        classes = {name for e in root.iter() for name in e.get("class", "").split() if name[:2] in ("f-", "l-")}
        assert [name for name in classes if f".{name}{{" not in content] == []


def png_size(content: bytes) -> tuple[int, int, float]:
    """Width and height in pixels, and pixels per inch, as a PNG file states them."""
    width, height = struct.unpack(">II", content[16:24])
    per_metre = struct.unpack(">I", content[content.index(b"pHYs") + 4 :][:4])[0]
    return width, height, per_metre * 0.0254


def png_pixels(content: bytes) -> np.ndarray:
    """The pixels of an RGBA file of 8 bits, shape (height, width, 4); the filters of RFC 2083, section 6."""
    width, height, _ = png_size(content)
    data, place = b"", 8
    while place < len(content):
        length, kind = struct.unpack(">I4s", content[place : place + 8])
        data += content[place + 8 : place + 8 + length] if kind == b"IDAT" else b""
        place += 12 + length
    lines = np.frombuffer(zlib.decompress(data), np.uint8).reshape(height, 1 + 4 * width).astype(int)
    pixels = np.zeros((height + 1, width + 1, 4), int)
    for y, line in enumerate(lines, start=1):
        for x, value in enumerate(line[1:].reshape(width, 4), start=1):
            left, up, corner = pixels[y, x - 1], pixels[y - 1, x], pixels[y - 1, x - 1]
            distances = [abs(left + up - corner - near) for near in (left, up, corner)]
            paeth = np.choose(np.argmin(distances, axis=0), [left, up, corner])
            pixels[y, x] = (value + (0, left, up, (left + up) // 2, paeth)[line[0]]) % 256
    return pixels[1:, 1:]


def test_png_and_pdf_figures_are_as_wide_as_a_column(tmp_path: Path) -> None:
    made = made_evaluation(tmp_path / "e", n_seeds=1)
    figures = evaluation_report(str(made.folder), str(tmp_path / "r.html"))
    written = save_figures(figures, str(tmp_path / "f"), ("svg", "png", "pdf"))
    assert len(written) == 3 * len(figures)
    for figure in figures:
        svg, png, pdf = (tmp_path / "f" / f"{figure.name}.{name}" for name in ("svg", "png", "pdf"))
        root = ET.parse(svg).getroot()
        assert root.get("width") == "85.00mm"
        height_mm = float(root.get("height").removesuffix("mm"))
        n_across, n_down, dpi = png_size(png.read_bytes())
        assert dpi == pytest.approx(300, abs=0.1)
        assert 25.4 * n_across / dpi == pytest.approx(85, abs=0.1)
        assert 25.4 * n_down / dpi == pytest.approx(height_mm, abs=0.1)
        box = re.search(rb"/MediaBox ?\[0 0 ([\d.]+) ([\d.]+)\]", pdf.read_bytes())
        assert box is not None
        assert [25.4 * float(points) / 72 for points in box.groups()] == pytest.approx([85, height_mm], abs=0.1)


def test_pdf_figures_hold_their_letters_and_no_picture(tmp_path: Path) -> None:
    made = made_evaluation(tmp_path / "e", n_seeds=1)
    figures = evaluation_report(str(made.folder), str(tmp_path / "r.html"))
    save_figures([figure for figure in figures if figure.name == "confusion"], str(tmp_path), ("pdf",))
    content = (tmp_path / "confusion.pdf").read_bytes()
    assert re.search(rb"/FontFile\d", content)
    assert b"/Subtype/Image" not in content.replace(b" ", b"")


def test_a_png_figure_is_drawn_in_its_colours(tmp_path: Path) -> None:
    bar = Drawing(20, element("rect", width=WIDTH, height=20, class_="f-angry"))
    save_figures([Figure("bar", "Bar", "One bar.", bar)], str(tmp_path), ("png",))
    pixels = png_pixels((tmp_path / "bar.png").read_bytes())
    assert tuple(pixels[0, 0]) == (255, 255, 255, 255)
    red = (pixels == (0xC8, 0x32, 0x2F, 255)).all(axis=-1)
    assert red.mean() == pytest.approx(WIDTH * 20 / ((WIDTH + 28) * (20 + 26 + 28)), abs=0.02)


def test_figure_formats_are_refused_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"unknown figure format 'gif': choose one of svg, png, pdf"):
        save_figures([], str(tmp_path / "f"), ("gif",))
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    for name in ("png", "pdf"):
        with pytest.raises(UsageError, match=r"need vl-convert: pip install 'emosense\[figures\]'"):
            save_figures([], str(tmp_path / "f"), ("svg", name))
    assert not (tmp_path / "f").exists()
    assert save_figures([], str(tmp_path / "f")) == []


def test_figures_in_a_page_have_a_name_and_a_sentence(tmp_path: Path) -> None:
    page = labels_page(tmp_path, made_rows(80))
    drawings = page.all("svg")
    assert len(drawings) == len(page.captions) == 6
    ids = [values["id"] for _, values in page.elements if "id" in values]
    assert len(ids) == len(set(ids))
    for drawing in drawings:
        assert drawing["role"] == "img"
        assert set(drawing["aria-labelledby"].split()) <= set(ids)
    assert all(caption.endswith(".") and NUMBER.search(caption) for caption in page.captions.values())


# In a browser


@pytest.fixture(scope="session")
def browser() -> Callable[..., str]:
    """Run headless Chromium and return its standard output."""
    if os.environ.get("EMOSENSE_NO_BROWSER"):
        pytest.skip("EMOSENSE_NO_BROWSER is set: no page is looked at in a browser")
    if not CHROMIUM.exists():
        pytest.fail(
            f"{CHROMIUM} is missing, and the reports are to be looked at in a browser: apt-get install chromium, "
            "or set EMOSENSE_NO_BROWSER=1 to go without"
        )

    def run(folder: Path, page: Path, *flags: str, is_dark: bool = False) -> str:
        profile = folder / f"profile-{len(list(folder.glob('profile-*')))}"
        command = [
            str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars",
            "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic",
            "--enable-logging=stderr",
            "--allow-file-access-from-files", f"--user-data-dir={profile}",
            f"--blink-settings=preferredColorScheme={0 if is_dark else 1}", *flags, page.as_uri(),
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=90)
        assert "Content Security Policy" not in done.stderr
        return done.stdout

    return run


# Headless Chromium has no window below 500 px, so that a page is shown in a frame of the wanted width.
HARNESS = """<!DOCTYPE html><meta name="color-scheme" content="light dark"><style>body{margin:0}iframe{border:0}</style>
<iframe src="PAGE" width="WIDTH" height="HEIGHT"></iframe><script>
function luminance(c){return c.map(v=>{v/=255;return v<=.04045?v/12.92:((v+.055)/1.055)**2.4})
  .reduce((s,v,i)=>s+v*[.2126,.7152,.0722][i],0)}
function rgb(text){return text.match(/[\\d.]+/g).map(Number)}
function contrast(a,b){const [x,y]=[luminance(a),luminance(b)].sort((p,q)=>q-p);return (x+.05)/(y+.05)}
function ground(view,e){for(;e;e=e.parentElement){const c=rgb(view.getComputedStyle(e).backgroundColor);
  if(c.length<4||c[3]>0)return c.slice(0,3)}return null}
function cell(view,e){const box=e.parentElement.querySelector('.f-heat');
  if(!box||e.parentElement.tagName!='g')return null;
  const under=ground(view,e),top=rgb(view.getComputedStyle(box).fill),share=Number(box.getAttribute('fill-opacity'));
  return under.map((v,i)=>v*(1-share)+top[i]*share)}
onload=()=>{const view=document.querySelector('iframe').contentWindow,page=view.document,root=page.documentElement;
  const found={width:root.clientWidth,scroll:root.scrollWidth,clipped:[],pale:[],texts:0,wide:[],cut:[],
    ground:view.getComputedStyle(page.body).backgroundColor};
  for(const svg of page.querySelectorAll('figure svg')){const frame=svg.getBoundingClientRect();
    for(const text of svg.querySelectorAll('text')){const box=text.getBoundingClientRect();
      if(box.width&&(box.left<frame.left-1||box.right>frame.right+1||box.top<frame.top-1||box.bottom>frame.bottom+1))
        found.clipped.push(text.textContent)}}
  for(const e of page.querySelectorAll('text,p,h1,h2,h3,td,th,dt,dd,small,li,summary,caption,bdi')){found.texts+=1;
    const style=view.getComputedStyle(e),ink=rgb(e.tagName=='text'?style.fill:style.color).slice(0,3);
    const under=(e.tagName=='text'&&cell(view,e))||ground(view,e);
    if(under&&contrast(ink,under)<4.5)found.pale.push(e.tagName+' '+e.textContent+' '+contrast(ink,under))}
  for(const e of page.querySelectorAll('figure,.clip,dl,p,h1'))
    if(e.getBoundingClientRect().right>root.clientWidth+1)found.wide.push(e.textContent);
  for(const e of page.querySelectorAll('.scroll'))
    if(e.scrollWidth>e.clientWidth+1)found.cut.push(e.textContent);
  const out=document.createElement('pre');out.id='found';
  out.textContent=JSON.stringify(found);document.body.append(out)}
</script>"""


def looked_at(run: Callable[..., str], folder: Path, page: Path, width: int, is_dark: bool) -> dict[str, object]:
    harness = folder / "harness.html"
    harness.write_text(
        HARNESS.replace("PAGE", page.as_uri()).replace("WIDTH", str(width)).replace("HEIGHT", "900"), encoding="utf-8"
    )
    dom = run(folder, harness, f"--window-size={max(width, 500)},900", "--dump-dom", is_dark=is_dark)
    shown = re.search(r'<pre id="found">(.*?)</pre>', dom, re.S)
    assert shown is not None
    found: dict[str, object] = json.loads(html.unescape(shown[1]))
    return found


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One page of each kind, with long and hostile names, all eight emotions and much to show."""
    folder = tmp_path_factory.mktemp("pages")
    rows = made_rows(400, names=HOSTILE)
    rows += [error_row(name, RecordingError("empty", "no samples in " + "x" * 90)) for name in HOSTILE]
    table = write_table(folder / "labels.csv", rows)
    (folder / "m.json").write_text(json.dumps(manifest_of(rows)))
    label_report(table, str(folder / "m.json"), str(folder / "labels.html"))
    fair = {name: {"mean": 0.3, "sd": 0.01} for name in ("uar", "accuracy", "macro_f1")}
    leak = {"speaker_independent": fair, "gap": dict.fromkeys(fair, 0.31)}
    robustness = made_robustness(made_evaluation(folder / "clean"))
    about = {"kind": "mlp", "speaker_independent": False, "leak_gap": leak, "robustness": robustness}
    a = made_evaluation(folder / "a", skill=1.8, **about)
    b = made_evaluation(folder / "b", seed=1, n_actors=24, n_seeds=3)
    features = feature_table(folder / "f.parquet", 1.0, 60)
    evaluation_report(str(a.folder), str(folder / "evaluation.html"), features)
    comparison_report(str(a.folder), str(b.folder), str(folder / "comparison.html"))
    return {name: folder / f"{name}.html" for name in ("labels", "evaluation", "comparison")}


@pytest.mark.parametrize("is_dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [360, 1600])
@pytest.mark.parametrize("name", ["labels", "evaluation", "comparison"])
def test_a_page_fits_its_window_and_can_be_read(
    name: str, width: int, is_dark: bool, pages: dict[str, Path], browser: Callable[..., str], tmp_path: Path
) -> None:
    found = looked_at(browser, tmp_path, pages[name], width, is_dark)
    assert found["width"] == width
    assert found["scroll"] == width, "the page scrolls sideways"
    assert int(str(found["texts"])) > 100
    assert found["clipped"] == []
    assert found["wide"] == []
    assert found["cut"] == [], "a table does not fit"
    assert found["pale"] == []
    assert found["ground"] == ("rgb(18, 21, 26)" if is_dark else "rgb(255, 255, 255)")


@pytest.mark.parametrize("is_dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [360, 1400])
def test_a_page_is_drawn(
    width: int, is_dark: bool, pages: dict[str, Path], browser: Callable[..., str], tmp_path: Path
) -> None:
    harness = tmp_path / "harness.html"
    harness.write_text(
        HARNESS.replace("PAGE", pages["labels"].as_uri()).replace("WIDTH", str(width)).replace("HEIGHT", "2000")
    )
    picture = tmp_path / "picture.png"
    browser(tmp_path, harness, f"--window-size={max(width, 500)},2000", f"--screenshot={picture}", is_dark=is_dark)
    content = picture.read_bytes()
    # The first pixel is stored as it is, whatever the filter: there is nothing left of it or above it.
    data = b"".join(re.findall(rb"IDAT(.*?)....(?=.{4}I[DE])", content, re.S)) or content[content.index(b"IDAT") + 4 :]
    first = zlib.decompressobj().decompress(data, 8)[1:4]
    assert content[16:24] == max(width, 500).to_bytes(4) + (2000).to_bytes(4)
    assert tuple(first) == ((18, 21, 26) if is_dark else (255, 255, 255))
    assert len(content) > 40_000


class Answers(http.server.BaseHTTPRequestHandler):
    """Keeps a page loading (/wait) until its script has said what it found (/found?...)."""

    found: str
    said: threading.Event

    def do_GET(self) -> None:
        if self.path.startswith("/found?"):
            type(self).found = urllib.parse.unquote(self.path.partition("?")[2])
            self.said.set()
        self.said.wait(60)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


def test_a_recording_is_played_from_the_page(
    browser: Callable[..., str], write_voice: Callable[..., Path], tmp_path: Path
) -> None:
    recording = write_voice("calls #1/it's 100 %.wav", duration_s=1.5)
    row = labelled_row(str(recording), [0.3, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1], 1.5, 1.5)
    page = labels_page(tmp_path, [row])
    assert [values["preload"] for values in page.all("audio")] == ["none"]
    handler = type("Handler", (Answers,), {"found": "", "said": threading.Event()})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        place = f"http://127.0.0.1:{server.server_port}"
        harness = tmp_path / "harness.html"
        harness.write_text(
            f"<img src='{place}/wait'><script>function found(text){{new Image().src='{place}/found?'+text}}"
            "function play(frame){const player=frame.contentDocument.querySelector('audio');"
            "player.onloadedmetadata=()=>found('played '+player.duration);"
            "player.onerror=()=>found('failed '+player.error.message);player.preload='auto';player.load()}</script>"
            f'<iframe src="{(tmp_path / "labels.html").as_uri()}" onload="play(this)"></iframe>'
        )
        browser(tmp_path, harness, "--dump-dom")
        server.shutdown()
    assert handler.found == "played 1.5"
