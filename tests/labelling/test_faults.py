"""Storage that fails, memory that runs out, a disk that is full: one row, one exit code, and nothing lost."""

from __future__ import annotations

import collections
import csv
import dataclasses
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import faulty_fs
import pyarrow.parquet
import pytest
import soundfile
from conftest import REPOSITORY
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_sounds import voice

from emosense.errors import EmoSenseError, OutputError, StorageError, UsageError
from emosense.inputs.recording import Recording
from emosense.labelling.chunks import Chunk, label_chunk
from emosense.labelling.config import LabelConfig, LabelSpec
from emosense.labelling.engines import LocalEngine
from emosense.labelling.job import LabelJob
from emosense.labelling.run_job import run_label_job
from emosense.labelling.speaker_names import SpeakerNames
from emosense.labelling.speaker_rule import SpeakerRule
from emosense.labelling.subprocess_labeller import SubprocessLabeller
from emosense.models.model_files import read_model
from emosense.reports.label_table import read_labels
from emosense.storage import objects
from emosense.storage.cells import original_path, unescape_cell
from emosense.storage.folder_lock import lock_folder
from emosense.tables.columns import COLUMNS

WORKER = (str(REPOSITORY / "tests" / "crashing_worker.py"),)
HUNGRY_WORKER = (
    "-c",
    """
import emosense.labelling.recording_labeller
import emosense.labelling.worker
from emosense.inputs.recording import open_recording

def open_hungrily(recording, *others):
    hoard = []
    while "eat" in recording.path:
        hoard.append(bytearray(1 << 24))
    return open_recording(recording, *others)

emosense.labelling.recording_labeller.open_recording = open_hungrily
emosense.labelling.worker.main()
""",
)
N_OBJECTS = 24
TALLY: collections.Counter[str] = collections.Counter()


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three parts of eight recordings in a bucket that fails as planned."""
    monkeypatch.setenv("PYTHONPATH", faulty_fs.install(tmp_path / "driver"))
    root = tmp_path / "bucket"
    (root / "in").mkdir(parents=True)
    for index in range(N_OBJECTS):
        soundfile.write(root / "in" / f"{index:02d}.wav", voice(0.3, 90 + 5 * index), 16_000)
    return root


@pytest.fixture
def job(bucket: Path, tiny_model: str) -> LabelJob:
    return LabelJob(
        (f"faulty://{bucket}/in",), f"faulty://{bucket}/out.csv", model=tiny_model, engine="local", n_workers=1
    )


@pytest.fixture
def expected(bucket: Path, job: LabelJob, tmp_path: Path) -> list[dict[str, str]]:
    """The rows of an undisturbed run."""
    run_label_job(dataclasses.replace(job, output=str(tmp_path / "undisturbed.csv")))
    return rows_of(tmp_path / "undisturbed.csv")


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def check(rows: list[dict[str, str]], expected: list[dict[str, str]], changed: dict[str, str]) -> None:
    """Every row is there once and as expected, except those in `changed` (name -> error code)."""
    paths = [row["path"] for row in rows]
    TALLY["faults survived"] += 1
    TALLY["bad inputs"] += len(changed)
    TALLY["rows lost"] += len({row["path"] for row in expected} - set(paths))
    TALLY["rows doubled"] += len(paths) - len(set(paths))
    assert paths == [row["path"] for row in expected]
    for row, other in zip(rows, expected, strict=True):
        name = os.path.basename(row["path"])
        if name in changed:
            assert (name, row["error_code"]) == (name, changed[name])
        else:
            assert row == other


@pytest.mark.parametrize(("kind", "times"), [("unavailable", 3), ("foreign", 1), ("reset", 1), ("short", 2)])
def test_a_temporary_fault_of_an_object_changes_no_row(
    bucket: Path, job: LabelJob, expected: list[dict[str, str]], kind: str, times: int
) -> None:
    faulty_fs.plan(bucket, "read", "05.wav", kind, times)
    assert run_label_job(job).exit_code == 0
    assert faulty_fs.n_struck(bucket, "read", "05.wav") == times
    check(rows_of(bucket / "out.csv"), expected, {})


@pytest.mark.parametrize(("kind", "code"), [("denied", "permission_denied"), ("missing", "missing")])
def test_an_object_that_cannot_be_read_is_a_row(
    bucket: Path, job: LabelJob, expected: list[dict[str, str]], kind: str, code: str
) -> None:
    faulty_fs.plan(bucket, "read", "05.wav", kind)
    assert run_label_job(job).exit_code == 3
    assert faulty_fs.n_struck(bucket, "read", "05.wav") == 1
    check(rows_of(bucket / "out.csv"), expected, {"05.wav": code})


@pytest.mark.parametrize("kind", ["denied", "missing"])
def test_an_object_that_could_not_be_read_is_tried_again_by_the_next_start(
    bucket: Path, job: LabelJob, expected: list[dict[str, str]], kind: str
) -> None:
    faulty_fs.plan(bucket, "read", "05.wav", kind, 1)
    assert run_label_job(job).exit_code == 3
    summary = run_label_job(job)
    assert (summary.exit_code, summary.n_reused) == (0, N_OBJECTS - 1)
    check(rows_of(bucket / "out.csv"), expected, {})


def test_an_object_that_is_replaced_while_it_is_read_is_not_labelled_as_the_old_one(
    bucket: Path, job: LabelJob, expected: list[dict[str, str]]
) -> None:
    faulty_fs.plan(bucket, "read", "05.wav", "replaced", 1)
    # Of the same size: only its identity distinguishes it from the one that was listed.
    soundfile.write(bucket.parent / "faults" / "new.wav", voice(0.3, 400.0), 16_000)
    (bucket.parent / "faults" / "new.wav").rename(bucket.parent / "faults" / "replacement")
    run_label_job(job)
    check(rows_of(bucket / "out.csv"), expected, {"05.wav": "changed_during_read"})
    assert run_label_job(job).n_reused == N_OBJECTS - 1
    assert [row["status"] for row in rows_of(bucket / "out.csv")] == ["ok"] * N_OBJECTS


def test_an_object_that_never_arrives_is_a_row_and_only_delays_itself(
    bucket: Path, job: LabelJob, expected: list[dict[str, str]]
) -> None:
    faulty_fs.plan(bucket, "read", "05.wav", "slow")
    start_s = time.monotonic()
    run_label_job(dataclasses.replace(job, file_timeout_s=5.0))
    assert time.monotonic() - start_s < 60
    assert faulty_fs.n_struck(bucket, "read", "05.wav") == 2
    check(rows_of(bucket / "out.csv"), expected, {"05.wav": "timeout"})


def test_storage_that_hangs_on_every_object_ends_the_run_and_a_rerun_resumes(
    bucket: Path, job: LabelJob, expected: list[dict[str, str]]
) -> None:
    for index in range(10, N_OBJECTS):
        faulty_fs.plan(bucket, "read", f"{index}.wav", "slow", 2)
    with pytest.raises(StorageError, match="storage hangs"):
        run_label_job(dataclasses.replace(job, file_timeout_s=3.0))
    assert not (bucket / "out.csv").exists()
    for fault in (bucket.parent / "faults").iterdir():
        fault.unlink()
    assert run_label_job(job).n_reused == 8
    check(rows_of(bucket / "out.csv"), expected, {})


@pytest.fixture
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many tries as ever, and a tenth of the waiting in between."""
    monkeypatch.setattr(objects, "_RETRY_DELAYS_S", tuple(delay_s / 10 for delay_s in objects._RETRY_DELAYS_S))


