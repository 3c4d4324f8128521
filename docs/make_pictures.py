"""The commands of the README -> the pictures beside them: the terminal as SVG, and a report as PNG.

    python docs/make_pictures.py

Run it (`make pictures`) when the output of the command or the page changes. The picture of the report needs Chromium.
"""

from __future__ import annotations

import html
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from make_demo import SAMPLES, make

PICTURES = Path(__file__).with_name("pictures")
COMMANDS = ("emosense-batch label samples -o labels.csv", "cut -d, -f 1-3 labels.csv")
_LETTER, _LINE, _MARGIN = 7.8, 19, 18
_CHROMIUM = (
    "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--allow-file-access-from-files",
    "--blink-settings=preferredColorScheme=1", "--force-device-scale-factor=1", "--window-size=1000,240",
)  # fmt: skip
# The page, moved up until its first timeline is at the top.
_FRAME = """<style>body{margin:0}iframe{border:0}</style><iframe src="PAGE" width="1000" height="240" onload="
const page=this.contentDocument;
page.documentElement.style.marginTop=16-page.getElementById('recording-1').getBoundingClientRect().top+'px'"></iframe>"""


def terminal_picture() -> str:
    """Run the commands, and return what a terminal shows as an SVG document."""
    lines: list[tuple[str, bool]] = []
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(SAMPLES, Path(folder, "samples"))
        for command in COMMANDS:
            words = command.replace("emosense-batch", f"{sys.executable} -m emosense").split()
            done = subprocess.run(words, cwd=folder, check=True, capture_output=True, text=True)
            lines.append((f"$ {command}", True))
            lines += [(line, False) for line in (done.stdout + done.stderr).splitlines()]
    width = 2 * _MARGIN + _LETTER * max(len(line) for line, _ in lines)
    height = 2 * _MARGIN + _LINE * len(lines)
    texts = [
        f'<text x="{_MARGIN}" y="{_MARGIN + _LINE * place + 14}" fill="{"#8cc96a" if is_command else "#e6e9ed"}" '
        f'xml:space="preserve">{html.escape(line)}</text>'
        for place, (line, is_command) in enumerate(lines)
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}" role="img" '
        'font-family="ui-monospace,Menlo,Consolas,DejaVu Sans Mono,monospace" font-size="13">'
        f'<title>emosense-batch labels six clips</title><rect width="100%" height="100%" rx="8" fill="#12151a"/>'
        f"{''.join(texts)}</svg>\n"
    )


def report_picture(place: Path) -> None:
    """Make the sample report, and write what a browser shows of its timelines."""
    with tempfile.TemporaryDirectory() as folder:
        page = make(Path(folder, "demo"))
        frame = Path(folder, "frame.html")
        frame.write_text(_FRAME.replace("PAGE", page.as_uri()), encoding="utf-8")
        command = [*_CHROMIUM, f"--user-data-dir={folder}/profile", f"--screenshot={place}", frame.as_uri()]
        subprocess.run(command, check=True, capture_output=True)


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    (PICTURES / "terminal.svg").write_text(terminal_picture(), encoding="utf-8")
    report_picture(PICTURES / "report.png")
