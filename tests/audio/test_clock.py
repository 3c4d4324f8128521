"""Times are those of the file's own clock: lost packets, tracks that start late, and edit lists."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import av
import numpy as np
import pytest
from made_sounds import voice
from steady_model import label

from emosense.audio.reader import RecordingReader
from emosense.audio.segment import Segment

RATE = 48_000
CONTAINERS = [("mp4", "aac"), ("mov", "aac"), ("mp4", "libopus"), ("matroska", "aac"), ("webm", "libopus")]
names = pytest.mark.parametrize(("container", "codec"), CONTAINERS, ids=["-".join(each) for each in CONTAINERS])


def two_voices() -> np.ndarray:
    return np.concatenate([voice(2.0, 150.0, RATE), voice(2.0, 220.0, RATE)])


def recorded(container: str, codec: str, shifts_s: tuple[float, float], *, picture_s: float = 0.0) -> bytes:
    """Encode two voices of 2 s; the packets of each are shifted in time, as where those between them are lost."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as output:
        if picture_s:
            picture = output.add_stream("libvpx" if container == "webm" else "mpeg4", rate=5)
            picture.width = picture.height = 64
            picture.pix_fmt = "yuv420p"
        sound = output.add_stream(codec, rate=RATE, layout="mono")
        if picture_s:
            for _ in range(round(5 * picture_s)):
                output.mux(picture.encode(av.VideoFrame(64, 64, "yuv420p")))
            output.mux(picture.encode(None))
        frame = av.AudioFrame.from_ndarray(two_voices()[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts = RATE, 0
        resampler = av.AudioResampler(format=sound.codec_context.format.name, layout="mono", rate=RATE)
        packets = [packet for each in resampler.resample(frame) for packet in sound.encode(each)]
        for packet in (*packets, *sound.encode(None)):
            shift_s = shifts_s[float(packet.pts * packet.time_base) >= 1.99]
            packet.pts = packet.dts = packet.pts + round(shift_s / packet.time_base)
            output.mux(packet)
    return buffer.getvalue()


def with_edits(mp4: bytes, *edits: tuple[int, int]) -> bytes:
    """Replace the edit list; an edit is its duration in ms and the sample at which it starts, -1 for silence."""
    place = mp4.rfind(b"elst") - 4
    old_size = int.from_bytes(mp4[place : place + 4])
    body = b"".join(struct.pack(">iihh", *edit, 1, 0) for edit in edits)
    new = struct.pack(">I4sII", 16 + len(body), b"elst", 0, len(edits)) + body
    content = bytearray(mp4[:place] + new + mp4[place + old_size :])
    for name in (b"edts", b"trak", b"moov"):
        box = content.rfind(name, 0, place) - 4
        size = int.from_bytes(content[box : box + 4]) + len(new) - old_size
        content[box : box + 4] = struct.pack(">I", size)
    return bytes(content)


def read(path: Path, content: bytes, window_s: float = 0.5) -> tuple[RecordingReader, list[Segment]]:
    path.write_bytes(content)
    with open(path, "rb") as file:
        reader = RecordingReader(file, 16_000)
        return reader, list(reader.segments(window_s, window_s))


def sounding(segments: list[Segment]) -> list[float]:
    """The starts of the segments with sound."""
    return [segment.start_s for segment in segments if np.sqrt(np.mean(segment.waveform**2)) > 0.01]


@names
def test_lost_packets_leave_a_gap_of_their_length(container: str, codec: str, tmp_path: Path) -> None:
    reader, segments = read(tmp_path / "lost", recorded(container, codec, (0.0, 3.0)))
    assert sounding(segments) == [0.0, 0.5, 1.0, 1.5, 5.0, 5.5, 6.0, 6.5]
    assert reader.duration_s == pytest.approx(7.0, abs=0.05)
    assert reader.decoded_s == pytest.approx(4.0, abs=0.05)
    assert reader.is_partial


@names
@pytest.mark.parametrize("picture_s", [0.0, 8.0], ids=["alone", "beside a picture"])
def test_a_track_that_starts_late_keeps_its_place(container: str, codec: str, picture_s: float, tmp_path: Path) -> None:
    reader, segments = read(tmp_path / "late", recorded(container, codec, (3.0, 3.0), picture_s=picture_s))
    assert sounding(segments) == [3.0, 3.5, 4.0, 4.5, 5.0, 5.5, 6.0, 6.5]
    assert not reader.is_partial
    assert reader.duration_s == pytest.approx(7.0, abs=0.05)


def test_an_edit_list_moves_and_cuts_the_sound(tmp_path: Path) -> None:
    mp4 = recorded("mp4", "aac", (0.0, 0.0))
    _, late = read(tmp_path / "late", with_edits(mp4, (3000, -1), (4000, 1024)))
    assert sounding(late) == [3.0, 3.5, 4.0, 4.5, 5.0, 5.5, 6.0, 6.5]
    reader, _ = read(tmp_path / "cut", with_edits(mp4, (1000, 1024), (1500, 1024 + 96_000)))
    assert reader.duration_s == pytest.approx(2.5, abs=0.05)


def test_many_cuts_do_not_shift_what_follows(tmp_path: Path) -> None:
    # Seventy pieces of 50 ms: FFmpeg plays whole packets of 21 ms, which makes 0.13 s more in all.
    edits = [(50, 1024 + 1000 * number) for number in range(70)]
    reader, _ = read(tmp_path / "cuts", with_edits(recorded("mp4", "aac", (0.0, 0.0)), *edits))
    assert reader.duration_s == pytest.approx(3.5, abs=0.06)


def test_a_live_stream_whose_clock_runs_for_hours_starts_at_zero(tmp_path: Path) -> None:
    reader, segments = read(tmp_path / "live", recorded("matroska", "aac", (40_000.0, 40_000.0)))
    assert sounding(segments)[0] == 0.0
    assert reader.decoded_s == pytest.approx(4.0, abs=0.05)


def test_the_row_counts_what_was_lost(tmp_path: Path) -> None:
    path = tmp_path / "lost.webm"
    path.write_bytes(recorded("webm", "libopus", (0.0, 60.0)))
    row = label(path)
    assert (row.status, row.error_code) == ("partial", "truncated")
    assert row.duration_s == pytest.approx(64.0, abs=0.1)
    assert row.decoded_s == pytest.approx(4.0, abs=0.1)
