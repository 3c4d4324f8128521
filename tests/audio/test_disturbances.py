"""Each disturbance against theory: levels, bands, delays and decays that can be computed by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import made_sounds
import numpy as np
import pytest
import soundfile
from made_sounds import harmonic_tone as voice

from emosense.audio import effects, noise
from emosense.audio.disturbances import CATALOGUE, Disturbance
from emosense.audio.effects import FULL_SCALE, at_rate, gain, room, telephone
from emosense.audio.mp3 import check_mp3, encode_mp3, mp3
from emosense.audio.noise import active_power, leading_silence, pink_noise, white_noise
from emosense.audio.resampling import resample
from emosense.audio.waveform import read_native, read_waveform
from emosense.errors import UsageError, as_recording_error
from emosense.features.config import default_config
from emosense.inputs.recording import Recording
from emosense.training.features.extraction import Speed, extract_recordings

RATE = 48_000
# ISO 11172-3 and 13818-3, layer III: kbit/s by the header's index, in MPEG-1 and in MPEG-2 and 2.5.
MPEG1_KBIT_S = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
MPEG2_KBIT_S = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
MPEG1_RATES = (44_100, 48_000, 32_000)


def tone(frequency_hz: float, amplitude: float = 0.1, duration_s: float = 1.0, rate: int = RATE) -> np.ndarray:
    time_s = np.arange(round(duration_s * rate)) / rate
    return (amplitude * np.sin(2 * np.pi * frequency_hz * time_s)).astype(np.float32)


def decibel(power: float) -> float:
    return float(10 * np.log10(power))


def power(waveform: np.ndarray) -> float:
    return float(np.square(waveform, dtype=np.float64).mean())


def band_power(waveform: np.ndarray, low_hz: float, high_hz: float, rate: int = RATE) -> float:
    """Mean power between two frequencies, by Parseval."""
    spectrum = np.abs(np.fft.rfft(waveform.astype(np.float64))) ** 2
    hz = np.fft.rfftfreq(len(waveform), 1 / rate)
    return float(2 * spectrum[(hz >= low_hz) & (hz < high_hz)].sum() / len(waveform) ** 2)


@pytest.mark.parametrize("gain_db", [-30.0, -20.0, -10.0, 10.0])
def test_a_gain_is_what_it_says_in_db(gain_db: float) -> None:
    quiet = tone(440)
    changed, rate = gain(quiet, RATE, gain_db)
    assert rate == RATE
    assert decibel(power(changed) / power(quiet)) == pytest.approx(gain_db, abs=0.001)


def test_what_exceeds_full_scale_is_clipped_as_in_a_16_bit_file() -> None:
    # Amplitude 0.5 becomes 1.58; a sine of 1.58 is beyond 1 for 1 - 2/pi asin(1/1.58) of its time.
    changed, _ = gain(tone(441.7, 0.5), RATE, 10.0)
    beyond = 1 - 2 / np.pi * np.arcsin(1 / (0.5 * 10**0.5))
    n_clipped = np.count_nonzero((changed == -1) | (changed == np.float32(FULL_SCALE)))
    assert n_clipped / RATE == pytest.approx(beyond, abs=0.002)
    assert (changed.min(), changed.max()) == (-1, np.float32(32767 / 32768))


@pytest.mark.parametrize("snr_db", [30.0, 20.0, 10.0])
@pytest.mark.parametrize("add", [white_noise, pink_noise])
def test_the_noise_has_its_distance_from_the_active_level(add: Callable[..., tuple], snr_db: float) -> None:
    # Half a second of tone between pauses: the active level is the tone's, a^2 / 2, whatever the pauses are.
    waveform = np.concatenate((np.zeros(RATE, np.float32), tone(1000, 0.2, 0.5), np.zeros(RATE // 2, np.float32)))
    assert active_power(waveform, RATE) == pytest.approx(0.02, rel=1e-3)
    noisy, rate = add(waveform, RATE, snr_db)
    assert rate == RATE
    assert decibel(0.02 / power(noisy - waveform)) == pytest.approx(snr_db, abs=0.1)


@pytest.mark.parametrize(("add", "octave_db"), [(white_noise, 3.01), (pink_noise, 0.0)])
def test_the_noise_lies_in_the_band_of_speech_and_has_its_colour(add: Callable[..., tuple], octave_db: float) -> None:
    waveform = tone(1000, duration_s=4.0)
    noise = add(waveform, RATE, 10.0)[0] - waveform
    assert band_power(noise, 50, 8001) == pytest.approx(power(noise), rel=1e-3)
    levels = [decibel(band_power(noise, 250 * 2**n, 500 * 2**n)) for n in range(5)]
    assert np.diff(levels) == pytest.approx(octave_db, abs=0.6)


def test_a_recording_of_low_rate_gets_the_noise_that_fits_into_it() -> None:
    waveform = tone(1000, rate=8_000)
    noisy, _ = white_noise(waveform, 8_000, 20.0)
    assert decibel(0.005 / power(noisy - waveform)) == pytest.approx(20.0, abs=0.1)


def test_8_khz_leaves_nothing_above_4_khz() -> None:
    # A fade, since the edges of a tone are a noise of their own.
    both = (tone(1000) + tone(6000)) * np.hanning(RATE).astype(np.float32)
    low, rate = at_rate(both, RATE, 8_000.0)
    assert (rate, len(low)) == (8_000, 8_000)
    back = resample(low, rate, RATE)
    assert band_power(back, 900, 1100) == pytest.approx(band_power(both, 900, 1100), rel=0.01)
    assert decibel(band_power(back, 4100, RATE / 2) / band_power(both, 5900, 6100)) < -80


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
def test_an_mp3_has_64_kbit_s_and_keeps_length_and_place(rate: int) -> None:
    waveform = voice(1.7, 130.0, rate)
    content = encode_mp3(waveform, rate, 64.0)
    rates, position, n_frames = set(), 0, 0
    while position < len(content):
        assert content[position] == 0xFF
        assert content[position + 1] & 0xE0 == 0xE0
        is_mpeg1 = content[position + 1] >> 3 & 3 == 3
        assert is_mpeg1 == (rate in MPEG1_RATES)
        kbit_s = (MPEG1_KBIT_S if is_mpeg1 else MPEG2_KBIT_S)[content[position + 2] >> 4]
        # The first frame holds no sound but LAME's count of frames, delay and padding.
        if n_frames:
            rates.add(kbit_s)
        samples_by_8 = 144 if is_mpeg1 else 72
        position += samples_by_8 * kbit_s * 1000 // rate + (content[position + 2] >> 1 & 1)
        n_frames += 1
    assert rates == {64}
    assert (position, n_frames > 10) == (len(content), True)
    decoded, decoded_rate = mp3(waveform, rate, 64.0)
    assert (len(decoded), decoded_rate) == (len(waveform), rate)
    middle = slice(rate // 2, rate)
    fits = [float(np.dot(decoded[middle], np.roll(waveform, lag)[middle])) for lag in range(-600, 601)]
    assert int(np.argmax(fits)) - 600 == 0
    assert not np.array_equal(decoded, waveform)
    assert decibel(power(decoded - waveform) / power(waveform)) < -15


def test_a_rate_that_mp3_lacks_becomes_one_that_it_has() -> None:
    decoded, rate = mp3(voice(0.5, 150.0, 96_000), 96_000, 64.0)
    assert (len(decoded), rate) == (24_000, 48_000)


def test_a_room_decays_by_60_db_in_its_rt60() -> None:
    impulse = np.zeros(RATE, np.float32)
    impulse[0] = 1
    response, _ = room(impulse, RATE, 0.4)
    assert len(response) == RATE
    assert np.square(response, dtype=np.float64).sum() == pytest.approx(1.0, rel=1e-4)
    assert response[0] ** 2 == pytest.approx(0.5, rel=1e-4)
    # Schroeder's integral from -5 to -25 dB, extrapolated, as ISO 3382 measures it.
    left = np.cumsum(np.square(response[1:], dtype=np.float64)[::-1])[::-1]
    decay_db = 10 * np.log10(left / left[0] + 1e-12)
    start, end = (int(np.argmax(decay_db < level)) for level in (-5, -25))
    assert 3 * (end - start) / RATE == pytest.approx(0.4, rel=0.1)


@pytest.mark.parametrize(("floor_dbfs", "expected"), [(-np.inf, 0.0), (-60.0, 1e-6)])
def test_two_seconds_are_put_before_and_the_recording_stays(floor_dbfs: float, expected: float) -> None:
    waveform = voice(0.5, 150.0, RATE)
    longer, _ = leading_silence(waveform, RATE, floor_dbfs)
    assert len(longer) == 2 * RATE + len(waveform)
    assert power(longer[: 2 * RATE]) == pytest.approx(expected, rel=0.02)
    np.testing.assert_array_equal(longer[2 * RATE :], waveform)


def test_a_telephone_passes_only_its_band() -> None:
    levels = {
        hz: decibel(power(telephone(tone(hz), RATE, 3400.0)[0][RATE // 2 :]) / 0.005)
        for hz in (100, 300, 1000, 3400, 6000)
    }
    assert levels[1000] == pytest.approx(0.0, abs=0.1)
    assert [levels[300], levels[3400]] == pytest.approx([-3.0, -3.0], abs=0.1)
    # A Butterworth band-pass of order 6: 1 / (1 + x^12) with x = (f^2 - 300 x 3400) / (f x 3100).
    assert [levels[100], levels[6000]] == pytest.approx([-61.6, -32.9], abs=2.5)
    slow, rate = telephone(tone(1000, rate=4_000), 4_000, 3400.0)
    assert (rate, decibel(power(slow[2_000:]) / 0.005)) == (4_000, pytest.approx(0.0, abs=0.1))


@pytest.mark.parametrize("disturbance", CATALOGUE, ids=lambda found: found.name)
def test_every_disturbance_is_the_same_whenever_it_is_applied(disturbance: Disturbance) -> None:
    waveform = voice(0.6, 140.0, 22_050)
    kept = waveform.copy()
    first, rate = disturbance.apply(waveform, 22_050)
    second, _ = disturbance.apply(waveform.copy(), 22_050)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(waveform, kept)
    assert first.dtype == np.float32
    assert np.isfinite(first).all()
    added_s = {"silence": 2, "trailing": 30}.get(disturbance.effect, 0)
    assert len(first) / rate == pytest.approx(0.6 + added_s, abs=2 / rate)


def test_every_disturbance_has_a_name_and_a_key_of_its_own() -> None:
    assert len({found.key for found in CATALOGUE}) == len({found.name for found in CATALOGUE}) == len(CATALOGUE)
    assert all(found.description for found in CATALOGUE)


@pytest.mark.parametrize(
    ("module", "name", "value"),
    [
        (effects, "VERSION", 2),
        (noise, "SILENCE_S", 3.0),
        (noise, "NOISE_BAND_HZ", (50.0, 7000.0)),
        (noise, "ACTIVE_DB", 20.0),
    ],
)
def test_the_key_changes_with_the_constants(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str, value: object
) -> None:
    # They are not settings, and a developer's change of one must not find what was extracted before.
    before = [found.key for found in CATALOGUE]
    monkeypatch.setattr(module, name, value)
    assert not set(before) & {found.key for found in CATALOGUE}


def test_a_libsndfile_without_mp3_is_refused_with_what_to_install() -> None:
    with pytest.raises(UsageError, match=r"libsndfile \S+ cannot write MP3.*use 1.1 or later"):
        check_mp3(["WAV", "FLAC"])
    check_mp3()


def test_two_recordings_get_different_noise() -> None:
    low, high = tone(1000), tone(1001)
    assert not np.allclose(white_noise(low, RATE, 20.0)[0] - low, white_noise(high, RATE, 20.0)[0] - high, atol=1e-3)


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
def test_a_recording_resampled_as_a_whole_has_the_readers_values(rate: int, tmp_path: Path) -> None:
    # Longer than one block of the reader.
    soundfile.write(tmp_path / "x.wav", voice(12.0, 150.0, rate), rate)
    with open(tmp_path / "x.wav", "rb", buffering=0) as file:
        expected = read_waveform(file, 16_000)
    with open(tmp_path / "x.wav", "rb", buffering=0) as file:
        waveform, found_rate = read_native(file)
    assert found_rate == rate
    np.testing.assert_allclose(resample(waveform, rate, 16_000), expected, atol=1e-6)


def features(path: Path, variant: Speed | Disturbance | None) -> dict[str, object]:
    (result,) = extract_recordings([Recording(str(path), str(path), -1, "")], default_config("logmel"), variant)
    return result


def test_features_of_a_disturbed_recording_are_those_of_such_a_recording(
    tmp_path: Path, write_voice: Callable[..., Path]
) -> None:
    path = write_voice("a.wav", duration_s=1.0, rate=44_100)
    noisy = next(found for found in CATALOGUE if found.name == "white noise, 10 dB")
    with open(path, "rb", buffering=0) as file:
        disturbed, rate = noisy.apply(*read_native(file))
    soundfile.write(tmp_path / "noisy.wav", disturbed, rate, subtype="FLOAT")
    expected = features(tmp_path / "noisy.wav", None)
    found = features(path, noisy)
    assert found["n_frames"] == expected["n_frames"]
    np.testing.assert_allclose(found["features"], expected["features"], atol=1e-3)
    assert not np.allclose(features(path, None)["features"], expected["features"], atol=1.0)


def test_a_fault_of_ours_is_the_row_of_its_recording(write_voice: Callable[..., Path]) -> None:
    found = features(write_voice("a.wav"), Speed(0.0))
    assert found["error_code"] == "internal_error"
    assert str(found["error"]).startswith("ZeroDivisionError at extraction.py:")
    assert as_recording_error(MemoryError()).code == "out_of_memory"


def test_a_recording_that_is_silent_after_its_disturbance_is_an_error(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "faint.wav", 2e-4 * made_sounds.voice(1.0, sample_rate=RATE), RATE, subtype="FLOAT")
    assert features(tmp_path / "faint.wav", None)["error_code"] == ""
    faint = features(tmp_path / "faint.wav", next(found for found in CATALOGUE if found.name == "gain -30 dB"))
    assert faint["error_code"] == "no_speech"
    assert "gain -30 dB" in str(faint["error"])
