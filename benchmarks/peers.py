"""Other extractors: librosa, the oracle, and those that may be installed.

The latter compute something else, so their times only give a scale.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import numpy as np
import soundfile
import soxr

from emosense.audio.waveform import read_waveform
from emosense.features.config import FeatureConfig
from emosense.features.whisper import PEAK

RATE = 16_000


def read_usual(path: str, rate: int) -> np.ndarray:
    samples, source_rate = soundfile.read(path, dtype="float32", always_2d=True)
    waveform = samples.mean(axis=1)
    return waveform if source_rate == rate else soxr.resample(waveform, source_rate, rate)


def librosa_three(path: str, config: FeatureConfig) -> np.ndarray:
    """The tutorials' way: one STFT for each feature."""
    import librosa

    y, sr = read_usual(path, config.sample_rate), config.sample_rate
    mfcc = librosa.feature.mfcc(y=y, sr=sr, n_mfcc=config.n_mfcc).mean(axis=1)
    chroma = librosa.feature.chroma_stft(y=y, sr=sr, tuning=config.tuning).mean(axis=1)
    return np.concatenate((mfcc, chroma, librosa.feature.melspectrogram(y=y, sr=sr).mean(axis=1)))


def librosa_shared(path: str, config: FeatureConfig) -> np.ndarray:
    """Librosa by someone who knows it: one STFT for all."""
    import librosa

    y, sr = read_usual(path, config.sample_rate), config.sample_rate
    power = np.abs(librosa.stft(y, n_fft=config.n_fft, hop_length=config.hop)) ** 2
    mel = librosa.feature.melspectrogram(S=power, sr=sr)
    mfcc = librosa.feature.mfcc(S=librosa.power_to_db(mel), n_mfcc=config.n_mfcc)
    chroma = librosa.feature.chroma_stft(S=power, sr=sr, tuning=config.tuning)
    return np.concatenate([part.mean(axis=1) for part in (mfcc, chroma, mel)])


def librosa_mfcc(path: str, config: FeatureConfig) -> np.ndarray:
    import librosa

    y = segment(read_usual(path, config.sample_rate), config)
    return librosa.feature.mfcc(y=y, sr=config.sample_rate, n_mfcc=config.n_mfcc).T


def librosa_logmel(path: str, config: FeatureConfig) -> np.ndarray:
    import librosa

    mel = librosa.feature.melspectrogram(
        y=read_usual(path, config.sample_rate), sr=config.sample_rate, n_fft=config.n_fft, hop_length=config.hop,
        n_mels=config.n_mels, fmin=config.f_min_hz, fmax=config.f_max_hz,
    )  # fmt: skip
    energy = mel.sum(axis=0)
    loud = np.flatnonzero(energy >= energy.max() * 10 ** (-config.trim_db / 10))
    return librosa.power_to_db(mel[:, loud[0] : loud[-1] + 1], ref=np.max, amin=1e-30).T


def librosa_whisper(path: str, config: FeatureConfig) -> np.ndarray:
    import librosa

    power = np.abs(librosa.stft(read(path), n_fft=config.n_fft, hop_length=config.hop, pad_mode="reflect")[:, :-1]) ** 2
    bank = librosa.filters.mel(sr=RATE, n_fft=config.n_fft, n_mels=config.n_mels)
    return at_one_level(np.log10(np.maximum(bank @ power, 1e-10)).T)


def at_one_level(log: np.ndarray) -> np.ndarray:
    """Whisper's scale, where the loudest value is `PEAK`."""
    return (np.maximum(log - log.max(), -8) + PEAK + 4) / 4


def segment(waveform: np.ndarray, config: FeatureConfig) -> np.ndarray:
    length = round(config.segment_s * config.sample_rate)
    if not length:
        return waveform
    cut = waveform[round(config.segment_start_s * config.sample_rate) :][:length]
    return np.pad(cut, (0, length - len(cut)))


def read(path: str, rate: int = RATE) -> np.ndarray:
    """Read with our reader, so that the peers differ only in their features."""
    with open(path, "rb", buffering=0) as file:
        return read_waveform(file, rate)


def installed() -> Iterator[tuple[str, Callable[[str], np.ndarray]]]:
    """Names and functions of the peers that can be imported."""
    for make in (opensmile_egemaps, audioflux_mel_mfcc, kaldi_mfcc):
        with contextlib.suppress(ImportError):
            yield make()


def installed_for(group: str) -> Iterator[tuple[str, Callable[[str], np.ndarray]]]:
    """Names and functions of the peers that compute the same values as a feature set."""
    if group == "whisper":
        with contextlib.suppress(ImportError):
            yield asrfront_log_mel()


def asrfront_log_mel() -> tuple[str, Callable[[str], np.ndarray]]:
    import importlib.metadata

    import asrfront.whisper

    def run(path: str) -> np.ndarray:
        values = asrfront.whisper.log_mel(read(path), pad_or_trim=False).T
        # Its values are scaled already, at the level of the recording.
        return values + ((PEAK + 4) / 4 - values.max())

    return f"asrfront {importlib.metadata.version('asrfront')}", run


def opensmile_egemaps() -> tuple[str, Callable[[str], np.ndarray]]:
    import opensmile

    smile = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals, num_workers=1)

    def run(path: str) -> np.ndarray:
        return smile.process_signal(read(path), RATE).to_numpy()[0]

    return f"openSMILE {opensmile.__version__}, eGeMAPSv02 functionals (88), 16 kHz", run


def audioflux_mel_mfcc() -> tuple[str, Callable[[str], np.ndarray]]:
    import audioflux
    from audioflux.type import SpectralDataType, SpectralFilterBankNormalType, SpectralFilterBankScaleType, WindowType

    bank = audioflux.BFT(
        num=128, radix2_exp=11, samplate=48_000, slide_length=512, window_type=WindowType.HANN, low_fre=0,
        high_fre=24_000, scale_type=SpectralFilterBankScaleType.MEL, normal_type=SpectralFilterBankNormalType.AREA,
        data_type=SpectralDataType.POWER,
    )  # fmt: skip
    cepstra = audioflux.XXCC(num=bank.num)

    def run(path: str) -> np.ndarray:
        waveform = read(path, 48_000)
        # The default gives complex bands, from two dense products, at 20 times the cost.
        mel = bank.bft(waveform, result_type=1)
        cepstra.set_time_length(time_length=mel.shape[-1])
        mfcc = cepstra.xxcc(np.maximum(mel, 1e-10), cc_num=40)
        return np.concatenate((mfcc.mean(axis=1), mel.mean(axis=1)))

    return f"audioFlux {audioflux.__version__} (its own FFT), mel + MFCC means (168), 2048/512 at 48 kHz", run


def kaldi_mfcc() -> tuple[str, Callable[[str], np.ndarray]]:
    import kaldi_native_fbank

    options = kaldi_native_fbank.MfccOptions()
    options.frame_opts.samp_freq = RATE
    options.frame_opts.dither = 0
    options.num_ceps, options.mel_opts.num_bins = 13, 23

    def run(path: str) -> np.ndarray:
        extractor = kaldi_native_fbank.OnlineMfcc(options)
        extractor.accept_waveform(RATE, read(path))
        extractor.input_finished()
        return np.array([extractor.get_frame(i) for i in range(extractor.num_frames_ready)])

    return f"kaldi-native-fbank {kaldi_native_fbank.__version__}, 13 MFCC, 25/10 ms at 16 kHz", run
