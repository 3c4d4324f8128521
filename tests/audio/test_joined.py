"""Recordings that were joined into one file are read to the end, or the row says that something is missing."""

from __future__ import annotations

import functools
import io
import itertools
import os
import struct
from collections.abc import Callable
from pathlib import Path

import bad_audio
import numpy as np
import pytest
import soundfile
from decoded import decoded


def _sound(file_format: str, subtype: str = "PCM_16", endian: str = "FILE") -> Callable[[float, int], bytes]:
    def make(seconds: float, rate: int) -> bytes:
        buffer = io.BytesIO()
        soundfile.write(buffer, bad_audio.voice(seconds, rate), rate, subtype, format=file_format, endian=endian)
        return buffer.getvalue()

    return make


def _ffmpeg(container: str, codec: str) -> Callable[[float, int], bytes]:
    return lambda seconds, rate: bad_audio.ffmpeg(container, codec, seconds, rate)


def _mp3(quality: int, xing: bool) -> Callable[[float, int], bytes]:
    options = {"write_xing": str(int(xing))}
    return lambda seconds, rate: bad_audio.ffmpeg("mp3", "libmp3lame", seconds, rate, options=options, quality=quality)


def _tagged(seconds: float, rate: int) -> bytes:
    return bad_audio.id3(3000) + _mp3(0, True)(seconds, rate) + b"TAG" + b"x" * 125


# Each with a rate that it knows, and another one.
MADE: dict[str, tuple[Callable[[float, int], bytes], int, int]] = {
    "wav": (_sound("WAV"), 16_000, 8_000),
    "wav, mu-law": (_sound("WAV", "ULAW"), 8_000, 16_000),
    "wav, 24 bit": (_sound("WAV", "PCM_24"), 44_100, 48_000),
    "wav, big-endian": (_sound("WAV", endian="BIG"), 16_000, 8_000),
    "wav, adpcm": (_sound("WAV", "MS_ADPCM"), 16_000, 8_000),
    "rf64": (_sound("RF64"), 16_000, 8_000),
    "w64": (_sound("W64"), 16_000, 8_000),
    "aiff": (_sound("AIFF"), 16_000, 8_000),
    "aifc": (_sound("AIFF", "ULAW"), 16_000, 8_000),
    "au": (_sound("AU"), 16_000, 8_000),
    "caf": (_sound("CAF"), 16_000, 8_000),
    "nist": (_sound("NIST"), 16_000, 8_000),
    "voc": (_sound("VOC"), 16_000, 8_000),
    "svx": (_sound("SVX"), 16_000, 8_000),
    "flac": (_sound("FLAC"), 16_000, 8_000),
    "flac, 24 bit": (_sound("FLAC", "PCM_24"), 48_000, 16_000),
    "flac of FFmpeg": (_ffmpeg("flac", "flac"), 16_000, 8_000),
    "ogg vorbis": (_sound("OGG", "VORBIS"), 16_000, 8_000),
    "ogg opus": (_sound("OGG", "OPUS"), 48_000, 16_000),
    "ogg flac": (_ffmpeg("ogg", "flac"), 16_000, 8_000),
    "mp3, constant, counted": (_mp3(0, True), 16_000, 8_000),
    "mp3, constant, uncounted": (_mp3(0, False), 16_000, 8_000),
    "mp3, variable, counted": (_mp3(4, True), 44_100, 32_000),
    "mp3, variable, uncounted": (_mp3(4, False), 44_100, 32_000),
    "mp3 with tags": (_tagged, 16_000, 8_000),
    "mp2": (_ffmpeg("mp2", "mp2"), 48_000, 32_000),
    "aac": (_ffmpeg("adts", "aac"), 16_000, 48_000),
    "latm": (_ffmpeg("latm", "aac"), 16_000, 48_000),
    "ac3": (_ffmpeg("ac3", "ac3"), 48_000, 44_100),
    "eac3": (_ffmpeg("eac3", "eac3"), 48_000, 44_100),
    "m4a": (_ffmpeg("ipod", "aac"), 16_000, 48_000),
    "m4a, alac": (_ffmpeg("ipod", "alac"), 16_000, 48_000),
    "mov": (_ffmpeg("mov", "pcm_s16le"), 16_000, 48_000),
    "webm": (_ffmpeg("webm", "libopus"), 48_000, 48_000),
    "mka": (_ffmpeg("matroska", "flac"), 16_000, 48_000),
    "wma": (_ffmpeg("asf", "wmav2"), 16_000, 44_100),
    "avi": (_ffmpeg("avi", "pcm_s16le"), 16_000, 8_000),
    "flv": (_ffmpeg("flv", "aac"), 44_100, 48_000),
    "ts": (_ffmpeg("mpegts", "aac"), 48_000, 16_000),
    "mpg": (_ffmpeg("mpeg", "mp2"), 48_000, 32_000),
    "amr": (_ffmpeg("amr", "libopencore_amrnb"), 8_000, 8_000),
    "wv": (_ffmpeg("wv", "wavpack"), 16_000, 8_000),
    "tta": (_ffmpeg("tta", "tta"), 16_000, 8_000),
}
SECONDS = (0.7, 1.6, 1.1)
# Lossy codecs pad with up to two frames each; those of AAC have 1024 samples, here at 16 kHz.
PADDING_S = 0.3


