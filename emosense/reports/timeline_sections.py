"""What was gathered of a table of segments -> the sections of its page: timelines, the other recordings, moments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from emosense.emotions import EMOTIONS
from emosense.progress import plural
from emosense.reports import page
from emosense.reports.bar_charts import Bar, bars
from emosense.reports.clips import audio_link
from emosense.reports.figure import Figure
from emosense.reports.markup import EMPTY, Markup, element, name, text
from emosense.reports.number_text import count, decimal, percent, seconds
from emosense.reports.segment_table import SegmentRow
from emosense.reports.segment_tally import LongRecording, SegmentTally
from emosense.reports.table import Table
from emosense.reports.timeline import clock, timeline

_HOW_TO_READ: Final = (
    "Time runs from left to right, and on in the next line. Each emotion has a row of its own; the higher a bar, the "
    "higher the confidence. Grey is a pause: no speech was found. Where a recording "
    "has a player, click to play from there; or reach a line with Tab, choose with the arrow keys and press Enter."
)


def speech_figure(speech_s: Mapping[str, float], counted: str) -> Figure:
    """Draw the seconds of speech by emotion.

    Parameters
    ----------
    speech_s : mapping of str to float
        Seconds by emotion.
    counted : str
        What the seconds are counted by, for the caption.

    Returns
    -------
    Figure
    """
    total_s, most = sum(speech_s.values()), max(speech_s, key=lambda emotion: speech_s[emotion])
    rows = []
    for emotion in (*EMOTIONS, *sorted(set(speech_s) - set(EMOTIONS))):
        value = speech_s.get(emotion, 0.0)
        colour = emotion if emotion in EMOTIONS else "second"
        rows.append(Bar(emotion, colour, value, f"{seconds(value)} ({percent(value / total_s)})"))
    caption = (
        f"{most.capitalize()} has {percent(speech_s[most] / total_s)} of the {seconds(total_s)} of speech, {counted}."
    )
    return Figure("speech", "Speech by emotion", caption, bars(rows, maximum=max(speech_s.values())))


def sections(tally: SegmentTally, output: str) -> list[Markup]:
    """Return the timelines of the longest recordings, a list of the others, and the strongest moments.

    Parameters
    ----------
    tally : SegmentTally
    output : str
        Location of the page, which the players' links are relative to.

    Returns
    -------
    list of Markup
        The sections, if the table has segments.
    """
    if not tally.drawn:
        return []
    places = {recording.path: f"recording-{place}" for place, recording in enumerate(tally.drawn, start=1)}
    links = {recording.path: audio_link(recording.path, output) for recording in tally.drawn}
    drawn = [_recording(recording, places[recording.path], links[recording.path], tally) for recording in tally.drawn]
    blocks = [page.paragraph(_HOW_TO_READ, "muted"), *drawn, *_others(tally)]
    heading = "Timeline" if len(drawn) == 1 else "Timelines"
    found = [page.section(heading, *blocks)]
    if tally.moments:
        found.append(_moments(tally, {path: place for path, place in places.items() if links[path]}, output))
    return found


def _most(recording: LongRecording) -> str:
    """Return the emotion of most of the speech and its share, such as "calm 61.0 %"."""
    total_s = sum(recording.speech_s.values())
    if not total_s:
        return "no speech"
    most = max(recording.speech_s, key=lambda emotion: recording.speech_s[emotion])
    return f"{most} {percent(recording.speech_s[most] / total_s)}"


def _recording(recording: LongRecording, place: str, link: str, tally: SegmentTally) -> Markup:
    total_s = sum(recording.speech_s.values())
    shares = sorted(recording.speech_s.items(), key=lambda item: -item[1])
    of_emotions = ", ".join(f"{emotion} {percent(value / total_s)}" for emotion, value in shares)
    remark = f"{seconds(recording.length_s)}, of which {seconds(total_s)} speech: {of_emotions}"
    if not total_s:
        remark = f"{seconds(recording.length_s)} without speech"
    player = EMPTY
    if link:
        audio = element("audio", controls=True, preload="none", src=link, aria_label=f"Play {recording.path}")
        player = element("div", audio, class_="player")
    caption = element("figcaption", element("h3", name(recording.path)), element("p", text(remark)))
    class_ = "recording playable" if link else "recording"
    return element("figure", caption, player, timeline(recording, tally.emotions), id=place, class_=class_)


def _others(tally: SegmentTally) -> list[Markup]:
    n_others = tally.n_recordings - len(tally.drawn)
    if not n_others:
        return []
    rows = [
        (recording.path, seconds(recording.length_s), seconds(sum(recording.speech_s.values())), _most(recording))
        for recording in tally.listed
    ]
    caption = "The next longest recordings" if n_others > len(rows) else "The other recordings"
    table = Table("others", caption, ("recording", "length", "speech", "most of it"), rows).html()
    summary = element("summary", text(f"{plural(n_others, 'more recording')}, shorter than these"))
    more = n_others - len(rows)
    rest = [page.paragraph(f"and {count(more)} more", "rest")] if more else []
    return [element("details", summary, table, *rest)]


def _moments(tally: SegmentTally, playable: Mapping[str, str], output: str) -> Markup:
    """List the segments with the highest confidence of each emotion."""
    groups = []
    for emotion in tally.emotions:
        if emotion not in tally.moments:
            continue
        items = [_moment(moment, playable, output) for moment in tally.moments[emotion]]
        heading = element("h3", element("strong", text(emotion), class_=f"t-{emotion}"))
        groups.append(element("div", heading, element("ol", *items), class_="clip moments"))
    return page.section("Strongest moments", element("div", *groups, class_="clips"))


def _moment(moment: SegmentRow, playable: Mapping[str, str], output: str) -> Markup:
    when = f"{clock(moment.start_s)} to {clock(moment.end_s)}"
    channel = f", channel {moment.channel}" if moment.channel else ""
    remark = element("span", text(f" {decimal(moment.confidence, 2)}{channel} "), class_="muted")
    if moment.path in playable:
        jump = element(
            "button",
            text(when),
            type="button",
            aria_label=f"Play {moment.path} at {when}",
            data_recording=playable[moment.path],
            data_time=moment.start_s,
        )
        return element("li", jump, remark, name(moment.path))
    link = audio_link(moment.path, output)
    player = EMPTY
    if link:
        place = f"{link}#t={moment.start_s:g},{moment.end_s:g}"
        player = element("audio", controls=True, preload="none", src=place, aria_label=f"Play {moment.path} at {when}")
    return element("li", element("b", text(when)), remark, name(moment.path), player)
