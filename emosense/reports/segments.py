"""A table of segments -> a page: timelines of the longest recordings, and the strongest moments of each emotion.

Table -> `read_segments` -> `tally_segments` -> sections -> `write_page`
"""

from __future__ import annotations

from emosense.progress import plural
from emosense.reports import page
from emosense.reports.figure import Figure
from emosense.reports.manifest import manifest_of_segments
from emosense.reports.markup import Markup
from emosense.reports.number_text import count, percent, seconds
from emosense.reports.purpose import purpose
from emosense.reports.segment_table import read_segments
from emosense.reports.segment_tally import SegmentTally, tally_segments
from emosense.reports.table import Table
from emosense.reports.timeline_script import SCRIPT
from emosense.reports.timeline_sections import sections, speech_figure
from emosense.storage.locations import redact


def segment_report(table_path: str, output: str, *, command: str = "") -> tuple[Figure | Table, ...]:
    """Write a report of a table of segments as one HTML file.

    Parameters
    ----------
    table_path : str
        Location of the table that ``label --segments`` wrote: .csv, .parquet or .jsonl.
    output : str
        Location of the page, ending in .html. It plays recordings on this machine from where they are.
    command : str, optional
        The command that makes the page, to be stated in it.

    Returns
    -------
    tuple of Figure or Table
        For `emosense.reports.save_figures`; timelines are only in the page.

    Raises
    ------
    UsageError
        If the table is missing or invalid.
    OutputError
        If the page cannot be written.
    StorageError
        If object storage does not answer.
    """
    page.check_output(output)
    tally = tally_segments(read_segments(table_path))
    figures = [speech_figure(tally.speech_s, "each segment counted with its own label")] if tally.speech_s else []
    blocks = [_key_values(tally), *([page.figures(figures)] if figures else []), *sections(tally, output)]
    blocks.append(purpose(manifest_of_segments(table_path).get("model", {})))
    heading = f"Emotions over time in {plural(tally.n_recordings, 'recording')}"
    subtitle = f"Timeline report of {redact(table_path)}"
    page.write_page(output, heading, subtitle, blocks, command=command, script=SCRIPT)
    return tuple(figures)


def _key_values(tally: SegmentTally) -> Markup:
    speech_s = tally.speech_s.total()
    items = [
        ("recordings", count(tally.n_recordings), ""),
        ("segments", count(tally.n_segments), f"{count(tally.n_pauses)} without speech"),
        ("audio", seconds(tally.length_s), ""),
        ("speech", seconds(speech_s), f"{percent(speech_s / tally.length_s)} of the audio" if tally.length_s else ""),
    ]
    if speech_s:
        most, most_s = tally.speech_s.most_common(1)[0]
        items.append(("most of the speech", most, percent(most_s / speech_s)))
    return page.key_values(items)