@pytest.mark.parametrize("kind", MADE)
def test_all_of_joined_recordings_is_read(kind: str, tmp_path: Path) -> None:
    make, rate, _ = MADE[kind]
    path = tmp_path / "joined"
    path.write_bytes(b"".join(make(seconds, rate) for seconds in SECONDS))
    row = decoded(path)
    assert row.status in ("ok", "partial"), row
    if row.status == "ok":
        assert row.decoded_s == pytest.approx(sum(SECONDS), abs=PADDING_S)
    assert row.duration_s == pytest.approx(sum(SECONDS), abs=PADDING_S)
    # The last one is heard at the end.
    assert np.abs(row.waveform[-8000:]).max() > 0.01


@pytest.mark.parametrize("kind", [kind for kind, (_, rate, other) in MADE.items() if rate != other])
def test_another_rate_is_never_left_out_without_a_word(kind: str, tmp_path: Path) -> None:
    make, rate, other = MADE[kind]
    path = tmp_path / "joined"
    path.write_bytes(make(1.6, rate) + make(1.1, other))
    row = decoded(path)
    if row.status == "ok":
        assert row.decoded_s == pytest.approx(2.7, abs=PADDING_S)
    else:
        assert row.status == "partial", row
        assert row.decoded_s == pytest.approx(1.6, abs=PADDING_S)
        assert row.duration_s > row.decoded_s


@pytest.mark.parametrize(
    ("first", "second"),
    [*itertools.permutations(["wav", "aiff", "au", "w64", "ogg vorbis", "mp3, constant, counted", "m4a"], 2)],
)
def test_another_format_after_one_that_says_where_it_ends_is_noticed(first: str, second: str, tmp_path: Path) -> None:
    path = tmp_path / "joined"
    path.write_bytes(MADE[first][0](1.0, 16_000) + MADE[second][0](1.5, 16_000))
    row = decoded(path)
    assert row.status == "ok"
    assert row.decoded_s == pytest.approx(2.5, abs=PADDING_S)


# One recording of another format after each kind of end: by sizes, by a walk along frames, or by decoding.
AFTER = ("wav", "flac", "mp3, constant, uncounted", "aac", "webm", "ts")