@pytest.mark.usefixtures("quick_retries")
@pytest.mark.parametrize("kind", ["unavailable", "foreign", "reset", "short"])
def test_a_table_of_speakers_or_labels_is_read_despite_temporary_faults(
    bucket: Path, tmp_path: Path, kind: str
) -> None:
    (bucket / "who.csv").write_text("path,speaker\na.wav,Ann\n")
    gone = {"path": "a.wav", "status": "error", "error_code": "missing", "error": "gone"}
    (bucket / "labels.csv").write_text(f"{','.join(COLUMNS)}\r\n{','.join(gone.get(name, '') for name in COLUMNS)}\r\n")
    for name in ("who.csv", "labels.csv"):
        faulty_fs.plan(bucket, "read", name, kind, 2)
    with SpeakerNames(SpeakerRule(f"faulty://{bucket}/who.csv")) as speakers:
        assert speakers.speaker_of(f"faulty://{bucket}/a.wav") == "Ann"
    assert [row.path for row in read_labels(f"faulty://{bucket}/labels.csv")] == ["a.wav"]
    assert faulty_fs.n_struck(bucket, "read", "who.csv") == faulty_fs.n_struck(bucket, "read", "labels.csv") == 2
    for name in ("who.csv", "labels.csv"):
        faulty_fs.plan(bucket, "read", name, kind)
    with pytest.raises(StorageError, match=r"reading faulty://.*who\.csv"):
        SpeakerNames(SpeakerRule(f"faulty://{bucket}/who.csv"))
    with pytest.raises(StorageError, match=r"reading faulty://.*labels\.csv"):
        list(read_labels(f"faulty://{bucket}/labels.csv"))


