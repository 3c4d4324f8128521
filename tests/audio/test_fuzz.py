"""Damaged recordings by the thousand: no crash, no hang, and one valid row for each.

The seeds are short clips in every container and codec that can be written here. Each is damaged like by networks,
disks and users, and labelled from memory by the real worker process, so that a crash is noticed. The
mutations are seeded: file `i` of a seed is the same in every run, and `mutated` makes it again.
"""

from __future__ import annotations

import collections
import functools
import io
import math
import re
import tempfile
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import bad_audio
import numpy as np
import pytest

from emosense.audio.waveform import read_waveform
from emosense.errors import ERROR_CODES
from emosense.inputs.recording import Recording
from emosense.labelling.config import LabelConfig, LabelSpec
from emosense.labelling.subprocess_labeller import SubprocessLabeller
from emosense.models.model_files import read_model
from emosense.tables.row import Row

N_FILES = 20_000
SECONDS = 0.4
TIMEOUT_S = 10.0
MAX_DURATION_S = 60.0
# About 200 MB, most of which is the runtime of the model.
MAX_RSS_MB = 400
# A batch lies in memory while the worker reads it.
BATCH = 100

SNDFILE = (
    ("WAV", "PCM_16"), ("WAV", "PCM_24"), ("WAV", "FLOAT"), ("WAV", "ULAW"), ("WAV", "IMA_ADPCM"), ("WAV", "MS_ADPCM"),
    ("WAV", "GSM610"), ("WAVEX", "PCM_16"), ("RF64", "PCM_16"), ("W64", "PCM_16"), ("AIFF", "PCM_16"), ("AU", "PCM_16"),
    ("CAF", "PCM_16"), ("CAF", "ALAC_16"), ("NIST", "PCM_16"), ("FLAC", "PCM_16"), ("FLAC", "PCM_24"),
    ("OGG", "VORBIS"), ("OGG", "OPUS"),
)  # fmt: skip
FFMPEG = (
    ("ipod", "aac", 16_000), ("mp4", "alac", 16_000), ("adts", "aac", 16_000), ("webm", "libopus", 16_000),
    ("matroska", "aac", 16_000), ("flv", "aac", 16_000), ("ogg", "flac", 8_000), ("wav", "libmp3lame", 16_000),
    ("wv", "wavpack", 8_000), ("tta", "tta", 8_000), ("ac3", "ac3", 32_000), ("avi", "mp2", 16_000),
)  # fmt: skip


