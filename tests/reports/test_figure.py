"""Figures as files of their own, and their place in a page."""

from __future__ import annotations

import os
import re
import struct
import sys
import xml.etree.ElementTree as ET
import zlib
from pathlib import Path

import numpy as np
import pytest
from made_pages import NUMBER, labels_page, made_evaluation, made_rows

from emosense.errors import UsageError
from emosense.reports import evaluation_report, save_figures
from emosense.reports.drawing import WIDTH, Drawing
from emosense.reports.figure import Figure
from emosense.reports.markup import element
from emosense.reports.table import Table


def drawn(items: tuple[Figure | Table, ...]) -> list[Figure]:
    return [item for item in items if isinstance(item, Figure)]


def test_figures_are_saved_as_self_contained_svg(tmp_path: Path) -> None:
    made = made_evaluation(tmp_path / "e")
    figures = drawn(evaluation_report(str(made.folder), str(tmp_path / "r.html")))
    written = save_figures(figures, str(tmp_path / "svg"))
    assert sorted(Path(path).name for path in written) == sorted(os.listdir(tmp_path / "svg"))
    assert {"confusion.svg", "recall.svg", "coverage.svg", "reliability.svg"} <= set(os.listdir(tmp_path / "svg"))
    assert len(written) == len(figures) == len(set(written))
    for path, figure in zip(written, figures, strict=True):
        root = ET.parse(path).getroot()
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert root.find("{*}title").text == figure.title
        assert root.find("{*}desc").text == figure.caption
        content = Path(path).read_text()
        assert content.count("http") == 1
        assert "var(" not in content
        classes = {name for e in root.iter() for name in e.get("class", "").split() if name[:2] in ("f-", "l-")}
        assert [name for name in classes if f".{name}{{" not in content] == []


def png_size(content: bytes) -> tuple[int, int, float]:
    """Width and height in pixels, and pixels per inch, as a PNG file states them."""
    width, height = struct.unpack(">II", content[16:24])
    per_metre = struct.unpack(">I", content[content.index(b"pHYs") + 4 :][:4])[0]
    return width, height, per_metre * 0.0254


def png_pixels(content: bytes) -> np.ndarray:
    """The pixels of an RGBA file of 8 bits, shape (height, width, 4); the filters of RFC 2083, section 6."""
    width, height, _ = png_size(content)
    data, place = b"", 8
    while place < len(content):
        length, kind = struct.unpack(">I4s", content[place : place + 8])
        data += content[place + 8 : place + 8 + length] if kind == b"IDAT" else b""
        place += 12 + length
    lines = np.frombuffer(zlib.decompress(data), np.uint8).reshape(height, 1 + 4 * width).astype(int)
    pixels = np.zeros((height + 1, width + 1, 4), int)
    for y, line in enumerate(lines, start=1):
        for x, value in enumerate(line[1:].reshape(width, 4), start=1):
            left, up, corner = pixels[y, x - 1], pixels[y - 1, x], pixels[y - 1, x - 1]
            distances = [abs(left + up - corner - near) for near in (left, up, corner)]
            paeth = np.choose(np.argmin(distances, axis=0), [left, up, corner])
            pixels[y, x] = (value + (0, left, up, (left + up) // 2, paeth)[line[0]]) % 256
    return pixels[1:, 1:]


def test_png_and_pdf_figures_are_as_wide_as_a_column(tmp_path: Path) -> None:
    made = made_evaluation(tmp_path / "e", n_seeds=1)
    figures = drawn(evaluation_report(str(made.folder), str(tmp_path / "r.html")))
    written = save_figures(figures, str(tmp_path / "f"), ("svg", "png", "pdf"))
    assert len(written) == 3 * len(figures)
    for figure in figures:
        svg, png, pdf = (tmp_path / "f" / f"{figure.name}.{name}" for name in ("svg", "png", "pdf"))
        root = ET.parse(svg).getroot()
        assert root.get("width") == "85.00mm"
        height_mm = float(root.get("height").removesuffix("mm"))
        n_across, n_down, dpi = png_size(png.read_bytes())
        assert dpi == pytest.approx(300, abs=0.1)
        assert 25.4 * n_across / dpi == pytest.approx(85, abs=0.1)
        assert 25.4 * n_down / dpi == pytest.approx(height_mm, abs=0.1)
        box = re.search(rb"/MediaBox ?\[0 0 ([\d.]+) ([\d.]+)\]", pdf.read_bytes())
        assert box is not None
        assert [25.4 * float(points) / 72 for points in box.groups()] == pytest.approx([85, height_mm], abs=0.1)


def test_pdf_figures_embed_their_fonts_and_no_images(tmp_path: Path) -> None:
    made = made_evaluation(tmp_path / "e", n_seeds=1)
    figures = drawn(evaluation_report(str(made.folder), str(tmp_path / "r.html")))
    save_figures([figure for figure in figures if figure.name == "confusion"], str(tmp_path), ("pdf",))
    content = (tmp_path / "confusion.pdf").read_bytes()
    assert re.search(rb"/FontFile\d", content)
    assert b"/Subtype/Image" not in content.replace(b" ", b"")


def test_a_png_figure_is_drawn_in_its_colours(tmp_path: Path) -> None:
    bar = Drawing(20, element("rect", width=WIDTH, height=20, class_="f-angry"))
    save_figures([Figure("bar", "Bar", "One bar.", bar)], str(tmp_path), ("png",))
    pixels = png_pixels((tmp_path / "bar.png").read_bytes())
    assert tuple(pixels[0, 0]) == (255, 255, 255, 255)
    red = (pixels == (0xC8, 0x32, 0x2F, 255)).all(axis=-1)
    assert red.mean() == pytest.approx(WIDTH * 20 / ((WIDTH + 28) * (20 + 26 + 28)), abs=0.02)


def test_figure_formats_are_refused_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"unknown figure format 'gif': choose one of svg, png, pdf"):
        save_figures([], str(tmp_path / "f"), ("gif",))
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    for name in ("png", "pdf"):
        with pytest.raises(UsageError, match=r"need vl-convert: pip install 'emosense\[figures\]'"):
            save_figures([], str(tmp_path / "f"), ("svg", name))
    assert not (tmp_path / "f").exists()
    assert save_figures([], str(tmp_path / "f")) == []


def test_figures_in_a_page_have_a_name_and_a_sentence(tmp_path: Path) -> None:
    page = labels_page(tmp_path, made_rows(80))
    drawings = page.all("svg")
    assert len(drawings) == len(page.captions) == 6
    ids = [values["id"] for _, values in page.elements if "id" in values]
    assert len(ids) == len(set(ids))
    for drawing in drawings:
        assert drawing["role"] == "img"
        assert set(drawing["aria-labelledby"].split()) <= set(ids)
    assert all(caption.endswith(".") and NUMBER.search(caption) for caption in page.captions.values())
