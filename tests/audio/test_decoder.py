"""Every recording of the fault catalogue gets its row, and no undamaged recording is called damaged."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from pathlib import Path

import av
import bad_audio
import numpy as np
import pytest
import scipy.io
import soundfile
from bad_audio import CASES, RATE, Case
from made_sounds import voice
from steady_model import SteadyModel, as_recording, label

from emosense.audio.reader import RecordingReader
from emosense.audio.waveform import read_waveform
from emosense.errors import RecordingError
from emosense.inputs.names import named_recording
from emosense.inputs.recording import Recording, open_recording
from emosense.labelling.config import LabelConfig
from emosense.labelling.recording_labeller import RecordingLabeller

CODES = {
    "empty_file", "not_audio", "corrupt", "bad_header", "bad_sample_rate", "too_many_channels", "no_samples",
    "unsupported_encoding", "no_audio_stream", "stream_changes", "non_finite", "no_speech", "too_short", "too_long",
    "truncated",
}  # fmt: skip
SCIPY_WAVS = sorted((Path(scipy.io.__file__).parent / "tests" / "data").glob("*.wav"))


def made(name: str, folder: Path) -> Path:
    return next(case for case in CASES if case.name == name).make(folder)


def read(path: Path) -> RecordingReader:
    """Stream a recording to its end."""
    with open(path, "rb", buffering=0) as file:
        reader = RecordingReader(file, RATE)
        for _ in reader.segments(10.0, 10.0):
            pass
        return reader


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_recording_of_the_catalogue_gets_its_row(case: Case, tmp_path: Path) -> None:
    row = label(case.make(tmp_path))
    assert (row.status, row.error_code) == (case.status, case.code), row.error
    if case.seconds is not None:
        assert row.duration_s == pytest.approx(case.seconds, abs=0.1)
    if case.status == "ok":
        assert row.decoded_s == row.duration_s
    if case.status == "partial":
        assert 0.25 <= row.decoded_s < row.duration_s


def test_the_catalogue_is_covered_with_75_recordings_or_more(record_property: Callable[[str, object], None]) -> None:
    record_property("n_cases", len(CASES))
    assert len(CASES) >= 75
    assert len({case.name for case in CASES}) == len(CASES)
    # 53 and 64 have tests of their own; 61 and 62 are never opened, which is the listing's work.
    assert {number for case in CASES for number in case.numbers} == set(range(1, 66)) - {53, 61, 62, 64}


@pytest.mark.parametrize("name", ["junk_chunks_10000.wav", "list_size_lies.wav", "sparse_10_gb.wav", "random.wav"])
def test_a_header_that_leads_astray_costs_less_than_a_second(name: str, tmp_path: Path) -> None:
    path = made(name, tmp_path)
    start_s = time.monotonic()
    label(path)
    assert time.monotonic() - start_s < 1.0


@pytest.mark.parametrize("path", SCIPY_WAVS, ids=lambda path: path.name)
def test_odd_wavs_of_scipy_get_a_valid_row(path: Path) -> None:
    row = label(path)
    assert row.status in ("ok", "partial", "error")
    assert row.error_code in CODES | ({""} if row.status == "ok" else set())
    assert bool(row.probabilities) == (row.status != "error")


def test_scipy_ships_its_odd_wavs() -> None:
    assert len(SCIPY_WAVS) >= 20


def test_damaged_bytes_anywhere_give_a_valid_row(tmp_path: Path) -> None:
    seeds = {
        "wav": bad_audio.wav(0.5), "flac": bad_audio.encoded("FLAC", "PCM_16", 0.5), "mp3": bad_audio.mp3(0.5),
        "ogg": bad_audio.encoded("OGG", "VORBIS", 0.5), "aiff": bad_audio.encoded("AIFF", "PCM_16", 0.5),
        "m4a": bad_audio.ffmpeg("ipod", "aac", 0.5),
    }  # fmt: skip
    random = np.random.default_rng(7)
    for name, content in seeds.items():
        for i in range(40):
            damaged = np.frombuffer(content, np.uint8).copy()
            end = 64 if i % 2 else len(damaged)
            damaged[random.integers(0, end, 4)] = random.integers(0, 256, 4)
            path = tmp_path / f"{i}.{name}"
            path.write_bytes(damaged.tobytes())
            row = label(path, max_duration_s=20.0)
            assert row.status == "ok" or row.error_code in CODES, (name, i, row.error)


# -------------------------------------------------------------------------------------------- sound files stay sound

WRITABLE = [
    (file_format, subtype)
    for file_format in ("WAV", "WAVEX", "RF64", "W64", "AIFF", "AU", "CAF", "FLAC", "NIST", "OGG", "MP3")
    for subtype in soundfile.available_subtypes(file_format)
    # libsndfile lists these and writes none of them; DWVW it writes and cannot read back in blocks.
    if not subtype.startswith("DWVW") and subtype not in ("MPEG_LAYER_I", "MPEG_LAYER_II")
    if (file_format, subtype) != ("WAV", "MPEG_LAYER_III")
]


@pytest.mark.parametrize(("file_format", "subtype"), WRITABLE, ids=lambda value: str(value).lower())
def test_what_libsndfile_writes_is_never_called_partial(file_format: str, subtype: str, tmp_path: Path) -> None:
    path = tmp_path / "sound"
    # An odd number of samples, at the rates that the codecs allow.
    sample_rate = 48_000 if subtype == "OPUS" else 16_000 if file_format == "MP3" else 8_000
    samples = bad_audio.voice(0.5, sample_rate)[:-3]
    n_channels = 1 if subtype.startswith(("GSM", "G7", "NMS", "VOX")) else 2
    soundfile.write(path, np.stack([samples] * n_channels, 1), sample_rate, subtype, format=file_format)
    reader = read(path)
    assert not reader.is_partial
    # ADPCM fills its last block: at most 1017 samples.
    assert reader.decoded_s == pytest.approx(0.5, abs=1020 / sample_rate)


@pytest.mark.parametrize("sample_rate", [8_000, 11_025, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("quality", [0, 2, 8], ids=["constant", "high", "low"])
@pytest.mark.parametrize("xing", [True, False], ids=["counted", "uncounted"])
def test_a_whole_mp3_is_never_called_partial_whatever_its_tags(
    sample_rate: int, quality: int, xing: bool, tmp_path: Path
) -> None:
    options = {"write_xing": str(int(xing))}
    mp3 = bad_audio.ffmpeg("mp3", "libmp3lame", 2.0, sample_rate, options=options, quality=quality)
    id3v1 = b"TAG" + b"x" * 125
    for i, content in enumerate((mp3, mp3 + id3v1, bad_audio.id3(9000) + mp3, bad_audio.id3(9000) + mp3 + id3v1)):
        path = tmp_path / str(i)
        path.write_bytes(content)
        reader = read(path)
        assert not reader.is_partial
        # The encoder pads with up to three frames of 1152 samples, which only a counted file takes off again.
        assert reader.decoded_s == pytest.approx(2.0, abs=0.002 if xing else 3 * 1152 / sample_rate)


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_an_ogg_recorded_from_the_middle_of_a_stream_is_whole(subtype: str, tmp_path: Path) -> None:
    pages = bad_audio.ogg_pages(bad_audio.encoded("OGG", subtype, 4.0, 48_000))
    for page in pages:
        position = int.from_bytes(page[6:14], "little")
        if position not in (0, (1 << 64) - 1):
            page[6:14] = (position + 48_000 * 3600).to_bytes(8, "little")
    path = tmp_path / "later.ogg"
    path.write_bytes(bad_audio.join_pages(pages))
    row = label(path)
    assert (row.status, row.error_code) == ("ok", "")
    assert row.decoded_s == pytest.approx(4.0, abs=0.1)


# ---------------------------------------------------------------------------------------- what is decoded is the sound


def waveform(path: Path) -> np.ndarray:
    with open(path, "rb", buffering=0) as file:
        return read_waveform(file, RATE)


@pytest.mark.parametrize("bits", [12, 20, 32])
def test_flac_of_unusual_depth_is_scaled_to_one(bits: int, tmp_path: Path) -> None:
    # Rounded to its steps, the largest of which is full scale, and then to float32.
    tolerance = 1.01 / 2 ** (bits - 1) + 2**-23
    np.testing.assert_allclose(waveform(made(f"bits_{bits}.flac", tmp_path)), bad_audio.voice(), atol=tolerance)


@pytest.mark.parametrize("name", ["crashed_recorder.wav", "junk_chunks_10000.wav", "big_endian.wav", "broadcast.wav"])
def test_what_is_recovered_is_what_was_recorded(name: str, tmp_path: Path) -> None:
    np.testing.assert_allclose(waveform(made(name, tmp_path)), bad_audio.voice(), atol=1 / 2**15)


@pytest.mark.parametrize(("name", "seconds"), [("no_total.flac", 2.0), ("total_too_low.flac", 3.0)])
def test_flac_with_a_wrong_total_is_decoded_to_its_end(name: str, seconds: float, tmp_path: Path) -> None:
    np.testing.assert_allclose(waveform(made(name, tmp_path)), bad_audio.voice(seconds), atol=1 / 2**15)


def test_ffmpeg_continues_at_the_sample_where_libsndfile_breaks_off(tmp_path: Path) -> None:
    # Damage in the second of libsndfile's blocks of 65 536 frames.
    expected = bad_audio.voice(8.0)
    path = tmp_path / "damaged.flac"
    path.write_bytes(bad_audio.with_noise(bad_audio.encoded("FLAC", "PCM_16", 8.0), 0.75, 50))
    decoded = waveform(path)
    # Blocks of FLAC have 4096 samples here: one is lost, or two if the damage lies on their border.
    n_lost = len(expected) - len(decoded)
    assert n_lost in (4096, 8192)
    n_sound = int(0.7 * len(expected))
    assert n_sound > 65_536
    np.testing.assert_allclose(decoded[:n_sound], expected[:n_sound], atol=1 / 2**15)
    np.testing.assert_allclose(decoded[-20_000:], expected[-20_000:], atol=1 / 2**15)


# -------------------------------------------------------------------------------------------------- files that change


def test_a_file_that_grows_while_it_is_read_is_not_labelled(tmp_path: Path) -> None:
    path = tmp_path / "growing.wav"
    path.write_bytes(bad_audio.wav())

    def grow() -> None:
        with path.open("ab") as file:
            file.write(bytes(1000))

    row = label(path, SteadyModel(grow))
    assert (row.status, row.error_code) == ("error", "changed_during_read")


def test_a_file_that_is_overwritten_while_it_is_read_is_not_labelled(tmp_path: Path) -> None:
    path = tmp_path / "overwritten.wav"
    path.write_bytes(bad_audio.wav())
    os.utime(path, ns=(0, 0))
    row = label(path, SteadyModel(lambda: path.write_bytes(bad_audio.wav())))
    assert (row.status, row.error_code) == ("error", "changed_during_read")


def test_a_file_that_is_not_the_one_that_was_listed_is_not_labelled(tmp_path: Path) -> None:
    path = tmp_path / "replaced.wav"
    path.write_bytes(bad_audio.wav())
    listed = as_recording(path)
    path.write_bytes(b"RIFF")
    row = RecordingLabeller(SteadyModel(), LabelConfig()).label_recording(listed).row
    assert (row.status, row.error_code) == ("error", "changed_during_read")


def test_overlapping_windows_measure_a_recording_once(tmp_path: Path) -> None:
    path = tmp_path / "fading.wav"
    fade = np.concatenate((voice(2.0), 0.01 * voice(2.0))).astype(np.float32)
    soundfile.write(path, fade, 16_000, "FLOAT")
    apart, overlapping = (
        RecordingLabeller(SteadyModel(), LabelConfig(1.0, hop_s)).label_recording(as_recording(path)).row.quality
        for hop_s in (1.0, 0.5)
    )
    assert overlapping == apart
    assert apart[0] == pytest.approx(10 * np.log10(np.mean(fade**2)), abs=0.01)


def test_a_file_that_was_replaced_by_one_of_the_same_size_is_not_labelled(tmp_path: Path) -> None:
    path = tmp_path / "replaced.wav"
    path.write_bytes(bad_audio.wav())
    listed = named_recording(str(path))
    os.utime(path, ns=(0, 0))
    row = RecordingLabeller(SteadyModel(), LabelConfig()).label_recording(listed).row
    assert (row.status, row.error_code) == ("error", "changed_during_read")


def test_a_name_with_a_nul_is_missing() -> None:
    row = (
        RecordingLabeller(SteadyModel(), LabelConfig()).label_recording(Recording("a\0b.wav", "/a\0b.wav", -1, "")).row
    )
    assert (row.status, row.error_code) == ("error", "missing")


@pytest.mark.parametrize("atom", [b"free", b"skip", b"wide"])
def test_an_empty_atom_before_an_mp4_is_no_other_format(tmp_path: Path, atom: bytes) -> None:
    whole, shifted = tmp_path / "whole.m4a", tmp_path / "shifted.m4a"
    with av.open(
        str(whole), "w", format="mp4", options={"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    ) as container:
        stream = container.add_stream("aac", rate=RATE)
        frame = av.AudioFrame.from_ndarray(voice(1.0).astype(np.float32)[np.newaxis], "fltp", "mono")
        frame.sample_rate = RATE
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)
    shifted.write_bytes((8).to_bytes(4, "big") + atom + whole.read_bytes())
    with whole.open("rb", 0) as first, shifted.open("rb", 0) as second:
        np.testing.assert_array_equal(read_waveform(second, RATE), read_waveform(first, RATE))


def test_a_bad_sector_affects_only_its_file(tmp_path: Path) -> None:
    path = tmp_path / "voice.wav"
    path.write_bytes(bad_audio.wav())
    with pytest.raises(RecordingError, match="cannot be read") as caught, open_recording(as_recording(path)):
        raise OSError(errno.EIO, "Input/output error")
    assert caught.value.code == "io_error"