@pytest.mark.usefixtures("quick_retries")
@pytest.mark.parametrize("kind", ["unavailable", "foreign"])
def test_a_listing_is_whole_or_nothing(bucket: Path, job: LabelJob, expected: list[dict[str, str]], kind: str) -> None:
    (bucket / "in" / "page2").mkdir()
    (bucket / "in" / "23.wav").rename(bucket / "in" / "page2" / "23.wav")
    faulty_fs.plan(bucket, "list", "page2", kind, 2)
    assert run_label_job(job).n_recordings == N_OBJECTS
    faulty_fs.plan(bucket, "list", "page2", kind)
    with pytest.raises(StorageError, match="listing") as raised:
        run_label_job(dataclasses.replace(job, output=f"faulty://{bucket}/other.csv"))
    assert raised.value.exit_code == 5
    assert "secret" not in str(raised.value)
    assert not (bucket / "other.csv").exists()
    TALLY["faults survived"] += 2


def test_storage_that_stays_unavailable_ends_the_run_with_5_and_a_rerun_resumes(
    bucket: Path, job: LabelJob, expected: list[dict[str, str]]
) -> None:
    faulty_fs.plan(bucket, "read", "20.wav", "unavailable", 4)
    with pytest.raises(StorageError, match=r"reading faulty://.*20\.wav") as raised:
        run_label_job(job)
    assert raised.value.exit_code == 5
    assert run_label_job(job).n_reused == 16
    check(rows_of(bucket / "out.csv"), expected, {})


@pytest.mark.parametrize("kind", ["unavailable", "denied", "full", "foreign"])
def test_a_part_that_cannot_be_written_ends_the_run_with_6_and_keeps_those_before(
    bucket: Path, job: LabelJob, expected: list[dict[str, str]], kind: str
) -> None:
    faulty_fs.plan(bucket, "write", "0000-00000001.parquet", kind)
    with pytest.raises(OutputError, match="cannot write") as raised:
        run_label_job(job)
    assert raised.value.exit_code == 6
    assert "secret" not in str(raised.value)
    assert not (bucket / "out.csv").exists()
    assert [path.name[:13] for path in (bucket / "out.csv.run").glob("*.parquet")] == ["0000-00000000"]
    assert run_label_job(job).n_reused == 8
    check(rows_of(bucket / "out.csv"), expected, {})


@pytest.mark.parametrize("name", ["out.csv", "out.csv.run.json"])
def test_a_table_that_cannot_be_written_is_written_by_a_rerun_that_labels_nothing(
    bucket: Path, job: LabelJob, expected: list[dict[str, str]], name: str
) -> None:
    faulty_fs.plan(bucket, "write", name, "full", 1)
    with pytest.raises(OutputError, match="no space left"):
        run_label_job(job)
    summary = run_label_job(job)
    assert (summary.n_reused, summary.engine) == (N_OBJECTS, "none")
    check(rows_of(bucket / "out.csv"), expected, {})


def test_a_write_that_fails_once_is_tried_again(bucket: Path, job: LabelJob, expected: list[dict[str, str]]) -> None:
    for name in ("0000-00000001.parquet", "out.csv", "journal.json"):
        faulty_fs.plan(bucket, "write", name, "unavailable", 2)
    assert run_label_job(job).exit_code == 0
    check(rows_of(bucket / "out.csv"), expected, {})


