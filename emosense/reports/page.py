"""Figures, tables and sections -> one self-contained HTML file.

A page loads nothing but the recordings that it plays: its Content-Security-Policy allows a single style sheet and, on a
page with timelines, a single script, by their hashes.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import os
import time
from collections.abc import Iterable, Sequence
from typing import Final

from emosense._version import __version__
from emosense.errors import UsageError
from emosense.reports import style
from emosense.reports.figure import Figure
from emosense.reports.markup import EMPTY, Markup, element, text
from emosense.reports.table import Table
from emosense.storage.locations import redact
from emosense.storage.writing import write_bytes

# As many as a wide page shows side by side.
_BOXES_A_ROW: Final = 8


def paragraph(sentence: str, class_: str = "") -> Markup:
    """Return a paragraph.

    Parameters
    ----------
    sentence : str
        Its text.
    class_ : str
        Class of the element; empty for none.

    Returns
    -------
    Markup
        A ``p`` element.
    """
    return element("p", text(sentence), class_=class_ or None)


def warning(sentence: str) -> Markup:
    """Return a sentence in a box that stands out.

    Parameters
    ----------
    sentence : str
        What to warn of.

    Returns
    -------
    Markup
        A note.
    """
    return element("div", paragraph(sentence), class_="warning", role="note")


def key_values(items: Sequence[tuple[str, str, str]]) -> Markup:
    """Return the most important values of a page or section as boxes.

    Parameters
    ----------
    items : sequence of (str, str, str)
        Name, value and remark; the remark may be empty.

    Returns
    -------
    Markup
        A description list.
    """
    boxes = []
    for name, value, remark in items:
        small = element("small", text(remark), class_="muted") if remark else EMPTY
        boxes.append(element("div", element("dt", text(name)), element("dd", text(value), small)))
    n_rows = -(-len(boxes) // _BOXES_A_ROW)
    balanced = f" by-{-(-len(boxes) // n_rows)}" if n_rows > 1 else ""
    return element("dl", *boxes, class_=f"key-values{balanced}")


def figures(items: Iterable[Figure | Table], *beside: Markup) -> Markup:
    """Return figures and tables in as many columns as fit, three at most; four figures alone in two rows of two.

    Parameters
    ----------
    items : iterable of Figure or Table
        What is shown, in order.
    *beside : Markup
        What follows them.

    Returns
    -------
    Markup
        Columns.
    """
    shown = list(items)
    parts = [*(item.html() for item in shown), *beside]
    are_four_figures = len(parts) == len(shown) == 4 and all(isinstance(item, Figure) for item in shown)
    return element("div", *parts, class_=f"figures of-{2 if are_four_figures else min(len(parts), 3)}")


def section(heading: str, *blocks: Markup) -> Markup:
    """Return a part of a page under a heading.

    Parameters
    ----------
    heading : str
        The heading.
    *blocks : Markup
        Content of the section.

    Returns
    -------
    Markup
        A ``section`` element.
    """
    return element("section", element("h2", text(heading)), *blocks)


def write_page(
    output: str, heading: str, subtitle: str, blocks: Iterable[Markup], *, command: str = "", script: str = ""
) -> None:
    """Write a page in one step: readers see the old file or the new one.

    Parameters
    ----------
    output : str
        Location of the page.
    heading, subtitle : str
        Title of the page and the line below it.
    blocks : iterable of Markup
        Content of the page.
    command : str
        The command that makes the page; empty if no command does.
    script : str
        Its script; empty for none.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    sheet = style.page_css()
    allowed = f"style-src {_digest(sheet)}; " + (f"script-src {_digest(script)}; " if script else "")
    policy = f"default-src 'none'; {allowed}media-src 'self' file:; base-uri 'none'; form-action 'none'"
    header = element("header", element("h1", text(heading)), paragraph(subtitle, "muted"))
    footer = element("footer", _origin(command))
    content = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<meta name="referrer" content="no-referrer">\n'
        f"<title>{text(heading)}</title>\n<style>{sheet}</style>\n</head>\n<body>\n"
        f"{header}\n{element('main', *blocks)}\n{footer}\n{f'<script>{script}</script>' * bool(script)}</body>\n"
        "</html>\n"
    )
    write_bytes(output, content.encode())


def _origin(command: str) -> Markup:
    """Say what made the page, and when: today, or at SOURCE_DATE_EPOCH, so that a build can be repeated."""
    made_s = float(os.environ.get("SOURCE_DATE_EPOCH") or time.time())
    date = datetime.datetime.fromtimestamp(made_s, datetime.UTC).date().isoformat()
    sentence = text(f"Made by emosense {__version__} on {date}{' with ' if command else '.'}")
    return element("p", sentence, element("code", text(redact(command))) if command else EMPTY, class_="muted")


def _digest(content: str) -> str:
    """Return what the policy of a page calls a style sheet or script."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def check_output(output: str) -> None:
    """Refuse an output that a browser would not open as a page.

    Parameters
    ----------
    output : str
        Location of a page to write.

    Raises
    ------
    UsageError
        If it does not end in .html or .htm.
    """
    if not output.lower().endswith((".html", ".htm")):
        raise UsageError(f"cannot write a report to {output}: end it in .html")
