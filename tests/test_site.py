"""The documentation site: it builds without a warning, and works without another host."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPOSITORY


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_site_has_the_pages_of_the_repository_and_of_docs(site: Path) -> None:
    pages = {page.relative_to(site).as_posix() for page in site.rglob("*.html")}
    assert {"index.html", "cli.html", "api.html", "architecture.html", "contributing.html", "security.html"} <= pages
    assert {"changelog.html", "model-default.html", "benchmarks/features.html", "glossary.html"} <= pages
    assert 'href="results.html"' in (site / "index.html").read_text()


def test_the_sample_report_is_made_with_the_site_and_its_players_find_their_recordings(site: Path) -> None:
    page = (site / "demo" / "labels.html").read_text()
    assert 'href="demo/labels.html"' in (site / "demo.html").read_text()
    played = set(re.findall(r'<audio [^>]*src="\./([^"#]+)', page))
    assert {"conversation.flac", "voice-1.wav", "voice-4.mp3"} <= played
    assert all((site / "demo" / name).is_file() for name in played)
    assert "<h2>Timelines</h2>" in page
    assert not (site / "demo" / "labels.csv.run").exists()


def test_the_api_page_documents_parameters(site: Path) -> None:
    page = (site / "api.html").read_text()
    for name in (
        "emosense.api.Labeller",
        "emosense.api.label",
        "emosense.api.extract_features",
        "emosense.api.load_model",
    ):
        assert f'id="{name}"' in page
    assert "max_duration_s" in page


def test_no_page_loads_anything_from_another_host(site: Path) -> None:
    loaded = {
        target
        for page in site.rglob("*.html")
        for target in re.findall(r"<(?:script|img|iframe)[^>]* src=\"([^\"]+)\"", page.read_text())
        + re.findall(r"<link[^>]* rel=\"(?:stylesheet|preconnect|icon)\"[^>]* href=\"([^\"]+)\"", page.read_text())
        + re.findall(r"<link[^>]* href=\"([^\"]+)\"[^>]* rel=\"(?:stylesheet|preconnect|icon)\"", page.read_text())
    }
    assert len(loaded) >= 3
    assert [target for target in loaded if "//" in target] == []