def test_an_output_that_may_not_be_written_is_refused_before_any_work(bucket: Path, job: LabelJob) -> None:
    faulty_fs.plan(bucket, "write", "lock.json", "denied")
    with pytest.raises(OutputError, match=r"cannot write .*lock\.json"):
        run_label_job(job)
    assert faulty_fs.n_struck(bucket, "read", "00.wav") == 0


def test_table_and_segments_of_one_bucket_are_both_written(bucket: Path, job: LabelJob) -> None:
    run_label_job(dataclasses.replace(job, segments_output=f"faulty://{bucket}/segments.csv"))
    assert len(rows_of(bucket / "out.csv")) == len(rows_of(bucket / "segments.csv")) == N_OBJECTS


def test_what_a_run_writes_into_its_input_is_never_labelled(bucket: Path, job: LabelJob) -> None:
    every = dataclasses.replace(
        job, inputs=(f"faulty://{bucket}",), listing=dataclasses.replace(job.listing, any_extension=True)
    )
    assert run_label_job(every).n_recordings == run_label_job(every).n_recordings == N_OBJECTS


def test_the_second_of_two_runs_on_one_bucket_is_refused_and_a_dead_one_is_replaced(
    bucket: Path, job: LabelJob
) -> None:
    folder, messages = f"{job.output}.run", []
    with (
        lock_folder(folder, messages.append, renew_every_s=0.2),
        pytest.raises(UsageError, match="another run is writing"),
    ):
        run_label_job(job)
    assert not (bucket / "out.csv.run" / "lock.json").exists()
    # A silent owner on another machine, a dead one on this machine, and a damaged lease.
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    with lock_folder(folder, messages.append, renew_every_s=0.2):
        lease = json.loads((bucket / "out.csv.run" / "lock.json").read_text())
    for content in ({**lease, "place": "elsewhere"}, {**lease, "pid": dead.pid}, []):
        (bucket / "out.csv.run" / "lock.json").write_text(json.dumps(content))
        with lock_folder(folder, messages.append, renew_every_s=0.2) as lock:
            lock.assert_owned()
    assert len(messages) == 2  # a run that is known to be dead is not waited for
    assert all("is locked by an earlier run" in text for text in messages)


def test_a_run_that_was_taken_over_stops(bucket: Path, job: LabelJob) -> None:
    with lock_folder(f"{job.output}.run", print, renew_every_s=0.1) as lock:
        (bucket / "out.csv.run" / "lock.json").write_text(json.dumps({"run": "other"}))
        with pytest.raises(OutputError, match="another run has taken over"):
            await_failure(lock.assert_owned)
    assert (bucket / "out.csv.run" / "lock.json").exists()  # it is not ours to remove


@pytest.mark.filterwarnings("error")
def test_a_lock_that_is_denied_for_a_moment_is_kept_and_for_long_ends_the_run(bucket: Path, job: LabelJob) -> None:
    lease = bucket / "out.csv.run" / "lock.json"
    with lock_folder(f"{job.output}.run", print, renew_every_s=0.1) as lock:
        faulty_fs.plan(bucket, "look", "lock.json", "denied", 2)
        n_beats = json.loads(lease.read_text())["beat"]
        end_s = time.monotonic() + 20
        while json.loads(lease.read_text())["beat"] < n_beats + 3 and time.monotonic() < end_s:
            lock.assert_owned()
            threading.Event().wait(0.05)
        assert faulty_fs.n_struck(bucket, "look", "lock.json") == 2
        assert json.loads(lease.read_text())["beat"] >= n_beats + 3
        faulty_fs.plan(bucket, "look", "lock.json", "denied")
        with pytest.raises(StorageError, match="cannot renew the lock"):
            await_failure(lock.assert_owned)
    assert lease.exists()  # what cannot be read cannot be removed, and the run ends all the same


def await_failure(action: Callable[[], None]) -> None:
    end_s = time.monotonic() + 20
    while time.monotonic() < end_s:
        action()
        threading.Event().wait(0.05)


