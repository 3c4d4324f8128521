"""Figures, tables and sections -> one HTML file that needs nothing beside it, and each figure as an SVG file.

A page has no script and loads nothing but the recordings that it plays: its policy allows one style sheet, by its hash.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
from collections.abc import Iterable, Sequence
from typing import Final

from emosense._version import __version__
from emosense.errors import UsageError
from emosense.reports import style
from emosense.reports.drawing import WIDTH, Drawing
from emosense.reports.markup import EMPTY, Markup, element, join, text
from emosense.storage.files import join as join_location
from emosense.storage.files import make_folder, write_bytes

_MARGIN: Final = 14
_TITLE_HEIGHT: Final = 26


@dataclasses.dataclass(frozen=True, slots=True)
class Figure:
    """A chart with what it shows.

    Parameters
    ----------
    name : str
        Of the file that it is saved in, and of its place in the page: lower-case letters and hyphens.
    title : str
    caption : str
        One sentence that says what the figure shows, with its number.
    drawing : Drawing
    """

    name: str
    title: str
    caption: str
    drawing: Drawing

    def html(self) -> Markup:
        """Return the figure as part of a page."""
        drawing = element(
            "svg",
            self._names(),
            self.drawing.body,
            viewBox=f"0 0 {WIDTH:.0f} {self.drawing.height:.0f}",
            role="img",
            aria_labelledby=f"{self.name}-title {self.name}-caption",
        )
        caption = element("figcaption", element("h3", text(self.title)), element("p", text(self.caption)))
        return element("figure", caption, drawing, id=self.name)

    def svg(self) -> bytes:
        """Return the figure as an SVG file of its own, in the colours for paper."""
        width, height = WIDTH + 2 * _MARGIN, self.drawing.height + _TITLE_HEIGHT + 2 * _MARGIN
        drawing = element(
            "svg",
            self._names(),
            element("style", Markup(style.figure_css())),
            element("rect", width=width, height=height, class_="ground"),
            element("text", text(self.title), x=_MARGIN, y=_MARGIN + 10, class_="strong"),
            element("g", self.drawing.body, transform=f"translate({_MARGIN} {_MARGIN + _TITLE_HEIGHT})"),
            xmlns="http://www.w3.org/2000/svg",
            viewBox=f"0 0 {width:.0f} {height:.0f}",
            width=2 * width,
            height=2 * height,
            role="img",
            aria_labelledby=f"{self.name}-title {self.name}-caption",
        )
        return f'<?xml version="1.0" encoding="UTF-8"?>\n{drawing}\n'.encode()

    def _names(self) -> Markup:
        named = element("title", text(self.title), id=f"{self.name}-title")
        return join([named, element("desc", text(self.caption), id=f"{self.name}-caption")])


def save_figures(report_figures: Iterable[Figure], folder: str) -> list[str]:
    """Write each figure of a report as an SVG file.

    Parameters
    ----------
    report_figures : iterable of Figure
        What `label_report`, `evaluation_report` and `comparison_report` return.
    folder : str
        Location; it is created where it is not there.

    Returns
    -------
    list of str
        The files' locations.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    """
    make_folder(folder)
    written = []
    for figure in report_figures:
        written.append(join_location(folder, f"{figure.name}.svg"))
        write_bytes(written[-1], figure.svg())
    return written


def paragraph(sentence: str, class_: str = "") -> Markup:
    """Return a paragraph."""
    return element("p", text(sentence), class_=class_ or None)


def warning(sentence: str) -> Markup:
    """Return a sentence that must not be missed."""
    return element("div", paragraph(sentence), class_="warning", role="note")


def facts(items: Sequence[tuple[str, str, str]]) -> Markup:
    """Return headline facts: name, value and a remark, which may be empty."""
    boxes = []
    for name, value, remark in items:
        small = element("small", text(remark), class_="muted") if remark else EMPTY
        boxes.append(element("div", element("dt", text(name)), element("dd", text(value), small)))
    return element("dl", *boxes, class_="facts")


def figures(shown: Iterable[Figure], *beside: Markup) -> Markup:
    """Return figures, and tables beside them, in as many columns as there is room for."""
    return element("div", *(figure.html() for figure in shown), *beside, class_="figures")


def table(caption: str, header: Sequence[str], rows: Iterable[Sequence[str]], n_words: int = 0) -> Markup:
    """Return a table; the first cell of a row is its head, the last `n_words` cells are words and not numbers."""
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


def tables(shown: Iterable[Markup]) -> Markup:
    """Return tables side by side, where there is room."""
    return element("div", *shown, class_="tables")


def section(heading: str, *blocks: Markup) -> Markup:
    """Return a part of a page under a heading."""
    return element("section", element("h2", text(heading)), *blocks)


def write_page(output: str, heading: str, subtitle: str, blocks: Iterable[Markup]) -> None:
    """Put a page in place in one step.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    sheet = style.page_css()
    digest = base64.b64encode(hashlib.sha256(sheet.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; media-src 'self' file:; base-uri 'none'; form-action 'none'"
    )
    header = element("header", element("h1", text(heading)), paragraph(subtitle, "muted"))
    footer = element("footer", paragraph(f"Made by emosense {__version__}.", "muted"))
    content = (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<meta name="referrer" content="no-referrer">\n'
        f"<title>{text(heading)}</title>\n<style>{sheet}</style>\n</head>\n<body>\n"
        f"{header}\n{element('main', *blocks)}\n{footer}\n</body>\n</html>\n"
    )
    write_bytes(output, content.encode())


def check_output(output: str) -> None:
    """Refuse an output that a browser would not open.

    Raises
    ------
    UsageError
        If it ends in neither .html nor .htm.
    """
    if not output.lower().endswith((".html", ".htm")):
        raise UsageError(f"cannot write a report to {output}: end it in .html")
