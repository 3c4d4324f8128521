"""A hook of mkdocs: the pages that are outside of docs/, and links that work both on GitHub and in the site.

On GitHub a link leads to a file of the repository. In the site, README.md is the start page, CONTRIBUTING.md is
contributing.md, and so on. A link to a file that is not a page of the site becomes the name of that file.
"""

from __future__ import annotations

import importlib.util
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

REPOSITORY = Path(__file__).parents[1]
# File of the repository -> page of the site.
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
    "emosense/models/default/MODEL_CARD.md": "model-default.md",
    "emosense/models/accurate/MODEL_CARD.md": "model-accurate.md",
    "emosense/models/fast/MODEL_CARD.md": "model-fast.md",
}
_LINK = re.compile(r"\[([^\]]+)\]\(([^)\s#:]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are outside of docs/."""
    for source, page in PAGES.items():
        content = site_links((REPOSITORY / source).read_text(encoding="utf-8"), source)
        files.append(File.generated(config, page, content=content))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Change the links of a page in docs/; those of the other pages are changed already."""
    return markdown if page.file.generated_by else site_links(markdown, f"docs/{page.file.src_uri}")


def on_post_build(config: Any) -> None:
    """Add the sample report, made by the command itself."""
    spec = importlib.util.spec_from_file_location("make_demo", REPOSITORY / "docs" / "make_demo.py")
    assert spec is not None
    assert spec.loader is not None
    make_demo = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make_demo)
    make_demo.make(Path(config["site_dir"]) / "demo")


def site_links(markdown: str, source: str) -> str:
    """Replace links to files of the repository by links to pages of the site.

    Parameters
    ----------
    markdown : str
        Text of a page.
    source : str
        Its path in the repository.

    Returns
    -------
    str
        The text with changed links.
    """
    page = PAGES.get(source, source.removeprefix("docs/"))

    def changed(match: re.Match[str]) -> str:
        text, target, anchor = match.groups(default="")
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        linked = PAGES.get(path) or (path.removeprefix("docs/") if path.startswith("docs/") else None)
        if linked is None:
            return text if text.startswith("`") else f"{text} (`{path}`)"
        return f"[{text}]({posixpath.relpath(linked, posixpath.dirname(page) or '.')}{anchor})"

    return _LINK.sub(changed, markdown)
