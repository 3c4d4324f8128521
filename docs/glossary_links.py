"""Links to the glossary: each page links a term of docs/glossary.md where its running text first uses it.

    python docs/glossary_links.py

This adds the missing links. tests/test_docs.py checks that there are none.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
GLOSSARY = "docs/glossary.md"
PAGES = ("README.md", "CONTRIBUTING.md", "SECURITY.md")
# Made by programs, or the glossary itself.
_EXCLUDED = {"glossary.md", "cli.md", "api.md", "release.md"}
# What is not running text: code, headings, tables, links, quoted blocks of code, comments.
_NOT_TEXT = re.compile(
    r"^ *```.*?^ *```|^    .*?$|^#.*?$|^\|.*?$|<!--.*?-->|`[^`]*`|\[[^\]]*\]\([^)]*\)", re.MULTILINE | re.DOTALL
)


def pages() -> list[Path]:
    """Return the pages that link to the glossary."""
    inside = [page for page in sorted((REPOSITORY / "docs").glob("*.md")) if page.name not in _EXCLUDED]
    return [*(REPOSITORY / name for name in PAGES), *inside]


def terms() -> list[str]:
    """Return the terms of the glossary, longer ones first."""
    text = (REPOSITORY / GLOSSARY).read_text(encoding="utf-8")
    return sorted(re.findall(r"^### (.+)$", text, re.MULTILINE), key=lambda term: (-len(term), term))


def link_to(term: str, page: Path) -> str:
    """Return the target of a link from a page to a term."""
    path = posixpath.relpath(GLOSSARY, page.relative_to(REPOSITORY).parent.as_posix())
    return f"{path}#{re.sub(r'[^a-z0-9 -]', '', term.lower()).replace(' ', '-')}"


def first_uses(text: str) -> dict[str, tuple[int, int]]:
    """Return where the running text of a page first uses each term: start and end."""
    blank = _NOT_TEXT.sub(lambda match: re.sub(r"\S", "\0", match[0]), text)
    found = {}
    for term in terms():
        words = r"\s+".join(map(re.escape, term.split()))
        pattern = re.compile(rf"(?<![\w-]){words}s?(?![\w-])", 0 if term.isupper() else re.IGNORECASE)
        match = pattern.search(blank)
        if match:
            found[term] = match.span()
        # "confidence interval" is not a use of "confidence".
        blank = pattern.sub(lambda match: re.sub(r"\S", "\0", match[0]), blank)
    return found


def missing_links(text: str, page: Path) -> dict[str, tuple[int, int]]:
    """Return the first uses that come before the page's link to their term, or have none."""
    missing = {}
    for term, (start, end) in first_uses(text).items():
        link = text.find(f"]({link_to(term, page)})")
        if link < 0 or link > start:
            missing[term] = (start, end)
    return missing


def with_links(text: str, page: Path) -> str:
    """Return a page with each missing link at the term's first use; a later link to the same term goes."""
    for term, (start, end) in sorted(missing_links(text, page).items(), key=lambda item: -item[1][0]):
        target = link_to(term, page)
        rest = re.sub(rf"\[([^\]]*)\]\({re.escape(target)}\)", r"\1", text[end:])
        text = f"{text[:start]}[{text[start:end]}]({target}){rest}"
    return text


if __name__ == "__main__":
    for page in pages():
        old = page.read_text(encoding="utf-8")
        page.write_text(with_links(old, page), encoding="utf-8")
