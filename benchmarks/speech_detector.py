"""Trains the speech detector, and compares it with others on real speech and on sounds that nobody speaks.

    python benchmarks/speech_detector.py fit --silero silero_vad_16k_op15.onnx RAVDESS MORE.csv
    python benchmarks/speech_detector.py compare --silero silero_vad_16k_op15.onnx RAVDESS MORE.csv
    python benchmarks/speech_detector.py compare --webrtc --every 12 --sounds 4 RAVDESS MORE.csv

Corpora are what `emosense-batch train` takes. Silero VAD (MIT, PyPI package silero-vad) is the teacher: it says which
frames of clean recordings are speech; the detector learns that on clean and on disturbed copies. It is trained on half
of the speakers, in order of their names, and compared on the other half. WebRTC's detector is the PyPI package
webrtcvad-wheels, in its four modes.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

# As in a labelling worker; before NumPy is imported, which reads it once.
os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")

import numpy as np
import onnxruntime

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
import made_sounds

from emosense.audio import speech, speech_detector
from emosense.audio.high_pass import high_pass
from emosense.audio.waveform import read_waveform
from emosense.inputs.corpus import read_corpus

RATE = 16_000
FRAME = round(speech_detector.FRAME_S * RATE)
N_NON_SPEECH = 9_000
HARD = ("chords", "siren", "swelling noise", "brown noise", "melody", "tones", "drums", "chord")


class Silero:
    """Silero VAD's probability of speech for each frame of 32 ms."""

    def __init__(self, path: str) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(path, options)

    def __call__(self, waveform: np.ndarray) -> np.ndarray:
        state, before = np.zeros((2, 1, 128), np.float32), np.zeros((1, 64), np.float32)
        found = []
        for start in range(0, len(waveform) - FRAME + 1, FRAME):
            frame = waveform[np.newaxis, start : start + FRAME]
            feeds = {"input": np.concatenate((before, frame), 1), "state": state, "sr": np.array(RATE, np.int64)}
            probability, state = self._session.run(None, feeds)
            before = frame[:, -64:]
            found.append(probability[0, 0])
        return np.array(found, np.float32)


def recordings(corpora: list[str], half: int, every: int) -> list[np.ndarray]:
    """Waveforms of every second speaker of each corpus, every so manyth recording."""
    waveforms = []
    for place in corpora:
        utterances = read_corpus(place).utterances
        speakers = sorted({utterance.speaker for utterance in utterances})[half::2]
        for utterance in [each for each in utterances if each.speaker in speakers][::every]:
            with open(utterance.recording.location, "rb") as file:
                waveforms.append(read_waveform(file, RATE))
    return waveforms


def disturbed(rng: np.random.Generator, waveform: np.ndarray) -> tuple[np.ndarray, int]:
    """A disturbed copy, and by how many samples it starts later."""
    pad, dbfs = round(rng.choice([0.5, 1, 3, 5]) * RATE), rng.choice([-80, -70, -60, -50])

    def noise(n: int) -> np.ndarray:
        return made_sounds.at_level(made_sounds.coloured_noise(rng, n, rng.uniform(0, 2)), dbfs)

    kind = rng.integers(6)
    if kind < 2:
        return np.concatenate((noise(pad), waveform)), pad
    if kind == 2:
        return np.concatenate((waveform, noise(pad))), 0
    if kind == 3:
        return waveform + noise(len(waveform)), 0
    if kind == 4:
        hz, level = rng.choice([50, 60]), rng.uniform(-60, -35)
        return waveform + made_sounds.hum(len(waveform), hz, level, rng.integers(1, 16), rng), 0
    return np.clip(waveform * rng.choice([0.05, 5, 20, 100]), -1, 1), 0


