"""The registries of columns, output formats, file formats and error codes -> the tables of docs/rows.md.

    python docs/make_rows.py

Run it after every change of one of them; tests/tables/test_columns.py compares the page with what this makes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from emosense.audio.formats import FORMATS
from emosense.errors import ERROR_CODES
from emosense.tables.columns import SCHEMA
from emosense.tables.formats import OUTPUT_FORMATS

PAGE = Path(__file__).with_name("rows.md")
_GROUPS = {
    "always": "always",
    "recordings": "table of recordings",
    "channels": "`--channels split`",
    "segments": "table of segments",
    "quality": "`--quality`",
    "speakers": "`--speakers`",
    "min_confidence": "`--min-confidence`",
}
_TYPES = {"name": "text", "text": "text", "number": "number", "count": "whole number", "flag": "true or false"}


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [list(heads), *map(list, rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def tables() -> dict[str, str]:
    """Return the made tables, by the name of their place in the page."""
    columns = (
        (f"`{column.name}`", _TYPES[column.kind], _GROUPS[column.group], column.description)
        for column in SCHEMA.values()
    )
    formats = (
        (f"`{name}`", f"`labels{entry.suffix}{'/' * entry.is_folder}`", "yes" if entry.can_be_main else "no",
         entry.description)
        for name, entry in OUTPUT_FORMATS.items()
    )  # fmt: skip
    files = ((each.name, " ".join(f"`{name}`" for name in each.extensions) or "`--sniff` only") for each in FORMATS)
    codes = ((f"`{code}`", meaning) for code, meaning in ERROR_CODES.items())
    return {
        "columns": _table(("column", "type", "present", ""), columns),
        "formats": _table(("format", "written", "as main table (`-o`)", ""), formats),
        "file formats": _table(("format", "endings"), files),
        "error codes": _table(("code", "meaning"), codes),
    }


def page() -> str:
    """Return the page with all its tables generated again."""
    text = PAGE.read_text(encoding="utf-8")
    for name, table in tables().items():
        place = rf"(?s)(<!-- {name}: made by docs/make_rows.py -->\n\n).*?(<!-- end -->)"
        text, n_replaced = re.subn(place, lambda match, table=table: f"{match[1]}{table}\n{match[2]}", text)
        assert n_replaced == 1, f"docs/rows.md has no place for {name}"
    return text


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
