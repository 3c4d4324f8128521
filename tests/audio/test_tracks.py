"""Several audio tracks: the one that is asked for, else the container's default, else the first that can be decoded."""

from __future__ import annotations

import io
import json
from pathlib import Path

import av
import bad_audio
import numpy as np
import pytest
from decoded import Decoded, decoded
from steady_model import SteadyModel, as_recording

from emosense.errors import UsageError
from emosense.labelling.config import LabelConfig
from emosense.labelling.job import LabelJob
from emosense.labelling.recording_labeller import RecordingLabeller
from emosense.labelling.run_job import run_label_job

RATE = 48_000
PITCHES_HZ = (400, 700, 1100)


def tracks(container: str, codec: str, default: int | None, n: int = 3) -> bytes:
    """Tones of 1 s, one per track, of which one is the default."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as output:
        streams = [output.add_stream(codec, rate=RATE, layout="mono") for _ in range(n)]
        for i, stream in enumerate(streams):
            stream.disposition = av.stream.Disposition.default if i == default else av.stream.Disposition(0)
        packets = []
        for stream, pitch_hz in zip(streams, PITCHES_HZ, strict=False):
            tone = 0.4 * np.sin(2 * np.pi * pitch_hz * np.arange(RATE) / RATE)
            frame = av.AudioFrame.from_ndarray(tone.astype(np.float32)[None], format="fltp", layout="mono")
            frame.sample_rate, frame.pts = RATE, 0
            resampler = av.AudioResampler(format=stream.codec_context.format.name, layout="mono", rate=RATE)
            encoded = [packet for each in resampler.resample(frame) for packet in stream.encode(each)]
            packets += [*encoded, *stream.encode(None)]
        for packet in sorted(packets, key=lambda packet: float(packet.dts * packet.time_base)):
            output.mux(packet)
    return buffer.getvalue()


def with_codec(film: bytes, tag: bytes, n_tracks: int) -> bytes:
    """Say of the first tracks of an MP4 that they have another codec."""
    content, place = bytearray(film), 0
    for _ in range(n_tracks):
        place = content.index(b"stsd", place + 1)
        content[place + 16 : place + 20] = tag
    return bytes(content)


def pitch_of(row: Decoded) -> float:
    spectrum = np.abs(np.fft.rfft(row.waveform * np.hanning(len(row.waveform))))
    return float(spectrum.argmax()) * 16_000 / len(row.waveform)


@pytest.mark.parametrize(
    ("container", "codec"),
    [("matroska", "libopus"), ("matroska", "aac"), ("webm", "libopus"), ("mov", "aac"), ("mp4", "libopus")],
)
@pytest.mark.parametrize("default", [0, 1, 2])
def test_the_default_track_is_read(container: str, codec: str, default: int, tmp_path: Path) -> None:
    path = tmp_path / "film"
    path.write_bytes(tracks(container, codec, default))
    row = decoded(path)
    assert (row.status, row.decoded_s) == ("ok", pytest.approx(1.0, abs=0.06))
    assert pitch_of(row) == pytest.approx(PITCHES_HZ[default], abs=3)


@pytest.mark.parametrize(("container", "codec"), [("mpegts", "aac"), ("avi", "mp2"), ("asf", "mp2")])
def test_the_first_track_is_read_where_none_is_the_default(container: str, codec: str, tmp_path: Path) -> None:
    path = tmp_path / "film"
    path.write_bytes(tracks(container, codec, None))
    assert pitch_of(decoded(path)) == pytest.approx(PITCHES_HZ[0], abs=3)


@pytest.mark.parametrize("container", ["matroska", "mov", "mpegts", "avi"])
@pytest.mark.parametrize("track", [1, 2, 3])
def test_the_track_that_is_asked_for_is_read(container: str, track: int, tmp_path: Path) -> None:
    path = tmp_path / "film"
    path.write_bytes(tracks(container, "mp2" if container == "avi" else "aac", 1))
    assert pitch_of(decoded(path, track)) == pytest.approx(PITCHES_HZ[track - 1], abs=3)
    assert decoded(path, 4).code == "no_track"


@pytest.mark.parametrize("n_unknown", [1, 2])
def test_the_first_track_that_can_be_decoded_is_read_where_the_default_cannot(n_unknown: int, tmp_path: Path) -> None:
    path = tmp_path / "phone.mov"
    # Apple's new codec for spatial sound, which FFmpeg cannot decode.
    path.write_bytes(with_codec(tracks("mov", "alac", 0), b"apac", n_unknown))
    row = decoded(path)
    assert (row.status, row.decoded_s) == ("ok", pytest.approx(1.0, abs=0.06))
    assert pitch_of(row) == pytest.approx(PITCHES_HZ[n_unknown], abs=3)
    # The one that is asked for is never replaced by another.
    assert decoded(path, 1).code == "unsupported_encoding"


def test_protected_tracks_are_skipped_and_named_if_there_is_no_other(tmp_path: Path) -> None:
    path = tmp_path / "shop.m4a"
    film = tracks("mp4", "aac", 0, 2)
    path.write_bytes(with_codec(film, b"enca", 1))
    assert pitch_of(decoded(path)) == pytest.approx(PITCHES_HZ[1], abs=3)
    path.write_bytes(with_codec(film, b"enca", 2))
    assert decoded(path).code == "unsupported_encoding"


@pytest.mark.parametrize("content", [bad_audio.wav(1.0), bad_audio.mp3(1.0)], ids=["wav", "mp3"])
def test_a_recording_without_tracks_has_one(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "call"
    path.write_bytes(content)
    assert decoded(path, 1).status == "ok"
    assert decoded(path, 2).code == "no_track"


def test_a_labeller_takes_the_track_of_its_settings(tmp_path: Path) -> None:
    path = tmp_path / "film"
    path.write_bytes(tracks("matroska", "aac", 0))
    codes = [
        RecordingLabeller(SteadyModel(), LabelConfig(track=track)).label_recording(as_recording(path)).row.error_code
        for track in (0, 3, 4)
    ]
    # A tone is no speech, but it was read.
    assert codes == ["no_speech", "no_speech", "no_track"]
    with pytest.raises(UsageError, match="counted from 1"):
        LabelConfig(track=-1).check()


@pytest.mark.parametrize(("track", "says"), [(0, "labelled by the default one"), (1, "labelled by track 1")])
def test_a_run_says_how_many_recordings_have_several_tracks(
    track: int, says: str, tmp_path: Path, tiny_model: str
) -> None:
    (tmp_path / "in").mkdir()
    for n in (1, 2, 3):
        (tmp_path / "in" / f"{n}.mkv").write_bytes(tracks("matroska", "aac", 0, n))
    output = tmp_path / "out.csv"
    job = LabelJob((str(tmp_path / "in"),), str(output), model=tiny_model, engine="local", n_workers=1,
                   config=LabelConfig(track=track))  # fmt: skip
    assert f"several audio tracks: 2 recordings, {says}" in run_label_job(job).text(job)
    assert json.loads((tmp_path / "out.csv.run.json").read_text())["counts"]["several_tracks"] == 2


def test_the_cases_have_the_right_track(cases: Path) -> None:
    default, decodable = (
        decoded(cases / "tracks" / name) for name in ("second_is_default.mkv", "iphone_apac_first.mov")
    )
    assert (default.status, default.decoded_s) == ("ok", pytest.approx(3.0, abs=0.02))
    assert (decodable.status, decodable.decoded_s) == ("ok", pytest.approx(3.0, abs=0.02))
    second = decoded(cases / "tracks" / "second_is_default.mkv", 2)
    first = decoded(cases / "tracks" / "second_is_default.mkv", 1)
    assert np.array_equal(default.waveform, second.waveform)
    assert not np.array_equal(first.waveform, second.waveform)
