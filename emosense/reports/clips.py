"""Recordings that a label report lists: lowest and highest confidence, with a player, and those with errors."""

from __future__ import annotations

import os
import urllib.parse

from emosense.progress import plural
from emosense.reports import page
from emosense.reports.bar_charts import Bar, bars
from emosense.reports.figure import Figure
from emosense.reports.label_table import LabelRow
from emosense.reports.markup import EMPTY, Markup, element, name, text
from emosense.reports.number_text import count, decimal, percent, seconds
from emosense.reports.table import Table
from emosense.reports.tally import N_FILES_A_CODE, Tally
from emosense.storage.cells import original_path
from emosense.storage.schemes import is_url


def certainty(tally: Tally, output: str) -> list[Markup]:
    """Return the section of the recordings with the lowest and the highest confidence; empty without labels.

    Parameters
    ----------
    tally : Tally
        Counts of the table.
    output : str
        Location of the page, which the players' links are relative to.

    Returns
    -------
    list of Markup
        The section, if any.
    """
    if not tally.least:
        return []
    # With few recordings the two lists overlap.
    most = [row for row in tally.most if row not in tally.least]
    lists = [("Lowest confidence", tally.least), ("Highest confidence", most)]
    if not most:
        lists = [("All labelled recordings, lowest confidence first", tally.least)]
    blocks = []
    for heading, rows in lists:
        blocks += [element("h3", text(heading)), element("ul", *(_clip(row, output) for row in rows), class_="clips")]
    return [page.section("Recordings to listen to", *blocks)]


def _clip(row: LabelRow, output: str) -> Markup:
    """Return one recording: its name, its label and, if the file is on this machine, a player."""
    remark = f", confidence {decimal(row.confidence)}, {seconds(row.duration_s)}"
    emotion = element("strong", text(row.emotion), class_=f"t-{row.emotion}")
    link = audio_link(row.path, output)
    player = EMPTY
    if link:
        player = element("audio", controls=True, preload="none", src=link, aria_label=f"Play {row.name}")
    return element("li", name(row.name), element("span", emotion, text(remark)), player, class_="clip")


def audio_link(path: str, output: str) -> str:
    """Return the percent-encoded link from a page to a recording on this machine; empty if there is none.

    A relative path starts at the working directory, as in the labelling run.

    Parameters
    ----------
    path : str
        Path of a recording as the table has it.
    output : str
        Location of the page.

    Returns
    -------
    str
        The link.
    """
    if is_url(path) or is_url(output):
        return ""
    try:
        recording = os.fsencode(os.path.abspath(original_path(path)))
        if not os.path.isfile(recording):
            return ""
    except ValueError:
        # Not a file name: it has a NUL, or a surrogate that stands for no byte.
        return ""
    link = urllib.parse.quote(os.path.relpath(recording, os.fsencode(os.path.dirname(os.path.abspath(output)))))
    # "./" keeps a name such as "a:b.wav" from being taken for another scheme.
    return link if link.startswith("../") else f"./{link}"


def error_figure(tally: Tally) -> Figure:
    """Draw the number of recordings with an error code, by code.

    Parameters
    ----------
    tally : Tally
        Counts of a table with error codes.

    Returns
    -------
    Figure
        The bars.
    """
    ordered = sorted(tally.errors.items(), key=lambda item: (-item[1].n, item[0]))
    total = sum(errors.n for _, errors in ordered)
    rows = [
        Bar(code, "second", errors.n, f"{count(errors.n)} ({percent(errors.n / total)})") for code, errors in ordered
    ]
    caption = (
        f"{plural(total, tally.noun)} could not be labelled, or only in part; "
        f"the most frequent reason is {ordered[0][0]} ({count(ordered[0][1].n)})."
    )
    return Figure("errors", "Problems by error code", caption, bars(rows, maximum=ordered[0][1].n))


def errors(tally: Tally, items: list[Figure | Table]) -> list[Markup]:
    """Return the section of recordings with an error code; empty if there are none.

    Parameters
    ----------
    tally : Tally
        Counts of the table.
    items : list of Figure or Table
        Receives the figure of the section.

    Returns
    -------
    list of Markup
        The section, if any.
    """
    if not tally.errors:
        return []
    figure = error_figure(tally)
    items.append(figure)
    # A short list is open, on paper too.
    is_short = sum(found.n for found in tally.errors.values()) <= N_FILES_A_CODE
    lists = []
    for code, found in sorted(tally.errors.items(), key=lambda item: (-item[1].n, item[0])):
        lines = [element("li", name(row.name), text(f": {row.error}" if row.error else "")) for row in found.files]
        n_more = found.n - len(found.files)
        if n_more:
            lines.append(element("li", text(f"and {count(n_more)} more"), class_="rest"))
        summary = element("summary", text(f"{code}: {plural(found.n, tally.noun)}"))
        lists.append(element("details", summary, element("ul", *lines), open=is_short))
    return [page.section("Problems", page.figures([figure], element("div", *lists)))]