def wma() -> bytes:
    """Encode the voice as WMA, which wants a bit rate of its own."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="asf") as output:
        sound: Any = output.add_stream("wmav2", rate=16_000)
        sound.layout, sound.bit_rate = "mono", 32_000
        samples = bad_audio.voice(SECONDS)[None, :]
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 16_000, 0
        output.mux(sound.encode(frame))
        output.mux(sound.encode(None))
    return buffer.getvalue()


def many_channels(layout: str, n_channels: int) -> bytes:
    """Encode the voice as AAC in every channel, the first one loud and the last one quiet."""
    samples = np.outer(bad_audio.voice(SECONDS), np.linspace(1, 0.25, n_channels)).astype(np.float32)
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="ipod") as output:
        sound: Any = output.add_stream("aac", rate=16_000)
        sound.layout = layout
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="flt", layout=layout)
        frame.sample_rate, frame.pts = 16_000, 0
        output.mux(sound.encode(frame))
        output.mux(sound.encode(None))
    return buffer.getvalue()


SEEDS: dict[str, Callable[[], bytes]] = {
    **{f"{f}-{s}".lower(): functools.partial(bad_audio.encoded, f, s, SECONDS, 8_000) for f, s in SNDFILE},
    **{f"{f}-{codec}": functools.partial(bad_audio.ffmpeg, f, codec, SECONDS, rate) for f, codec, rate in FFMPEG},
    "asf-wmav2": wma,
    "ipod-aac-7.1": functools.partial(many_channels, "7.1", 8),
    "mp3-counted": functools.partial(bad_audio.mp3, SECONDS),
    "mp3-uncounted": functools.partial(bad_audio.mp3, SECONDS, xing=False),
    "flac-verbatim": functools.partial(bad_audio.flac, seconds=SECONDS),
}
N_EACH = {name: N_FILES // len(SEEDS) + (i < N_FILES % len(SEEDS)) for i, name in enumerate(SEEDS)}

# ----------------------------------------------------------------------------------------------------------- mutations

# Where sizes, counts and offsets have their edges.
EDGES = (
    0,
    1,
    2,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x7FFF_FFFF,
    0x8000_0000,
    0xFFFF_FFFF,
    1 << 62,
    (1 << 64) - 1,
)
HEADER_BYTES = 200
Mutation = Callable[[bytearray, np.random.Generator], None]


def span(data: bytearray, random: np.random.Generator) -> tuple[int, int]:
    """Choose a part of the file, short ones more often than long ones."""
    length = round(len(data) ** random.uniform(0, 1))
    start = int(random.integers(0, max(1, len(data) - length)))
    return start, start + length


def flip_bits(data: bytearray, random: np.random.Generator) -> None:
    for place in random.integers(0, len(data), random.integers(1, 17)):
        data[place] ^= 1 << int(random.integers(0, 8))


def truncate(data: bytearray, random: np.random.Generator) -> None:
    del data[int(random.integers(1, len(data) + 1)) :]


def splice(data: bytearray, random: np.random.Generator) -> None:
    """Overwrite one part of the file with another."""
    start, end = span(data, random)
    target = int(random.integers(0, len(data)))
    data[target : target + end - start] = data[start:end]


def cross(data: bytearray, random: np.random.Generator) -> None:
    """Overwrite a part with one of another format."""
    other = seed(list(SEEDS)[int(random.integers(0, len(SEEDS)))])
    start, end = span(bytearray(other), random)
    target = int(random.integers(0, len(data)))
    data[target : target + end - start] = other[start:end]


def overwrite_field(data: bytearray, random: np.random.Generator) -> None:
    """Put a value at the edge of its range into the header, or behind the name of a chunk."""
    width = (1, 2, 4, 8)[int(random.integers(0, 4))]
    names = [match.end() for match in re.finditer(rb"[A-Za-z][A-Za-z0-9 ]{3}", bytes(data[: 4 * HEADER_BYTES]))]
    is_chunk = bool(names) and random.random() < 0.5
    place = names[int(random.integers(0, len(names)))] if is_chunk else int(random.integers(0, HEADER_BYTES))
    value = EDGES[int(random.integers(0, len(EDGES)))] & ((1 << 8 * width) - 1)
    data[place : place + width] = value.to_bytes(width, "little" if random.random() < 0.5 else "big")


def duplicate_chunk(data: bytearray, random: np.random.Generator) -> None:
    """Repeat what lies between the names of two chunks, or any part if there are none."""
    names = [match.start() for match in re.finditer(rb"OggS|[A-Za-z][A-Za-z0-9 ]{3}", bytes(data))]
    start, end = span(data, random)
    if len(names) > 1 and random.random() < 0.7:
        i = int(random.integers(0, len(names) - 1))
        start, end = names[i], names[i + 1]
    data[end:end] = data[start:end] * int(random.integers(1, 4))


def remove(data: bytearray, random: np.random.Generator) -> None:
    start, end = span(data, random)
    if end - start < len(data):
        del data[start:end]


def insert_noise(data: bytearray, random: np.random.Generator) -> None:
    place = int(random.integers(0, len(data)))
    data[place:place] = random.bytes(int(random.integers(1, 2000)))


MUTATIONS: tuple[Mutation, ...] = (
    flip_bits, truncate, splice, cross, overwrite_field, overwrite_field, duplicate_chunk, remove, insert_noise,
)  # fmt: skip


@functools.cache
def seed(name: str) -> bytes:
    return SEEDS[name]()


def mutated(name: str, i: int) -> bytes:
    """Make file `i` of a seed: one to three mutations, one after the other."""
    random = np.random.default_rng([zlib.crc32(name.encode()), i])
    data = bytearray(seed(name))
    for _ in range(int(random.integers(1, 4))):
        MUTATIONS[int(random.integers(0, len(MUTATIONS)))](data, random)
    return bytes(data)


# --------------------------------------------------------------------------------------------------------------- tests

pytestmark = pytest.mark.slow

# What damage may come to. Nothing else is the file's: not a crash, a hang, a fault of ours, or of the model.
CODES = {
    "empty_file", "not_audio", "corrupt", "bad_header", "bad_sample_rate", "too_many_channels", "no_samples",
    "unsupported_encoding", "no_audio_stream", "stream_changes", "non_finite", "no_speech", "too_short", "too_long",
    "truncated",
}  # fmt: skip


@pytest.fixture(scope="module")
def labeller(tiny_model: str) -> Iterator[SubprocessLabeller]:
    spec = LabelSpec(read_model(tiny_model), LabelConfig(max_duration_s=MAX_DURATION_S), file_timeout_s=TIMEOUT_S)
    with SubprocessLabeller(spec) as running:
        yield running


@pytest.fixture(scope="module")
def tally(
    request: pytest.FixtureRequest, record_testsuite_property: Callable[[str, object], None]
) -> Iterator[collections.Counter[str]]:
    """Count what becomes of the files; said when all are through."""
    outcomes: collections.Counter[str] = collections.Counter()
    yield outcomes
    text = ", ".join(f"{count:,} {outcome}" for outcome, count in outcomes.most_common())
    record_testsuite_property("fuzz", f"{outcomes.total():,} damaged recordings: {text}")
    terminal = request.config.pluginmanager.get_plugin("terminalreporter")
    capture = request.config.pluginmanager.get_plugin("capturemanager")
    with capture.global_and_fixture_disabled():
        terminal.write_line(f"\nfuzz: {outcomes.total():,} damaged recordings: {text}")


@pytest.fixture
def memory() -> Iterator[Path]:
    """Give a folder in memory, where the system has one."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="emosense-fuzz-", dir=shared if shared.is_dir() else None) as folder:
        yield Path(folder)