@pytest.mark.parametrize("gap", [b"", bytes(1000)])
@pytest.mark.parametrize("first", MADE)
def test_no_format_after_another_is_left_out_without_a_word(
    first: str, gap: bytes, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    path = tmp_path / "joined"
    start = MADE[first][0](1.0, MADE[first][1])
    # A FLAC ends where the decoder has read it, some kilobytes ahead: less than that after it is not noticed.
    seconds = 5.0 if "flac" in first else 1.5
    for second in AFTER:
        path.write_bytes(start + gap + _second(second, seconds))
        row = decoded(path)
        missing_s = 1.0 + seconds - row.decoded_s
        assert row.status == "partial" or missing_s < PADDING_S, (second, row.status, row.code, row.decoded_s)
    record_property("pairs of formats joined", len(AFTER))


@functools.cache
def _second(kind: str, seconds: float) -> bytes:
    return MADE[kind][0](seconds, MADE[kind][1])


def _broadcast(seconds: float, **numbers: int) -> bytes:
    options = {f"mpegts_{name}": str(number) for name, number in numbers.items()}
    return bad_audio.ffmpeg("mpegts", "aac", seconds, 48_000, options=options)


@pytest.mark.parametrize(
    "numbers",
    [{"start_pid": 512}, {"start_pid": 512, "pmt_start_pid": 5000}, {"pmt_start_pid": 5000}, {"service_id": 9}],
)
def test_a_broadcast_with_other_stream_numbers_is_read_on(numbers: dict[str, int], tmp_path: Path) -> None:
    path = tmp_path / "joined.ts"
    path.write_bytes(_broadcast(0.7) + _broadcast(1.6, **numbers) + _broadcast(1.1))
    row = decoded(path)
    assert (row.status, row.decoded_s) == ("ok", pytest.approx(3.4, abs=PADDING_S))


def test_a_recording_far_behind_a_flac_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "joined.flac"
    for n_bytes in (1000, 90_000):
        for second in (bad_audio.mp3(2.0), bad_audio.id3(10) + bad_audio.mp3(2.0), bad_audio.wav()):
            path.write_bytes(bad_audio.encoded("FLAC", "PCM_16", 2.0) + bytes(n_bytes) + second)
            assert decoded(path).status == "partial"
    path.write_bytes(bad_audio.encoded("FLAC", "PCM_16", 2.0) + bytes(90_000))
    assert decoded(path).status == "ok"


def test_an_mp3_that_counts_frames_and_no_bytes_is_read_on(tmp_path: Path) -> None:
    content = bytearray(bad_audio.mp3(1.0))
    place = max(content.find(b"Info"), content.find(b"Xing"))
    # Flags: frames, bytes, contents, quality. Without the bytes their four bytes go, and the frame keeps its length.
    content[place + 7] &= ~2
    del content[place + 12 : place + 16]
    content[place + 24 : place + 24] = bytes(4)
    path = tmp_path / "joined.mp3"
    path.write_bytes(bytes(content) + bad_audio.mp3(1.5))
    row = decoded(path)
    assert (row.status, row.decoded_s) == ("ok", pytest.approx(2.5, abs=PADDING_S))


def _of_channels(file_format: str, subtype: str, n_channels: int) -> bytes:
    buffer, rate = io.BytesIO(), 48_000
    sound = np.stack([bad_audio.voice(1.0, rate)] * n_channels, 1)
    soundfile.write(buffer, sound, rate, subtype, format=file_format)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("file_format", "subtype"),
    [("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III")],
)
def test_other_channels_are_never_left_out_without_a_word(file_format: str, subtype: str, tmp_path: Path) -> None:
    path = tmp_path / "joined"
    path.write_bytes(_of_channels(file_format, subtype, 1) + _of_channels(file_format, subtype, 2))
    row = decoded(path)
    assert (row.status, row.decoded_s) == ("partial", pytest.approx(1.0, abs=0.05))
    assert row.duration_s == pytest.approx(2.0, abs=0.05)


ODD = bad_audio.riff(
    bad_audio.fmt(tag=7, align=1, bits=8), b"data" + struct.pack("<I", 16_001) + bad_audio.noise(16_001)
)
LISTED = bad_audio.riff(
    bad_audio.fmt(), bad_audio.chunk(b"data", bad_audio.pcm16(bad_audio.voice())), bad_audio.chunk(b"LIST", b"INFOabcd")
)
CROOKED = {
    "a gap of zeros": bad_audio.wav() + bytes(512) + bad_audio.wav(),
    "a line end": bad_audio.wav() + b"\r\n" + bad_audio.wav(),
    "tags first": (bad_audio.id3(510) + bad_audio.wav()) * 2,
    "tags before FLAC": (bad_audio.id3(510) + bad_audio.encoded("FLAC", "PCM_16")) * 2,
    "no byte of padding": ODD * 2,
    "chunks after the samples": LISTED * 2,
    "a header without a length": bad_audio.riff(
        bad_audio.fmt(), bad_audio.chunk(b"data", bad_audio.pcm16(bad_audio.voice())), length=0
    )
    * 2,
    "noise between links": bad_audio.encoded("OGG", "VORBIS")
    + bad_audio.noise(3000)
    + bad_audio.encoded("OGG", "VORBIS"),
}