def frames(waveform: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the network takes of a waveform, and the level of each frame below the loudest."""
    values, level_db = speech_detector.frame_features(high_pass(waveform.astype(np.float32), RATE), RATE)
    return values, level_db - level_db.max()


def fit(silero: Silero, corpora: list[str]) -> None:
    """Train the network and write its weights into the package."""
    from sklearn.neural_network import MLPClassifier

    rng = np.random.default_rng(0)
    values, labels = [], []

    def add(found: np.ndarray, is_speech: np.ndarray, used: np.ndarray, share: float) -> None:
        used = used & (rng.random(len(found)) < share)
        values.append(found[used])
        labels.append(is_speech[used])

    for waveform in recordings(corpora, 0, 4):
        likely = silero(waveform)
        for copy, start, share in ((waveform, 0, 0.7), *((*disturbed(rng, waveform), 0.3) for _ in range(2))):
            found, below_db = frames(copy)
            place = (np.arange(len(found)) * FRAME + FRAME // 2 - start) // FRAME
            inside = (place >= 0) & (place < len(likely))
            truth = np.where(inside, likely[np.clip(place, 0, len(likely) - 1)], 0)
            add(found, truth > 0.5, ((truth > 0.65) & (below_db > -32)) | (truth < 0.2), share)
    kinds = tuple(made_sounds.NON_SPEECH)
    for number in range(N_NON_SPEECH):
        kind = kinds[number % len(kinds)] if number % 3 else HARD[number // 3 % len(HARD)]
        found, _ = frames(made_sounds.non_speech(kind, rng))
        add(found, np.zeros(len(found), bool), np.ones(len(found), bool), 0.35)
    for number in range(300):
        # A made voice is speech where it is loud.
        voice = made_sounds.voice(rng.uniform(0.25, 4), rng.uniform(80, 320), RATE, seed=1000 + number)
        found, below_db = frames(np.clip(voice * rng.choice([1, 1, 5, 50]), -0.7, 0.7))
        add(found, np.ones(len(found), bool), below_db > -30, 1.0)
    network = MLPClassifier((24,), alpha=1e-3, batch_size=1024, max_iter=24, random_state=0)
    network.fit(np.concatenate(values), np.concatenate(labels))
    arrays = (network.coefs_[0], network.intercepts_[0], network.coefs_[1], network.intercepts_[1])
    stored = {
        name: np.vectorize(lambda value: float(f"{value:.5g}"))(array).tolist()
        for name, array in zip(("hidden", "hidden_bias", "output", "output_bias"), arrays, strict=True)
    }
    place = Path(speech_detector.__file__).with_suffix(".json")
    place.write_text(json.dumps(stored) + "\n")
    print(f"{place}: {place.stat().st_size:,} bytes, from {sum(map(len, labels)):,} frames")


def webrtc(mode: int) -> Callable[[np.ndarray], bool]:
    """WebRTC's detector, on its frames of 30 ms."""
    import webrtcvad

    def is_refused(waveform: np.ndarray) -> bool:
        detector, n_bytes = webrtcvad.Vad(mode), 2 * round(0.03 * RATE)
        samples = (np.clip(waveform, -1, 1) * 32767).astype("<i2").tobytes()
        starts = range(0, len(samples) - n_bytes + 1, n_bytes)
        return sum(detector.is_speech(samples[at : at + n_bytes], RATE) for at in starts) * 0.03 < speech.MIN_SPEECH_S

    return is_refused


def compare(others: dict[str, Callable[[np.ndarray], bool]], corpora: list[str], every: int, n_sounds: int) -> None:
    """Print refusals and CPU time of all on recordings of speakers that the detector was not trained on."""
    rng = np.random.default_rng(99)
    sounds = [made_sounds.non_speech(kind, rng) for kind in made_sounds.NON_SPEECH for _ in range(n_sounds)]
    spoken = recordings(corpora, 1, every)
    print(f"{len(sounds)} sounds without speech, {len(spoken)} recordings of speech; no speech: less than "
          f"{speech.MIN_SPEECH_S} s")  # fmt: skip
    print("| | sounds refused | speech refused | CPU ms per second of audio |")
    print("|---|--:|--:|--:|")
    detectors = {"EmoSense": lambda waveform: speech.find_speech(waveform, RATE) is None} | others
    for name, is_refused in detectors.items():
        start_s = time.process_time()
        refused = [np.mean([is_refused(waveform) for waveform in each]) for each in (sounds, spoken)]
        cost_ms = 1000 * (time.process_time() - start_s) / (sum(map(len, sounds + spoken)) / RATE)
        print(f"| {name} | {100 * refused[0]:.1f} % | {100 * refused[1]:.2f} % | {cost_ms:.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("fit", "compare"))
    parser.add_argument("corpora", nargs="+")
    parser.add_argument("--silero", default="", help="Silero VAD's ONNX file; fit needs it")
    parser.add_argument("--webrtc", action="store_true", help="compare with WebRTC's detector")
    parser.add_argument("--every", type=int, default=1, help="compare on every so manyth recording")
    parser.add_argument("--sounds", type=int, default=16, help="sounds of each kind")
    arguments = parser.parse_args()
    silero = Silero(arguments.silero) if arguments.silero else None
    if arguments.what == "fit":
        if silero is None:
            parser.error("fit needs --silero")
        fit(silero, arguments.corpora)
        return
    others: dict[str, Callable[[np.ndarray], bool]] = {}
    if silero is not None:
        others["Silero VAD"] = lambda waveform: (
            (silero(waveform) > 0.5).sum() * speech_detector.FRAME_S < speech.MIN_SPEECH_S
        )
    if arguments.webrtc:
        others |= {f"WebRTC, mode {mode}": webrtc(mode) for mode in range(4)}
    compare(others, arguments.corpora, arguments.every, arguments.sounds)


if __name__ == "__main__":
    main()
