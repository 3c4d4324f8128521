"""The segments of a recording -> its timeline: emotion and confidence over time, channel by channel.

A recording of up to ten minutes fills one line; a longer one has lines of the same length in time, one below the other,
as text has. In a line, every emotion has a row of its own, so that it is known by its place and not only by its colour;
the height of a bar is the confidence. Places across are percentages of the line, so that letters keep their size on any
screen.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from emosense.emotions import EMOTIONS
from emosense.reports.drawing import title
from emosense.reports.markup import EMPTY, Markup, element, join, text
from emosense.reports.segment_table import SegmentRow
from emosense.reports.segment_tally import LongRecording

_ROW: Final = 12.0
_CHANNEL: Final = 16.0
_AXIS: Final = 18.0
_MOST_LINES: Final = 6
# A line has at most so many bars; more segments than that are drawn together.
_MOST_BARS: Final = 300
# Greatest length of a line and distance of its ticks, in seconds. A recording of up to ten minutes has one line.
_LINES: Final = (
    (5, 1), (10, 2), (20, 5), (30, 5), (60, 10), (120, 20), (180, 30), (300, 60), (600, 120), (1200, 300), (1800, 300),
    (3600, 600), (7200, 1200), (14_400, 3600), (28_800, 7200),
)  # fmt: skip
_ONE_LINE_S: Final = 600


@dataclasses.dataclass(frozen=True, slots=True)
class Span:
    """A bar of a timeline; without an emotion, a pause."""

    start_s: float
    end_s: float
    emotion: str
    confidence: float


def clock(time_s: float) -> str:
    """Write a place in a recording, such as 3:07 or 1:03:07.

    Parameters
    ----------
    time_s : float
        Seconds since its start.

    Returns
    -------
    str
    """
    minutes, seconds = divmod(math.floor(time_s + 1e-6), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def line_length(length_s: float) -> tuple[float, int]:
    """Return the length of the lines of a recording, and the distance of their ticks.

    Parameters
    ----------
    length_s : float
        Of the recording, in seconds.

    Returns
    -------
    tuple of (float, int)
        In seconds: one line as long as the recording up to ten minutes, six lines of ten minutes for an hour, at most
        seven up to two days.
    """
    for line_s, tick_s in _LINES:
        if length_s <= line_s <= _ONE_LINE_S:
            return length_s or line_s, tick_s
        if line_s >= _ONE_LINE_S and length_s <= (_MOST_LINES + 1) * line_s:
            return line_s, tick_s
    return _LINES[-1]


def spans(segments: Sequence[SegmentRow], least_s: float) -> list[Span]:
    """Return the bars of one channel: what is between them is a pause.

    Parameters
    ----------
    segments : sequence of SegmentRow
        Of one channel, in order of time; where they overlap, the later one is drawn from its start.
    least_s : float
        Segments are drawn together until a bar lasts this many seconds: the emotion with most speech stands for them.

    Returns
    -------
    list of Span
        With an emotion, in order of time, without overlaps.
    """
    ends_s = [min(a.end_s, b.start_s) for a, b in itertools.pairwise(segments)]
    shown = [
        (segment, end_s)
        for segment, end_s in zip(segments, [*ends_s, *(segment.end_s for segment in segments[-1:])], strict=True)
        if segment.emotion and end_s > segment.start_s
    ]
    if all(end_s - segment.start_s >= least_s for segment, end_s in shown[:-1]):
        return [Span(segment.start_s, end_s, segment.emotion, segment.confidence) for segment, end_s in shown]
    bins: defaultdict[int, list[tuple[SegmentRow, float]]] = defaultdict(list)
    for segment, end_s in shown:
        bins[int(segment.start_s / least_s)].append((segment, end_s))
    return [_together(bins[place]) for place in sorted(bins)]


def _together(shown: Sequence[tuple[SegmentRow, float]]) -> Span:
    speech_s: defaultdict[str, float] = defaultdict(float)
    weighted: defaultdict[str, float] = defaultdict(float)
    for segment, _ in shown:
        speech_s[segment.emotion] += segment.speech_s
        weighted[segment.emotion] += segment.speech_s * segment.confidence
    most = max(speech_s, key=lambda name: speech_s[name])
    return Span(shown[0][0].start_s, shown[-1][1], most, weighted[most] / (speech_s[most] or 1.0))


def timeline(recording: LongRecording, emotions: Sequence[str]) -> Markup:
    """Draw the lines of a recording.

    Parameters
    ----------
    recording : LongRecording
        With its segments.
    emotions : sequence of str
        The rows of a line, from top to bottom.

    Returns
    -------
    Markup
        One ``div`` per line.
    """
    line_s, tick_s = line_length(recording.length_s)
    channels = []
    for channel in recording.channels:
        segments = [segment for segment in recording.segments if segment.channel == channel]
        channels.append((channel, spans(segments, line_s / _MOST_BARS)))
    n_lines = max(math.ceil(recording.length_s / line_s - 1e-9), 1)
    drawn = (_line(channels, emotions, place * line_s, line_s, tick_s, recording.length_s) for place in range(n_lines))
    return join(drawn)


def _line(
    channels: Sequence[tuple[str, list[Span]]],
    emotions: Sequence[str],
    from_s: float,
    line_s: float,
    tick_s: float,
    length_s: float,
) -> Markup:
    rows = _ROW * len(emotions)
    names, plot, top = [], [], 0.0
    for channel, bars in channels:
        if channel and len(channels) > 1:
            plot.append(element("text", text(f"channel {channel}"), x=0, y=top + 11, class_="minor"))
            top += _CHANNEL
        for place, emotion in enumerate(emotions):
            y = top + _ROW * place + 9
            names.append(element("text", text(emotion), x="100%", y=y, class_="end long"))
            names.append(element("text", text(emotion[:3]), x="100%", y=y, class_="end short"))
        end_s = min(from_s + line_s, length_s)
        plot.append(_rect(from_s, end_s, (from_s, line_s), top, rows, "pause"))
        here = [bar for bar in bars if bar.end_s > from_s and bar.start_s < from_s + line_s]
        plot += [_rect(a, b, (from_s, line_s), top, rows, "spoken") for a, b in _joined(here, from_s, end_s)]
        plot += [_bar(bar, emotions, (from_s, end_s), (from_s, line_s), top) for bar in here]
        top += rows + 4
    plot.append(_ticks(from_s, line_s, tick_s, top))
    plot.append(element("line", x1=0, x2=0, y1=0, y2=top, class_="cursor", visibility="hidden"))
    height = top + _AXIS
    shown = element("svg", *plot, class_="plot", height=height, data_from=from_s, data_span=line_s)
    return element(
        "div", element("svg", *names, class_="names", height=height, aria_hidden="true"), shown, class_="line"
    )


def _percent(share: float) -> str:
    return f"{100 * share:.2f}".rstrip("0").rstrip(".") + "%"


def _rect(
    start_s: float, end_s: float, line: tuple[float, float], y: float, height: float, class_: str, name: Markup = EMPTY
) -> Markup:
    from_s, line_s = line
    x, width = _percent((start_s - from_s) / line_s), _percent((end_s - start_s) / line_s)
    return element("rect", name, x=x, y=y, width=width, height=height, class_=class_)


def _joined(bars: Sequence[Span], from_s: float, end_s: float) -> list[tuple[float, float]]:
    """Return the times with speech."""
    found: list[tuple[float, float]] = []
    for bar in bars:
        start_s, stop_s = max(bar.start_s, from_s), min(bar.end_s, end_s)
        if found and start_s - found[-1][1] < 1e-6:
            found[-1] = (found[-1][0], stop_s)
        else:
            found.append((start_s, stop_s))
    return found


def _bar(
    bar: Span, emotions: Sequence[str], shown: tuple[float, float], line: tuple[float, float], top: float
) -> Markup:
    start_s, end_s = max(bar.start_s, shown[0]), min(bar.end_s, shown[1])
    height = 2 + (_ROW - 3) * bar.confidence
    y = top + _ROW * (emotions.index(bar.emotion) + 1) - 1 - height
    name = title(f"{clock(bar.start_s)} to {clock(bar.end_s)}: {bar.emotion}, confidence {bar.confidence:.2f}")
    return _rect(start_s, end_s, line, y, height, f"bar f-{bar.emotion if bar.emotion in EMOTIONS else 'second'}", name)


def _ticks(from_s: float, line_s: float, tick_s: float, top: float) -> Markup:
    parts = []
    for place in range(math.floor(line_s / tick_s + 1e-9) + 1):
        x = _percent(place * tick_s / line_s)
        anchor = "end" if x == "100%" else "middle" if place else ""
        parts.append(element("line", x1=x, x2=x, y1=0, y2=top + 3, class_="grid"))
        # A narrow screen has room for every second one.
        class_ = f"minor {anchor}{' fine' if place % 2 else ''}"
        parts.append(element("text", text(clock(from_s + place * tick_s)), x=x, y=top + 14, class_=class_))
    return join(parts)
