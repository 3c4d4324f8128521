"""Whatever the decoders read is found by its name, and read: one list says which formats these are."""

from __future__ import annotations

import collections
import io
import struct
from collections.abc import Callable
from pathlib import Path

import av
import bad_audio
import numpy as np
import pytest
import soundfile
from decoded import decoded

from emosense.audio.formats import AUDIO_EXTENSIONS, DEMUXERS, FORMATS
from emosense.inputs.listing_config import ListingConfig
from emosense.inputs.walk import recordings_at

SECONDS = 1.5


def _sound(file_format: str, subtype: str = "PCM_16", rate: int = 16_000) -> Callable[[], bytes]:
    return lambda: bad_audio.encoded(file_format, subtype, SECONDS, rate)


def _ffmpeg(container: str, codec: str, rate: int = 48_000, *, video: bool = False) -> Callable[[], bytes]:
    return lambda: bad_audio.ffmpeg(container, codec, SECONDS, rate, video=video)


def _amr(codec: str = "libopencore_amrnb") -> bytes:
    return bad_audio.ffmpeg("amr", codec, SECONDS, 8_000)


def _wide_amr() -> bytes:
    # Frames of type 0 with random parameters: nothing here writes AMR-WB.
    noise = bad_audio.noise(17 * 75)
    return b"#!AMR-WB\n" + b"".join(b"\x04" + noise[17 * i : 17 * (i + 1)] for i in range(75))


