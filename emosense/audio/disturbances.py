"""A waveform -> the same speech as another level, file, line or room would have given it.

Takes and gives a mono waveform with its sample rate, which is the recording's own: a disturbance comes before all that
a model does. Nothing is left to chance: noise and rooms are drawn with the checksum of the recording's samples as seed,
so that every run, engine and batch hears the same ones.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import tempfile
import zlib
from collections.abc import Callable, Iterable
from typing import Final

import numpy as np
import scipy.fft
import scipy.signal
import soundfile
from numpy.typing import NDArray

from emosense.arrays import Float32
from emosense.audio.reader import read_native
from emosense.audio.resampling import resample
from emosense.errors import UsageError

# One more whenever an effect gives other samples than before: what was extracted with the old one is not used again.
VERSION: Final = 1
SILENCE_S: Final = 2.0
# What speech recognition hears lies within; noise in ultrasound would flatter a recording at 48 kHz.
NOISE_BAND_HZ: Final = (50.0, 8000.0)
# The largest sample of a 16-bit file.
FULL_SCALE: Final = 32767 / 32768
_FRAME_S: Final = 0.02
_ACTIVE_DB: Final = 30.0
_TELEPHONE_LOW_HZ: Final = 300.0
_MP3_RATES_HZ: Final = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
# Lowest rate of MPEG-1, MPEG-2 and MPEG-2.5, and the range of bit rates that libsndfile spreads over its one number.
_MP3_KBIT_S: Final = ((32_000, 32, 320), (16_000, 8, 160), (0, 8, 64))


@dataclasses.dataclass(frozen=True, slots=True)
class Disturbance:
    """One way in which a recording can be worse than those that a model was trained on.

    Parameters
    ----------
    name : str
        What tables call it.
    effect : str
        A key of `EFFECTS`.
    value : float
        How much, in the effect's own unit.
    description : str
        What exactly is done, for the reader of a table.
    """

    name: str
    effect: str
    value: float
    description: str

    @property
    def key(self) -> str:
        """What tells it apart from all others and from what it was with other constants, as part of a file's name."""
        constants = (
            VERSION, SILENCE_S, NOISE_BAND_HZ, FULL_SCALE, _FRAME_S, _ACTIVE_DB, _TELEPHONE_LOW_HZ, _MP3_RATES_HZ,
            _MP3_KBIT_S,
        )  # fmt: skip
        return f"{self.effect}{self.value:g}-{hashlib.sha256(repr(constants).encode()).hexdigest()[:8]}"

    def apply(self, waveform: Float32, sample_rate: int) -> tuple[Float32, int]:
        """Return the disturbed waveform and its sample rate.

        Parameters
        ----------
        waveform : ndarray, shape (n_samples,), float32 in [-1, 1]
            Mono; not changed.
        sample_rate : int
            Hz, the recording's own.
        """
        return EFFECTS[self.effect](waveform, sample_rate, self.value)


