"""A table of labels -> a section of its report: the recordings whose labels, by ear, would help most."""

from __future__ import annotations

from typing import Final

from emosense.labelling.choice import Candidate, choose_recordings
from emosense.reports import page
from emosense.reports.clips import audio_link
from emosense.reports.markup import EMPTY, Markup, element, name, text
from emosense.reports.number_text import decimal
from emosense.reports.tally import Tally
from emosense.storage.locations import redact

_N_SHOWN: Final = 12


def recordings_to_label(tally: Tally, table_path: str, output: str) -> list[Markup]:
    """List the recordings that `emosense-batch choose` chooses first.

    Parameters
    ----------
    tally : Tally
        Counts of the table.
    table_path : str
        Location of the table.
    output : str
        Location of the page, which the players' links are relative to.

    Returns
    -------
    list of Markup
        The section; none where the page lists all labelled recordings anyway.
    """
    if sum(tally.by_emotion) <= len(tally.least) + len(tally.most):
        return []
    chosen = choose_recordings(table_path, _N_SHOWN)
    advice = element(
        "p",
        text("Your own labels for these would help a model of your own most. "),
        element("code", text(f"emosense-batch choose {redact(table_path)}")),
        text(" writes these and more to a table that you can fill in."),
    )
    clips = element("ul", *(_clip(row, output) for row in chosen), class_="clips")
    return [page.section("Recordings to label yourself", advice, clips)]


def _clip(row: Candidate, output: str) -> Markup:
    link = audio_link(row.path, output)
    player = element("audio", controls=True, preload="none", src=link, aria_label=f"Play {row.path}") if link else EMPTY
    guess = element("strong", text(row.guess), class_=f"t-{row.guess}")
    remark = element("span", guess, text(f", confidence {decimal(row.confidence)}"))
    return element("li", name(row.path), remark, player, class_="clip to-label")