def fault(row: Row) -> str:
    """Say what is wrong with a row; empty for a valid one."""
    if row.status == "error":
        is_valid = row.error_code in CODES and bool(row.error) and not row.probabilities
        return "" if is_valid else f"{row.error_code}: {row.error}"
    if (row.status, row.error_code) not in (("ok", ""), ("partial", "truncated")):
        return f"{row.status} with {row.error_code!r}"
    if len(row.probabilities) != 8 or not all(0 <= p <= 1 for p in row.probabilities):
        return f"probabilities {row.probabilities}"
    # Each is rounded to four digits or more.
    if abs(sum(row.probabilities) - 1) > 8 * 0.5e-4:
        return f"probabilities that sum to {sum(row.probabilities)}"
    decoded_s, duration_s = row.decoded_s or 0.0, row.duration_s or 0.0
    is_shorter = decoded_s < duration_s if row.status == "partial" else decoded_s == duration_s
    if not (math.isfinite(duration_s) and 0.25 <= decoded_s <= MAX_DURATION_S and is_shorter):
        return f"{row.status} with {decoded_s} of {duration_s} s"
    return ""


def label(labeller: SubprocessLabeller, memory: Path, contents: list[bytes]) -> list[Row]:
    """Label files that lie in memory; each has its row, in order."""
    recordings = []
    for i, content in enumerate(contents):
        path = memory / f"{i}.bin"
        path.write_bytes(content)
        recordings.append(Recording(str(i), str(path), len(content), ""))
    rows = [labelled.row for labelled in labeller.label_batch(recordings)]
    assert [row.path for row in rows] == [recording.path for recording in recordings]
    return rows


def process_id(labeller: SubprocessLabeller) -> int:
    assert labeller.worker._process is not None
    return labeller.worker._process.pid