def test_credentials_in_locations_reach_no_table_manifest_or_terminal(
    bucket: Path, tmp_path: Path, tiny_model: str
) -> None:
    (bucket / "user:se@cret@host").mkdir()
    (bucket / "in").rename(bucket / "user:se@cret@host" / "in")
    faulty_fs.plan(bucket, "read", "05.wav", "foreign")
    command = [sys.executable, "-m", "emosense", "label", "memory://user:se@cret@host/in", "-m", tiny_model]
    root = f"faulty://{bucket}/user:se@cret@host"
    (tmp_path / "list").write_text(f"{root}/in/01.wav?token=hunter2\n")
    memory = subprocess.run([*command, "-o", tmp_path / "m.csv"], capture_output=True, text=True, timeout=90)
    assert memory.returncode == 2
    command[4:5] = ["-", "-o", str(tmp_path / "out.csv"), "--progress", "plain"]
    listed = subprocess.run(
        command, input="memory://user:se@cret@host/a.wav?token=hunter2&x=1\n", capture_output=True, text=True,
        timeout=90,
    )  # fmt: skip
    assert listed.returncode == 3, listed.stderr
    written = [path.read_text() for path in tmp_path.glob("out.csv*") if path.is_file()]
    kept = list(tmp_path.glob("out.csv.run/*"))
    written += [path.read_text() for path in kept if path.suffix != ".parquet"]
    written += [str(pyarrow.parquet.read_table(path).to_pylist()) for path in kept if path.suffix == ".parquet"]
    assert len(written) >= 4
    for text in (memory.stderr, memory.stdout, listed.stderr, listed.stdout, *written):
        assert "cret" not in text
        assert "hunter2" not in text
    assert rows_of(tmp_path / "out.csv")[0]["path"] == "memory://***@host/a.wav?token=***&x=1"


def test_names_of_objects_are_taken_literally(bucket: Path, job: LabelJob) -> None:
    names = ["a?key=1.wav", "a?key=2.wav", "a#b%20c.wav", "[x]*{y}.wav", "u:p@q.wav", "a::b.wav", "new\nline.wav"]
    for path in (bucket / "in").iterdir():
        path.unlink()
    for index, name in enumerate(names):
        soundfile.write(bucket / "in" / name, voice(0.3, 100 + 20 * index), 16_000)
    assert run_label_job(job).exit_code == 0
    paths = {row["path"] for row in rows_of(bucket / "out.csv")}
    assert paths == {f"faulty://{bucket}/in/{name}" for name in names}


NAME_BYTES = st.binary(min_size=1, max_size=40).filter(lambda name: not set(name) & {0, 0x2F} and name[0] != 0x2E)


@given(names=st.sets(NAME_BYTES, min_size=20, max_size=20))
@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_files_of_any_name_have_their_row_in_every_format(
    names: set[bytes], tmp_path_factory: pytest.TempPathFactory, tiny_model: str
) -> None:
    root = tmp_path_factory.mktemp("names")
    (root / "in").mkdir()
    for name in names:
        (root / "in" / os.fsdecode(name + b".wav")).write_bytes(b"no audio")
    expected = sorted(os.fsencode(root / "in") + b"/" + name + b".wav" for name in names)
    found = {}
    for extension in ("csv", "jsonl", "parquet"):
        job = LabelJob((str(root / "in"),), str(root / f"out.{extension}"), model=tiny_model, n_workers=1)
        assert run_label_job(job).n_recordings == len(names)
        found[extension] = paths_of(root / f"out.{extension}")
    assert found["jsonl"] == expected
    for extension in ("csv", "parquet"):
        assert [os.fsencode(original_path(str(text))) for text in found[extension]] == expected
    TALLY["bad inputs"] += len(names)


def paths_of(path: Path) -> list[object]:
    if path.suffix == ".csv":
        return [unescape_cell(row["path"]) for row in rows_of(path)]
    if path.suffix == ".jsonl":
        return [os.fsencode(json.loads(line)["path"]) for line in path.read_text().splitlines()]
    return list(pyarrow.parquet.read_table(path)["path"].to_pylist())


def specification(tiny_model: str, worker: tuple[str, ...] = WORKER, **changes: float) -> LabelSpec:
    return LabelSpec(read_model(tiny_model), LabelConfig(), worker=worker, **changes)  # type: ignore[arg-type]


def recording(path: Path) -> Recording:
    return Recording(path.name, str(path), path.stat().st_size, "")


