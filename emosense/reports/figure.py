"""A chart with its title and caption: part of a page, or a file of its own as SVG, PNG or PDF; tables beside it.

Files are as wide as a column of a paper. PNG and PDF are drawn by vl-convert (the extra ``figures``): one renderer for
both, with fonts of its own, so that a figure looks the same on a machine without fonts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from emosense.errors import UsageError
from emosense.registry import Registry
from emosense.reports import style
from emosense.reports.drawing import WIDTH, Drawing
from emosense.reports.markup import Markup, element, join, text
from emosense.reports.table import Table
from emosense.storage.folders import make_folder
from emosense.storage.locations import join as join_location
from emosense.storage.writing import write_bytes

# Width of a column in most journals; the 11-unit letters are then 6.8 points high.
FILE_WIDTH_MM: Final = 85.0
PNG_DPI: Final = 300
_POINTS_PER_MM: Final = 72 / 25.4
_MARGIN: Final = 14
_TITLE_HEIGHT: Final = 26


@dataclasses.dataclass(frozen=True, slots=True)
class Figure:
    """A chart with its title and caption.

    Attributes
    ----------
    name : str
        Name of its files and its anchor in the page: lower-case letters and hyphens.
    title : str
        What the chart shows, in a few words.
    caption : str
        One sentence that states the result, with its number.
    drawing : Drawing
        The chart.
    """

    name: str
    title: str
    caption: str
    drawing: Drawing

    def html(self) -> Markup:
        """Return the figure as part of a page.

        Returns
        -------
        Markup
            A ``figure`` element.
        """
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

    def svg(self, width: float = FILE_WIDTH_MM, unit: str = "mm") -> str:
        """Return the figure as an SVG document in the colours for paper.

        Parameters
        ----------
        width : float
            Width of the document; the height follows.
        unit : str
            Unit of the width, such as ``mm``; empty for CSS pixels.

        Returns
        -------
        str
            The document.
        """
        n_across, n_down = WIDTH + 2 * _MARGIN, self.drawing.height + _TITLE_HEIGHT + 2 * _MARGIN
        drawing = element(
            "svg",
            self._names(),
            element("style", Markup(style.figure_css())),
            element("rect", width=n_across, height=n_down, class_="ground"),
            element("text", text(self.title), x=_MARGIN, y=_MARGIN + 10, class_="strong"),
            element("g", self.drawing.body, transform=f"translate({_MARGIN} {_MARGIN + _TITLE_HEIGHT})"),
            xmlns="http://www.w3.org/2000/svg",
            viewBox=f"0 0 {n_across:.0f} {n_down:.0f}",
            width=f"{width:.2f}{unit}",
            height=f"{width * n_down / n_across:.2f}{unit}",
            role="img",
            aria_labelledby=f"{self.name}-title {self.name}-caption",
        )
        return f'<?xml version="1.0" encoding="UTF-8"?>\n{drawing}\n'

    def _names(self) -> Markup:
        named = element("title", text(self.title), id=f"{self.name}-title")
        return join([named, element("desc", text(self.caption), id=f"{self.name}-caption")])


def _svg_file(figure: Figure) -> bytes:
    return figure.svg().encode()


def _png_file(figure: Figure) -> bytes:
    import vl_convert

    # The renderer takes pixels for points, and writes the resolution into the file.
    return vl_convert.svg_to_png(figure.svg(FILE_WIDTH_MM * _POINTS_PER_MM, ""), ppi=PNG_DPI)


def _pdf_file(figure: Figure) -> bytes:
    import vl_convert

    return vl_convert.svg_to_pdf(figure.svg(FILE_WIDTH_MM * _POINTS_PER_MM, ""))


FIGURE_FORMATS: Final[Registry[Callable[[Figure], bytes]]] = Registry("figure format")
FIGURE_FORMATS.register("svg", _svg_file)
FIGURE_FORMATS.register("png", _png_file)
FIGURE_FORMATS.register("pdf", _pdf_file)


def check_figure_formats(formats: Sequence[str]) -> None:
    """Refuse formats that do not exist, or whose renderer is not installed.

    Parameters
    ----------
    formats : sequence of str
        Keys of `FIGURE_FORMATS`.

    Raises
    ------
    UsageError
        If a format is unknown, or PNG or PDF is wanted without vl-convert.
    """
    for name in formats:
        FIGURE_FORMATS.find(name)
    if set(formats) - {"svg"}:
        try:
            import vl_convert  # noqa: F401 - only whether it is there
        except ImportError as err:
            raise UsageError("PNG and PDF figures need vl-convert: pip install 'emosense[figures]'") from err


def save_figures(items: Iterable[Figure | Table], folder: str, formats: Sequence[str] = ("svg",)) -> list[str]:
    """Write each figure and each table of a report as files of its own; a table as Markdown and as LaTeX.

    Parameters
    ----------
    items : iterable of Figure or Table
        What `label_report`, `evaluation_report` and `comparison_report` return.
    folder : str
        Location of the files; it is created if it does not exist.
    formats : sequence of str
        Formats of the figures, keys of `FIGURE_FORMATS`: ``svg``, ``png`` (300 dpi), ``pdf``. All are 85 mm wide.

    Returns
    -------
    list of str
        Locations of the files.

    Raises
    ------
    UsageError
        As in `check_figure_formats`.
    OutputError
        If the folder cannot be written.
    """
    check_figure_formats(formats)
    make_folder(folder)
    written = []
    for item in items:
        if isinstance(item, Table):
            contents = {"md": item.markdown().encode(), "tex": item.latex().encode()}
        else:
            contents = {name: FIGURE_FORMATS.find(name)(item) for name in formats}
        for ending, content in contents.items():
            written.append(join_location(folder, f"{item.name}.{ending}"))
            write_bytes(written[-1], content)
    return written