@pytest.mark.parametrize("kind", CROOKED)
def test_a_crooked_seam_hides_nothing(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "joined"
    path.write_bytes(CROOKED[kind])
    row = decoded(path)
    assert (row.status, row.decoded_s) == ("ok", pytest.approx(2.0, abs=0.01))


def test_a_packet_of_a_transport_stream_with_another_number_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "hls.ts"
    content = bytearray(MADE["ts"][0](3.0, 48_000))
    starts = [i for i in range(0, len(content), 188) if content[i + 1 : i + 3] == b"\x41\0"]
    # The first packet of a group of sound, whose stream FFmpeg takes for a new one that begins here.
    content[starts[len(starts) // 2] + 1] = 0x42
    path.write_bytes(content)
    row = decoded(path)
    assert row.status == "partial"
    assert 2.0 < row.decoded_s < row.duration_s


def test_tags_before_a_wav_take_nothing_from_it(tmp_path: Path) -> None:
    path = tmp_path / "tagged.wav"
    path.write_bytes(bad_audio.id3(5000) + bad_audio.wav())
    assert decoded(path).decoded_s == 1.0


def test_a_second_one_that_is_cut_makes_the_whole_partial(tmp_path: Path) -> None:
    path = tmp_path / "joined"
    for kind in ("wav", "flac", "ogg vorbis", "mp3, constant, counted", "aiff"):
        make, rate, _ = MADE[kind]
        second = make(4.0, rate)
        path.write_bytes(make(1.0, rate) + second[: len(second) * 3 // 4])
        row = decoded(path)
        assert row.status == "partial", kind
        assert 1.0 < row.decoded_s < 4.5, kind
        assert row.duration_s > row.decoded_s, kind


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg vorbis", "m4a", "aiff"])
def test_a_first_one_that_was_cut_takes_no_bytes_of_the_second_as_samples(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "joined"
    make, rate, _ = MADE[kind]
    # More is missing at the end of the first than the second has before its last bytes.
    first, second = bad_audio.wav(8.0), make(1.0, rate)
    path.write_bytes(first[: len(first) - len(second) + 500] + second)
    row = decoded(path)
    assert row.status == "partial"
    assert row.decoded_s == pytest.approx((len(first) - len(second)) / len(first) * 8 + 1, abs=0.15)


def test_a_second_one_that_is_damaged_makes_the_whole_partial(tmp_path: Path) -> None:
    path = tmp_path / "joined"
    path.write_bytes(bad_audio.wav(1.0) + bad_audio.wav(1.0, bits=255) + bad_audio.wav(1.5))
    row = decoded(path)
    assert (row.status, row.decoded_s) == ("partial", pytest.approx(2.5, abs=0.01))


# Of the first version: items, then a footer alone.
APE_V1 = b"\x05\0\0\0\0\0\0\0Title\0Voice" + b"APETAGEX" + struct.pack("<4I", 1000, 51, 1, 0) + bytes(8)
APE_TAG = b"APETAGEX" + struct.pack("<4I", 2000, 3500, 1, 0) + bytes(8) + bad_audio.noise(3468)
SINGLE = {
    "wav and an ID3 tag": bad_audio.wav(1.0) + bad_audio.id3(2000),
    "wav and zeros": bad_audio.wav(1.0) + bytes(100_000),
    "wav and chunks": bad_audio.riff(
        bad_audio.fmt(),
        bad_audio.chunk(b"data", bad_audio.pcm16(bad_audio.voice())),
        *[bad_audio.chunk(b"LIST", b"INFOIART\4\0\0\0abcd")] * 30,
    ),
    "wav with a wav in its notes": bad_audio.riff(
        bad_audio.fmt(), bad_audio.chunk(b"note", bad_audio.wav(0.5)),
        bad_audio.chunk(b"data", bad_audio.pcm16(bad_audio.voice())),
    ),
    "mp3 with all tags": bad_audio.id3(999) + bad_audio.mp3(1.0) + APE_TAG + b"TAG" + b"x" * 125,
    "mp3 and an ID3 tag": bad_audio.mp3(1.0) + bad_audio.id3(5000),
    "flac with a picture": bad_audio.flac(metadata=((6, b"fLaC" * 500),)),
    "ogg and zeros": bad_audio.encoded("OGG", "VORBIS") + bytes(9000),
    "aiff and text": bad_audio.encoded("AIFF", "PCM_16") + b"the end " * 40,
}  # fmt: skip


@pytest.mark.parametrize("kind", SINGLE)
def test_what_follows_a_recording_and_is_none_is_not_joined_to_it(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "single"
    path.write_bytes(SINGLE[kind])
    row = decoded(path)
    assert (row.status, row.decoded_s) == ("ok", pytest.approx(1.0, abs=0.05))


def test_many_recordings_in_a_file_take_no_more_than_their_time(tmp_path: Path) -> None:
    path = tmp_path / "joined"
    path.write_bytes(bad_audio.wav(0.02) * 300)
    row = decoded(path)
    assert (row.status, row.decoded_s) == ("ok", pytest.approx(6.0))


def test_joined_recordings_are_counted(record_property: Callable[[str, object], None]) -> None:
    record_property("formats joined end to end, tried and right", len(MADE))
    assert len(MADE) >= 40


def test_the_cases_are_read_to_the_end(cases: Path) -> None:
    rows = {path.name: decoded(path) for path in (cases / "glued").iterdir()}
    assert {name: (row.status, round(row.decoded_s, 2)) for name, row in rows.items()} == {
        "one.wav": ("ok", 3.0), "two_glued.wav": ("ok", 6.0), "chained.opus": ("ok", 6.0),
        "same_rate_glued.mp3": ("ok", 6.0),
    }  # fmt: skip


def test_gigabytes_after_a_recording_are_not_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "sparse.wav"
    path.write_bytes(bad_audio.wav(1.0))
    with path.open("r+b") as file:
        file.truncate(1 << 33)
    n_read, pread = [0], os.pread

    def counted(descriptor: int, n: int, offset: int) -> bytes:
        n_read[0] += n
        return pread(descriptor, n, offset)

    monkeypatch.setattr(os, "pread", counted)
    assert decoded(path).decoded_s == pytest.approx(1.0)
    assert n_read[0] < 1 << 26


@pytest.mark.parametrize("padding", [1, 1000, 10_000])
@pytest.mark.parametrize("xing", [False, True])
def test_padding_after_a_tag_is_no_recording(tmp_path: Path, padding: int, xing: bool) -> None:
    content = _mp3(0, xing)(2.0, 16_000)
    plain, padded = tmp_path / "plain.mp3", tmp_path / "padded.mp3"
    plain.write_bytes(content)
    padded.write_bytes(bad_audio.id3(500) + b"\0" * padding + content)
    # Some decoders give the encoder's delay too.
    assert decoded(padded).decoded_s == pytest.approx(decoded(plain).decoded_s, abs=0.1)
    assert decoded(padded).status == "ok"


@pytest.mark.parametrize("silence_s", [10, 17, 25])
def test_silence_at_the_end_of_a_flac_with_a_picture_in_its_tag_is_no_recording(tmp_path: Path, silence_s: int) -> None:
    noise = np.random.default_rng(1).standard_normal(16_000 * 3) * 0.1
    path = tmp_path / "a.flac"
    soundfile.write(path, np.concatenate([noise, np.zeros(16_000 * silence_s)]), 16_000)
    path.write_bytes(path.read_bytes() + b"APETAGEX" + bytes(range(128)) * 480)
    assert decoded(path).status == "ok"


def test_an_mp3_that_counts_its_frames_and_not_its_bytes_hides_nothing(tmp_path: Path) -> None:
    path, content = tmp_path / "joined.mp3", bytearray(bad_audio.mp3(1.0))
    place = max(content.find(b"Xing"), content.find(b"Info"))
    assert content[place + 7] & 3 == 3
    content[place + 7] = 1
    path.write_bytes(content)
    alone = decoded(path)
    assert (alone.status, alone.decoded_s) == ("ok", pytest.approx(1.0, abs=0.1))
    for second in (bytes(content), bad_audio.mp3(1.0), APE_V1 + bytes(content)):
        path.write_bytes(bytes(content) + second)
        row = decoded(path)
        assert (row.status, row.decoded_s) == ("ok", pytest.approx(2 * alone.decoded_s, abs=0.1))
