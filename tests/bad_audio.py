"""Makes the odd and damaged recordings of the fault catalogue (cases 1 to 65), with the row that each must get.

Most files hold about one second of a voice-like tone, so that a label without a decoded signal would be noticed. Some
FLAC and Ogg files are built here byte by byte: no encoder writes 12-bit FLAC, a stream that changes its rate, or an Ogg
without its end mark.
"""

from __future__ import annotations

import dataclasses
import gzip
import io
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import made_sounds
import numpy as np
import soundfile

RATE = 16_000


@dataclasses.dataclass(frozen=True)
class Case:
    """One recording of the catalogue.

    Parameters
    ----------
    name : str
    numbers : tuple of int
        Its numbers in the catalogue.
    make : callable
        Makes the file in a folder and returns its path.
    status, code : str
        Status and error code of its row.
    seconds : float or None
        Duration in its row, to a tenth of a second; None if the damage leaves it open.
    """

    name: str
    numbers: tuple[int, ...]
    make: Callable[[Path], Path]
    status: str
    code: str = ""
    seconds: float | None = 1.0


CASES: list[Case] = []


def case(
    name: str,
    *numbers: int,
    status: str = "ok",
    code: str = "",
    seconds: float | None = 1.0,
) -> Callable[..., Any]:
    """Register a function that returns the content of a file."""

    def add(content: Callable[[], bytes]) -> Callable[[], bytes]:
        def make(folder: Path) -> Path:
            path = folder / name
            path.write_bytes(content())
            return path

        CASES.append(Case(name, numbers, make, status, code, seconds))
        return content

    return add


def error(name: str, code: str, *numbers: int) -> Callable[..., Any]:
    return case(name, *numbers, status="error", code=code, seconds=None)


def partial(name: str, *numbers: int, seconds: float | None = 1.0) -> Callable[..., Any]:
    return case(name, *numbers, status="partial", code="truncated", seconds=seconds)


# ---------------------------------------------------------------------------------------------------- building blocks


def voice(seconds: float = 1.0, sample_rate: int = RATE) -> np.ndarray:
    """Return a made voice with a little noise; at most 0.5, float32."""
    spoken = made_sounds.voice(seconds, 150, sample_rate)
    noise = np.random.default_rng(0).standard_normal(len(spoken))
    return np.asarray(0.9 * spoken + 0.002 * noise, np.float32)


def pcm16(samples: np.ndarray) -> bytes:
    return np.clip(np.round(samples * 32767), -32768, 32767).astype("<i2").tobytes()


def chunk(name: bytes, body: bytes, length: int | None = None, order: str = "<") -> bytes:
    return name + struct.pack(order + "I", len(body) if length is None else length) + body + b"\0" * (len(body) & 1)


def fmt(tag: int = 1, channels: int = 1, rate: int = RATE, align: int = 2, bits: int = 16, order: str = "<") -> bytes:
    byte_rate = min(rate * align, 0xFFFF_FFFF)
    return chunk(b"fmt ", struct.pack(order + "HHIIHH", tag, channels, rate, byte_rate, align, bits), order=order)


def riff(*parts: bytes, magic: bytes = b"RIFF", order: str = "<", length: int | None = None) -> bytes:
    body = b"WAVE" + b"".join(parts)
    return magic + struct.pack(order + "I", len(body) if length is None else length) + body


def wav(seconds: float = 1.0, **fields: int) -> bytes:
    return riff(fmt(**fields), chunk(b"data", pcm16(voice(seconds))))


def float_wav(samples: np.ndarray) -> bytes:
    return riff(fmt(3, align=4, bits=32), chunk(b"data", np.asarray(samples, "<f4").tobytes()))


def encoded(file_format: str, subtype: str, seconds: float = 1.0, sample_rate: int = RATE) -> bytes:
    """Encode the voice with libsndfile."""
    buffer = io.BytesIO()
    soundfile.write(buffer, voice(seconds, sample_rate), sample_rate, subtype, format=file_format)
    return buffer.getvalue()