def _blu_ray() -> bytes:
    stream = _ffmpeg("mpegts", "aac")()
    return b"".join(struct.pack(">I", i) + stream[188 * i : 188 * (i + 1)] for i in range(len(stream) // 188))


def _layer_1() -> bytes:
    # Silence in Layer I, 384 samples and 128 bytes each (ISO 11172-3): nothing here writes it.
    return (b"\xff\xff\x44\xc0" + bytes(124)) * 188


MADE: dict[str, Callable[[], bytes]] = {
    ".wav": _sound("WAV"), ".wave": _sound("WAV", "ULAW"), ".bwf": _sound("WAV", "PCM_24"), ".rf64": _sound("RF64"),
    ".w64": _sound("W64"), ".aif": _sound("AIFF"), ".aiff": _sound("AIFF", "PCM_24"), ".aifc": _sound("AIFF", "ULAW"),
    ".au": _sound("AU"), ".snd": _sound("AU", "ALAW"), ".caf": _sound("CAF"), ".flac": _sound("FLAC"),
    ".ogg": _sound("OGG", "VORBIS"), ".oga": _ffmpeg("oga", "flac"), ".opus": _sound("OGG", "OPUS"),
    ".ogv": _ffmpeg("ogg", "libopus"), ".ogx": _ffmpeg("ogg", "libopus"), ".mp3": lambda: bad_audio.mp3(SECONDS),
    ".mp2": _ffmpeg("mp2", "mp2"), ".mpa": _ffmpeg("mp2", "mp2"), ".m2a": _ffmpeg("mp2", "mp2"),
    ".sph": _sound("NIST"), ".nist": _sound("NIST"), ".voc": _sound("VOC"), ".svx": _sound("SVX"),
    ".8svx": _sound("SVX"), ".paf": _sound("PAF"), ".avr": _sound("AVR"), ".pvf": _sound("PVF"),
    ".sf": _sound("IRCAM"), ".ircam": _sound("IRCAM"), ".wve": _sound("WVE", "ALAW", 8_000), ".htk": _sound("HTK"),
    ".m4a": _ffmpeg("ipod", "aac"), ".mp4": _ffmpeg("mp4", "aac", video=True), ".m4b": _ffmpeg("ipod", "alac"),
    ".m4r": _ffmpeg("ipod", "aac"), ".m4v": _ffmpeg("mp4", "aac", video=True), ".mp4a": _ffmpeg("mp4", "aac"),
    ".mov": _ffmpeg("mov", "pcm_s16le"), ".qt": _ffmpeg("mov", "aac"), ".3gp": _ffmpeg("3gp", "aac"),
    ".3gpp": _ffmpeg("3gp", "aac"), ".3g2": _ffmpeg("3g2", "aac"), ".3gp2": _ffmpeg("3g2", "aac"),
    ".f4a": _ffmpeg("f4v", "aac"), ".f4v": _ffmpeg("f4v", "aac"), ".mkv": _ffmpeg("matroska", "aac", video=True),
    ".mka": _ffmpeg("matroska", "libvorbis" if "libvorbis" in av.codecs_available else "flac"),
    ".webm": _ffmpeg("webm", "libopus"), ".weba": _ffmpeg("webm", "libopus"), ".wma": _ffmpeg("asf", "wmav2"),
    ".asf": _ffmpeg("asf", "wmav1"), ".wmv": _ffmpeg("asf", "wmav2", video=True),
    ".avi": _ffmpeg("avi", "mp2", video=True), ".flv": _ffmpeg("flv", "aac"), ".ts": _ffmpeg("mpegts", "aac"),
    ".m2ts": _blu_ray, ".mts": _ffmpeg("mpegts", "mp2"), ".mpg": _ffmpeg("mpeg", "mp2"),
    ".mpeg": _ffmpeg("mpeg", "mp2"), ".vob": _ffmpeg("vob", "ac3"), ".aac": _ffmpeg("adts", "aac"),
    ".adts": _ffmpeg("adts", "aac"), ".loas": _ffmpeg("latm", "aac"), ".latm": _ffmpeg("latm", "aac"),
    ".ac3": _ffmpeg("ac3", "ac3"), ".eac3": _ffmpeg("eac3", "eac3"),
    ".ec3": _ffmpeg("eac3", "eac3"), ".amr": _amr, ".awb": _wide_amr, ".wv": _ffmpeg("wv", "wavpack"),
    ".tta": _ffmpeg("tta", "tta"),
}  # fmt: skip
# Nothing here writes these; Layer I is silent.
NOT_MADE = {".mp1", ".spx", ".ape"}
PADDING_S = 0.15


@pytest.mark.parametrize("extension", MADE)
def test_what_is_read_is_found_by_its_name_and_whole(extension: str, tmp_path: Path) -> None:
    path = tmp_path / f"A{extension.upper()}"
    path.write_bytes(MADE[extension]())
    assert [each.path for each in recordings_at(str(tmp_path), ListingConfig(), collections.Counter())] == [str(path)]
    row = decoded(path)
    assert (row.status, row.decoded_s) == ("ok", pytest.approx(SECONDS, abs=PADDING_S)), row.error
    assert np.abs(row.waveform).max() > 0.01


def test_layer_1_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.mp1"
    path.write_bytes(_layer_1())
    # Decoded to its end, without a fault: it is silent.
    assert decoded(path).code == "no_speech"


def test_every_extension_is_made(record_property: Callable[[str, object], None]) -> None:
    record_property("extensions tried, found and read", len(MADE))
    assert MADE.keys() | NOT_MADE == AUDIO_EXTENSIONS
    assert not MADE.keys() & NOT_MADE


def test_what_libsndfile_writes_has_an_extension() -> None:
    # Headerless samples; a resource fork beside the file; matrices; instruments; a sampler's file without a mark.
    others = {"RAW", "SD2", "MAT4", "MAT5", "XI", "SDS", "MPC2K", "WAVEX"}
    assert {f".{name.lower()}" for name in soundfile.available_formats().keys() - others} - AUDIO_EXTENSIONS == set()


def test_ffmpeg_has_all_demuxers_and_none_that_opens_other_files() -> None:
    names = {name for each in av.formats_available for name in each.split(",")}
    assert set(DEMUXERS.split(",")) <= names
    assert not set(DEMUXERS.split(",")) & {
        "concat",
        "hls",
        "dash",
        "image2",
        "lavfi",
        "rtp",
        "sdp",
        "tty",
        "ffmetadata",
    }


def test_every_format_is_recognised_by_something() -> None:
    by_other_means = {"AAC in LATM", "HTK", "MP4 and QuickTime", "MPEG transport stream"}
    assert {each.name for each in FORMATS if not each.starts} == by_other_means
    assert len({each.name for each in FORMATS}) == len(FORMATS)


@pytest.mark.parametrize(
    ("container", "codec"),
    [
        ("caf", "pcm_s16be"), ("caf", "pcm_s16le"), ("caf", "pcm_s24be"), ("caf", "pcm_f32le"), ("caf", "pcm_mulaw"),
        ("caf", "alac"), ("avi", "adpcm_ms"), ("avi", "adpcm_ima_wav"), ("avi", "pcm_mulaw"), ("avi", "pcm_s16le"),
        ("mov", "alac"), ("mov", "adpcm_ima_qt"), ("matroska", "alac"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("seconds", [0.31, 1.0, 2.5])
def test_whole_files_are_whole(container: str, codec: str, seconds: float, tmp_path: Path) -> None:
    path = tmp_path / "whole"
    path.write_bytes(bad_audio.ffmpeg(container, codec, seconds, 48_000))
    row = decoded(path)
    assert (row.status, row.decoded_s) == ("ok", pytest.approx(seconds, abs=0.045 if "adpcm" in codec else 0.001)), (
        row.error
    )
    assert row.duration_s == row.decoded_s


@pytest.mark.parametrize(("container", "codec"), [("avi", "adpcm_ms"), ("avi", "pcm_s16le"), ("caf", "pcm_s16be")])
@pytest.mark.parametrize("share", [0.4, 0.7, 0.9])
def test_cut_files_are_partial(container: str, codec: str, share: float, tmp_path: Path) -> None:
    path = tmp_path / "cut"
    content = bad_audio.ffmpeg(container, codec, 2.5, 48_000)
    path.write_bytes(content[: round(share * len(content))])
    row = decoded(path)
    assert row.status == "partial", row
    assert row.decoded_s == pytest.approx(2.5 * share, abs=0.25)


def test_the_cases_are_found_and_whole(cases: Path) -> None:
    folder = cases / "extensions"
    found = list(recordings_at(str(folder), ListingConfig(), collections.Counter()))
    assert len(found) == len([*folder.iterdir()]) >= 13
    files = [Path(each.path) for each in found] + [*(cases / "caf_alac").iterdir()]
    assert {path.name: decoded(path).status for path in files if decoded(path).status != "ok"} == {}


def test_a_recording_of_pictures_alone_is_said_to_have_no_sound(tmp_path: Path) -> None:
    path = tmp_path / "silent.ts"
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mpegts") as output:
        picture = output.add_stream("mpeg2video", rate=25, width=64, height=64, pix_fmt="yuv420p")
        for _ in range(25):
            output.mux(picture.encode(av.VideoFrame(64, 64, "yuv420p")))
        output.mux(picture.encode(None))
    path.write_bytes(buffer.getvalue())
    assert decoded(path).code == "no_audio_stream"
