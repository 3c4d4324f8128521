"""What is missing in the middle or at the end of a recording shows in its row, where no decoder reports it."""

from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import bad_audio
import numpy as np
import pytest
import soundfile
from decoded import decoded

from emosense.audio import joined
from emosense.audio.content import Content
from emosense.audio.frame_walk import MPEG

SECONDS = 4.0


def _encoded(container: str, codec: str, rate: int, **options: str) -> bytes:
    return bad_audio.ffmpeg(container, codec, SECONDS, rate, options=options)


# Streams of frames that say nowhere how long they are.
STREAMS: dict[str, Callable[[], bytes]] = {
    "aac": lambda: _encoded("adts", "aac", 16_000),
    "latm": lambda: _encoded("latm", "aac", 16_000),
    "ac3": lambda: _encoded("ac3", "ac3", 48_000),
    "eac3": lambda: _encoded("eac3", "eac3", 48_000),
    "mp2": lambda: _encoded("mp2", "mp2", 48_000),
    "mp3": lambda: _encoded("mp3", "libmp3lame", 16_000, write_xing="0"),
    "program stream": lambda: _encoded("mpeg", "mp2", 48_000),
    "transport stream": lambda: _encoded("mpegts", "aac", 48_000),
    "amr": lambda: _encoded("amr", "libopencore_amrnb", 8_000),
}
DAMAGES: dict[str, Callable[[int], bytes]] = {
    "noise": bad_audio.noise,
    "zeros": bytes,
    "ones": lambda n: b"\xff" * n,
    "removed": lambda n: b"",
}


