"""Small recordings that were once labelled wrongly, from outside of the repository: the value that each must have."""

from __future__ import annotations

from pathlib import Path

import pytest

import emosense
from emosense.tables.row import Row

pytestmark = pytest.mark.ravdess


def rows(folder: Path, **settings: object) -> dict[str, Row]:
    """Rows by name of the file, with the channel where there is one."""
    labelled = emosense.label(sorted(folder.iterdir()), model="fast", **settings)  # type: ignore[arg-type]
    return {Path(row.path).name + (f":{row.channel}" if row.channel else ""): row for row in labelled}


@pytest.mark.parametrize("voice", ["v0", "v1"])
def test_hum_and_an_offset_change_no_label(cases: Path, voice: str) -> None:
    found = rows(cases / "hum")
    clean = found[f"{voice}_0clean.flac"]
    for name in ("dc2pc", "hum_snr10", "hum_snr20"):
        row = found[f"{voice}_{name}.flac"]
        assert row.emotion == clean.emotion, name
        assert row.confidence == pytest.approx(clean.confidence, abs=0.05), name


def test_opposite_phase_has_the_label_of_the_mono_recording(cases: Path) -> None:
    mono, exact, hissing = (row for _, row in sorted(rows(cases / "antiphase").items()))
    assert mono.status == exact.status == hissing.status == "ok"
    assert mono.emotion == exact.emotion == hissing.emotion
    assert exact.confidence == pytest.approx(mono.confidence, abs=1e-3)


def test_each_channel_of_a_call_has_the_label_of_its_speaker(cases: Path) -> None:
    found = rows(cases / "channels", channels="split")
    for number, speaker in enumerate(("agent", "customer"), 1):
        call, alone = found[f"call_agent_left_customer_right.wav:{number}"], found[f"{speaker}_alone.wav:1"]
        assert call.emotion == alone.emotion
        assert call.confidence == pytest.approx(alone.confidence, abs=0.02)


def test_a_channel_that_only_hums_is_no_speech_and_does_not_take_part(cases: Path) -> None:
    split = rows(cases / "channels", channels="split")
    mixed = rows(cases / "channels")
    name = "one_mic_other_input_hums.wav"
    assert split[f"{name}:2"].error_code == "no_speech"
    assert mixed[name].emotion == split[f"{name}:1"].emotion
    assert mixed[name].confidence == pytest.approx(split[f"{name}:1"].confidence, abs=1e-3)


def test_times_are_those_of_the_file_where_packets_are_lost(cases: Path) -> None:
    segments = [
        row
        for row in emosense.label(sorted((cases / "times").iterdir()), model="fast", segments=True, segment_by="speech")
        if row.emotion
    ]
    starts_s = [row.start_s for row in segments]
    # Four seconds are lost from 4 s on: what follows begins at 8 s.
    assert not [start_s for start_s in starts_s if start_s is not None and 4.3 < start_s < 7.9]
    assert any(start_s is not None and 7.9 <= start_s < 8.4 for start_s in starts_s)
