"""Power spectrogram -> functionals: statistics over time of the contours of one recording, for the default MLP.

Takes the blocks of the shared STFT, gives one float32 vector. Contours are rows here, (contours, frames), so that each
is contiguous in time. Everything is relative to the loudest frame and silence at both ends is cut off: the gain of the
recording chain cancels. The idea of contours x statistics is openSMILE's (Eyben et al. 2016, GeMAPS,
doi 10.1109/TAFFC.2015.2457417); the choice was made on RAVDESS actors outside lj5's first fold.

Contours
--------
log-mel bands, MFCC 1 to 19, alpha ratio, Hammarberg index, centroid, flatness, flux, energy: eight statistics each.
Pitch in semitones, modulation spectrum of the bands' envelopes, course over the four quarters, rhythm: once each.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from emosense import filterbanks

if TYPE_CHECKING:
    from emosense.features import FeatureConfig

Float32 = NDArray[np.float32]
Bool = NDArray[np.bool_]

_N_CEPSTRA: Final = 19
_SPECTRAL: Final = ("alpha_ratio", "hammarberg", "centroid", "flatness", "flux", "energy")
_STATISTICS: Final = ("mean", "std", "p10", "p50", "p90", "delta_std", "rise", "loud_mean")
_FLOOR: Final = np.float32(1e-7)
_LOUD_DB: Final = -20.0
# A pitch candidate every quarter tone from 60 to 508 Hz, looked for below 2 kHz, where harmonics are resolved.
_PITCH_LOW_HZ: Final = 60.0
_N_PITCHES: Final = 75
_PITCH_BAND_HZ: Final = 2000.0
_PITCHES_PER_SEMITONE: Final = 2
_PITCH_HISTOGRAM_SEMITONES: Final = 3
_N_PITCH_BINS: Final = 13
_PITCH_NAMES: Final = (
    *("mean", "std", "p10", "p25", "p50", "p75", "p90", "p98", "range", "slope", "step", "step_up", "voiced"),
    *("strength_mean", "strength_std", "strength_p10", "strength_p50", "strength_p90"),
)
_MODULATION_EDGES_HZ: Final = (0.25, 1.0, 2.0, 3.5, 6.0, 10.0, 16.0, 28.0)
_N_ENVELOPES: Final = 8
_N_QUARTERS: Final = 4
_QUARTER_NAMES: Final = ("energy", *(f"mfcc_{i}" for i in range(1, 9)), "pitch")
_RHYTHM_NAMES: Final = (
    *("duration_s", "log_duration", "loud_share", "quiet_share", "bursts_per_s", "burst_mean_s", "burst_max_s"),
    *("peak_at", "slope", "curvature"),
)


def functionals(
    power_blocks: Iterable[Float32], mel_power: Callable[[Float32, FeatureConfig], Float32], config: FeatureConfig
) -> Float32:
    """Compute the functionals of one recording.

    Parameters
    ----------
    power_blocks : iterable of ndarray, shape (n_frames, 1 + n_fft // 2), float32
        The recording's power spectrogram, at least one frame in all.
    mel_power : callable
        Goes from a block and the configuration to mel power, shape (n_frames, n_mels).
    config : FeatureConfig
        ``trim_db`` says how far below the loudest frame speech begins.

    Returns
    -------
    ndarray, shape (n_values,), float32
        Finite for any finite input; named by `functional_names`.
    """
    n_low = _n_pitch_bins_of(config)
    mels, lows = [], []
    for power in power_blocks:
        mels.append(mel_power(power, config))
        lows.append(power[:, :n_low].copy())
    mel = np.concatenate(mels)
    frame_power = mel.sum(axis=1)
    peak = max(float(frame_power.max()), 1e-20)
    speech = np.flatnonzero(frame_power >= frame_power.max() * 10 ** (-config.trim_db / 10))
    span = slice(int(speech[0]), int(speech[-1]) + 1)
    scale = np.float32(1 / peak)
    mel = mel[span] * scale
    contours = _contours(mel, frame_power[span] * scale, config)
    energy_db = contours[-1]
    loud = energy_db > energy_db.max() + _LOUD_DB
    pitch, strength = _pitch_contour(np.concatenate(lows)[span] * scale, config)
    firmness = np.sort(strength[loud])
    # The median frame of loud speech is a vowel's; what is much less periodic is taken for unvoiced.
    voiced = loud & (strength > 0.6 * firmness[len(firmness) // 2])
    values = (
        _statistics(contours),
        _pitch_functionals(pitch, voiced, firmness),
        _modulation(contours[: config.n_mels], energy_db, config),
        _course(contours[config.n_mels :], energy_db, pitch, voiced),
        _rhythm(energy_db, loud, config),
    )
    return np.concatenate(values).astype(np.float32)


def functional_names(config: FeatureConfig) -> list[str]:
    """Names of the values of `functionals`, in order."""
    contours = [f"mel_{i}" for i in range(config.n_mels)] + [f"mfcc_{i}" for i in range(1, _N_CEPSTRA + 1)]
    envelopes = [f"envelope_{i}" for i in range(_N_ENVELOPES)] + ["energy"]
    rates = [f"{low:g}_{high:g}hz" for low, high in itertools.pairwise(_MODULATION_EDGES_HZ)]
    return [
        *(f"{contour}_{statistic}" for statistic in _STATISTICS for contour in (*contours, *_SPECTRAL)),
        *(f"pitch_{name}" for name in _PITCH_NAMES),
        *(f"pitch_share_{i}" for i in range(_N_PITCH_BINS)),
        *(f"modulation_{envelope}_{rate}" for envelope in envelopes for rate in rates),
        *(f"{name}_quarter_{i}" for name in _QUARTER_NAMES for i in range(_N_QUARTERS)),
        *(f"rhythm_{name}" for name in _RHYTHM_NAMES),
    ]


def _contours(mel: Float32, energy: Float32, config: FeatureConfig) -> Float32:
    """Stack log-mel in dB, MFCC and spectral descriptors; shape (n_mels + 19 + 6, n_frames), energy last."""
    n_mels = config.n_mels
    dct = filterbanks.dct_matrix(n_mels, 1 + _N_CEPSTRA)
    one_khz, two_khz, five_khz = _band_limits(config.mel_key)
    contours = np.empty((n_mels + _N_CEPSTRA + len(_SPECTRAL), len(mel)), np.float32)
    floored = np.ascontiguousarray(np.maximum(mel, _FLOOR).T)
    log_mel = contours[:n_mels]
    np.log10(floored, out=log_mel)
    log_mel *= 10
    np.matmul(dct.T[1:], log_mel, out=contours[n_mels : n_mels + _N_CEPSTRA])
    total = floored.sum(axis=0)
    total_db = np.float32(10) * np.log10(total)
    share = np.sqrt(floored / total)
    rows = contours[n_mels + _N_CEPSTRA :]
    # GeMAPS 2016: 50-1000 Hz over 1-5 kHz, and strongest peak below 2 kHz over strongest in 2-5 kHz; on mel bands.
    rows[0] = 10 * np.log10(floored[:one_khz].sum(axis=0) / floored[one_khz:five_khz].sum(axis=0))
    rows[1] = log_mel[:two_khz].max(axis=0) - log_mel[two_khz:five_khz].max(axis=0)
    rows[2] = (np.arange(n_mels, dtype=np.float32) @ floored) / total
    rows[3] = np.full(n_mels, 1 / n_mels, np.float32) @ log_mel - total_db
    change = share[:, 1:] - share[:, :-1]
    rows[4, 0] = 0
    rows[4, 1:] = np.sqrt(np.einsum("ij,ij->j", change, change))
    rows[5] = 10 * np.log10(np.maximum(energy, _FLOOR))
    return contours


@functools.cache
def _band_limits(mel_key: tuple[int, int, int, float, float]) -> tuple[int, int, int]:
    """Return the first mel bands centred above 1, 2 and 5 kHz, so that bands are left below, between and above them."""
    _, _, n_mels, f_min_hz, f_max_hz = mel_key
    low, high = filterbanks.hz_to_mel(f_min_hz), filterbanks.hz_to_mel(f_max_hz)
    centres_hz = filterbanks.mel_to_hz(np.linspace(low, high, n_mels + 2))[1:-1]
    one, two, five = (int(band) for band in np.searchsorted(centres_hz, (1000.0, 2000.0, 5000.0)))
    one, two = min(max(one, 1), n_mels - 1), min(max(two, 1), n_mels - 1)
    return one, two, max(five, two + 1, one + 1)


def _statistics(contours: Float32) -> Float32:
    """Eight statistics of every contour, statistic by statistic."""
    n_frames = contours.shape[1]
    ranked = np.sort(contours, axis=1)
    # Over four frames, 64 ms: about the length of a syllable's onset.
    delta = contours[:, 4:] - contours[:, :-4] if n_frames > 4 else np.zeros_like(contours)
    weight = np.maximum(contours[-1] - contours[-1].max() + 30, 0)
    mean = _mean(contours)
    return np.concatenate((
        mean,
        _std(contours, mean),
        *(ranked[:, _rank(share, n_frames)] for share in (0.1, 0.5, 0.9)),
        _std(delta, _mean(delta)),
        _mean(np.maximum(delta, 0)),
        contours @ (weight / weight.sum()),
    ))  # fmt: skip


def _mean(rows: Float32) -> Float32:
    """Return the mean along time, in half of `ndarray.mean`'s time on arrays this small."""
    n_frames = rows.shape[1]
    return rows @ np.full(n_frames, 1 / n_frames, np.float32)


def _std(rows: Float32, mean: Float32) -> Float32:
    """Return the standard deviation along time, in half of `ndarray.std`'s time on arrays this small."""
    centred = rows - mean[:, None]
    deviation: Float32 = np.sqrt(np.einsum("ij,ij->i", centred, centred) / np.float32(rows.shape[1]))
    return deviation


def _rank(share: float, n: int) -> int:
    return round(share * (n - 1))


def _n_pitch_bins_of(config: FeatureConfig) -> int:
    return 1 + int(_PITCH_BAND_HZ * config.n_fft / config.sample_rate)


@functools.cache
def _pitch_transform(sample_rate: int, n_fft: int, n_bins: int) -> Float32:
    """Return the cosine transform from low bins to the autocorrelation at each candidate's lag; (n_bins, n_pitches).

    The window's own autocorrelation is divided out (after Boersma 1993), which raises long lags threefold at most.
    """
    pitch_hz = _PITCH_LOW_HZ * 2 ** (np.arange(_N_PITCHES) / (12 * _PITCHES_PER_SEMITONE))
    window = filterbanks.hann_window(n_fft).astype(np.float64)
    spectrum = np.abs(np.fft.rfft(window, 2 * n_fft)) ** 2
    lags = np.minimum(np.round(sample_rate / pitch_hz).astype(np.int64), n_fft)
    taper = np.fft.irfft(spectrum)[lags] / np.sum(window**2)
    bin_hz = np.arange(n_bins) * sample_rate / n_fft
    cosines = np.cos(2 * np.pi * bin_hz[:, None] / pitch_hz) / np.maximum(taper, 1 / 3)
    cosines[0] = 0
    return cosines.astype(np.float32)


def _pitch_contour(power: Float32, config: FeatureConfig) -> tuple[Float32, Float32]:
    """Pitch in semitones above 60 Hz and its strength, each shape (n_frames,), for voiced and unvoiced frames alike.

    The peak of the autocorrelation of the power spectrum's cube root, which flattens formants
    (Tolonen & Karjalainen 2000, doi 10.1109/89.876309, with their exponent 0.67 on magnitudes).
    """
    compressed = np.cbrt(np.maximum(power, np.float32(1e-9)))
    correlation = compressed @ _pitch_transform(config.sample_rate, config.n_fft, compressed.shape[1])
    best = correlation.argmax(axis=1)
    inner = np.minimum(np.maximum(best, 1), _N_PITCHES - 2)
    at = np.arange(0, correlation.size, _N_PITCHES) + inner
    flat = correlation.ravel()
    before, here, after = flat[at - 1], flat[at], flat[at + 1]
    # A parabola through three points; where they hold no peak, at most the candidate beside this one.
    bend = np.minimum(before - 2 * here + after, np.float32(-1e-6))
    shift = np.minimum(np.maximum(0.5 * (before - after) / bend, -1), 1)
    total = compressed @ np.ones(compressed.shape[1], np.float32) - compressed[:, 0]
    return (inner + shift).astype(np.float32) / np.float32(_PITCHES_PER_SEMITONE), here / total


def _pitch_functionals(pitch: Float32, voiced: Bool, firmness: Float32) -> NDArray[np.float64]:
    """Distribution, slope, movement and strength of the pitch, then its histogram in bins of three semitones."""
    at = np.flatnonzero(voiced)
    heard, place = (pitch[at], 2 / len(pitch) * at) if len(at) else (np.zeros(1, np.float32), np.zeros(1))
    n_heard = len(heard)
    percentiles = np.sort(heard)[[_rank(share, n_heard) for share in (0.1, 0.25, 0.5, 0.75, 0.9, 0.98)]].tolist()
    mean, centred = heard.sum() / n_heard, heard - heard.sum() / n_heard
    place -= place.sum() / n_heard
    slope = (place @ centred) / max(float(place @ place), 1e-6)
    step = pitch[1:] - pitch[:-1]
    # Larger steps within one frame are octave errors, not movements of the voice.
    held = step[voiced[1:] & voiced[:-1] & (np.abs(step) < 3)]
    n_held = max(len(held), 1)
    step_mean = float(np.abs(held).sum()) / n_held
    step_up = (step_mean + float(held.sum()) / n_held) / 2
    shares = np.bincount((heard / _PITCH_HISTOGRAM_SEMITONES).astype(np.int64), minlength=_N_PITCH_BINS) / n_heard
    distribution = (mean, math.sqrt(centred @ centred / n_heard), *percentiles, percentiles[4] - percentiles[0])
    movement = (slope, step_mean, step_up, len(at) / len(pitch))
    n_firm = len(firmness)
    firm_mean, firm_centred = firmness.sum() / n_firm, firmness - firmness.sum() / n_firm
    strengths = firmness[[_rank(share, n_firm) for share in (0.1, 0.5, 0.9)]].tolist()
    firm = (firm_mean, math.sqrt(firm_centred @ firm_centred / n_firm), *strengths)
    return np.concatenate(((*distribution, *movement, *firm), shares))


def _modulation(log_mel: Float32, energy_db: Float32, config: FeatureConfig) -> Float32:
    """Modulation power in dB of eight band envelopes and the energy, in seven ranges of modulation frequency."""
    n_frames = len(energy_db)
    envelopes = np.concatenate((_envelope_means(config.n_mels) @ log_mel, energy_db[None]))
    envelopes -= _mean(envelopes)[:, None]
    n_fft = max(512, 256 * -(-n_frames // 256))
    spectrum = scipy.fft.rfft(envelopes, n_fft, axis=1)
    power: Float32 = spectrum.real**2
    power += spectrum.imag**2
    means: Float32 = power @ _modulation_means(n_fft, config.hop / config.sample_rate)
    means_db: Float32 = 10 * np.log10(means / np.float32(n_frames) + np.float32(1e-3))
    return means_db.ravel()


@functools.cache
def _envelope_means(n_mels: int) -> Float32:
    """Return the matrix that averages the mel bands in eight groups, shape (8, n_mels)."""
    group = (_N_ENVELOPES * np.arange(n_mels)) // n_mels
    member = group == np.arange(_N_ENVELOPES)[:, None]
    means: Float32 = np.divide(member, np.maximum(member.sum(axis=1, keepdims=True), 1), dtype=np.float32)
    return means


@functools.lru_cache(maxsize=64)
def _modulation_means(n_fft: int, frame_s: float) -> Float32:
    """Return the matrix that averages a modulation spectrum in seven ranges, shape (1 + n_fft // 2, 7)."""
    bin_hz = np.fft.rfftfreq(n_fft, frame_s)[:, None]
    edges_hz = np.array(_MODULATION_EDGES_HZ)
    member = (bin_hz >= edges_hz[:-1]) & (bin_hz < edges_hz[1:])
    means: Float32 = np.divide(member, np.maximum(member.sum(axis=0), 1), dtype=np.float32)
    return means


def _course(cepstra: Float32, energy_db: Float32, pitch: Float32, voiced: Bool) -> Float32:
    """Means over the four quarters of the speech: energy, MFCC 1 to 8, and pitch where it is voiced."""
    n_frames = len(energy_db)
    rows = np.empty((11, n_frames), np.float32)
    rows[0], rows[1:9], rows[9], rows[10] = energy_db, cepstra[:8], pitch * voiced, voiced
    edges = [n_frames * quarter // _N_QUARTERS for quarter in range(_N_QUARTERS + 1)]
    sums = np.add.reduceat(rows, edges[:-1], axis=1)
    # Fewer frames than quarters: reduceat gives the one frame there is.
    counts = np.array([max(after - before, 1) for before, after in itertools.pairwise(edges)], np.float32)
    overall = rows[9].sum() / max(float(rows[10].sum()), 1.0)
    pitches = np.where(sums[10] > 0, sums[9] / np.maximum(sums[10], 1), overall)
    return np.concatenate(((sums[:9] / counts).ravel(), pitches))


def _rhythm(energy_db: Float32, loud: Bool, config: FeatureConfig) -> Float32:
    """Length of the speech, share of pauses, loud bursts, and the straight line and parabola through the energy."""
    n_frames, frame_s = len(energy_db), config.hop / config.sample_rate
    duration_s = n_frames * frame_s
    padded = np.zeros(n_frames + 2, np.bool_)
    padded[1:-1] = loud
    flips = np.flatnonzero(padded[1:] != padded[:-1])
    bursts_s = (flips[1::2] - flips[::2]) * frame_s
    n_loud, n_quiet = np.count_nonzero(loud), np.count_nonzero(energy_db < -30)
    at = np.arange(1 - n_frames, n_frames, 2).astype(np.float32) / np.float32(n_frames)
    # Legendre polynomials are orthogonal on [-1, 1]: each coefficient is a mean, without a fit.
    slope = 3 * (at @ energy_db) / n_frames
    curvature = (7.5 * (at * at @ energy_db) - 2.5 * energy_db.sum()) / n_frames
    shares = (n_loud / n_frames, n_quiet / n_frames, len(bursts_s) / duration_s)
    bursts = (n_loud * frame_s / len(bursts_s), bursts_s.max())
    shape = (energy_db.argmax() / n_frames, slope, curvature)
    return np.array((duration_s, np.log(duration_s), *shares, *bursts, *shape), np.float32)