@pytest.mark.parametrize("kind", STREAMS)
def test_damage_in_the_middle_of_a_stream_is_noticed(
    kind: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    content, path = STREAMS[kind](), tmp_path / "damaged"
    path.write_bytes(content)
    assert (decoded(path).status, decoded(path).decoded_s) == ("ok", pytest.approx(SECONDS, abs=0.2))
    n_tried = 0
    for share in (0.1, 0.25):
        for place in (0.3, 0.6):
            for damage, filled in DAMAGES.items():
                start, length = round(place * len(content)), round(share * len(content)) | 1
                path.write_bytes(content[:start] + filled(length) + content[start + length :])
                row = decoded(path)
                # Frames of AMR have no mark from which a decoder could go on.
                least_s = 0.2 if kind == "amr" else (0.75 - share) * SECONDS
                assert row.status == "partial", (damage, share, place, row)
                assert row.decoded_s > least_s, (damage, share, place, row)
                n_tried += 1
    record_property(f"damage inside streams, tried and noticed ({kind})", n_tried)


def test_packets_of_a_broadcast_that_were_lost_are_noticed(tmp_path: Path) -> None:
    content, path = STREAMS["transport stream"](), tmp_path / "lost.ts"
    for start in range(40, 120, 7):
        path.write_bytes(content[: 188 * start] + content[188 * (start + 30) :])
        assert decoded(path).status == "partial", start


def test_a_broadcast_of_two_parts_has_lost_nothing(tmp_path: Path) -> None:
    content, path = STREAMS["transport stream"](), tmp_path / "joined.ts"
    path.write_bytes(content * 2)
    assert (decoded(path).status, decoded(path).decoded_s) == ("ok", pytest.approx(2 * SECONDS, abs=0.2))


def test_tags_between_joined_mp3_files_are_no_damage(tmp_path: Path) -> None:
    ape = b"APETAGEX" + struct.pack("<4I", 2000, 532, 1, 0xA000_0000) + bytes(8) + bad_audio.noise(532)
    path = tmp_path / "joined.mp3"
    for tags in (bad_audio.id3(5000), b"TAG" + b"x" * 125, ape, ape + b"TAG" + b"x" * 125 + bad_audio.id3(300)):
        path.write_bytes(tags.join([STREAMS["mp3"]()] * 2))
        assert (decoded(path).status, decoded(path).decoded_s) == ("ok", pytest.approx(2 * SECONDS, abs=0.3))


@pytest.mark.parametrize("text", [b"LYRICSBEGINLYR00300line000314LYRICS200", b"LYRICSBEGINa line\r\nLYRICSEND"])
def test_lyrics_between_joined_mp3_files_are_no_damage(text: bytes, tmp_path: Path) -> None:
    path, tag = tmp_path / "joined.mp3", b"TAG" + b"x" * 125
    path.write_bytes((text.replace(b"line", b"line " * 60) + tag).join([STREAMS["mp3"]()] * 2))
    assert (decoded(path).status, decoded(path).decoded_s) == ("ok", pytest.approx(2 * SECONDS, abs=0.3))
    # A mark without an end is no tag.
    path.write_bytes((b"LYRICSBEGIN" + tag).join([STREAMS["mp3"]()] * 2))
    assert decoded(path).status == "partial"


@pytest.mark.parametrize("n_bytes", [1, 188, 5000])
@pytest.mark.parametrize("byte", [b"\0", b"\xff"])
def test_padding_after_a_broadcast_is_no_damage(byte: bytes, n_bytes: int, tmp_path: Path) -> None:
    content, path = STREAMS["transport stream"](), tmp_path / "padded.ts"
    for n in (1, 2):
        path.write_bytes(content * n + byte * n_bytes)
        assert (decoded(path).status, decoded(path).decoded_s) == ("ok", pytest.approx(n * SECONDS, abs=0.2))
    path.write_bytes(content + byte * n_bytes + content)
    assert (decoded(path).status, decoded(path).decoded_s) == ("ok", pytest.approx(2 * SECONDS, abs=0.2))
    # A stream that goes on after such bytes has lost what was there.
    half = 188 * (len(content) // 376)
    path.write_bytes(content[:half] + byte * n_bytes + content[half + 188 * 40 :])
    assert decoded(path).status == "partial"


@pytest.mark.parametrize("kind", [kind for kind in STREAMS if kind != "amr"])
def test_a_stream_that_begins_in_the_middle_of_a_frame_is_decoded_from_the_next_one(kind: str, tmp_path: Path) -> None:
    content, path = STREAMS[kind](), tmp_path / "recorded"
    for start in (1, 77, len(content) // 3 | 1):
        path.write_bytes(content[start:])
        row = decoded(path)
        lost_s = SECONDS * start / len(content)
        assert row.status in ("ok", "partial"), (start, row)
        assert row.decoded_s == pytest.approx(SECONDS - lost_s, abs=0.6), start
        # What is joined to it is not lost either.
        path.write_bytes(content[start:] + content)
        row = decoded(path)
        assert row.status == "partial" or row.decoded_s == pytest.approx(2 * SECONDS - lost_s, abs=0.6), (start, row)


# Another recording, by its header or by its frames.
FOLLOWING = {
    "wav": bad_audio.wav(1.5),
    "flac": bad_audio.encoded("FLAC", "PCM_16", 1.5),
    "mp3": bad_audio.mp3(1.5),
    "aac": bad_audio.ffmpeg("adts", "aac", 1.5),
    "ogg": bad_audio.encoded("OGG", "VORBIS", 1.5),
    "ts": bad_audio.ffmpeg("mpegts", "aac", 1.5, 48_000),
}


@pytest.mark.parametrize("kind", [kind for kind in STREAMS if kind != "amr"])
@pytest.mark.parametrize("gap", [b"", bytes(900), bad_audio.id3(300)])
def test_a_recording_behind_a_stream_that_begins_in_the_middle_of_a_frame_is_noticed(
    kind: str, gap: bytes, tmp_path: Path
) -> None:
    content, path = STREAMS[kind](), tmp_path / "joined"
    start = len(content) // 3 | 1
    rest_s = SECONDS * (1 - start / len(content))
    for name, following in FOLLOWING.items():
        path.write_bytes(content[start:] + gap + following)
        row = decoded(path)
        assert row.status in ("ok", "partial"), (name, row)
        whole_s = rest_s + (1.5 if row.status == "ok" else 0)
        assert row.decoded_s > whole_s - 0.6, (name, row)


@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_blocks_of_wavpack_are_decoded_from_the_next_one(rate: int, tmp_path: Path) -> None:
    content, path = bad_audio.ffmpeg("wv", "wavpack", 20.0, rate), tmp_path / "recorded"
    for start in (1, len(content) // 3 | 1):
        rest_s = 20 * (1 - start / len(content))
        for following, more_s in ((b"", 0.0), (bad_audio.wav(1.5, rate=rate), 1.5 * 16_000 / rate), (content, 20.0)):
            path.write_bytes(content[start:] + following)
            row = decoded(path)
            assert row.status in ("ok", "partial"), (start, more_s)
            assert row.decoded_s == pytest.approx(rest_s + more_s, abs=4.1), (start, more_s)


def test_what_precedes_frames_and_is_longer_than_a_frame_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "after"
    for n_bytes, status in ((2000, "ok"), (30_000, "partial")):
        path.write_bytes(bad_audio.noise(n_bytes) + bad_audio.mp3(3.0))
        row = decoded(path)
        assert (row.status, row.decoded_s) == (status, pytest.approx(3.0, abs=0.1))


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_an_ogg_without_its_start_is_corrupt(subtype: str, tmp_path: Path) -> None:
    content, path = bad_audio.encoded("OGG", subtype, 8.0), tmp_path / "recorded.ogg"
    for start in (1, len(content) // 3):
        path.write_bytes(content[start:])
        assert (decoded(path).status, decoded(path).code) == ("error", "corrupt")


@pytest.mark.parametrize("codec", ["mp2", "ac3"])
def test_a_broadcast_with_another_codec_under_the_same_number_is_another_recording(codec: str, tmp_path: Path) -> None:
    path = tmp_path / "joined.ts"
    path.write_bytes(STREAMS["transport stream"]() + _encoded("mpegts", codec, 48_000))
    row = decoded(path)
    assert (row.status, row.decoded_s) == ("ok", pytest.approx(2 * SECONDS, abs=0.2))


def test_a_stereo_avr_that_is_cut_off_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "cut.avr"
    soundfile.write(path, np.stack([bad_audio.voice(SECONDS, 16_000)] * 2, 1), 16_000, "PCM_16", format="AVR")
    content = path.read_bytes()
    assert (decoded(path).status, decoded(path).duration_s) == ("ok", pytest.approx(SECONDS))
    for share in (0.3, 0.9):
        path.write_bytes(content[: round(share * len(content))])
        row = decoded(path)
        assert (row.status, row.duration_s) == ("partial", pytest.approx(SECONDS, abs=0.01))
        assert row.decoded_s == pytest.approx(share * SECONDS, abs=0.05)


@pytest.mark.parametrize(
    ("file_format", "subtype"),
    [("VOC", "PCM_16"), ("SVX", "PCM_16"), ("AVR", "PCM_16"), ("MAT5", "PCM_16"), ("WVE", "ALAW"), ("CAF", "ULAW")],
)
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_header_that_says_more_than_there_is_makes_the_row_partial(
    file_format: str, subtype: str, share: float, tmp_path: Path
) -> None:
    rate = 8_000 if file_format == "WVE" else 16_000
    content, path = bad_audio.encoded(file_format, subtype, SECONDS, rate), tmp_path / "cut"
    path.write_bytes(content)
    assert (decoded(path).status, decoded(path).duration_s) == ("ok", pytest.approx(SECONDS))
    path.write_bytes(content[: round(share * len(content))])
    row = decoded(path)
    assert row.status == "partial"
    assert row.duration_s == pytest.approx(SECONDS, abs=0.1)
    assert row.decoded_s < row.duration_s


@pytest.mark.parametrize("seconds", [0.5, 1.0])
def test_a_short_recording_after_a_flac_is_noticed(seconds: float, tmp_path: Path) -> None:
    path = tmp_path / "joined.flac"
    for container, codec in (
        ("amr", "libopencore_amrnb"),
        ("mp3", "libmp3lame"),
        ("adts", "aac"),
        ("wav", "pcm_s16le"),
    ):
        rate = 8_000 if container == "amr" else 16_000
        path.write_bytes(bad_audio.flac() + bad_audio.ffmpeg(container, codec, seconds, rate))
        assert decoded(path).status == "partial", container


def test_a_file_of_headers_takes_little_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joined, "_MOST_PARTS", 1000)
    path = tmp_path / "headers.wav"
    path.write_bytes(bad_audio.wav(0.02) * 2000)
    with path.open("rb") as file:
        content = Content.of(file.fileno())
        tracemalloc.start()
        parts = joined.recordings(content)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert (len(parts), parts[0].is_damaged(), parts[-1].is_damaged()) == (1000, False, True)
    assert peak < 2 << 20
    assert (decoded(path).status, decoded(path).decoded_s) == ("partial", pytest.approx(20.0))


def test_samples_of_a_flac_that_look_like_frames_are_no_other_recording(tmp_path: Path) -> None:
    # Noise of 24 bits is stored as it is, byte for byte: here with three frames of MPEG audio in a row near its end.
    noise = np.random.default_rng(0).bytes(3 * 8 * 4096)
    header = bytes.fromhex("ffffa74d")
    length = MPEG.length_of(header)
    frames = b"".join(header + noise[length * number :][: length - 4] for number in range(3))
    raw = (
        np.frombuffer(noise[: -len(frames) - 3000] + frames + noise[-3000:], np.uint8).reshape(-1, 3).astype(np.uint32)
    )
    samples = (raw[:, 0] << 24 | raw[:, 1] << 16 | raw[:, 2] << 8).view(np.int32)
    soundfile.write(tmp_path / "noise.flac", samples, 16_000, subtype="PCM_24")
    with open(tmp_path / "noise.flac", "rb") as file:
        written = Content.of(file.fileno())
        assert MPEG.first(written, written.size - (1 << 14), 1 << 14) is not None
    assert decoded(tmp_path / "noise.flac").status == "ok"
