"""Waveform -> functionals: statistics over time of the contours of one recording, for the default MLP.

Gives one float32 vector. Contours are rows in this module, (contours, frames), so that each is contiguous in time.
Everything is relative to the loudest frame, so that the gain of the recording chain cancels; silence at both ends is
cut off. Statistics of contours follow openSMILE (Eyben et al. 2016, GeMAPS, doi 10.1109/TAFFC.2015.2457417); which ones
was chosen on the RAVDESS actors outside the first fold of lj5.

Eight statistics each of: log-mel bands, MFCC 1 to 19, alpha ratio, Hammarberg index, centroid, flatness, flux, energy.
Then statistics of the pitch in semitones, modulation spectrum of the bands' envelopes, means over the four quarters of
the speech, and rhythm.
"""

from __future__ import annotations

import itertools
from typing import Final

import numpy as np

from emosense.arrays import Bool, Float32
from emosense.features import filterbanks, pitch
from emosense.features.config import FeatureConfig
from emosense.features.mel import band_limits, mel_power
from emosense.features.spectrum import loud_span, power_blocks

_N_CEPSTRA: Final = 19
_SPECTRAL: Final = ("alpha_ratio", "hammarberg", "centroid", "flatness", "flux", "energy")
_STATISTICS: Final = ("mean", "std", "p10", "p50", "p90", "delta_std", "rise", "loud_mean")
_FLOOR: Final = np.float32(1e-7)
_LOUD_DB: Final = -20.0
_MODULATION_EDGES_HZ: Final = (0.25, 1.0, 2.0, 3.5, 6.0, 10.0, 16.0, 28.0)
_N_ENVELOPES: Final = 8
_N_QUARTERS: Final = 4
_QUARTER_NAMES: Final = ("energy", *(f"mfcc_{i}" for i in range(1, 9)), "pitch")
_RHYTHM_NAMES: Final = (
    *("duration_s", "log_duration", "loud_share", "quiet_share", "bursts_per_s", "burst_mean_s", "burst_max_s"),
    *("peak_at", "slope", "curvature"),
)