def ffmpeg(
    container: str,
    codec: str | None,
    seconds: float = 1.0,
    sample_rate: int = RATE,
    options: dict[str, str] | None = None,
    quality: int = 0,
    video: bool = False,
) -> bytes:
    """Encode the voice with FFmpeg, with a moving picture beside it if asked for."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container, options=options or {}) as output:
        picture: Any = output.add_stream("mpeg4", rate=25) if video else None
        if picture is not None:
            picture.width = picture.height = 64
            picture.pix_fmt = "yuv420p"
        sound: Any = output.add_stream(codec, rate=sample_rate) if codec else None
        if sound is not None:
            sound.layout = "mono"
            if codec in ("wmav1", "wmav2"):
                sound.bit_rate = 64_000
            if quality:
                sound.codec_context.options = {"flags": "+qscale", "global_quality": str(118 * quality)}
            frame = av.AudioFrame.from_ndarray(voice(seconds, sample_rate)[None, :], format="fltp", layout="mono")
            frame.sample_rate, frame.pts = sample_rate, 0
            output.mux(sound.encode(frame))
            output.mux(sound.encode(None))
        if picture is not None:
            for i in range(round(25 * seconds)):
                image = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 5 * i % 256, np.uint8), format="rgb24")
                output.mux(picture.encode(image))
            output.mux(picture.encode(None))
    return buffer.getvalue()


def mp3(seconds: float = 1.0, quality: int = 0, xing: bool = True) -> bytes:
    return ffmpeg("mp3", "libmp3lame", seconds, options={"write_xing": str(int(xing))}, quality=quality)


def crc(data: bytes, width: int, polynomial: int) -> int:
    """Compute a cyclic redundancy check, high bit first, starting from zero."""
    value, top, mask = 0, 1 << (width - 1), (1 << width) - 1
    for byte in data:
        value ^= byte << (width - 8)
        for _ in range(8):
            value = ((value << 1) ^ polynomial if value & top else value << 1) & mask
    return value


def flac_frame(number: int, samples: np.ndarray, bits: int, rate_code: int = 0) -> bytes:
    """Build a frame of verbatim subframes (RFC 9639, 9), of samples of shape (n_frames, n_channels)."""
    size_code = {8: 1, 12: 2, 16: 4, 20: 5, 24: 6, 32: 7}[bits]
    header = bytes([0xFF, 0xF8, 0x70 | rate_code, (samples.shape[1] - 1) << 4 | size_code << 1, number])
    header += struct.pack(">H", len(samples) - 1)
    header += bytes([crc(header, 8, 0x07)])
    weights = np.arange(bits - 1, -1, -1)
    stream = [np.concatenate(([0, 0, 0, 0, 0, 0, 1, 0], (channel[:, None] >> weights & 1).ravel()))
              for channel in samples.T]  # fmt: skip
    frame = header + np.packbits(np.concatenate(stream).astype(np.uint8)).tobytes()
    return frame + struct.pack(">H", crc(frame, 16, 0x8005))


def flac(
    bits: int = 16, total: int | None = None, frames: list[bytes] | None = None, md5: bytes = bytes(16),
    metadata: tuple[tuple[int, bytes], ...] = (), seconds: float = 1.0,
) -> bytes:  # fmt: skip
    """Build a mono FLAC stream, whose header may say another number of samples than there are."""
    samples = np.round(voice(seconds) * (2 ** (bits - 1) - 1)).astype(np.int64)
    size = 1024
    if frames is None:
        pieces = [samples[i : i + size, None] for i in range(0, len(samples), size)]
        frames = [flac_frame(i, piece, bits) for i, piece in enumerate(pieces)]
    total = len(samples) if total is None else total
    facts = (RATE << 44 | 0 << 41 | (bits - 1) << 36 | total).to_bytes(8, "big")
    blocks = [(0, struct.pack(">HH", size, size) + bytes(6) + facts + md5), *metadata]
    head = b"fLaC"
    for i, (kind, body) in enumerate(blocks):
        head += bytes([kind | (0x80 if i == len(blocks) - 1 else 0)]) + len(body).to_bytes(3, "big") + body
    return head + b"".join(frames)


def ogg_pages(data: bytes) -> list[bytearray]:
    pages = []
    while data:
        body = 27 + data[26]
        length = body + sum(data[27:body])
        pages.append(bytearray(data[:length]))
        data = data[length:]
    return pages


def join_pages(pages: list[bytearray]) -> bytes:
    """Put Ogg pages together, with their checksums made right."""
    for page in pages:
        page[22:26] = bytes(4)
        page[22:26] = struct.pack("<I", crc(bytes(page), 32, 0x04C11DB7))
    return b"".join(pages)


def noise(n: int, seed: int = 1) -> bytes:
    return np.random.default_rng(seed).bytes(n)


def with_noise(data: bytes, start: float, n: int) -> bytes:
    """Overwrite bytes from a share of the length on."""
    place = round(len(data) * start)
    return data[:place] + noise(n) + data[place + n :]


def id3(n: int) -> bytes:
    size = bytes((n >> shift) & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x04\0\0" + size + bytes(n)


def half(data: bytes) -> bytes:
    return data[: len(data) // 2]


# ---------------------------------------------------------------------------------------------------------- 1 to 20

error("zero_bytes.wav", "empty_file", 1)(lambda: b"")
error("riff_header_only.wav", "corrupt", 2)(lambda: wav()[:12])
error("four_bytes.wav", "corrupt", 2)(lambda: b"RIFF")
error("header_without_samples.wav", "no_samples", 3)(lambda: riff(fmt(), chunk(b"data", b"")))
error("no_samples_but_metadata.wav", "no_samples", 3, 7)(
    lambda: riff(fmt(), chunk(b"data", b""), chunk(b"LIST", b"INFO" + noise(16_000)))
)
error("no_samples.flac", "no_samples", 3)(lambda: flac(total=0, frames=[]))
partial("cut.wav", 4)(lambda: half(wav()))
partial("cut_24_bit.wav", 4)(lambda: half(encoded("WAV", "PCM_24")))
partial("cut_ms_adpcm.wav", 4, seconds=1.9)(lambda: half(encoded("WAV", "MS_ADPCM", 2.0)))
partial("cut_with_far_data.wav", 4)(
    lambda: riff(fmt(), chunk(b"LIST", bytes(9000)), chunk(b"data", pcm16(voice())))[:-16_000]
)
partial("cut.rf64", 4, 21)(lambda: half(encoded("RF64", "PCM_16")))
partial("cut.w64", 4, 21)(lambda: half(encoded("W64", "PCM_16")))
partial("cut.aiff", 4, 21)(lambda: half(encoded("AIFF", "PCM_16")))
partial("cut.au", 4, 21)(lambda: half(encoded("AU", "PCM_16")))
partial("cut.caf", 4, 21)(lambda: half(encoded("CAF", "PCM_16")))
partial("cut.nist", 4, 21)(lambda: half(encoded("NIST", "PCM_16")))
partial("cut_big_endian.wav", 4, 22)(
    lambda: half(
        riff(
            fmt(order=">"),
            chunk(b"data", np.frombuffer(pcm16(voice()), "<i2").astype(">i2").tobytes(), order=">"),
            magic=b"RIFX",
            order=">",
        )
    )
)
error("cut_to_a_tenth.wav", "truncated", 4, 51)(lambda: wav()[: 44 + 3200])
error("cut_in_fmt.wav", "corrupt", 5)(lambda: wav()[:26])
case("size_of_a_pipe.wav", 6)(lambda: riff(fmt(), chunk(b"data", pcm16(voice()), 0xFFFF_FFFF), length=0xFFFF_FFFF))
case("size_of_sox_pipe.wav", 6)(lambda: riff(fmt(), chunk(b"data", pcm16(voice()), 0x7FFF_F000), length=0x7FFF_F024))
case("crashed_recorder.wav", 7)(lambda: riff(fmt(), chunk(b"data", pcm16(voice()), 0), length=36))
case("crashed_recorder_all_zero.wav", 7)(lambda: riff(fmt(), chunk(b"data", pcm16(voice()), 0), length=0))
case("odd_byte_count.wav", 8)(lambda: riff(fmt(), chunk(b"data", pcm16(voice()) + b"\1", 32_001)))
error("rate_0.wav", "bad_header", 9)(lambda: wav(rate=0))
error("rate_1.wav", "bad_sample_rate", 10)(lambda: wav(rate=1))
error("rate_999.wav", "bad_sample_rate", 10)(lambda: wav(rate=999))
error("rate_4e9.wav", "bad_header", 11)(lambda: wav(rate=4_000_000_000))
error("channels_0.wav", "bad_header", 12)(lambda: wav(channels=0))
error("channels_1024.wav", "too_many_channels", 13)(lambda: wav(channels=1024, align=2048))
error("channels_65535.wav", "too_many_channels", 14)(lambda: wav(channels=65_535, align=0xFFFE))
case("block_align_0.wav", 15)(lambda: wav(align=0))
case("block_align_7.wav", 15)(lambda: wav(align=7))
error("bits_0.wav", "unsupported_encoding", 16)(lambda: wav(bits=0))
error("bits_255.wav", "unsupported_encoding", 16)(lambda: wav(bits=255))
error("bits_36.wav", "unsupported_encoding", 16)(lambda: wav(bits=36))
error("bits_64.wav", "unsupported_encoding", 16)(
    lambda: riff(
        fmt(bits=64, align=8),
        chunk(b"data", (voice().astype(np.float64) * (2**63 - 1024)).astype("<i8").tobytes()),
    )
)
error("unknown_tag.wav", "unsupported_encoding", 17)(lambda: wav(tag=0x4242))
error("fmt_of_2_gib.wav", "corrupt", 18)(
    lambda: riff(chunk(b"fmt ", fmt()[8:], 1 << 31), chunk(b"data", pcm16(voice())))
)
error("list_size_lies.wav", "corrupt", 19)(
    lambda: riff(fmt(), chunk(b"LIST", b"INFO", 1 << 30), chunk(b"data", pcm16(voice())))
)


@error("chunk_of_2_to_62_bytes.caf", "corrupt", 19)
def _caf_chunk_lies() -> bytes:
    data = encoded("CAF", "PCM_16")
    place = data.index(b"data")
    return data[:place] + b"free" + struct.pack(">q", 1 << 62) + data[place:]


case("junk_chunks_10000.wav", 20)(
    lambda: riff(fmt(), *[chunk(b"JUNK", b"abcd")] * 10_000, chunk(b"data", pcm16(voice())))
)

# --------------------------------------------------------------------------------------------------------- 21 to 29

for _format, _subtype in (
    ("RF64", "PCM_16"), ("W64", "PCM_24"), ("AIFF", "PCM_16"), ("AIFF", "FLOAT"), ("CAF", "PCM_16"), ("CAF", "ALAC_16"),
    ("AU", "PCM_16"), ("NIST", "PCM_16"), ("WAVEX", "PCM_24"),
):  # fmt: skip
    case(f"{_subtype.lower()}.{_format.lower()}", 21)(lambda f=_format, s=_subtype: encoded(f, s))
case("broadcast.wav", 21)(lambda: riff(chunk(b"bext", bytes(602)), fmt(), chunk(b"data", pcm16(voice()))))
case("big_endian.wav", 22)(
    lambda: riff(
        fmt(order=">"),
        chunk(b"data", np.frombuffer(pcm16(voice()), "<i2").astype(">i2").tobytes(), order=">"),
        magic=b"RIFX",
        order=">",
    )
)
for _subtype in ("ULAW", "ALAW", "GSM610", "IMA_ADPCM", "MS_ADPCM"):
    case(f"{_subtype.lower()}.wav", 23)(lambda s=_subtype: encoded("WAV", s))


@error("ima_adpcm_overflow.wav", "corrupt", 24)
def _ima_overflow() -> bytes:
    # The shape of CVE-2026-37555: 65535 samples a block where a block of 256 bytes holds 505.
    body = struct.pack("<HHIIHHHH", 0x11, 1, RATE, RATE, 256, 4, 2, 65_535)
    return riff(chunk(b"fmt ", body), chunk(b"data", noise(16_000)))


case("mp3_in_wav.wav", 25)(lambda: ffmpeg("wav", "libmp3lame"))
error("mp3_tag_and_noise.wav", "unsupported_encoding", 25)(
    lambda: riff(fmt(0x55, align=1, bits=0), chunk(b"data", noise(16_000)))
)
case("id3_before_riff.wav", 26)(lambda: id3(1000) + wav())
case("trailing_garbage.wav", 27)(lambda: wav() + noise(5001))
case("trailing_garbage.flac", 27)(lambda: encoded("FLAC", "PCM_16") + noise(5001))
case("trailing_garbage.ogg", 27)(lambda: encoded("OGG", "VORBIS") + noise(5001))
case("trailing_garbage.opus", 27)(lambda: encoded("OGG", "OPUS") + noise(5001))
case("trailing_garbage.mp3", 27)(lambda: mp3() + noise(5001))
case("id3v1.mp3", 27)(lambda: mp3() + b"TAG" + b"x" * 125)
case("id3v2_and_v1.mp3", 27)(lambda: id3(20_000) + mp3() + b"TAG" + b"x" * 125)
case("vbr_without_xing.mp3", 27, 32, seconds=5.0)(lambda: mp3(5.0, quality=4, xing=False))
error("leading_garbage.wav", "corrupt", 28)(lambda: b"HTTP 200 OK\r\n\r\n" + wav())
case("leading_garbage.mp3", 28)(lambda: b"\0" * 700 + b"HTTP 200 OK\r\n\r\n" + mp3())
case("twice.wav", 29, seconds=2.0)(lambda: wav() + wav())
case("twice.flac", 29, seconds=2.0)(lambda: encoded("FLAC", "PCM_16") * 2)
case("twice.mp3", 29, seconds=2.0)(lambda: mp3() * 2)
case("twice.ogg", 29, seconds=2.0)(lambda: encoded("OGG", "VORBIS") + encoded("OGG", "VORBIS"))

# --------------------------------------------------------------------------------------------------------- 30 to 44

partial("cut.mp3", 30)(lambda: half(mp3()))
partial("noise_burst.mp3", 31, seconds=5.0)(lambda: with_noise(mp3(5.0), 0.4, 5000))


@partial("xing_lies.mp3", 32, seconds=62_500.0)
def _xing_lies() -> bytes:
    data = bytearray(mp3())
    place = data.index(b"Info") if b"Info" in data else data.index(b"Xing")
    data[place + 8 : place + 12] = struct.pack(">I", 1_000_000_000 // 576)
    return bytes(data)


@partial("no_end_mark.ogg", 33, seconds=4.0)
def _ogg_without_end() -> bytes:
    pages = ogg_pages(encoded("OGG", "VORBIS", 4.0))
    pages[-1][5] &= ~4
    return join_pages(pages)


@partial("no_last_position.ogg", 33, seconds=None)
def _ogg_without_position() -> bytes:
    pages = ogg_pages(encoded("OGG", "VORBIS", 4.0))
    pages[-1][5] &= ~4
    pages[-1][6:14] = b"\xff" * 8
    return join_pages(pages)


error("cut_in_its_only_page.ogg", "no_samples", 34)(lambda: half(encoded("OGG", "VORBIS")))
partial("cut.ogg", 34, seconds=None)(lambda: half(encoded("OGG", "VORBIS", 10.0)))
partial("noise_burst.ogg", 35, seconds=10.0)(lambda: with_noise(encoded("OGG", "VORBIS", 10.0), 0.5, 12_000))
error("cut_in_its_only_page.opus", "corrupt", 36)(lambda: half(encoded("OGG", "OPUS")))
partial("cut.opus", 36, seconds=None)(lambda: half(encoded("OGG", "OPUS", 10.0)))
partial("cut.flac", 37)(lambda: half(encoded("FLAC", "PCM_16")))
partial("noise_burst.flac", 38, seconds=2.0)(lambda: with_noise(encoded("FLAC", "PCM_16", 2.0), 0.5, 300))


@partial("bad_frame_checksum.flac", 38)
def _flac_bad_checksum() -> bytes:
    data = bytearray(flac())
    data[len(data) // 2] ^= 0x55
    return bytes(data)


case("no_total.flac", 39, seconds=2.0)(lambda: flac(total=0, seconds=2.0))
for _bits in (12, 20, 32):
    case(f"bits_{_bits}.flac", 40)(lambda b=_bits: flac(b))


@case("total_too_low.flac", 41, seconds=3.0)
def _total_too_low() -> bytes:
    data = encoded("FLAC", "PCM_16", 3.0)
    facts = int.from_bytes(data[18:26], "big") >> 36 << 36 | RATE
    return data[:18] + facts.to_bytes(8, "big") + data[26:]


partial("total_too_high.flac", 41, seconds=1.25)(lambda: flac(total=20_000))


def _changing(second: np.ndarray, rate_code: int) -> bytes:
    samples = np.round(voice() * 32767).astype(np.int64)[:, None]
    frames = [flac_frame(i, samples[i * 1024 : (i + 1) * 1024], 16, 5) for i in range(8)]
    return flac(total=0, frames=frames + [flac_frame(8 + i, second, 16, rate_code) for i in range(8)])


_quiet = np.round(voice() * 9000).astype(np.int64)[:1024]
error("rate_changes.flac", "stream_changes", 42)(lambda: _changing(_quiet[:, None], 10))
error("channels_change.flac", "stream_changes", 42)(lambda: _changing(np.stack((_quiet, _quiet), 1), 5))
case("wrong_md5.flac", 43)(lambda: flac(md5=bytes(range(16))))
case("giant_picture.flac", 44)(lambda: flac(metadata=((6, bytes((1 << 24) - 1)), (3, b"\xff" * 18_000))))

# --------------------------------------------------------------------------------------------------------- 45 to 65


def _with_sample(value: float) -> bytes:
    samples = voice()
    samples[9000] = value
    return float_wav(samples)


error("nan.wav", "non_finite", 45)(lambda: _with_sample(np.nan))
error("infinity.wav", "non_finite", 46)(lambda: _with_sample(-np.inf))
error("far_out_of_range.wav", "non_finite", 46)(lambda: _with_sample(1e30))
error("denormals.wav", "no_speech", 47)(lambda: float_wav(voice() * np.float32(1e-40)))
error("silence.wav", "no_speech", 48)(lambda: riff(fmt(), chunk(b"data", bytes(32_000))))
error("constant.wav", "no_speech", 48, 49)(lambda: float_wav(np.full(RATE, 0.25, np.float32)))
case("offset.wav", 49)(lambda: float_wav(voice() + np.float32(0.4)))
case("clipped.wav", 50)(lambda: riff(fmt(), chunk(b"data", pcm16(np.sign(voice())))))
error("one_sample.wav", "too_short", 51)(lambda: riff(fmt(), chunk(b"data", b"\1\1")))
error("ten_ms.wav", "too_short", 51)(lambda: wav(0.01))
error("one_sample_below.wav", "too_short", 52)(lambda: riff(fmt(), chunk(b"data", pcm16(voice()[:3999]))))
case("shortest.wav", 52, seconds=0.25)(lambda: riff(fmt(), chunk(b"data", pcm16(voice()[:4000]))))
case("one_sample_above.wav", 52, seconds=0.25)(lambda: riff(fmt(), chunk(b"data", pcm16(voice()[:4001]))))
case("opposite_phase.wav", 54)(
    lambda: riff(fmt(channels=2, align=4), chunk(b"data", pcm16(np.stack((voice(), -voice()), 1))))
)
case("an_mp3.wav", 55)(mp3)
case("a_wav.mp3", 55)(wav)
case("a_flac.ogg", 55)(lambda: encoded("FLAC", "PCM_16"))
case("an_ogg.flac", 55)(lambda: encoded("OGG", "VORBIS"))
case("an_m4a.wav", 55, 58)(lambda: ffmpeg("ipod", "aac"))
error("html.wav", "not_audio", 56)(lambda: b"\r\n<!DOCTYPE html><html><body>404 Not Found</body></html>" * 50)
error("json.wav", "not_audio", 56)(lambda: b'{"error": {"code": 403, "message": "Forbidden"}}')
error("s3_error.wav", "not_audio", 56)(
    lambda: b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code></Error>'
)
error("lfs_pointer.wav", "not_audio", 56)(
    lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 12345\n"
)
error("text.wav", "not_audio", 57)(lambda: b"The quick brown fox jumps over the lazy dog.\n" * 400)
error("playlist.wav", "not_audio", 57)(lambda: b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/secret.wav\n")
error("random.wav", "not_audio", 57)(lambda: noise(50_000))
error("raw_pcm.wav", "not_audio", 57)(lambda: pcm16(voice()))
case("sound_and_picture.mp4", 58)(lambda: ffmpeg("mp4", "aac", video=True))
case("sound_and_picture.mkv", 58)(lambda: ffmpeg("matroska", "aac", video=True))
case("sound.webm", 58)(lambda: ffmpeg("webm", "libopus", sample_rate=48_000))
# Fifty frames of 20 ms at 12.2 kbit/s (3GPP TS 26.101) with random parameters: nothing here writes AMR.
case("sound.amr", 58)(lambda: b"#!AMR\n" + b"".join(b"\x3c" + noise(1550)[31 * i : 31 * (i + 1)] for i in range(50)))
case("sound.aac", 58)(lambda: ffmpeg("adts", "aac"))
case("flac.oga", 21)(lambda: ffmpeg("ogg", "flac"))
partial("cut.m4a", 4, 58, seconds=4.0)(
    lambda: half(ffmpeg("ipod", "aac", 4.0, options={"movflags": "frag_keyframe+empty_moov"}))
)
partial("cut.webm", 4, 58, seconds=4.0)(lambda: half(ffmpeg("webm", "libopus", 4.0, sample_rate=48_000)))
error("cut_without_index.m4a", "corrupt", 4, 58)(lambda: half(ffmpeg("ipod", "aac")))
error("only_a_picture.mp4", "no_audio_stream", 59)(lambda: ffmpeg("mp4", None, video=True))
error("protected.m4p", "unsupported_encoding", 60)(lambda: ffmpeg("ipod", "aac").replace(b"mp4a", b"drms"))
case("tag_that_is_no_text.mp4", 58)(lambda: ffmpeg("mp4", "aac").replace(b"mp4a", b"\xfe\xed\xfa\xce"))
error("encrypted.mp4", "unsupported_encoding", 60)(lambda: ffmpeg("mp4", "aac").replace(b"mp4a", b"enca"))
error("gzip.wav", "not_audio", 65)(lambda: gzip.compress(wav(), mtime=0))


def _sparse(folder: Path) -> Path:
    path = folder / "sparse_10_gb.wav"
    with path.open("wb") as file:
        file.truncate(10_000_000_000)
    return path


CASES.append(Case("sparse_10_gb.wav", (63,), _sparse, "error", "not_audio", None))
