"""One window of all channels -> mono: the mean of the channels with speech, in which no channel cancels another.

A channel takes part if it has speech: one that is silent, hums or only has noise does not. A channel in opposite phase
is turned round first, and one whose microphone hears the same speech later, or earlier, is moved by the difference: the
mean of a voice and its delayed copy lacks some of its frequencies. A channel that is clipped takes no part if another
one has the same speech unclipped. All is decided by the speech of the window, so that
nothing before it, such as silence or noise at the start of a recording, decides for the rest.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emosense.arrays import Float32
from emosense.audio.silence import is_silent
from emosense.audio.speech import MIN_SPEECH_S, Listened, listen
from emosense.audio.speech_detector import FRAME_S

# Channels that are this similar, and as loud within 6 dB, have the same sound: their mean has it too.
_SAME: Final = 0.99
_SAME_POWER: Final = 4.0
# Of the same speech in opposite phase, with as much noise as speech in each channel, the correlation is -0.5.
_OPPOSITE: Final = -0.25
# The longest way of sound that is made up for, some 7 m, and how similar two channels must then be, and become.
_MAX_DELAY_S: Final = 0.02
_SAME_SPEECH: Final = 0.5
_MORE_ALIKE: Final = 0.05
# A channel with more clipped samples than this is spoilt, next to one with the same speech and a tenth of them.
_SPOILT: Final = 0.01
_FEWER: Final = 0.1
# Speech this much below that of the loudest channel is what its microphone picks up of the other one.
_BELOW_LOUDEST_DB: Final = 30.0
_MIN_FRAMES: Final = MIN_SPEECH_S / FRAME_S


@dataclasses.dataclass(frozen=True, slots=True)
class _Channel:
    """A channel that has sound."""

    waveform: Float32
    listened: Listened
    clipping: float

    @property
    def has_speech(self) -> bool:
        return bool(np.count_nonzero(self.listened.is_speech) >= _MIN_FRAMES)

    @property
    def level_db(self) -> float:
        """Level of the loudest frame: of speech, where there is any."""
        level_db = self.listened.level_db
        return float(level_db[self.listened.is_speech].max() if self.has_speech else level_db.max())


def mixed(window: Float32, sample_rate: int, clipping: Sequence[float] = ()) -> Float32:
    """Mix the channels of a window.

    Parameters
    ----------
    window : ndarray, shape (n_samples, n_channels), float32 in [-1, 1]
        All channels, at least one.
    sample_rate : int
        Hz.
    clipping : sequence of float, length n_channels
        Share of clipped samples of each channel, 0 to 1; empty for none.

    Returns
    -------
    ndarray, shape (n_samples,), float32 in [-1, 1]
        Mono.
    """
    waveforms = [np.ascontiguousarray(column) for column in window.T]
    if len(waveforms) == 1:
        return waveforms[0]
    has_sound = [not is_silent(each) for each in waveforms]
    clipping = list(itertools.compress(clipping or [0.0] * len(waveforms), has_sound))
    waveforms = list(itertools.compress(waveforms, has_sound))
    if len(waveforms) == 0:
        return np.zeros(len(window), np.float32)
    if len(waveforms) == 1:
        return waveforms[0]
    if all(_is_same(waveforms[0], other) for other in waveforms[1:]):
        return _mean(waveforms)
    channels = [
        _Channel(waveform, listen(waveform, sample_rate), ratio)
        for waveform, ratio in zip(waveforms, clipping, strict=True)
    ]
    unspoilt = [each for each in channels if not _is_spoilt(each, channels, sample_rate)]
    return _mean_in_phase(_taking_part(unspoilt), sample_rate)


def _is_spoilt(channel: _Channel, channels: Sequence[_Channel], sample_rate: int) -> bool:
    """Say whether a channel is clipped, and another one has the same speech, which is not."""
    if channel.clipping < _SPOILT or not channel.has_speech:
        return False
    better = [each for each in channels if each.clipping < _FEWER * channel.clipping and each.has_speech]
    return any(_has_same_speech(each, channel, sample_rate) for each in better)


def _taking_part(channels: Sequence[_Channel]) -> list[_Channel]:
    """Return the channels with speech, the loudest one first; all channels where none has any."""
    ordered = sorted(channels, key=lambda each: (each.has_speech, each.level_db), reverse=True)
    loudest = ordered[0]
    if not loudest.has_speech:
        return ordered
    return [each for each in ordered if each.has_speech and each.level_db > loudest.level_db - _BELOW_LOUDEST_DB]


def _mean_in_phase(channels: Sequence[_Channel], sample_rate: int) -> Float32:
    """Return the mean of channels that are brought to the time and phase of the first one."""
    first, *others = channels
    return _mean([first.waveform, *(_in_phase(first, each, sample_rate) for each in others)])


def _in_phase(first: _Channel, other: _Channel, sample_rate: int) -> Float32:
    delay, correlation = _match(first, other, sample_rate)
    waveform = -other.waveform if correlation < _OPPOSITE else other.waveform
    silence = np.zeros(abs(delay), np.float32)
    # What is moved out at one end leaves silence at the other.
    moved = (waveform[delay:], silence) if delay > 0 else (silence, waveform[: len(waveform) + delay])
    return np.concatenate(moved) if delay else waveform


def _has_same_speech(first: _Channel, other: _Channel, sample_rate: int) -> bool:
    delay, correlation = _match(first, other, sample_rate)
    return delay != 0 or abs(correlation) > _SAME_SPEECH


def _match(first: _Channel, other: _Channel, sample_rate: int) -> tuple[int, float]:
    """Return how many samples later the second channel has the same speech, and their correlation then."""
    frames = first.listened.is_speech & other.listened.is_speech
    if np.count_nonzero(frames) < _MIN_FRAMES:
        # They speak in turn, or not at all.
        frames = np.ones(len(frames), bool)
    samples = np.repeat(frames, first.listened.frame)[: len(first.waveform)]
    delay, correlation = _delay(first.listened.waveform, other.listened.waveform, samples, sample_rate)
    if delay == 0:
        correlation = _correlation(first.listened.waveform[samples], other.listened.waveform[samples])
    return delay, correlation


def _delay(first: Float32, other: Float32, samples: NDArray[np.bool_], sample_rate: int) -> tuple[int, float]:
    """Return how many samples later the second waveform has the same speech, and their correlation then.

    The delay is 0 if they have other speech, or are about as similar without one.
    """
    # Imported here since it takes 0.2 s, and the driver of a run imports this module without computing anything.
    import scipy.fft

    longest = min(int(_MAX_DELAY_S * sample_rate), len(first) - 1)
    if longest < 1:
        return 0, 0.0
    # Differences of neighbouring samples: of speech as it is, a period of the voice later is nearly as similar.
    first, other = (np.diff(each, prepend=each[:1]) for each in (np.where(samples, first, 0), other))
    n = scipy.fft.next_fast_len(len(first) + longest, real=True)
    around = scipy.fft.irfft(scipy.fft.rfft(first, n).conj() * scipy.fft.rfft(other, n), n)
    products = np.concatenate((around[-longest:], around[: longest + 1]))
    powers = float(first @ first) * float(other[samples] @ other[samples])
    correlations = products / max(np.sqrt(powers), 1e-30)
    best = int(np.argmax(np.abs(correlations)))
    likeness = abs(correlations[best])
    if likeness < _SAME_SPEECH or likeness < abs(correlations[longest]) + _MORE_ALIKE:
        return 0, 0.0
    return best - longest, float(correlations[best])


def _is_same(first: Float32, other: Float32) -> bool:
    # Differences of neighbouring samples: an offset or hum that both channels have says nothing about speech.
    first, other = np.diff(first), np.diff(other)
    powers = float(first @ first), float(other @ other)
    return max(powers) < _SAME_POWER * min(powers) and _correlation(first, other) > _SAME


def _correlation(first: Float32, other: Float32) -> float:
    return float(first @ other) / max(float(np.sqrt(float(first @ first) * float(other @ other))), 1e-30)


def _mean(waveforms: Sequence[NDArray[np.float32]]) -> Float32:
    if len(waveforms) == 1:
        return waveforms[0]
    total = waveforms[0] + waveforms[1]
    for waveform in waveforms[2:]:
        total += waveform
    return np.asarray(total * np.float32(1 / len(waveforms)))