def functionals(waveform: Float32, config: FeatureConfig) -> Float32:
    """Compute the functionals of one recording.

    Parameters
    ----------
    waveform : ndarray, shape (n_samples,), float32 in [-1, 1]
        Mono, at ``config.sample_rate``, at least one sample.
    config : FeatureConfig
        ``trim_db`` says how far below the loudest frame the first and the last frame of speech may be.

    Returns
    -------
    ndarray, shape (n_values,), float32
        Finite for any finite input; named by `functional_names`.
    """
    n_low = pitch.n_bins(config.sample_rate, config.n_fft)
    mels, lows = [], []
    for power in power_blocks(waveform, config):
        mels.append(mel_power(power, config))
        lows.append(power[:, :n_low].copy())
    mel = np.concatenate(mels)
    frame_power = mel.sum(axis=1)
    peak = max(float(frame_power.max()), 1e-20)
    span = loud_span(frame_power, config.trim_db)
    scale = np.float32(1 / peak)
    mel = mel[span] * scale
    contours = _contours(mel, frame_power[span] * scale, config)
    energy_db = contours[-1]
    loud = energy_db > energy_db.max() + _LOUD_DB
    semitones, strength = pitch.pitch_contour(np.concatenate(lows)[span] * scale, config.sample_rate, config.n_fft)
    strengths = np.sort(strength[loud])
    # The median frame of loud speech is a vowel; frames that are much less periodic count as unvoiced.
    voiced = loud & (strength > 0.6 * strengths[len(strengths) // 2])
    values = (
        _statistics(contours),
        pitch.pitch_statistics(semitones, voiced, strengths),
        _modulation(contours[: config.n_mels], energy_db, config),
        _course(contours[config.n_mels :], energy_db, semitones, voiced),
        _rhythm(energy_db, loud, config),
    )
    return np.concatenate(values).astype(np.float32)


def functional_names(config: FeatureConfig) -> list[str]:
    """Name the values of `functionals`.

    Parameters
    ----------
    config : FeatureConfig
        ``n_mels`` says how many bands there are.

    Returns
    -------
    list of str
        Such as ``mel_0_mean`` or ``rhythm_slope``, in order.
    """
    contours = [f"mel_{i}" for i in range(config.n_mels)] + [f"mfcc_{i}" for i in range(1, _N_CEPSTRA + 1)]
    envelopes = [f"envelope_{i}" for i in range(_N_ENVELOPES)] + ["energy"]
    rates = [f"{low:g}_{high:g}hz" for low, high in itertools.pairwise(_MODULATION_EDGES_HZ)]
    return [
        *(f"{contour}_{statistic}" for statistic in _STATISTICS for contour in (*contours, *_SPECTRAL)),
        *(f"pitch_{name}" for name in pitch.NAMES),
        *(f"modulation_{envelope}_{rate}" for envelope in envelopes for rate in rates),
        *(f"{name}_quarter_{i}" for name in _QUARTER_NAMES for i in range(_N_QUARTERS)),
        *(f"rhythm_{name}" for name in _RHYTHM_NAMES),
    ]


def _contours(mel: Float32, energy: Float32, config: FeatureConfig) -> Float32:
    """Stack log-mel in dB, MFCC and spectral descriptors; shape (n_mels + 19 + 6, n_frames), energy last."""
    n_mels = config.n_mels
    dct = filterbanks.dct_matrix(n_mels, 1 + _N_CEPSTRA)
    one_khz, two_khz, five_khz = band_limits(config.mel_key)
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


def _statistics(contours: Float32) -> Float32:
    """Eight statistics of every contour, statistic by statistic."""
    n_frames = contours.shape[1]
    ranked = np.sort(contours, axis=1)
    # Over four frames, 64 ms, about the length of a syllable's onset.
    delta = contours[:, 4:] - contours[:, :-4] if n_frames > 4 else np.zeros_like(contours)
    weight = np.maximum(contours[-1] - contours[-1].max() + 30, 0)
    mean = _mean(contours)
    return np.concatenate((
        mean,
        _std(contours, mean),
        *(ranked[:, pitch.nearest_rank(share, n_frames)] for share in (0.1, 0.5, 0.9)),
        _std(delta, _mean(delta)),
        _mean(np.maximum(delta, 0)),
        contours @ (weight / weight.sum()),
    ))  # fmt: skip


def _mean(rows: Float32) -> Float32:
    """Return the mean over time; on arrays this small in half of the time of `ndarray.mean`."""
    n_frames = rows.shape[1]
    return rows @ np.full(n_frames, 1 / n_frames, np.float32)


def _std(rows: Float32, mean: Float32) -> Float32:
    """Return the standard deviation over time; on arrays this small in half of the time of `ndarray.std`."""
    centred = rows - mean[:, None]
    deviation: Float32 = np.sqrt(np.einsum("ij,ij->i", centred, centred) / np.float32(rows.shape[1]))
    return deviation


def _modulation(log_mel: Float32, energy_db: Float32, config: FeatureConfig) -> Float32:
    """Modulation power in dB of eight band envelopes and the energy, in seven ranges of modulation frequency."""
    import scipy.fft

    n_frames = len(energy_db)
    envelopes = np.concatenate((filterbanks.group_means(config.n_mels, _N_ENVELOPES) @ log_mel, energy_db[None]))
    envelopes -= _mean(envelopes)[:, None]
    n_fft = max(512, 256 * -(-n_frames // 256))
    spectrum = scipy.fft.rfft(envelopes, n_fft, axis=1)
    power: Float32 = spectrum.real**2
    power += spectrum.imag**2
    means: Float32 = power @ filterbanks.range_means(n_fft, config.hop / config.sample_rate, _MODULATION_EDGES_HZ)
    means_db: Float32 = 10 * np.log10(means / np.float32(n_frames) + np.float32(1e-3))
    return means_db.ravel()


def _course(cepstra: Float32, energy_db: Float32, semitones: Float32, voiced: Bool) -> Float32:
    """Means over the four quarters of the speech: energy, MFCC 1 to 8, and pitch of voiced frames."""
    n_frames = len(energy_db)
    rows = np.empty((11, n_frames), np.float32)
    rows[0], rows[1:9], rows[9], rows[10] = energy_db, cepstra[:8], semitones * voiced, voiced
    edges = [n_frames * quarter // _N_QUARTERS for quarter in range(_N_QUARTERS + 1)]
    sums = np.add.reduceat(rows, edges[:-1], axis=1)
    # With fewer frames than quarters, reduceat gives the frame at the edge.
    counts = np.array([max(after - before, 1) for before, after in itertools.pairwise(edges)], np.float32)
    overall = rows[9].sum() / max(float(rows[10].sum()), 1.0)
    pitches = np.where(sums[10] > 0, sums[9] / np.maximum(sums[10], 1), overall)
    return np.concatenate(((sums[:9] / counts).ravel(), pitches))


def _rhythm(energy_db: Float32, loud: Bool, config: FeatureConfig) -> Float32:
    """Length of the speech, share of pauses, loud bursts, and a straight line and a parabola fitted to the energy."""
    n_frames, frame_s = len(energy_db), config.hop / config.sample_rate
    duration_s = n_frames * frame_s
    padded = np.zeros(n_frames + 2, np.bool_)
    padded[1:-1] = loud
    flips = np.flatnonzero(padded[1:] != padded[:-1])
    bursts_s = (flips[1::2] - flips[::2]) * frame_s
    n_loud, n_quiet = np.count_nonzero(loud), np.count_nonzero(energy_db < -30)
    at = np.arange(1 - n_frames, n_frames, 2).astype(np.float32) / np.float32(n_frames)
    # Legendre polynomials are orthogonal on [-1, 1], so each coefficient is a mean.
    slope = 3 * (at @ energy_db) / n_frames
    curvature = (7.5 * (at * at @ energy_db) - 2.5 * energy_db.sum()) / n_frames
    shares = (n_loud / n_frames, n_quiet / n_frames, len(bursts_s) / duration_s)
    bursts = (n_loud * frame_s / len(bursts_s), bursts_s.max())
    shape = (energy_db.argmax() / n_frames, slope, curvature)
    return np.array((duration_s, np.log(duration_s), *shares, *bursts, *shape), np.float32)
