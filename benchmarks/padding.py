"""What noise before and after the speech changes in labels.

    python benchmarks/padding.py CORPUS -m MODEL --clips 60 --long-clips 12

Recordings are labelled as they are, and with white noise of -80, -60 and -50 dBFS before them, after them, or both: 5
and 30 s for `--clips` recordings, 300 s for `--long-clips` of them. Printed: the accuracy without and with the noise,
and how many labels stay the same. The model should not have been trained on the speakers.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from emosense.audio.waveform import read_waveform
from emosense.inputs.corpus import read_corpus
from emosense.inputs.recording import Recording
from emosense.labelling.config import LabelConfig
from emosense.labelling.recording_labeller import RecordingLabeller
from emosense.models.model import Model
from emosense.models.model_files import read_model

LENGTHS_S = (5, 30, 300)
LEVELS_DBFS = (-80, -60, -50)
PLACES = ("before", "after", "both")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus")
    parser.add_argument("-m", "--model", default="default")
    parser.add_argument("--clips", type=int, default=60)
    parser.add_argument("--long-clips", type=int, default=12)
    arguments = parser.parse_args()
    model = Model(read_model(arguments.model))
    labeller, rate = RecordingLabeller(model, LabelConfig()), model.sample_rate
    utterances = read_corpus(arguments.corpus).utterances
    chosen = [utterances[place] for place in np.linspace(0, len(utterances) - 1, arguments.clips).astype(int)]
    waveforms = []
    for utterance in chosen:
        with open(utterance.recording.location, "rb") as file:
            waveforms.append(read_waveform(file, rate))
    truth = [utterance.emotion for utterance in chosen]
    plain = [_label(labeller, waveform, rate) for waveform in waveforms]
    print("| noise | place | level | recordings | accuracy without | with | labels that stay |")
    print("|--:|---|--:|--:|--:|--:|--:|")
    rng = np.random.default_rng(0)
    for length_s in LENGTHS_S:
        n_clips = arguments.long_clips if length_s == LENGTHS_S[-1] else arguments.clips
        for place in PLACES:
            for level in LEVELS_DBFS:
                found = [
                    _label(labeller, _padded(rng, waveform, round(length_s * rate), place, level), rate)
                    for waveform in waveforms[:: len(waveforms) // n_clips][:n_clips]
                ]
                known = [each[:: len(waveforms) // n_clips][:n_clips] for each in (truth, plain)]
                shares = [_share(known[1], known[0]), _share(found, known[0]), _share(found, known[1])]
                figures = " | ".join(f"{100 * share:.1f} %" for share in shares)
                print(f"| {length_s} s | {place} | {level} dBFS | {len(found)} | {figures} |", flush=True)


def _padded(
    rng: np.random.Generator, waveform: NDArray[np.float32], n: int, place: str, dbfs: float
) -> NDArray[np.float32]:
    before, after = (
        rng.standard_normal(n).astype(np.float32) * np.float32(10 ** (dbfs / 20))
        if place in (side, "both")
        else np.zeros(0, np.float32)
        for side in ("before", "after")
    )
    return np.concatenate((before, waveform, after))


def _label(labeller: RecordingLabeller, waveform: NDArray[np.float32], rate: int) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.wav"
        soundfile.write(path, waveform, rate, subtype="FLOAT")
        recording = Recording(path.name, str(path), path.stat().st_size, "")
        return str(labeller.label_recording(recording).row.emotion)


def _share(found: list[str], expected: list[str]) -> float:
    return float(np.mean([one == other for one, other in zip(found, expected, strict=True)]))


if __name__ == "__main__":
    main()
