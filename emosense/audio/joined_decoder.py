"""Recordings of one file, read one after the other as one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from emosense.arrays import Float32
from emosense.audio.joined import Part
from emosense.errors import RecordingError

if TYPE_CHECKING:
    from emosense.audio.decoder import Decoder


class JoinedDecoder:
    """Reads recordings one after the other, as one.

    One that has another sample rate or other channels than the first is left out, as is one that cannot be read: the
    whole is then broken.

    Parameters
    ----------
    parts : sequence of Part
        The recordings.
    opened : callable
        Opens one of them.

    Attributes
    ----------
    sample_rate, n_channels : int
        Those of the first recording.
    tolerance_s : float
        As in `Decoder`.
    is_broken : bool
        As in `Decoder`.
    n_tracks, n_lost : int
        As in `Decoder`.
    declared_frames : int or None
        Frames of the recordings so far.
    """

    def __init__(self, parts: Sequence[Part], opened: Callable[[Part], Decoder]) -> None:
        self._first, self._others, self._opened = opened(parts[0]), parts[1:], opened
        self.sample_rate, self.n_channels = self._first.sample_rate, self._first.n_channels
        self.tolerance_s = self._first.tolerance_s
        self.is_broken = False
        self.n_tracks, self.n_lost = self._first.n_tracks, 0
        self.declared_frames: int | None = 0

    def blocks(self) -> Iterator[Float32]:
        """Yield the blocks of all recordings.

        Yields
        ------
        ndarray, shape (n_frames, n_channels), float32
            As the decoders of the recordings give them.
        """
        yield from self._part(self._first)
        for part in self._others:
            try:
                decoder = self._opened(part)
                if (decoder.sample_rate, decoder.n_channels) == (self.sample_rate, self.n_channels):
                    yield from self._part(decoder)
                    continue
                self._declare((decoder.declared_frames or 0) * self.sample_rate // decoder.sample_rate)
            except RecordingError:
                # What was decoded before is worth a label.
                pass
            self.is_broken = True

    def _part(self, decoder: Decoder) -> Iterator[Float32]:
        n_frames, n_lost = 0, self.n_lost
        for block in decoder.blocks():
            n_frames += len(block)
            self.n_lost = n_lost + decoder.n_lost
            yield block
        self.n_lost = n_lost + decoder.n_lost
        declared = decoder.declared_frames or 0
        is_short = declared - n_frames > decoder.tolerance_s * self.sample_rate
        self._declare(declared if is_short or decoder.is_broken else n_frames)
        self.is_broken |= decoder.is_broken

    def _declare(self, n_frames: int) -> None:
        self.declared_frames = (self.declared_frames or 0) + n_frames
