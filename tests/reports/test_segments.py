"""The report of a table of segments: timelines, the other recordings, and the strongest moments."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from made_pages import HOSTILE, Page, made_rows, manifest_of, write_table

from emosense.emotions import EMOTIONS
from emosense.errors import RecordingError, UsageError
from emosense.reports import label_report, segment_report
from emosense.reports.segment_table import SegmentRow, is_segment_table
from emosense.reports.segment_tally import tally_segments
from emosense.reports.timeline import line_length, spans
from emosense.tables.formats import TableLayout
from emosense.tables.row import Row, error_row, labelled_row

SEGMENTS = TableLayout(frozenset({"segments"}))


def segment(path: str, start_s: float, emotion: str, confidence: float = 0.65, length_s: float = 10.0) -> Row:
    if not emotion:
        return error_row(path, RecordingError("no_speech", "silence"), start_s, start_s + length_s)
    shares = [confidence if name == emotion else (1 - confidence) / 7 for name in EMOTIONS]
    end_s = start_s + length_s
    return labelled_row(path, shares, length_s, length_s, start_s=start_s, end_s=end_s, speech_s=length_s / 2)


def page_of(tmp_path: Path, rows: list[Row]) -> Page:
    table = write_table(tmp_path / "segments.csv", rows, SEGMENTS)
    assert is_segment_table(table)
    segment_report(table, str(tmp_path / "segments.html"))
    return Page(tmp_path / "segments.html")


def test_an_hour_has_six_lines_and_every_segment_is_drawn_at_its_place(tmp_path: Path) -> None:
    emotions = ("calm", "angry", "")
    page = page_of(tmp_path, [segment("a.wav", 10.0 * n, emotions[n % 3]) for n in range(360)])
    plots = [values for values in page.all("svg") if values.get("class") == "plot"]
    assert [(plot["data-from"], plot["data-span"]) for plot in plots] == [(str(600 * n), "600") for n in range(6)]
    bars = [values for values in page.all("rect") if values.get("class", "").startswith("bar ")]
    assert len(bars) == 240
    assert [(bar["x"], bar["class"]) for bar in bars[:3]] == [
        ("0%", "bar f-calm"), ("1.67%", "bar f-angry"), ("5%", "bar f-calm"),
    ]  # fmt: skip
    assert page.facts["speech"] == "20 min 00 s|33.3 % of the audio"
    assert page.facts["segments"] == "360|120 without speech"


def test_ten_recordings_are_drawn_and_the_others_are_listed(tmp_path: Path) -> None:
    rows = [segment(f"{n:02}.wav", 10.0 * k, "sad") for n in range(14) for k in range(n + 1)]
    page = page_of(tmp_path, rows)
    assert len([values for values in page.all("figure") if values["id"].startswith("recording-")]) == 10
    assert [row[0] for row in page.body("The other recordings")] == ["03.wav", "02.wav", "01.wav", "00.wav"]
    assert "4 more recordings, shorter than these" in page.source


def test_the_strongest_moments_are_listed_once_where_windows_overlap() -> None:
    rows = [SegmentRow("a.wav", "", 5.0 * n, 5.0 * n + 10, "sad", 0.5 + 0.01 * n, 4.0) for n in range(10)]
    tally = tally_segments([rows])
    assert [moment.start_s for moment in tally.moments["sad"]][:2] == [45.0, 35.0]
    assert tally.speech_s["sad"] == pytest.approx(4.0 + 9 * 2.0)


def test_short_segments_are_drawn_together_and_the_emotion_with_most_speech_stands_for_them() -> None:
    rows = [SegmentRow("a.wav", "", n, n + 1.0, ("sad", "sad", "calm")[n % 3], 0.6, 1.0) for n in range(30)]
    assert {bar.emotion for bar in spans(rows, 3.0)} == {"sad"}
    assert len(spans(rows, 3.0)) == 10
    assert len(spans(rows, 1.0)) == 30


@pytest.mark.parametrize(("length_s", "line_s"), [(8.5, 8.5), (599, 599), (601, 600), (3605, 600), (90_000, 14_400)])
def test_a_short_recording_fills_its_line_and_the_lines_of_a_long_one_have_a_round_length(
    length_s: float, line_s: float
) -> None:
    assert line_length(length_s)[0] == line_s


def test_a_short_recording_has_no_empty_time_behind_it(tmp_path: Path) -> None:
    page = page_of(tmp_path, [segment("a.wav", 0.0, "sad", length_s=4.0), segment("a.wav", 4.0, "calm", length_s=3.5)])
    (pause,) = (values for values in page.all("rect") if values["class"] == "pause")
    assert (pause["x"], pause["width"]) == ("0%", "100%")
    times = re.findall(r">(\d+:\d\d)<", page.source)
    assert times[:4] == ["0:00", "0:02", "0:04", "0:06"]


def test_channels_have_rows_of_their_own(tmp_path: Path) -> None:
    table = tmp_path / "segments.jsonl"
    line = '{"path":"a.wav","channel":"%s","start_s":%d,"end_s":%d,"emotion":"%s","confidence":0.5,"speech_s":4}'
    rows = [("left", 0, 10, "sad"), ("left", 10, 20, "sad"), ("right", 0, 20, "calm")]
    table.write_text("".join(line % row + "\n" for row in rows))
    segment_report(str(table), str(tmp_path / "s.html"))
    assert ">channel left<" in (tmp_path / "s.html").read_text()
    assert ">channel right<" in (tmp_path / "s.html").read_text()


def test_a_moment_jumps_to_its_recording_and_the_policy_allows_only_this_script(
    tmp_path: Path, write_voice: Callable[..., Path]
) -> None:
    recording = str(write_voice("call.wav", duration_s=20.0))
    page = page_of(tmp_path, [segment(recording, 0.0, "sad"), segment(recording, 10.0, "angry", 0.9)])
    assert [button["data-time"] for button in page.all("button")] == ["0", "10"]
    assert {button["data-recording"] for button in page.all("button")} == {"recording-1"}
    script = re.findall(r"<script>(.*?)</script>", page.source, re.S)
    digest = base64.b64encode(hashlib.sha256(script[0].encode()).digest()).decode()
    policy = next(meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert len(script) == 1
    assert f"script-src 'sha256-{digest}'" in policy


def test_hostile_names_do_nothing(tmp_path: Path) -> None:
    page = page_of(tmp_path, [segment(name, 0.0, "sad") for name in sorted(HOSTILE)])
    assert len(page.all("script")) == 1
    assert not [key for _, values in page.elements for key in values if key.startswith("on") or key == "style"]


def test_a_label_report_has_the_timelines_of_its_segments(tmp_path: Path) -> None:
    table = write_table(tmp_path / "labels.csv", made_rows(5))
    segments = write_table(tmp_path / "segments.csv", [segment("a.wav", 0.0, "sad")], SEGMENTS)
    label_report(table, None, str(tmp_path / "l.html"), segments)
    assert 'id="recording-1"' in (tmp_path / "l.html").read_text()
    assert not is_segment_table(table)
    with pytest.raises(UsageError, match="no column 'start_s'"):
        segment_report(table, str(tmp_path / "s.html"))


def test_the_page_says_what_labels_are_for_with_the_model_of_the_run_that_names_the_table(tmp_path: Path) -> None:
    rows = [segment("a.wav", 0.0, "calm")]
    assert "Regulation (EU) 2024/1689, Article 5(1)(f)" in page_of(tmp_path, rows).source
    (tmp_path / "broken.run.json").write_text("{")
    for name, table in (("other", "other.csv"), ("labels", "segments.csv")):
        manifest = manifest_of(made_rows(3), tables=[f"{name}.csv", table])
        model = {"name": name, "licence": f"Licence of {name}"}
        (tmp_path / f"{name}.csv.run.json").write_text(json.dumps(manifest | {"model": model}))
    page = page_of(tmp_path, rows)
    assert "Licence of labels" in page.source
    assert "Licence of other" not in page.source