def active_power(waveform: Float32, sample_rate: int) -> float:
    """Return the mean square of a recording's active part: its frames of 20 ms within 30 dB of the loudest one.

    Signal-to-noise ratios are relative to this, so that pauses do not make the noise weaker.
    """
    frame = min(max(1, round(_FRAME_S * sample_rate)), len(waveform))
    whole = waveform[: len(waveform) // frame * frame].reshape(-1, frame)
    power = np.square(whole, dtype=np.float64).mean(axis=1)
    return float(power[power >= power.max() * 10 ** (-_ACTIVE_DB / 10)].mean())


def gain(waveform: Float32, sample_rate: int, gain_db: float) -> tuple[Float32, int]:
    """Change the level; what would exceed the full scale of a 16-bit file is clipped."""
    louder = waveform * np.float32(10 ** (gain_db / 20))
    return np.clip(louder, np.float32(-1), np.float32(FULL_SCALE)), sample_rate


def at_rate(waveform: Float32, sample_rate: int, rate_hz: float) -> tuple[Float32, int]:
    """Give the recording another sample rate, and with a lower one its band."""
    return resample(waveform, sample_rate, round(rate_hz)), round(rate_hz)


def mp3(waveform: Float32, sample_rate: int, kbit_s: float) -> tuple[Float32, int]:
    """Encode as mono MP3 of a constant bit rate, and decode as any recording is.

    The encoder (LAME) writes its delay and padding into the file and the decoder takes them off: the waveform keeps
    its length and its place in time. A rate that MP3 does not have becomes the next higher one, 48 kHz at most.
    """
    rate = next((rate for rate in _MP3_RATES_HZ if rate >= sample_rate), _MP3_RATES_HZ[-1])
    content = encode_mp3(resample(waveform, sample_rate, rate), rate, kbit_s)
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.flush()
        return read_native(file)


def check_mp3(formats: Iterable[str] | None = None) -> None:
    """Refuse to go on where MP3 cannot be written.

    Parameters
    ----------
    formats : iterable of str, optional
        What the installed libsndfile knows; asked of it where this is None.

    Raises
    ------
    UsageError
        With what to install.
    """
    if "MP3" not in (soundfile.available_formats() if formats is None else formats):
        raise UsageError(
            f"libsndfile {soundfile.__libsndfile_version__} cannot write MP3, which the disturbances need: "
            "use 1.1 or later with LAME, as the wheels of soundfile hold it"
        )


def encode_mp3(waveform: Float32, sample_rate: int, kbit_s: float) -> bytes:
    """Return a mono MP3 file of constant bit rate.

    Raises
    ------
    UsageError
        If the installed libsndfile cannot write MP3.
    """
    check_mp3()
    lowest, highest = next((low, high) for from_hz, low, high in _MP3_KBIT_S if sample_rate >= from_hz)
    buffer = io.BytesIO()
    level = (highest - kbit_s) / (highest - lowest)
    kind = {"format": "MP3", "subtype": "MPEG_LAYER_III", "bitrate_mode": "CONSTANT", "compression_level": level}
    with soundfile.SoundFile(buffer, "w", sample_rate, channels=1, **kind) as sound:
        sound.write(waveform)
    return buffer.getvalue()


def white_noise(waveform: Float32, sample_rate: int, snr_db: float) -> tuple[Float32, int]:
    """Add noise with as much power in every hertz of `NOISE_BAND_HZ`."""
    noise = _noise(_generator(waveform), len(waveform), sample_rate, 0.0)
    return _add(waveform, noise, sample_rate, snr_db), sample_rate


def pink_noise(waveform: Float32, sample_rate: int, snr_db: float) -> tuple[Float32, int]:
    """Add noise with as much power in every octave of `NOISE_BAND_HZ`."""
    noise = _noise(_generator(waveform), len(waveform), sample_rate, -0.5)
    return _add(waveform, noise, sample_rate, snr_db), sample_rate


def room(waveform: Float32, sample_rate: int, rt60_s: float) -> tuple[Float32, int]:
    """Put the speaker into a room: the direct sound, and a tail of noise that falls by 60 dB in `rt60_s`.

    Direct sound and tail have the same energy, as at the critical distance; their sum has the energy of the recording.
    What rings on after the recording's end is cut off.
    """
    tail = _generator(waveform).standard_normal(round(rt60_s * sample_rate))
    tail *= 10 ** (-3 * np.arange(len(tail)) / len(tail))
    response = np.concatenate(([1.0], tail / np.linalg.norm(tail))) / np.sqrt(2)
    heard = scipy.signal.oaconvolve(waveform.astype(np.float64), response)[: len(waveform)]
    return heard.astype(np.float32), sample_rate


def leading_silence(waveform: Float32, sample_rate: int, floor_dbfs: float) -> tuple[Float32, int]:
    """Put `SILENCE_S` before the recording: noise of this root mean square, or zeros where it is -inf."""
    n_samples = round(SILENCE_S * sample_rate)
    noise = _noise(_generator(waveform), n_samples, sample_rate, 0.0) * 10 ** (floor_dbfs / 20)
    return np.concatenate((noise.astype(np.float32), waveform)), sample_rate


def telephone(waveform: Float32, sample_rate: int, upper_hz: float) -> tuple[Float32, int]:
    """Keep the band of a telephone line alone, 300 Hz to `upper_hz` (Butterworth, -3 dB at its ends)."""
    has_upper = 2 * upper_hz < sample_rate
    band = ((_TELEPHONE_LOW_HZ, upper_hz), "bandpass") if has_upper else (_TELEPHONE_LOW_HZ, "highpass")
    sections = scipy.signal.butter(6, *band, fs=sample_rate, output="sos")
    return scipy.signal.sosfilt(sections, waveform.astype(np.float64)).astype(np.float32), sample_rate


def _generator(waveform: Float32) -> np.random.Generator:
    """Randomness of the recording's own."""
    return np.random.default_rng(zlib.crc32(np.ascontiguousarray(waveform).tobytes()))


def _noise(rng: np.random.Generator, n_samples: int, sample_rate: int, slope: float) -> NDArray[np.float64]:
    """Noise in `NOISE_BAND_HZ` of root mean square 1, its amplitude proportional to the frequency to the `slope`."""
    hz = scipy.fft.rfftfreq(n_samples, 1 / sample_rate)
    shape = np.zeros(len(hz))
    is_heard = (hz >= NOISE_BAND_HZ[0]) & (hz <= NOISE_BAND_HZ[1])
    shape[is_heard] = hz[is_heard] ** slope
    noise = scipy.fft.irfft(shape * scipy.fft.rfft(rng.standard_normal(n_samples)), n_samples)
    return np.asarray(noise / np.sqrt(np.square(noise).mean()))


def _add(waveform: Float32, noise: NDArray[np.float64], sample_rate: int, snr_db: float) -> Float32:
    level = np.sqrt(active_power(waveform, sample_rate) * 10 ** (-snr_db / 10))
    return np.asarray(waveform + level * noise, np.float32)


EFFECTS: Final[dict[str, Callable[[Float32, int, float], tuple[Float32, int]]]] = {
    "gain": gain,
    "rate": at_rate,
    "mp3-": mp3,
    "white": white_noise,
    "pink": pink_noise,
    "room": room,
    "silence": leading_silence,
    "telephone": telephone,
}

_SCALED: Final = "samples scaled, in floating point"
_TO_ACTIVE: Final = "against the recording's active level, 50 Hz to 8 kHz"
CATALOGUE: Final = (
    Disturbance("gain -30 dB", "gain", -30.0, _SCALED),
    Disturbance("gain -20 dB", "gain", -20.0, _SCALED),
    Disturbance("gain -10 dB", "gain", -10.0, _SCALED),
    Disturbance("gain +10 dB", "gain", 10.0, "samples scaled, and clipped at the full scale of a 16-bit file"),
    Disturbance("8 kHz", "rate", 8_000.0, "resampled: nothing above 4 kHz is left"),
    Disturbance("16 kHz", "rate", 16_000.0, "resampled: nothing above 8 kHz is left"),
    Disturbance("22.05 kHz", "rate", 22_050.0, "resampled: nothing above 11 kHz is left"),
    Disturbance("44.1 kHz", "rate", 44_100.0, "resampled: nothing above 22 kHz is left"),
    Disturbance("MP3, 64 kbit/s", "mp3-", 64.0, "mono, constant bit rate, encoded and decoded"),
    Disturbance("white noise, 30 dB", "white", 30.0, _TO_ACTIVE),
    Disturbance("white noise, 20 dB", "white", 20.0, _TO_ACTIVE),
    Disturbance("white noise, 10 dB", "white", 10.0, _TO_ACTIVE),
    Disturbance("pink noise, 20 dB", "pink", 20.0, _TO_ACTIVE),
    Disturbance("room, RT60 0.4 s", "room", 0.4, "synthetic tail with as much energy as the direct sound"),
    Disturbance("2 s of silence", "silence", -np.inf, "zeros before the recording"),
    Disturbance("2 s of quiet room", "silence", -60.0, "noise of -60 dBFS before the recording"),
    Disturbance("telephone band", "telephone", 3400.0, "300 to 3400 Hz"),
)