def test_a_recording_that_eats_memory_is_a_row_and_its_neighbours_keep_theirs(
    tiny_model: str, write_voice: Callable[..., Path]
) -> None:
    names = ["a.wav", "eat.wav", "b.wav"]
    recordings = [recording(write_voice(name)) for name in names]
    with SubprocessLabeller(specification(tiny_model, HUNGRY_WORKER, memory_mb=1024)) as labeller:
        rows = [labelled.row for labelled in labeller.label_batch(recordings)]
    assert [(row.path, row.error_code) for row in rows] == list(zip(names, ["", "out_of_memory", ""], strict=True))
    TALLY["bad inputs"] += 1


@pytest.mark.parametrize(
    ("worker", "message"),
    [
        (("-c", "import sys; sys.exit('numpy is broken')"), "exit status 1: numpy is broken"),
        (("-c", "import os; os.kill(os.getpid(), 9)"), "killed"),
        (("-c", ""), "exit status 0"),
    ],
)
def test_a_worker_that_cannot_start_ends_the_run_and_blames_no_recording(
    tiny_model: str, write_voice: Callable[..., Path], worker: tuple[str, ...], message: str
) -> None:
    with (
        SubprocessLabeller(specification(tiny_model, worker)) as labeller,
        pytest.raises(EmoSenseError, match=f"a worker process cannot start: .*{message}"),
    ):
        list(labeller.label_batch([recording(write_voice("a.wav"))]))


def test_a_stop_does_not_wait_for_a_recording_that_hangs(tiny_model: str, write_voice: Callable[..., Path]) -> None:
    recordings = [recording(write_voice(name)) for name in ("a.wav", "hang.wav", "b.wav")]
    engine = LocalEngine(specification(tiny_model), label_chunk, 1)
    chunks = [Chunk(0, [recordings[0].listed]), Chunk(1, [each.listed for each in recordings[1:]])]
    results = engine.run(chunks)
    assert next(results).labelled[0].row.status == "ok"
    start_s = time.monotonic()
    engine.stop()
    assert [len(done.labelled) for done in results] == [0]
    assert time.monotonic() - start_s < 10


def test_an_engine_whose_results_are_dropped_leaves_no_thread_and_no_worker(
    tiny_model: str, write_voice: Callable[..., Path]
) -> None:
    before = threading.active_count()
    recordings = [recording(write_voice(f"{index}.wav")) for index in range(12)]
    results = LocalEngine(specification(tiny_model), label_chunk, 2).run(
        Chunk(i, [r.listed]) for i, r in enumerate(recordings)
    )
    next(results)
    results.close()
    end_s = time.monotonic() + 20
    while threading.active_count() > before and time.monotonic() < end_s:
        threading.Event().wait(0.05)
    assert threading.active_count() == before


def test_a_worker_that_hangs_outlives_no_killed_parent(tiny_model: str, write_voice: Callable[..., Path]) -> None:
    labeller = SubprocessLabeller(specification(tiny_model, file_timeout_s=1.0))
    list(labeller.label_batch([recording(write_voice("a.wav"))]))
    process = labeller.worker._process
    assert process is not None
    hang = recording(write_voice("hang.wav"))
    labeller.worker.send({"recordings": [dataclasses.astuple(hang)]})
    assert process.wait(timeout=30) == -14  # the system's alarm: nobody reads its messages
    labeller.worker.stop()


def test_a_folder_of_code_cannot_get_into_a_worker(
    tmp_path: Path, tiny_model: str, write_voice: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "numpy.py").write_text("open('ran', 'w')")
    path = write_voice("a.wav")
    monkeypatch.chdir(tmp_path)
    assert run_label_job(LabelJob((str(path),), str(tmp_path / "out.csv"), model=tiny_model)).exit_code == 0
    assert not (tmp_path / "ran").exists()


def test_nothing_was_lost_or_doubled(record_property: Callable[[str, object], None]) -> None:
    for name in ("faults survived", "bad inputs", "rows lost", "rows doubled"):
        record_property(name, TALLY[name])
    assert TALLY["faults survived"] >= 1
    assert (TALLY["rows lost"], TALLY["rows doubled"]) == (0, 0)