def peak_rss_mb(process: int) -> float:
    status = Path(f"/proc/{process}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024


def test_20_000_damaged_recordings_are_tried() -> None:
    assert sum(N_EACH.values()) == N_FILES
    assert len(SEEDS) >= 35
    assert set(ERROR_CODES) > CODES


@pytest.mark.parametrize("name", SEEDS)
def test_the_undamaged_recording_is_labelled(name: str, labeller: SubprocessLabeller, memory: Path) -> None:
    (row,) = label(labeller, memory, [seed(name)])
    assert row.status == "ok", row.error
    assert row.duration_s == pytest.approx(SECONDS, abs=0.15)


@pytest.mark.parametrize("name", SEEDS)
def test_every_damaged_recording_gives_one_valid_row_and_the_worker_lives(
    name: str, labeller: SubprocessLabeller, memory: Path, tally: collections.Counter[str]
) -> None:
    label(labeller, memory, [seed(name)])
    worker = process_id(labeller)
    n_files, faults = 0, []
    for start in range(0, N_EACH[name], BATCH):
        numbers = range(start, min(start + BATCH, N_EACH[name]))
        for i, row in zip(numbers, label(labeller, memory, [mutated(name, i) for i in numbers]), strict=True):
            n_files += 1
            tally[row.error_code or row.status] += 1
            if fault(row):
                faults.append(f"mutated({name!r}, {i}): {fault(row)}")
    assert faults == []
    assert n_files == N_EACH[name]
    # A file that kills its worker once and not the second time has a valid row, and is a crash all the same.
    assert process_id(labeller) == worker, "the worker died and was started again"
    assert peak_rss_mb(worker) < MAX_RSS_MB


# ------------------------------------------------------------------------------------------------- what the fuzz found


def test_a_tag_that_claims_two_gigabytes_gets_no_memory(tmp_path: Path) -> None:
    content = bytearray(seed("tta-tta"))
    # An item of an APE tag has the length of its value and its flags before its name.
    place = content.rindex(b"encoder\0") - 8
    content[place : place + 4] = (0x7000_0000).to_bytes(4, "little")
    path = tmp_path / "a.tta"
    path.write_bytes(content)
    tracemalloc.start()
    try:
        with path.open("rb", buffering=0) as file:
            assert len(read_waveform(file, 16_000)) == pytest.approx(16_000 * SECONDS, abs=1)
        assert tracemalloc.get_traced_memory()[1] < 100 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["ipod-aac", "webm-libopus", "flv-aac", "wv-wavpack", "tta-tta", "ogg-flac"])
def test_tags_that_are_not_utf_8_are_no_damage_to_the_sound(name: str, tmp_path: Path) -> None:
    content = seed(name)
    assert b"Lavf" in content
    path = tmp_path / name
    path.write_bytes(content.replace(b"Lavf", b"L\xe4vf"))
    with path.open("rb", buffering=0) as file:
        assert len(read_waveform(file, 16_000)) == pytest.approx(16_000 * SECONDS, abs=16_000 * 0.15)


@pytest.mark.parametrize(("layout", "n_channels"), [("5.1", 6), ("7.1", 8), ("7.1(wide)", 8), ("hexadecagonal", 16)])
def test_eight_channels_and_more_are_read(
    layout: str, n_channels: int, labeller: SubprocessLabeller, memory: Path
) -> None:
    content = many_channels(layout, n_channels)
    (row,) = label(labeller, memory, [content])
    assert row.status == "ok", row.error
    with (memory / "0.bin").open("rb", buffering=0) as file:
        waveform = read_waveform(file, 16_000)
    expected = 0.625 * bad_audio.voice(SECONDS)
    # The mean of the channels; AAC loses a little, and only the low band of the subwoofer channel remains.
    assert np.corrcoef(waveform[: len(expected)], expected)[0, 1] > 0.98
    assert np.std(waveform[: len(expected)]) == pytest.approx(np.std(expected), rel=0.15)
