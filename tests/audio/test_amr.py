"""AMR with pauses (DTX): each frame without speech is 20 ms of silence, in AMR files and in 3GP."""

from __future__ import annotations

import io
from pathlib import Path

import av
import bad_audio
import numpy as np
import pytest
from decoded import decoded

# Narrow-band frames of 12.2 kbit/s; a description of noise (SID), a type for later use, and no data.
SPEECH, SID, LATER, NO_DATA = b"\x3c", b"\x44" + bytes(5), b"\x64", b"\x7c"
WIDE_SID, LOST, WIDE_NO_DATA = b"\x4c" + bytes(5), b"\x74", b"\x7c"


def speech(n: int, wide: bool = False) -> list[bytes]:
    """Frames of speech with random parameters."""
    size = 17 if wide else 31
    noise = bad_audio.noise(size * n)
    return [(b"\x04" if wide else SPEECH) + noise[size * i : size * (i + 1)] for i in range(n)]


def amr(frames: list[bytes], wide: bool = False) -> bytes:
    return (b"#!AMR-WB\n" if wide else b"#!AMR\n") + b"".join(frames)


def in_3gp(frames: list[bytes], wide: bool, n_a_packet: int) -> bytes:
    """The same frames in a 3GP file, some in each packet."""
    buffer = io.BytesIO()
    with av.open(io.BytesIO(amr(frames, wide))) as source, av.open(buffer, "w", format="3gp") as output:
        stream = output.add_stream_from_template(source.streams[0])
        n_samples = 320 if wide else 160
        for i in range(0, len(frames), n_a_packet):
            packet = av.Packet(b"".join(frames[i : i + n_a_packet]))
            packet.stream, packet.time_base = stream, source.streams[0].time_base
            packet.pts = packet.dts = i * n_samples
            packet.duration = n_a_packet * n_samples
            output.mux(packet)
    return buffer.getvalue()


PAUSES = {"narrow": [SID, LATER, NO_DATA], "wide": [WIDE_SID, LOST, WIDE_NO_DATA]}


@pytest.mark.parametrize("band", PAUSES)
@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 0.95])
@pytest.mark.parametrize("first_is_pause", [False, True])
def test_pauses_are_silent_and_last_20_ms_a_frame(
    band: str, share: float, first_is_pause: bool, tmp_path: Path
) -> None:
    rng, wide = np.random.default_rng(3), band == "wide"
    is_pause = rng.random(200) < share
    is_pause[0] = first_is_pause
    frames = [PAUSES[band][i % 3] if pause else frame for i, (pause, frame) in enumerate(
        zip(is_pause, speech(200, wide), strict=True))]  # fmt: skip
    path = tmp_path / "call.amr"
    path.write_bytes(amr(frames, wide))
    row = decoded(path)
    assert (row.status, row.decoded_s) == ("ok", pytest.approx(4.0, abs=1e-6)), row.error
    # At the middle of a frame, away from the tails of the resampler.
    middles = row.waveform[: 200 * 320].reshape(200, 320)[:, 100:220]
    assert (np.abs(middles).max(axis=1)[is_pause] < 1e-2).sum() >= 0.9 * is_pause.sum()


@pytest.mark.parametrize(("band", "n_a_packet"), [("narrow", 1), ("wide", 1), ("wide", 5)])
def test_pauses_in_3gp_are_silent(band: str, n_a_packet: int, tmp_path: Path) -> None:
    wide = band == "wide"
    # The writer refuses the type for later use.
    pauses = [PAUSES[band][0], PAUSES[band][2]]
    frames = [pauses[i % 2] if i % 4 else frame for i, frame in enumerate(speech(200, wide))]
    path = tmp_path / "call.3gp"
    path.write_bytes(in_3gp(frames, wide, n_a_packet))
    row = decoded(path)
    assert (row.status, row.decoded_s) == ("ok", pytest.approx(4.0, abs=0.05)), row.error


def test_pauses_alone_are_no_speech(tmp_path: Path) -> None:
    path = tmp_path / "call.amr"
    path.write_bytes(amr([NO_DATA] * 100))
    assert decoded(path).code == "no_speech"


def test_the_cases_last_as_long_as_their_frames(cases: Path) -> None:
    folder = cases / "amr_dtx"
    whole, with_pauses = decoded(folder / "no_dtx.amr"), decoded(folder / "call_dtx_70pct_pause.amr")
    assert (whole.status, whole.decoded_s) == ("ok", pytest.approx(2.94, abs=1e-3))
    # 487 frames of 20 ms: counted by hand in the file.
    assert (with_pauses.status, with_pauses.decoded_s) == ("ok", pytest.approx(9.74, abs=1e-3))
