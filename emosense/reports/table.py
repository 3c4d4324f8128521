"""A table of a report: part of a page, or a file of its own for a paper, as Markdown or LaTeX."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Final

from emosense.reports.markup import Markup, element, text, visible

# Characters that LaTeX takes for commands, and those that its standard fonts lack.
_LATEX: Final = str.maketrans({
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\N{NO-BREAK SPACE}": "~", "\N{EN DASH}": "--",
    "\N{MINUS SIGN}": "$-$", "\N{PLUS-MINUS SIGN}": r"$\pm$",
})  # fmt: skip
_MARKDOWN: Final = str.maketrans({"\\": "\\\\", "|": "\\|", "*": "\\*", "_": "\\_", "<": "&lt;", "`": "\\`"})


@dataclasses.dataclass(frozen=True, slots=True)
class Table:
    """A table with its caption.

    Attributes
    ----------
    name : str
        Name of its files: lower-case letters and hyphens.
    caption : str
        What the table shows.
    header : sequence of str
        Titles of the columns.
    rows : sequence of sequences of str
        Cells; the first cell of a row is its heading.
    n_words : int
        How many of the last columns hold words rather than numbers; they wrap.
    """

    name: str
    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    n_words: int = 0

    def html(self) -> Markup:
        """Return the table as part of a page; it scrolls sideways where it does not fit.

        Returns
        -------
        Markup
            A table in a region of its own.
        """
        n_numbers = len(self.header) - self.n_words
        titles = [
            element("th", text(cell), scope="col", class_="words" if place >= n_numbers else None)
            for place, cell in enumerate(self.header)
        ]
        body = []
        for first, *rest in self.rows:
            cells = [element("th", text(first), scope="row")]
            for place, cell in enumerate(rest, start=1):
                cells.append(element("td", text(cell), class_="words" if place >= n_numbers else None))
            body.append(element("tr", *cells))
        head = element("thead", element("tr", *titles))
        whole = element("table", element("caption", text(self.caption)), head, element("tbody", *body))
        return element("div", whole, class_="scroll", tabindex="0", role="region", aria_label=self.caption)

    def markdown(self) -> str:
        """Return the table in GitHub's Markdown.

        Returns
        -------
        str
            A document: the caption, and the table.
        """
        lines = [[visible(cell).translate(_MARKDOWN) for cell in row] for row in (self.header, *self.rows)]
        sides = ["---", *("---:" for _ in self.header[1 : len(self.header) - self.n_words])]
        lines.insert(1, [*sides, *("---" for _ in range(len(self.header) - len(sides)))])
        written = "".join(f"| {' | '.join(line)} |\n" for line in lines)
        return f"{visible(self.caption).translate(_MARKDOWN)}\n\n{written}"

    def latex(self) -> str:
        """Return the table for LaTeX, with the rules of the package ``booktabs``.

        Returns
        -------
        str
            A ``table`` environment.
        """
        n_numbers = len(self.header) - 1 - self.n_words
        head, *body = [
            " & ".join(visible(cell).translate(_LATEX) for cell in row) + r" \\" for row in (self.header, *self.rows)
        ]
        lines = [
            r"% \usepackage{booktabs}", r"\begin{table}", r"\centering",
            rf"\caption{{{visible(self.caption).translate(_LATEX)}}}", rf"\label{{tab:{self.name}}}",
            rf"\begin{{tabular}}{{l{'r' * n_numbers}{'l' * self.n_words}}}", r"\toprule", head, r"\midrule", *body,
            r"\bottomrule", r"\end{tabular}", r"\end{table}",
        ]  # fmt: skip
        return "\n".join(lines) + "\n"
