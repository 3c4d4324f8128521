"""The one reader: mono rule, resampler, windows, limits, and memory that does not grow with the recording."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
import soundfile
import soxr
from bad_audio import CASES
from conftest import REPOSITORY
from hypothesis import given, settings
from hypothesis import strategies as st
from made_sounds import voice

from emosense.audio.reader import MIN_DURATION_S, RecordingReader
from emosense.audio.segment import Segment
from emosense.audio.sound_file import BLOCK_SAMPLES
from emosense.audio.waveform import read_waveform
from emosense.errors import RecordingError

RATE = 16_000


def sine(hz: float, seconds: float, sample_rate: int = RATE, peak: float = 0.5) -> np.ndarray:
    t = np.arange(round(seconds * sample_rate)) / sample_rate
    return (peak * np.sin(2 * np.pi * hz * t)).astype(np.float32)


def opened(samples: np.ndarray, sample_rate: int = RATE, subtype: str = "FLOAT") -> BinaryIO:
    """Write samples to a file without a name, and give it ready to be read."""
    content = io.BytesIO()
    soundfile.write(content, samples, sample_rate, subtype, format="WAV")
    file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 (the file lives as long as what reads it)
    file.write(content.getvalue())
    return file


def segments_of(n: int, window: int, hop: int) -> tuple[list[Segment], np.ndarray, RecordingReader]:
    """Read n samples, each of them another value, in windows."""
    samples = np.linspace(-0.9, 0.9, n, dtype=np.float32)
    with opened(samples) as file:
        reader = RecordingReader(file, RATE)
        return list(reader.segments(window / RATE, hop / RATE)), samples, reader


# -------------------------------------------------------------------------------------------------------------- mono


def test_channels_that_nobody_speaks_on_are_averaged() -> None:
    left, right = sine(200, 1.0), sine(300, 1.0, peak=0.25)
    with opened(np.stack((left, right), 1)) as file:
        np.testing.assert_allclose(read_waveform(file, RATE), (left + right) / 2, atol=1e-7)


def test_channels_are_split_after_one_decode_with_the_waveforms_that_each_has_alone() -> None:
    left, right = (voice(2.5, pitch_hz, 44_100) for pitch_hz in (120.0, 220.0))
    alone = []
    for samples in (left, right):
        with opened(samples, 44_100) as file:
            alone.append([segment.waveform for segment in RecordingReader(file, RATE).segments(1.0, 1.0)])
    with opened(np.stack((left, right), 1), 44_100) as file:
        reader = RecordingReader(file, RATE, channels="split")
        segments = list(reader.segments(1.0, 1.0))
    assert reader.channels == (1, 2)
    assert [(segment.channel, segment.start_s) for segment in segments] == [
        (channel, start_s) for start_s in (0.0, 1.0, 2.0) for channel in (1, 2)
    ]
    for channel, expected in enumerate(alone, 1):
        found = [segment.waveform for segment in segments if segment.channel == channel]
        for waveform, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(waveform, other)


def test_one_channel_is_read_as_if_there_were_no_other() -> None:
    left, right = voice(1.0), sine(200, 1.0)
    for number, expected in (("1", left), ("2", right)):
        with opened(np.stack((left, right), 1)) as file:
            (segment,) = RecordingReader(file, RATE, channels=number).segments(2.0, 2.0)
        np.testing.assert_array_equal(segment.waveform, expected)
        assert segment.channel is None
    with opened(np.stack((left, right), 1)) as file, pytest.raises(RecordingError, match="recording has 2") as caught:
        RecordingReader(file, RATE, channels="3")
    assert caught.value.code == "no_channel"


def test_a_bad_sample_in_one_channel_does_not_keep_another_from_being_read() -> None:
    damaged = voice(1.0)
    damaged[100] = np.nan
    with opened(np.stack((voice(1.0), damaged), 1)) as file:
        (segment,) = RecordingReader(file, RATE, channels="1").segments(2.0, 2.0)
        np.testing.assert_array_equal(segment.waveform, voice(1.0))
        with pytest.raises(RecordingError, match="NaN"):
            list(RecordingReader(file, RATE).segments(2.0, 2.0))


def test_clipping_is_counted_in_each_channel_before_mixing_and_resampling() -> None:
    quiet = 0.1 * voice(1.0, 150.0, 44_100)
    clipped = np.clip(20 * voice(1.0, 150.0, 44_100), -1, 1)
    share = float(np.mean(np.abs(clipped) == 1))
    assert share > 0.3
    for channels, expected in (("split", (0.0, share)), ("1", (0.0,)), ("2", (share,)), ("mix", (share,))):
        with opened(np.stack((quiet, clipped), 1), 44_100) as file:
            reader = RecordingReader(file, RATE, channels=channels)
            for _ in reader.segments(0.3, 0.3):
                pass
        assert [reader.clipping.ratio(channel) for channel in reader.channels] == pytest.approx(expected, abs=1e-3)


def test_a_clipped_channel_is_left_out_of_a_mix_with_the_same_speech_unclipped() -> None:
    quiet = 0.1 * voice(2.0, 150.0, 44_100)
    clipped = np.clip(200 * quiet, -1, 1)
    with opened(quiet, 44_100) as file, opened(np.stack((clipped, quiet), 1), 44_100) as both:
        np.testing.assert_allclose(read_waveform(both, RATE), read_waveform(file, RATE), atol=1e-6)
        windows = list(RecordingReader(both, RATE).segments(0.5, 0.5))
        alone = list(RecordingReader(file, RATE).segments(0.5, 0.5))
    assert len(windows) == 4
    for window, expected in zip(windows, alone, strict=True):
        np.testing.assert_allclose(window.waveform, expected.waveform, atol=1e-6)


# -------------------------------------------------------------------------------------------------------- resampling


@pytest.mark.parametrize("sample_rate", [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000])
def test_blocks_are_resampled_as_the_whole_recording_is(sample_rate: int) -> None:
    samples = sine(440, 9.3, sample_rate) + sine(2_500, 9.3, sample_rate, 0.1)
    with opened(samples, sample_rate) as file:
        waveform = read_waveform(file, RATE)
    np.testing.assert_allclose(waveform, soxr.resample(samples, sample_rate, RATE, "HQ"), atol=1e-6)


@pytest.mark.parametrize("sample_rate", [8_000, 11_025, 22_050, 44_100, 48_000, 96_000])
def test_a_tone_keeps_its_pitch_level_and_length(sample_rate: int) -> None:
    with opened(sine(1_000, 2.0, sample_rate), sample_rate) as file:
        waveform = read_waveform(file, RATE)
    assert len(waveform) == pytest.approx(2 * RATE, abs=1)
    middle = waveform[RATE // 2 : 3 * RATE // 2]
    spectrum = np.abs(np.fft.rfft(middle)) / (len(middle) / 2)
    assert np.argmax(spectrum) == 1_000
    assert spectrum[1_000] == pytest.approx(0.5, rel=1e-3)


def test_one_recording_leaves_nothing_in_the_resampler_for_the_next() -> None:
    loud, quiet = sine(300, 1.0, 44_100, 0.9), sine(700, 1.0, 44_100, 0.01)
    with opened(quiet, 44_100) as file:
        expected = read_waveform(file, RATE)
    with opened(loud, 44_100) as file:
        next(RecordingReader(file, RATE).segments(0.3, 0.3))
    with opened(quiet, 44_100) as file:
        np.testing.assert_array_equal(read_waveform(file, RATE), expected)


def test_recordings_that_are_read_at_once_do_not_disturb_each_other() -> None:
    signals = [sine(hz, 2.0, 44_100, 0.5) for hz in (300, 700)]
    alone = []
    for signal in signals:
        with opened(signal, 44_100) as file:
            alone.append([segment.waveform for segment in RecordingReader(file, RATE).segments(0.5, 0.5)])
    with opened(signals[0], 44_100) as first, opened(signals[1], 44_100) as second:
        readers = [RecordingReader(file, RATE).segments(0.5, 0.5) for file in (first, second)]
        for left, right, *expected in zip(*readers, *alone, strict=True):
            np.testing.assert_array_equal(left.waveform, expected[0])
            np.testing.assert_array_equal(right.waveform, expected[1])


def test_threads_may_read_at_once() -> None:
    signals = [sine(hz, 3.0, 48_000, 0.5) for hz in (300, 500, 700, 900)]

    def read(signal: np.ndarray) -> np.ndarray:
        with opened(signal, 48_000) as file:
            return read_waveform(file, RATE)

    alone = [read(signal) for signal in signals]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            for found, expected in zip(pool.map(read, signals), alone, strict=True):
                np.testing.assert_array_equal(found, expected)


def test_a_sign_of_life_comes_with_every_block_and_long_windows_cost_no_more() -> None:
    signs: list[int] = []
    with opened(sine(300, 60.0, 8_000, 0.5), 8_000) as file:
        reader = RecordingReader(file, 8_000, on_block=lambda: signs.append(1))
        (segment,) = reader.segments(3_600.0, 3_600.0)
    assert len(segment.waveform) == 60 * 8_000
    assert len(signs) == -(-60 * 8_000 // BLOCK_SAMPLES) > 1


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "PCM_U8", "ULAW"])
def test_samples_are_scaled_as_soundfile_scales_them(subtype: str) -> None:
    every_value = (np.arange(-32_768, 32_768) / 32_768).astype(np.float32)
    with opened(every_value, RATE, subtype) as file:
        waveform = read_waveform(file, RATE)
        file.seek(0)
        expected, _ = soundfile.read(file.fileno(), dtype="float32", closefd=False)
    np.testing.assert_array_equal(waveform, expected)


def test_the_lowest_16_bit_value_is_minus_one() -> None:
    with opened(np.tile(np.array([-1.0, 0.5], np.float32), 8_000), RATE, "PCM_16") as file:
        waveform = read_waveform(file, RATE)
    assert (waveform.min(), waveform.max()) == (-1.0, 0.5)


# ----------------------------------------------------------------------------------------------------------- windows


@pytest.mark.parametrize("n", [4_000, 8_000, 15_999, 16_000])
def test_a_recording_of_at_most_one_window_is_one_segment(n: int) -> None:
    segments, samples, _ = segments_of(n, window=16_000, hop=16_000)
    assert [(segment.start_s, segment.end_s) for segment in segments] == [(0.0, n / RATE)]
    np.testing.assert_array_equal(segments[0].waveform, samples)


def test_windows_that_fill_the_recording_exactly_leave_no_empty_one() -> None:
    segments, _, _ = segments_of(48_000, window=16_000, hop=16_000)
    assert [(segment.start_s, segment.end_s) for segment in segments] == [(0.0, 1.0), (1.0, 2.0), (2.0, 3.0)]


def test_a_remainder_as_long_as_a_recording_may_be_is_a_segment_and_a_shorter_one_is_not() -> None:
    with_remainder, _, _ = segments_of(32_000 + 4_000, window=16_000, hop=16_000)
    without, _, reader = segments_of(32_000 + 3_999, window=16_000, hop=16_000)
    assert [segment.end_s for segment in with_remainder] == [1.0, 2.0, 2.25]
    assert [segment.end_s for segment in without] == [1.0, 2.0]
    assert reader.duration_s == reader.decoded_s == 35_999 / RATE


def test_windows_that_overlap_start_a_hop_apart() -> None:
    segments, samples, _ = segments_of(40_000, window=16_000, hop=8_000)
    assert [segment.start_s for segment in segments] == [0.0, 0.5, 1.0, 1.5]
    assert [segment.end_s for segment in segments] == [1.0, 1.5, 2.0, 2.5]
    for segment in segments:
        start = round(segment.start_s * RATE)
        np.testing.assert_array_equal(segment.waveform, samples[start : start + 16_000])


def test_a_remainder_that_the_window_before_has_covered_is_no_segment() -> None:
    # Of the 8 100 samples after the last full window's start, 100 are new.
    segments, _, _ = segments_of(16_000 + 100, window=16_000, hop=8_000)
    assert [(segment.start_s, segment.end_s) for segment in segments] == [(0.0, 1.0)]


@settings(max_examples=60, deadline=None)
@given(st.integers(4_000, 150_000), st.integers(8_000, 40_000), st.floats(0.2, 1.0))
def test_every_sample_is_in_a_segment_but_for_a_remainder_too_short_for_one(
    n: int, window: int, overlap: float
) -> None:
    hop = round(window * overlap)
    segments, samples, reader = segments_of(n, window, hop)
    covered = np.zeros(n, bool)
    for i, segment in enumerate(segments):
        start = round(segment.start_s * RATE)
        assert start == i * hop
        assert round(segment.end_s * RATE) == start + len(segment.waveform) <= n
        assert len(segment.waveform) == window or i == len(segments) - 1
        np.testing.assert_array_equal(segment.waveform, samples[start : start + len(segment.waveform)])
        covered[start : start + len(segment.waveform)] = True
    n_covered = int(covered.sum())
    assert covered[:n_covered].all()
    assert n - n_covered < MIN_DURATION_S * RATE
    assert reader.decoded_s == reader.duration_s == n / RATE
    assert not reader.is_partial


# ------------------------------------------------------------------------------------------------------------ limits


@pytest.mark.parametrize("sample_rate", [8_000, 11_025, 16_000, 44_100, 48_000])
def test_the_shortest_recording_lasts_a_quarter_of_a_second(sample_rate: int) -> None:
    shortest = -(-sample_rate // 4)
    samples = sine(300, 1.0, sample_rate)
    for n in (shortest, shortest + 1):
        with opened(samples[:n], sample_rate) as file:
            assert len(read_waveform(file, RATE)) == pytest.approx(n * RATE / sample_rate, abs=1)
    with (
        opened(samples[: shortest - 1], sample_rate) as file,
        pytest.raises(RecordingError, match=r"0\.25 s") as caught,
    ):
        read_waveform(file, RATE)
    assert caught.value.code == "too_short"


def test_a_recording_beyond_the_limit_is_refused_and_one_at_the_limit_is_not() -> None:
    with opened(sine(300, 3.0)) as file:
        assert len(read_waveform(file, RATE, max_duration_s=3.0)) == 3 * RATE
        with pytest.raises(RecordingError, match=r"limit of 2\.9 s") as caught:
            read_waveform(file, RATE, max_duration_s=2.9)
    assert caught.value.code == "too_long"


def test_a_sound_beyond_hearing_of_the_model_is_no_speech() -> None:
    # Faded in and out: a tone that starts abruptly is a click, which has all frequencies.
    samples = sine(20_000, 1.0, 48_000) * np.hanning(48_000).astype(np.float32)
    with opened(samples, 48_000) as file, pytest.raises(RecordingError, match="silence") as caught:
        read_waveform(file, RATE)
    assert caught.value.code == "no_speech"


def test_one_step_of_16_bit_audio_is_no_silence() -> None:
    samples = np.zeros(RATE, np.int16)
    samples[5_000] = 1
    with opened(samples, RATE, "PCM_16") as file:
        assert read_waveform(file, RATE).max() == np.float32(1 / 32_768)


# ------------------------------------------------------------------------------------------------------------ memory

_MEASURE = """
import json, sys
from pathlib import Path
sys.path.insert(0, "tests")
from steady_model import label
# Not ru_maxrss, which a process takes over from the one that started it.
def peak_mb(): return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024
label(Path(sys.argv[1]))
before_mb = peak_mb()
row = label(Path(sys.argv[2]))
print(json.dumps([row.status, row.error_code, row.decoded_s, peak_mb() - before_mb]))
"""


def test_a_small_file_that_unpacks_to_much_costs_little_memory(tmp_path: Path) -> None:
    sample_rate, n_channels, seconds = 96_000, 8, 200
    bomb, short = tmp_path / "bomb.flac", tmp_path / "short.flac"
    # One sample of the softest sound a second: not silent, and packed to next to nothing.
    second = np.zeros((sample_rate, n_channels), np.int16)
    second[1000] = 8
    for path, n in ((bomb, seconds), (short, 2)):
        with soundfile.SoundFile(path, "w", sample_rate, n_channels, "PCM_16", format="FLAC") as file:
            for _ in range(n):
                file.write(second)
    unpacked_mb = sample_rate * n_channels * seconds * 4 / 2**20
    assert unpacked_mb > 580
    assert bomb.stat().st_size < 2**20
    command = [sys.executable, "-c", _MEASURE, str(short), str(bomb)]
    result = subprocess.run(command, capture_output=True, text=True, check=True, cwd=REPOSITORY)
    status, code, decoded_s, growth_mb = json.loads(result.stdout)
    assert (status, code, decoded_s) == ("error", "no_speech", None)
    # A block of 65 536 frames is 2 MiB, a window of 10 s 0.6 MiB a channel.
    assert growth_mb < 60


def test_giant_metadata_cost_little_memory(tmp_path: Path) -> None:
    short, giant = (
        next(case for case in CASES if case.name == name).make(tmp_path)
        for name in ("wrong_md5.flac", "giant_picture.flac")
    )
    command = [sys.executable, "-c", _MEASURE, str(short), str(giant)]
    result = subprocess.run(command, capture_output=True, text=True, check=True, cwd=REPOSITORY)
    status, code, decoded_s, growth_mb = json.loads(result.stdout)
    assert (status, code, decoded_s) == ("ok", "", 1.0)
    # The picture itself has 16 MiB.
    assert growth_mb < 100
