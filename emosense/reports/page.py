"""Figures, tables and sections -> one self-contained HTML file.

A page loads nothing but the recordings that it plays: its Content-Security-Policy allows a single style sheet and, on a
page with timelines, a single script, by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence

from emosense._version import __version__
from emosense.errors import UsageError
from emosense.reports import style
from emosense.reports.figure import Figure
from emosense.reports.markup import EMPTY, Markup, element, text
from emosense.storage.writing import write_bytes


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
    return element("dl", *boxes, class_="key-values")


def figures(items: Iterable[Figure], *tables_beside: Markup) -> Markup:
    """Return figures and tables in as many columns as fit.

    Parameters
    ----------
    items : iterable of Figure
        The figures.
    *tables_beside : Markup
        Tables that follow the figures.

    Returns
    -------
    Markup
        A grid.
    """
    return element("div", *(figure.html() for figure in items), *tables_beside, class_="figures")


def table(caption: str, header: Sequence[str], rows: Iterable[Sequence[str]], n_words: int = 0) -> Markup:
    """Return a table that scrolls sideways where it does not fit.

    Parameters
    ----------
    caption : str
        What the table shows.
    header : sequence of str
        Titles of the columns.
    rows : iterable of sequences of str
        Cells; the first cell of a row is its heading.
    n_words : int
        How many of the last columns hold words rather than numbers; they wrap.

    Returns
    -------
    Markup
        A table in a region of its own.
    """
    n_numbers = len(header) - n_words
    titles = [
        element("th", text(cell), scope="col", class_="words" if place >= n_numbers else None)
        for place, cell in enumerate(header)
    ]
    head = element("tr", *titles)
    body = []
    for row in rows:
        first, *rest = row
        cells = [element("th", text(first), scope="row")]
        for place, cell in enumerate(rest, start=1):
            cells.append(element("td", text(cell), class_="words" if place >= n_numbers else None))
        body.append(element("tr", *cells))
    whole = element("table", element("caption", text(caption)), element("thead", head), element("tbody", *body))
    return element("div", whole, class_="scroll", tabindex="0", role="region", aria_label=caption)


def tables(items: Iterable[Markup]) -> Markup:
    """Return tables side by side where they fit.

    Parameters
    ----------
    items : iterable of Markup
        What `table` returned.

    Returns
    -------
    Markup
        A row of tables.
    """
    return element("div", *items, class_="tables")


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


def write_page(output: str, heading: str, subtitle: str, blocks: Iterable[Markup], script: str = "") -> None:
    """Write a page in one step: readers see the old file or the new one.

    Parameters
    ----------
    output : str
        Location of the page.
    heading, subtitle : str
        Title of the page and the line below it.
    blocks : iterable of Markup
        Content of the page.
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
    footer = element("footer", paragraph(f"Made by emosense {__version__}.", "muted"))
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
