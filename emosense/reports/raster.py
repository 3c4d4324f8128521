"""Saved SVG figures -> PNG, for papers: drawn by the Chromium or Chrome that is installed, without any network."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from emosense.errors import OutputError, UsageError
from emosense.storage.schemes import is_url

_BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_TIMEOUT_S: Final = 60.0
# Figures are 776 pixels wide; four times that prints sharply over a column of a paper.
_SCALE: Final = 4


def save_png(figures: Iterable[str], browser: str | None = None) -> list[str]:
    """Draw SVG files as PNG beside them.

    Parameters
    ----------
    figures : iterable of str
        Local paths, as `save_figures` returns them.
    browser : str, optional
        Program to draw with; the first Chromium or Chrome on the path where it is None.

    Returns
    -------
    list of str
        The PNG files.

    Raises
    ------
    UsageError
        If no browser is installed, or a figure lies in object storage.
    OutputError
        If a figure could not be drawn.
    """
    program = browser or next((found for name in _BROWSERS if (found := shutil.which(name))), None)
    if program is None:
        raise UsageError("PNG figures are drawn by Chromium, which is not installed: use the SVG files, or install it")
    return [_draw(program, figure) for figure in figures]


def _draw(program: str, figure: str) -> str:
    if is_url(figure):
        raise UsageError("PNG figures are written to local folders only")
    target = os.path.splitext(figure)[0] + ".png"
    size = re.search(r'width="(\d+)" height="(\d+)"', Path(figure).read_text(encoding="utf-8"))
    assert size is not None
    with tempfile.TemporaryDirectory() as profile:
        command = [
            program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
            "--hide-scrollbars", f"--user-data-dir={profile}", f"--window-size={size[1]},{size[2]}",
            f"--force-device-scale-factor={_SCALE}", f"--screenshot={os.path.abspath(target)}",
            Path(figure).resolve().as_uri(),
        ]  # fmt: skip
        try:
            subprocess.run(command, capture_output=True, timeout=_TIMEOUT_S, check=True)
        except (OSError, subprocess.SubprocessError) as err:
            raise OutputError(f"{program} could not draw {figure}: {err}") from err
    if not os.path.exists(target):
        raise OutputError(f"{program} did not draw {figure}")
    return target
