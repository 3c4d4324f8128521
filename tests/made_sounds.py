"""Made sounds: a voice that is taken for speech, a steady tone, and 26 kinds of sound that nobody speaks."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Final

import numpy as np
import scipy.signal

_VOWELS_HZ: Final = (
    (730, 1090, 2440), (270, 2290, 3010), (530, 1840, 2480), (570, 840, 2410), (300, 870, 2240), (660, 1720, 2410),
)  # fmt: skip


def harmonic_tone(duration_s: float = 1.0, pitch_hz: float = 150.0, sample_rate: int = 16_000) -> np.ndarray:
    """A harmonic tone that swells and fades four times a second; float32, peak about 0.5."""
    time_s = np.arange(round(duration_s * sample_rate)) / sample_rate
    partials = sum(
        np.sin(2 * np.pi * n * pitch_hz * time_s) / n for n in range(1, 12) if n * pitch_hz < sample_rate / 2
    )
    return (0.25 * partials * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * time_s))).astype(np.float32)


@functools.lru_cache(maxsize=64)
def _voice(duration_s: float, pitch_hz: float, sample_rate: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    n = round(duration_s * sample_rate)
    out, start = np.zeros(n), 0
    while start < n:
        if start and rng.random() < 0.3:
            end = min(start + round(rng.uniform(0.04, 0.08) * sample_rate), n)
            out[start:end] = _fricative(rng, end - start, sample_rate)
            start = end
        end = min(start + round(rng.uniform(0.09, 0.2) * sample_rate), n)
        if end - start < 0.02 * sample_rate:
            break
        out[start:end] = _syllable(rng, end - start, pitch_hz, sample_rate)
        start = end
        if rng.random() < 0.3:
            start += round(rng.uniform(0.02, 0.06) * sample_rate)
    out *= 0.5 / max(np.abs(out).max(), 1e-9)
    out.setflags(write=False)
    return out.astype(np.float32)


def voice(duration_s: float = 1.0, pitch_hz: float = 150.0, sample_rate: int = 16_000, seed: int = 0) -> np.ndarray:
    """Syllables of changing vowels with hisses between them; float32, peak 0.5.

    A source of glottal pulses through three formants: enough of a voice that a speech detector takes it for one.
    """
    return _voice(float(duration_s), float(pitch_hz), int(sample_rate), seed).copy()


def _fricative(rng: np.random.Generator, n: int, sample_rate: int) -> np.ndarray:
    lowest_hz = min(rng.uniform(1500, 3500), 0.3 * sample_rate)
    sections = scipy.signal.butter(2, lowest_hz, "highpass", fs=sample_rate, output="sos")
    return scipy.signal.sosfilt(sections, rng.standard_normal(n)) * np.hanning(n) * 0.06


def _syllable(rng: np.random.Generator, n: int, pitch_hz: float, sample_rate: int) -> np.ndarray:
    place = np.arange(n) / max(n, 1)
    cycles = np.cumsum(pitch_hz * (1 + rng.uniform(-0.12, 0.12) * (place - 0.5) * 2)) / sample_rate
    pulses = -np.diff(2 * (cycles % 1) - 1, prepend=0.0) + 0.02 * rng.standard_normal(n)
    first, last = (np.array(_VOWELS_HZ[rng.integers(len(_VOWELS_HZ))], float) for _ in range(2))
    spoken, half = np.zeros(n), n // 2
    for part, formants_hz in ((slice(0, half), first), (slice(half, n), (first + last) / 2)):
        for number, hz in enumerate(formants_hz):
            if hz < 0.45 * sample_rate:
                radius = np.exp(-np.pi * (60 + 40 * number) / sample_rate)
                poles = [1, -2 * radius * np.cos(2 * np.pi * hz / sample_rate), radius**2]
                spoken[part] += scipy.signal.lfilter([1 - radius], poles, pulses)[part] / (1 + 0.7 * number)
    spoken *= np.sqrt(np.sin(np.pi * place)) * rng.uniform(0.6, 1)
    return 0.4 * spoken / max(np.abs(spoken).max(), 1e-9)


# ------------------------------------------------------------------------------------------------- nobody speaks here

_RATE: Final = 16_000
_DTMF_HZ: Final = tuple((low, high) for low in (697, 770, 852, 941) for high in (1209, 1336, 1477))
_CHORDS: Final = ((0, 4, 7), (0, 3, 7), (0, 4, 7, 10), (0, 5, 7), (0, 3, 6, 9), (0, 7, 12), (0, 4, 7, 12))
_TIMBRES: Final = ("sine", "saw", "organ", "piano", "square")
_ORGAN: Final = ((1, 1.0), (2, 0.6), (3, 0.3), (4, 0.3), (6, 0.2), (8, 0.1))


def _times(n: int) -> np.ndarray:
    return np.arange(n) / _RATE


def _faded(samples: np.ndarray, attack_s: float, release_s: float) -> np.ndarray:
    envelope = np.ones(len(samples))
    for length_s, ramp in ((attack_s, slice(None)), (release_s, slice(None, None, -1))):
        n = min(len(samples) // 2, round(length_s * _RATE))
        envelope[ramp][:n] *= np.linspace(0, 1, n)
    return samples * envelope


def coloured_noise(rng: np.random.Generator, n: int, slope: float) -> np.ndarray:
    """Noise whose power falls with frequency to the power of `slope`: 0 white, 1 pink, 2 brown; peak 1."""
    spectrum = np.fft.rfft(rng.standard_normal(n))
    frequency = np.maximum(np.arange(len(spectrum)), 1)
    noise = np.fft.irfft(spectrum / frequency ** (slope / 2), n)
    return noise / np.abs(noise).max()


def at_level(samples: np.ndarray, dbfs: float) -> np.ndarray:
    """Scale to a root mean square in dB of full scale."""
    return samples / max(np.sqrt(np.mean(samples**2)), 1e-12) * 10 ** (dbfs / 20)


def hum(n: int, hz: float, dbfs: float, n_harmonics: int, rng: np.random.Generator) -> np.ndarray:
    """Mains hum: harmonics that fall with their order, of random phase; shape (n,), at 16 kHz."""
    phases = rng.uniform(0, 2 * np.pi, n_harmonics)
    waves = (np.sin(2 * np.pi * hz * k * _times(n) + phase) / k for k, phase in enumerate(phases, 1))
    return at_level(sum(waves), dbfs)


def _note(hz: float, n: int, timbre: str, vibrato: float) -> np.ndarray:
    time_s = _times(n)
    phase = 2 * np.pi * hz * time_s + vibrato * np.sin(2 * np.pi * 5 * time_s)
    orders = range(1, int(min(16, 7000 / hz)) + 1)
    if timbre == "piano":
        struck = sum(np.sin(k * phase) / k**1.2 * np.exp(-1.2 * k * time_s) for k in orders)
        return _faded(struck, 0.003, 0.02)
    played = {
        "sine": lambda: np.sin(phase),
        "saw": lambda: sum(np.sin(k * phase) / k for k in orders),
        "organ": lambda: sum(share * np.sin(k * phase) for k, share in _ORGAN),
        "square": lambda: np.sign(np.sin(phase)),
    }[timbre]()
    return _faded(played, 0.01, 0.05)


def _music(rng: np.random.Generator, n: int, *, chords: bool, changes: bool) -> np.ndarray:
    timbre, vibrato = rng.choice(_TIMBRES), rng.choice([0.0, 0.0, 0.1, 0.4])
    step = round(rng.choice([0.15, 0.25, 0.4, 0.5, 0.75, 1.0]) * _RATE) if changes else n
    out = np.zeros(n)
    for start in range(0, n, step):
        root_hz = 110 * 2 ** (rng.integers(0, 27) / 12)
        tones = _CHORDS[rng.integers(len(_CHORDS))] if chords else (0,)
        length = min(step, n - start)
        for tone in tones:
            out[start : start + length] += _note(root_hz * 2 ** (tone / 12), length, timbre, vibrato)
    return out


def _dtmf(rng: np.random.Generator, n: int) -> np.ndarray:
    on, off = (round(rng.uniform(*span) * _RATE) for span in ((0.05, 0.3), (0.03, 0.3)))
    out = np.zeros(n)
    for start in range(0, n - on, on + off):
        low_hz, high_hz = _DTMF_HZ[rng.integers(len(_DTMF_HZ))]
        tones = np.sin(2 * np.pi * low_hz * _times(on)) + np.sin(2 * np.pi * high_hz * _times(on))
        out[start : start + on] = _faded(tones, 0.003, 0.003)
    return out


def _tones(n: int, *hz: float) -> np.ndarray:
    return sum(np.sin(2 * np.pi * each * _times(n)) for each in hz)


def _clicks(rng: np.random.Generator, n: int, n_clicks: int) -> np.ndarray:
    out = np.zeros(n)
    for start in rng.integers(0, n - 200, n_clicks):
        length = rng.integers(1, 160)
        out[start : start + length] = rng.standard_normal(length) * np.exp(-np.arange(length) / max(1, length / 4))
    return out


def _drums(rng: np.random.Generator, n: int) -> np.ndarray:
    out, length = np.zeros(n), 4000
    step = round(rng.choice([0.125, 0.25, 0.5]) * _RATE)
    for start in range(0, n - length, step):
        time_s = _times(length)
        drum = np.sin(2 * np.pi * rng.uniform(50, 150) * time_s * np.exp(-3 * time_s))
        struck = drum if rng.random() < 0.5 else rng.standard_normal(length)
        out[start : start + length] += struck * np.exp(-np.arange(length) / rng.uniform(200, 1200))
    return out


Maker = Callable[[np.random.Generator, int], np.ndarray]
NON_SPEECH: Final[dict[str, Maker]] = {
    "hum of 50 Hz": lambda rng, n: hum(n, 50, -20, rng.integers(1, 16), rng),
    "hum of 60 Hz": lambda rng, n: hum(n, 60, -20, rng.integers(1, 16), rng),
    "tone": lambda rng, n: _tones(n, rng.uniform(60, 6000)),
    "tones": lambda rng, n: _tones(n, *rng.uniform(80, 5000, rng.integers(2, 6))),
    "DTMF": _dtmf,
    "dial tone, US": lambda rng, n: _tones(n, 350, 440),
    "dial tone, EU": lambda rng, n: _tones(n, 425),
    "ringback": lambda rng, n: _tones(n, 440, 480) * (_times(n) % 3 < 1),
    "busy": lambda rng, n: _tones(n, 480, 620) * (_times(n) % 1 < 0.5),
    "chord": lambda rng, n: _music(rng, n, chords=True, changes=False),
    "chords": lambda rng, n: _music(rng, n, chords=True, changes=True),
    "melody": lambda rng, n: _music(rng, n, chords=False, changes=True),
    "white noise": lambda rng, n: rng.standard_normal(n),
    "pink noise": lambda rng, n: coloured_noise(rng, n, 1),
    "brown noise": lambda rng, n: coloured_noise(rng, n, 2),
    "blue noise": lambda rng, n: coloured_noise(rng, n, -1),
    "swelling noise": lambda rng, n: (
        coloured_noise(rng, n, rng.uniform(0, 2))
        * (1 + rng.uniform(0.2, 0.9) * np.sin(2 * np.pi * rng.uniform(0.1, 8) * _times(n)))
    ),
    "buzz": lambda rng, n: scipy.signal.sawtooth(2 * np.pi * rng.uniform(60, 300) * _times(n)),
    "silence with a click": lambda rng, n: _clicks(rng, n, 1),
    "clicks": lambda rng, n: _clicks(rng, n, rng.integers(2, 30)),
    "drums": _drums,
    "sweep": lambda rng, n: scipy.signal.chirp(
        _times(n), rng.uniform(50, 500), n / _RATE, rng.uniform(1000, 7000), rng.choice(["linear", "logarithmic"])
    ),
    "siren": lambda rng, n: np.sin(
        2 * np.pi * 700 * _times(n) + rng.uniform(50, 300) * np.sin(2 * np.pi * rng.uniform(0.2, 2) * _times(n))
    ),
    "room noise": lambda rng, n: 1e-3 * rng.standard_normal(n),
    "step": lambda rng, n: np.where(_times(n) > n / _RATE / 2, 1.0, 0.0),
}


def non_speech(kind: str, rng: np.random.Generator) -> np.ndarray:
    """A sound of a kind of `NON_SPEECH` at 16 kHz, 1 to 10 s long, at a random level; half of them with faint noise."""
    n = round(rng.choice([1.0, 2.0, 3.0, 4.0, 6.0, 10.0]) * _RATE)
    sound = at_level(NON_SPEECH[kind](rng, n), rng.uniform(-60, -12))
    if rng.random() < 0.5:
        sound = sound + 10 ** (rng.uniform(-100, -60) / 20) * rng.standard_normal(n)
    return np.clip(sound, -1, 1).astype(np.float32)
