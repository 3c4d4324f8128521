"""Segments of recordings -> what a page shows of them: the longest recordings, the others, the strongest moments.

One pass, in memory that does not grow with the table: only the recordings that are drawn keep their segments.
"""

from __future__ import annotations

import dataclasses
import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Final

from emosense.emotions import EMOTIONS
from emosense.reports.segment_table import SegmentRow

N_DRAWN: Final = 10
N_LISTED: Final = 200
N_MOMENTS: Final = 5


@dataclasses.dataclass(slots=True)
class LongRecording:
    """A recording with its segments.

    Parameters
    ----------
    path : str
    length_s : float
        End of its last segment, in seconds.
    speech_s : dict of str to float
        Seconds of speech by the emotion of the segment.
    segments : list of SegmentRow
        In the order of the table; empty if the recording is only listed.
    """

    path: str
    length_s: float
    speech_s: dict[str, float]
    segments: list[SegmentRow]

    @property
    def channels(self) -> list[str]:
        """Names of its channels, in the order of the table; one empty name if the table has none."""
        return list(dict.fromkeys(segment.channel for segment in self.segments))


@dataclasses.dataclass(slots=True)
class SegmentTally:
    """What a page shows of a table of segments.

    Attributes
    ----------
    n_recordings, n_segments, n_pauses : int
        Recordings, segments, and segments without speech.
    length_s : float
        Seconds of audio: the sum of the lengths of the recordings.
    speech_s : Counter
        Seconds of speech by emotion.
    drawn : list of LongRecording
        The longest recordings, in the order of the table.
    listed : list of LongRecording
        The next longest, longest first.
    moments : dict of str to list of SegmentRow
        By emotion, the segments with the highest confidence, highest first; of those that overlap, only the highest.
    """

    n_recordings: int = 0
    n_segments: int = 0
    n_pauses: int = 0
    length_s: float = 0.0
    speech_s: Counter[str] = dataclasses.field(default_factory=Counter)
    drawn: list[LongRecording] = dataclasses.field(default_factory=list)
    listed: list[LongRecording] = dataclasses.field(default_factory=list)
    moments: dict[str, list[SegmentRow]] = dataclasses.field(default_factory=dict)

    @property
    def emotions(self) -> list[str]:
        """The emotions of the segments, in the order of `EMOTIONS`; those of the user's own come last."""
        return [*(name for name in EMOTIONS if name in self.speech_s), *sorted(set(self.speech_s) - set(EMOTIONS))]


def tally_segments(recordings: Iterable[list[SegmentRow]]) -> SegmentTally:
    """Gather what a page shows, in one pass.

    Parameters
    ----------
    recordings : iterable of list of SegmentRow
        The segments of each recording, in the order of the table.

    Returns
    -------
    SegmentTally
    """
    tally = SegmentTally()
    longest: list[tuple[float, int, LongRecording]] = []
    others: list[tuple[float, int, LongRecording]] = []
    for number, segments in enumerate(recordings):
        recording = _recording(segments)
        tally.n_recordings += 1
        tally.n_segments += len(segments)
        tally.n_pauses += sum(not segment.emotion for segment in segments)
        tally.length_s += recording.length_s
        tally.speech_s.update(recording.speech_s)
        for segment in sorted(segments, key=lambda each: -each.confidence):
            if segment.emotion:
                _keep_moment(tally.moments.setdefault(segment.emotion, []), segment)
        dropped = _keep(longest, (recording.length_s, -number, recording), N_DRAWN)
        if dropped is not None:
            dropped[2].segments = []
            _keep(others, dropped, N_LISTED)
    tally.drawn = [recording for _, _, recording in sorted(longest, key=lambda item: -item[1])]
    tally.listed = [recording for _, _, recording in sorted(others, key=lambda item: (-item[0], -item[1]))]
    return tally


def _recording(segments: list[SegmentRow]) -> LongRecording:
    """Add up the speech of a recording; where windows overlap, each second counts once."""
    shares: defaultdict[str, float] = defaultdict(float)
    total_s, ends_s = 0.0, dict[str, float]()
    for segment in segments:
        end_s = ends_s.get(segment.channel, 0.0)
        if segment.emotion:
            new_s = max(segment.end_s - max(end_s, segment.start_s), 0.0)
            total_s += segment.speech_s * new_s / (segment.end_s - segment.start_s)
            shares[segment.emotion] += segment.speech_s
        ends_s[segment.channel] = max(end_s, segment.end_s)
    scale = total_s / (sum(shares.values()) or 1.0)
    return LongRecording(
        segments[0].path, max(ends_s.values()), {name: value * scale for name, value in shares.items()}, segments
    )


def _keep(
    heap: list[tuple[float, int, LongRecording]], item: tuple[float, int, LongRecording], n_most: int
) -> tuple[float, int, LongRecording] | None:
    """Keep the longest; return what is left out."""
    if len(heap) < n_most:
        heapq.heappush(heap, item)
        return None
    return heapq.heappushpop(heap, item)


def _keep_moment(moments: list[SegmentRow], segment: SegmentRow) -> None:
    if len(moments) == N_MOMENTS and segment.confidence <= moments[-1].confidence:
        return
    place = (segment.path, segment.channel)
    beside = [
        moment
        for moment in moments
        if (moment.path, moment.channel) == place and moment.start_s < segment.end_s and segment.start_s < moment.end_s
    ]
    if any(moment.confidence >= segment.confidence for moment in beside):
        return
    kept = [moment for moment in moments if moment not in beside]
    moments[:] = sorted([*kept, segment], key=lambda moment: -moment.confidence)[:N_MOMENTS]
