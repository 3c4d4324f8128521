"""The samples -> a page of labels to look at: the label report with timelines and players that the site shows.

    python docs/make_demo.py FOLDER

The build of the site calls it (docs/site_pages.py), so that the page is what the command makes today.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import soundfile

SAMPLES = Path(__file__).parents[1] / "samples"
COMMAND = (
    "label", ".", "-o", "labels.csv", "--segment-by", "speech", "--segments", "segments.csv", "--quality",
    "--report", "labels.html", "--restart",
)  # fmt: skip
_PAUSE_S = 1.5
_SAMPLE_RATE = 22_050
# The numbers of the samples that make up the conversation, in order.
_TURNS = (1, 3, 2, 4, 5, 6, 1, 4, 2, 3)


def make(folder: Path) -> Path:
    """Write the page into a folder, beside the recordings that it plays.

    Parameters
    ----------
    folder : Path
        Is created.

    Returns
    -------
    Path
        The page.
    """
    folder.mkdir(parents=True, exist_ok=True)
    clips = sorted(path for path in SAMPLES.iterdir() if path.suffix in (".wav", ".ogg", ".flac", ".mp3"))
    for clip in clips:
        shutil.copyfile(clip, folder / clip.name)
    waveforms = [soundfile.read(clip, dtype="float32") for clip in clips]
    assert {rate for _, rate in waveforms} == {_SAMPLE_RATE}
    pause = np.zeros(int(_PAUSE_S * _SAMPLE_RATE), np.float32)
    turns = [part for number in _TURNS for part in (waveforms[number - 1][0], pause)]
    soundfile.write(folder / "conversation.flac", np.concatenate(turns), _SAMPLE_RATE)
    subprocess.run([sys.executable, "-m", "emosense", *COMMAND], cwd=folder, check=True, capture_output=True)
    # Only a rerun would need it.
    shutil.rmtree(folder / "labels.csv.run")
    return folder / "labels.html"


if __name__ == "__main__":
    make(Path(sys.argv[1]))
